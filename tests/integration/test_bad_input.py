"""Settings, scripts and tables that are wrong: one clear line, the right exit code, nothing changed, nothing hangs."""

from __future__ import annotations

import pytest

from projects import PACKAGES, Workspace, revise, write

THING = "class Thing(Base):\n    __tablename__ = 'thing'\n    id = Column(Integer, primary_key=True)\n"
TEMPLATE = (PACKAGES / "acme_shop" / "alembic" / "script.py.mako").read_text(encoding="utf-8")


def make_shop(workspace, settings=""):
    """Make an application with one table whose history has no revision yet, and return its script location."""
    workspace.add_app("shop", THING, settings=settings)
    write(workspace.app / "alembic" / "script.py.mako", TEMPLATE)
    write(workspace.app / "alembic" / "versions" / ".keep", "")
    return workspace.app / "alembic"


@pytest.fixture
def shop(tmp_path, sqlite):
    """An application with one table, on SQLite."""
    workspace = Workspace(tmp_path, sqlite.new_database())
    make_shop(workspace)
    return workspace


# --- settings --------------------------------------------------------------------------------------------------


def test_a_package_with_a_name_of_one_letter_has_its_revisions(shop):
    package = shop.add("h", THING.replace("hing", "hong"), history=True)
    init = (package / "__init__.py").read_text().replace(':Base"', ':Base", script_location="h:migrations"')
    write(package / "__init__.py", init)
    revise(package / "migrations", "aaa1")
    shop.add_app("shop", THING, ["h"])
    assert "aaa1" in shop.ok("-x", "packages=h", "heads")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("websauna_migrate.script_location.nobody = %(here)s/x", "no package 'nobody' is registered"),
        ("websauna_migrate.script_location.shop = %(here)s/shop/models.py", "models.py' of shop cannot be used"),
        ("[alembic]\nversion_locations = /nonexistent", "version_locations names /nonexistent, which does not exist"),
        ("[alembic]\nscript_location = %(here)s/shop/models.py", "models.py' of shop cannot be used"),
        ("[alembic]\nscript_location = nowhere:x", "there is no package 'nowhere'"),
    ],
)
def test_a_setting_that_names_nothing_is_refused(shop, settings, told):
    shop.write_ini(settings + "\n")
    before = shop.files()
    for command in (("upgrade",), ("status",), ("history",)):
        assert told in shop.fails(*command)
    assert shop.files() == before
