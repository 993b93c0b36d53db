"""Published packages as add-ons: one holds the declarative base, two have models on it, and none has revisions."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from sqlalchemy import create_engine, inspect

from projects import Workspace, write

# Not imported here: that takes longer than all other tests to be collected.
pytestmark = pytest.mark.skipif(find_spec("pyramid_fullauth") is None, reason="pyramid_fullauth needs Python 3.11")

INIT = """
import websauna_migrate


class Initializer(websauna_migrate.Initializer):
    def include_addons(self):
        self.config.include("pyramid_basemodel")
        self.config.include("pyramid_fullauth")

    def configure_models(self):
        for name in ("pyramid_basemodel", "pyramid_localize", "pyramid_fullauth"):
            self.config.add_migration_package(name, "pyramid_basemodel:Base")
        self.config.add_migration_package("club", "club.models:Base")


def main(global_config, **settings):
    return Initializer(global_config, settings).make_wsgi_app()
"""
MODELS = """
from pyramid_basemodel import Base, BaseMixin
from pyramid_fullauth.models import Group, User
from sqlalchemy import Column, ForeignKey, Integer, String, Table
from sqlalchemy.orm import relationship

invited = Table(
    "invited",
    Base.metadata,
    Column("meeting_id", ForeignKey("meeting.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
)


class Meeting(BaseMixin, Base):
    __tablename__ = "meeting"
    title = Column(String(80), nullable=False)
    host_id = Column(ForeignKey("users.id"), nullable=False)
    group_id = Column(ForeignKey("groups.id"))
    guests = relationship(User, secondary=invited)
"""
CREATE_ALL = """
def main(argv):
    import pyramid_localize.models
    import sqlalchemy
    from club.models import Base

    Base.metadata.create_all(sqlalchemy.create_engine({!r}))
"""
LOCALIZE = {"languages"}
FULLAUTH = {"users", "groups", "users_groups", "user_authentication_provider"}
OWN = {"meeting", "invited"}
ALL = ("-x", "packages=all")


def make_club(folder, url):
    """Write an application whose tables refer to those of pyramid_fullauth."""
    workspace = Workspace(folder, url, alone=True)
    workspace.add_app("club", MODELS, init=INIT)
    (workspace.app / "alembic").mkdir()
    return workspace


def test_published_packages_are_adopted_by_the_application(tmp_path, backend):
    club = make_club(tmp_path, backend.new_database())
    (script,) = club.autogenerate(*ALL)
    assert script.parent == club.app / "alembic" / "versions"
    assert club.tables() == LOCALIZE | FULLAUTH | OWN | {"alembic_history_club"}
    club.ok(*ALL, "check")
    # The revisions make the tables that the models would make.
    other = backend.new_database()
    write(club.app / "create_all.py", CREATE_ALL.format(other.render_as_string(hide_password=False)))
    assert club.call("create_all:main", []).code == 0
    assert schema(club.url) == schema(other)
    # What was undone can be done again.
    club.ok(*ALL, "downgrade", "base")
    assert club.tables() == {"alembic_history_club"}
    club.ok("upgrade")
    club.ok(*ALL, "check")


def test_each_package_may_be_generated_by_itself(tmp_path, sqlite):
    club = make_club(tmp_path, sqlite.new_database())
    club.autogenerate("-x", "packages=pyramid_fullauth")
    assert club.tables() == FULLAUTH | {"alembic_history_club"}
    club.ok("-x", "packages=pyramid_basemodel", "check")
    (script,) = club.autogenerate()
    assert script.read_text().count("op.create_table(") == len(OWN)
    assert club.run(*ALL, "check").code == 1
    club.autogenerate("-x", "packages=pyramid_localize")
    club.ok(*ALL, "check")


def test_a_published_package_that_was_forgotten_is_told_by_its_table(tmp_path, sqlite):
    club = Workspace(tmp_path, sqlite.new_database(), alone=True)
    club.add_app("club", MODELS, init=INIT.replace('"pyramid_localize", ', ""))
    assert club.fails("check").startswith("table 'languages' belongs to no registered migration package; ")


def test_the_application_may_keep_a_history_for_a_published_package(tmp_path, postgresql):
    """A folder of its own for the revisions of somebody else's package: each has its own history table."""
    club = make_club(tmp_path, postgresql.new_database())
    club.write_ini("websauna_migrate.script_location.pyramid_fullauth = %(here)s/fullauth\n")
    club.ok("-x", "packages=pyramid_fullauth", "init")
    written = club.autogenerate(*ALL)
    assert {path.parents[1].name for path in written} == {"alembic", "fullauth"}
    assert club.tables() == LOCALIZE | FULLAUTH | OWN | {"alembic_history_club", "alembic_history_pyramid_fullauth"}
    club.ok(*ALL, "check")
    assert club.ok(*ALL, "status", "--check")
    club.ok(*ALL, "downgrade", "base")
    assert club.tables() == {"alembic_history_club", "alembic_history_pyramid_fullauth"}


def schema(url):
    """Return the columns, keys and indexes of the database, without history tables, as plain values."""
    engine = create_engine(url)
    look = inspect(engine)
    found = {
        table: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in look.get_columns(table)],
            sorted(look.get_pk_constraint(table)["constrained_columns"]),
            sorted((key["referred_table"], key["constrained_columns"]) for key in look.get_foreign_keys(table)),
            sorted((index["name"], index["unique"], index["column_names"]) for index in look.get_indexes(table)),
            sorted(str(key["column_names"]) for key in look.get_unique_constraints(table)),
        )
        for table in look.get_table_names()
        if not table.startswith("alembic_history_")
    }
    engine.dispose()
    return found
