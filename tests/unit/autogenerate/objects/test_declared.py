"""What packages declare: imported, checked, of one package each."""

from __future__ import annotations

import sys

import pytest
from alembic_utils.pg_view import PGView

from websauna_migrate.autogenerate.objects.declared import declared_objects
from websauna_migrate.packages.errors import InvalidObjects, ObjectDeclaredTwice
from websauna_migrate.packages.package import MigrationPackage

VIEW = PGView("public", "costs", "SELECT 1")
OTHER = PGView("public", "costs", "SELECT 2")


class Named:
    objects = (VIEW,)


class Module:
    Named = Named


def package(objects, name="shop"):
    return MigrationPackage(name, (), objects=objects)


@pytest.mark.parametrize("objects", [(VIEW,), (VIEW, VIEW), f"{__name__}:Named.objects"])
def test_objects_are_of_the_package_that_declares_them(objects, monkeypatch):
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__, Module))
    (one,) = declared_objects([package(objects), package(None, "blog"), package((), "tags")]).values()
    assert (one.package, one.entity) == ("shop", VIEW)


@pytest.mark.parametrize("packages", [[package((VIEW, OTHER))], [package((VIEW,)), package((VIEW,), "blog")]])
def test_an_object_that_is_declared_twice_is_refused(packages):
    with pytest.raises(ObjectDeclaredTwice, match=r"view public\.costs is declared by shop and again by "):
        declared_objects(packages)


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ("no.such:ALL", "'no.such:ALL' cannot be imported: ModuleNotFoundError: No module named 'no'"),
        ("sys:nothing", "'sys:nothing' cannot be imported: "),
        ("sys:maxsize", "'sys:maxsize' is no sequence of entities"),
        ("sys:version", "'sys:version' is no sequence of entities"),
        ((VIEW, "costs"), "'costs' is no entity of alembic-utils"),
    ],
)
def test_what_are_no_objects_is_refused(objects, reason):
    with pytest.raises(InvalidObjects) as caught:
        declared_objects([package(objects)])
    assert str(caught.value).startswith(f"add_migration_package('shop'): objects: {reason}")
    assert "dotted name like 'my.app.objects:ALL'" in str(caught.value)


def test_without_alembic_utils_the_extra_to_install_is_named(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.partition(".")[0] == "alembic_utils"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "alembic_utils", None)
    (tmp_path / "objects_of_shop.py").write_text("from alembic_utils.pg_view import PGView\nALL = []\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for objects in ("objects_of_shop:ALL", (object(),)):
        with pytest.raises(InvalidObjects) as caught:
            declared_objects([package(objects)])
        assert str(caught.value) == (
            "add_migration_package('shop'): objects: alembic-utils is not installed; "
            "pip install 'websauna_migrate[objects]'"
        )
