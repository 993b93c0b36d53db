"""Subscribers of an upgrade: their order over several packages, their connection, and what an error undoes."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from projects import ALEMBIC, INCLUDEME, Workspace, revise, write
from running import configure, dispose, write_revisions
from websauna_migrate import get_engine, migrate
from websauna_migrate.events import AfterUpgrade, BeforeUpgrade, RevisionDone
from websauna_migrate.exceptions import StepFailed, SubscriberFailed
from websauna_migrate.web.state import application_of, standing

INSERT = sa.text("INSERT INTO users (id) VALUES (:id)")
UNDOES_DDL = ("sqlite", "postgresql")


class Application:
    """The application of ``running``, with subscribers that are told to fail by ``fail``."""

    def __init__(self, folder, url):
        self.config = configure(folder, url)
        self.told = []
        self.fail = None
        self.inserts = {}
        for event in (BeforeUpgrade, RevisionDone, AfterUpgrade):
            self.config.add_migration_subscriber(self.first, event)
            self.config.add_migration_subscriber(self.second, event)
        self.config.commit()

    def first(self, event):
        assert event.application.registry is self.config.registry
        assert event.connection.in_transaction()
        name = getattr(event, "step", None)
        name = f"{name.direction} {name.package} {name.revision.id}" if name else type(event).__name__
        self.told.append(name)
        if name in self.inserts:
            event.connection.execute(INSERT, {"id": self.inserts[name]})
        if name == self.fail:
            raise ValueError("no luck")

    def second(self, event):
        self.told.append("second")

    def migrate(self, target="heads", **how):
        self.told.clear()
        return migrate(application_of(self.config.registry), ["user", "shop"], target, **how)

    def heads(self):
        return standing(self.config.registry).rows

    def users(self):
        with get_engine(self.config.registry).connect() as connection:
            return sorted(connection.scalars(sa.text("SELECT id FROM users")))


@pytest.fixture
def app(backend, tmp_path):
    write_revisions(tmp_path)
    app = Application(tmp_path, backend.new_database())
    yield app
    dispose(app.config)


def without_second(told):
    assert told[1::2] == ["second"] * (len(told) // 2)
    return told[::2]


ALL = ["BeforeUpgrade", "up user u1", "up user u2", "up shop s1", "AfterUpgrade"]


def test_an_upgrade_and_a_downgrade_over_several_packages(app):
    app.inserts = {"up user u1": 1, "AfterUpgrade": 2}
    app.migrate()
    assert without_second(app.told) == ALL
    assert app.users() == [1, 2]
    app.migrate()
    assert app.told == []  # there is nothing to do
    app.migrate("base", direction="down")
    assert without_second(app.told) == ["down shop s1", "down user u2", "down user u1"]
    app.fail = "BeforeUpgrade"
    with pytest.raises(SubscriberFailed, match=r"first of BeforeUpgrade failed: ValueError: no luck; nothing was run"):
        app.migrate()
    assert app.told == ["BeforeUpgrade"]
    assert set(app.heads().values()) == {()}
    app.fail = None
    app.migrate()
    assert without_second(app.told) == ALL


def test_an_error_when_a_revision_is_done_undoes_it_as_one_of_its_script_would(app):
    app.inserts, app.fail = {"up user u1": 1}, "up shop s1"
    with pytest.raises(StepFailed) as raised:
        app.migrate()
    said = str(raised.value)
    assert "upgrade to shop s1 failed: the subscriber" in said
    assert said.endswith("fix the subscriber and run the command again")
    assert "applied in this run: user u1, user u2; not applied: shop s1" in said
    assert app.heads() == {"user": ("u2",), "shop": ()}
    assert app.users() == [1]
    engine = get_engine(app.config.registry)
    assert sa.inspect(engine).has_table("orders") == (engine.dialect.name not in UNDOES_DDL)


def test_an_error_afterwards_is_told_and_what_was_applied_stays(app):
    app.inserts, app.fail = {"AfterUpgrade": 1}, "AfterUpgrade"
    with pytest.raises(SubscriberFailed, match=r"no luck; applied in this run: user u1, user u2, shop s1"):
        app.migrate()
    assert app.told[-2:] == ["AfterUpgrade", "second"]  # the other one is called all the same
    assert app.heads() == {"user": ("u2",), "shop": ("s1",)}
    assert app.users() == []


def test_in_one_transaction_an_error_undoes_all(tmp_path, sqlite):
    write_revisions(tmp_path)
    app = Application(tmp_path, sqlite.new_database())
    app.inserts, app.fail = {"up user u1": 1}, "up shop s1"
    with pytest.raises(StepFailed):
        app.migrate(one_transaction=True)
    assert set(app.heads().values()) == {()}
    app.fail = None
    app.migrate(one_transaction=True)
    assert without_second(app.told) == ALL
    assert app.users() == [1]
    dispose(app.config)


SUBSCRIBER = (
    INCLUDEME
    + """
    from websauna_migrate.events import AfterUpgrade, RevisionDone
    config.add_migration_subscriber(tell, RevisionDone)
    config.add_migration_subscriber(fail, AfterUpgrade)

def tell(event):
    import sys
    print("done:", event.step.package, event.step.revision.id, file=sys.stderr)

def fail(event):
    raise ValueError("no luck")
"""
)
NOTE = "class Note(Base):\n    __tablename__ = 'note'\n    id = Column(Integer, primary_key=True)\n"


def test_the_commands_tell_an_add_on_and_exit_with_1_where_it_fails(tmp_path, sqlite):
    """Its ``includeme`` is run with ``websauna.init`` too. ``--sql``, ``stamp`` and plain ``alembic`` tell nothing."""
    here = Workspace(tmp_path, sqlite.new_database())
    here.add("notes", NOTE, init=SUBSCRIBER)
    location = "[alembic]\nscript_location = %(here)s/alembic\n"
    here.add_app("shop", NOTE.replace("Note", "Thing").replace("note", "thing"), ["notes"], location)
    revise(here.app / "alembic", "a1", None, "op.create_table('thing', sa.Column('id', sa.Integer, primary_key=True))")
    assert "done:" not in here.run("upgrade", "--sql").err
    ran = here.run("upgrade")
    assert (ran.code, ran.out) == (1, "")
    assert "done: shop a1\n" in ran.err
    assert ran.err.splitlines()[-1] == (
        "FAILED: the subscriber notes.fail of AfterUpgrade failed: ValueError: no luck; applied in this run: shop a1; "
        "fix the subscriber"
    )
    assert here.ok("current").startswith("a1")
    assert "done:" not in here.run("stamp", "--purge", "base").err
    write(here.app / "alembic/env.py", "from websauna_migrate.env import run_alembic\n\nrun_alembic(package='shop')\n")
    here.execute("DROP TABLE thing")
    plain = here.run("upgrade", "head", script=ALEMBIC)
    assert (plain.code, "done:" in plain.err) == (0, False)
    assert here.ok("current").startswith("a1")
