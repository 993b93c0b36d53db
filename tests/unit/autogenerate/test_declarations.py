"""Which objects a comparison is about."""

from __future__ import annotations

import sys

import pytest

from websauna_migrate.autogenerate.declarations import objects_of
from websauna_migrate.packages.package import History, MigrationPackage

SCRIPT = """
revision = "a1"
down_revision = None

def upgrade():
    op.create_entity(PGView(schema="public", signature="costs", definition="SELECT 1"))
"""


@pytest.fixture
def history(tmp_path):
    (tmp_path / "a1.py").write_text(SCRIPT)
    return History("shop", ("shop", "tags"), tmp_path, (tmp_path,), "alembic_history_shop")


def registered(**objects):
    return {name: MigrationPackage(name, (), objects=value) for name, value in objects.items()}


def test_nothing_is_read_where_no_package_declares_objects(history):
    assert objects_of(["shop"], history, registered(shop=None, tags=None)) is None


@pytest.mark.parametrize(
    ("packages", "declares", "drops"),
    [
        (["shop"], {"shop": (), "tags": None}, True),
        (["shop", "tags"], {"shop": None, "tags": "tags.objects:ALL"}, True),
        (["tags"], {"shop": (), "tags": ()}, False),  # what scripts made and nobody declares counts as the home's
        (["shop"], {"shop": None, "tags": None, "blog": ()}, False),  # whoever uses alembic-utils by itself
    ],
)
def test_what_the_scripts_made_is_dropped_as_an_object_of_their_package(history, packages, declares, drops):
    found = objects_of(packages, history, registered(**declares))
    assert found.home == "shop"
    assert set(found.registered) == {name for name, value in declares.items() if value is not None}
    assert bool(found.made) is drops


def test_a_dotted_name_is_not_imported(history):
    objects_of(["shop"], history, registered(shop="no.such.module:ALL", tags=None))
    assert "no" not in sys.modules
