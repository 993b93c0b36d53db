"""``data_session()``: rows, mail and files of a revision happen together, or none of them, on all three databases."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from projects import ALEMBIC, Workspace, revise, write

PERSON = """
class Person(Base):
    __tablename__ = "person"
    id = Column(Integer, primary_key=True)
    name = Column(String(50), nullable=False, unique=True)
"""

# A mailer that works as those of Zope and Pyramid do: it queues, and sends when all have agreed.
OUTBOX = """
import pathlib
import transaction

SENT = pathlib.Path({sent!r})


class Mail:
    def __init__(self, to, fails_at=None):
        self.transaction_manager = transaction.manager
        self.to, self.fails_at = to, fails_at

    def _reach(self, phase):
        if self.fails_at == phase:
            raise RuntimeError("no mail server")

    def tpc_begin(self, _): self._reach("tpc_begin")
    def commit(self, _): self._reach("commit")
    def tpc_vote(self, _): self._reach("tpc_vote")
    def tpc_finish(self, _):
        self._reach("tpc_finish")
        with SENT.open("a") as file:
            file.write(self.to + "\\n")
    def tpc_abort(self, _): pass
    def abort(self, _):
        with SENT.with_name("dropped").open("a") as file:
            file.write(self.to + "\\n")
    def sortKey(self): return "mail"


def send(to, fails_at=None):
    transaction.get().join(Mail(to, fails_at))
"""

HEADER = f"""
import transaction
import zope.sqlalchemy
from sqlalchemy import *
from sqlalchemy.orm import *
from shop.outbox import send
from websauna_migrate import data_session

class Base(DeclarativeBase):
    pass
{PERSON}"""
ENV = "from websauna_migrate.env import run_alembic\nrun_alembic(package='shop')\n"


@pytest.fixture
def shop(tmp_path, backend):
    return make_shop(tmp_path, backend)


def make_shop(folder, backend):
    """An application with a mailer, and two people in its database."""
    workspace = Workspace(folder, backend.new_database())
    package = workspace.add_app("shop", PERSON)
    write(package / "outbox.py", OUTBOX.format(sent=str(folder / "sent")))
    write(workspace.app / "alembic" / "env.py", ENV)
    workspace.execute(
        "CREATE TABLE person (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL UNIQUE)",
        "INSERT INTO person (id, name) VALUES (1, 'ann'), (2, 'bob')",
    )
    return workspace


def revision(shop, upgrade, id="aaa1", down=None, downgrade="pass"):
    body = indent(dedent(upgrade).strip(), "    ").strip()
    return revise(shop.app / "alembic", id, down, body, downgrade, HEADER)


def state(shop):
    """What is in the database, who got mail, and the revision."""
    path = shop.folder / "sent"
    names = [name for (name,) in shop.execute("SELECT name FROM person ORDER BY id")]
    has_history = "alembic_history_shop" in shop.tables()
    rows = shop.execute("SELECT version_num FROM alembic_history_shop") if has_history else []
    return names, path.read_text().split() if path.exists() else [], [number for (number,) in rows]


BEFORE = (["ann", "bob"], [], [])
RENAME = """
session = data_session()
for person in session.scalars(select(Person).order_by(Person.id)):
    person.name = person.name.title()
    send(person.name)
"""


WAYS = ["ws-alembic", "one transaction", "plain alembic", "plain alembic in one transaction"]


@pytest.fixture(params=WAYS)
def upgrade(request, shop):
    """Upgrade in each of the ways there are."""
    way = request.param
    if "one transaction" in way and shop.url.get_backend_name() in ("mariadb", "mysql"):
        pytest.skip("it commits each DDL statement by itself")
    if way.startswith("plain"):
        shop.write_ini("[alembic]\nscript_location = %(here)s/alembic\n")
        options = ", transaction_per_migration=False" if "one transaction" in way else ""
        write(shop.app / "alembic" / "env.py", ENV.replace("'shop'", "'shop'" + options))
        return lambda: shop.run("upgrade", "head", script=ALEMBIC)
    return lambda: shop.run("-q", *(("-x", "transaction=all") if "one transaction" in way else ()), "upgrade")


def test_rows_and_mail_of_a_revision_are_committed_together_or_not_at_all(shop, upgrade):
    revision(shop, RENAME + "raise RuntimeError('on second thoughts')")
    ran = upgrade()
    assert ran.code != 0
    assert "on second thoughts" in ran.err + ran.out
    assert state(shop) == BEFORE
    assert (shop.folder / "dropped").read_text().split() == ["Ann", "Bob"]
    revision(shop, RENAME)
    ran = upgrade()
    assert ran.code == 0, ran
    assert state(shop) == (["Ann", "Bob"], ["Ann", "Bob"], ["aaa1"])


def test_the_mail_is_not_sent_where_the_rows_are_refused_at_the_end(shop):
    revision(shop, RENAME + "session.add(Person(id=3, name='Ann'))")
    assert "upgrade to shop aaa1 failed: IntegrityError" in shop.fails("-q", "upgrade")
    assert state(shop) == BEFORE


# --- somebody refuses ------------------------------------------------------------------------------------------


def test_a_mailer_that_refuses_undoes_the_revision(shop):
    for phase in ("tpc_begin", "commit", "tpc_vote"):
        revision(shop, RENAME + f"send('late', fails_at='{phase}')")
        assert "RuntimeError: no mail server" in shop.fails("-q", "upgrade"), phase
        assert state(shop) == BEFORE, phase


def test_the_mail_is_not_sent_where_postgresql_refuses_the_commit(tmp_path, postgresql):
    shop = make_shop(tmp_path, postgresql)
    shop.execute("CREATE TABLE pet (owner INT REFERENCES person DEFERRABLE INITIALLY DEFERRED)")
    revision(shop, RENAME + "session.execute(text('INSERT INTO pet VALUES (77)'))")
    for options in ((), ("-x", "transaction=all")):
        said = shop.fails("-q", *options, "upgrade")
        assert "upgrade to shop aaa1 failed: IntegrityError" in said
        assert state(shop) == BEFORE


def test_the_mail_is_not_sent_where_sqlite_refuses_the_commit(tmp_path, sqlite):
    shop = make_shop(tmp_path, sqlite)
    reads = f"""
    import sqlite3
    global reader, rows
    session.execute(text("PRAGMA busy_timeout = 0"))
    reader = sqlite3.connect({shop.url.database!r})
    rows = reader.execute("SELECT * FROM person")
    rows.fetchone()
    """
    revision(shop, RENAME + dedent(reads))
    assert "upgrade to shop aaa1 failed: OperationalError: database is locked" in shop.fails("-q", "upgrade")
    assert state(shop) == BEFORE


def test_the_mail_is_not_sent_where_mariadb_is_gone_at_the_commit(tmp_path, mariadb):
    shop = make_shop(tmp_path, mariadb)
    kill = """
    number = session.scalar(text("SELECT CONNECTION_ID()"))
    connection = create_engine(op.get_bind().engine.url).connect()
    transaction.get().addBeforeCommitHook(lambda: connection.execute(text(f"KILL {number}")))
    """
    revision(shop, RENAME + dedent(kill))
    assert "the connection to the database was lost" in shop.fails("-q", "upgrade")
    assert state(shop) == BEFORE


FAILS_LATE = "data_session()\nsend('nobody', fails_at='tpc_finish')"


def test_a_mailer_that_fails_after_the_commit_is_told_and_the_revision_counts_as_applied(tmp_path, postgresql):
    shop = make_shop(tmp_path, postgresql)
    revision(shop, FAILS_LATE)
    revision(shop, RENAME, "bbb2", "aaa1")
    ran = shop.run("-q", "upgrade")
    assert ran.code == 1
    assert "is applied, but what had joined its transaction failed after the commit: RuntimeError: no mail" in ran.err
    assert "applied in this run: shop aaa1; not applied: shop bbb2" in ran.err
    assert state(shop) == (["ann", "bob"], [], ["aaa1"])
    shop.ok("upgrade")
    assert state(shop) == (["Ann", "Bob"], ["Ann", "Bob"], ["bbb2"])


def test_in_one_transaction_all_count_as_applied_where_a_mailer_fails_after_the_commit(tmp_path, sqlite):
    shop = make_shop(tmp_path, sqlite)
    revision(shop, FAILS_LATE)
    revision(shop, RENAME, "bbb2", "aaa1")
    ran = shop.run("-q", "-x", "transaction=all", "upgrade")
    assert "applied in this run: shop aaa1, shop bbb2; not applied: none" in ran.err
    assert state(shop) == (["Ann", "Bob"], [], ["bbb2"])


# --- revisions among others ------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path, sqlite):
    """As ``shop``, on SQLite alone."""
    return make_shop(tmp_path, sqlite)


def test_each_revision_has_a_session_and_a_transaction_of_its_own(small):
    revision(small, RENAME)
    fails = "session = data_session()\nassert not list(session.identity_map)\nsend('later')\nraise ValueError"
    revision(small, fails, "bbb2", "aaa1")
    assert "ValueError" in small.fails("-q", "upgrade")
    assert state(small) == (["Ann", "Bob"], ["Ann", "Bob"], ["aaa1"])


def test_in_one_transaction_no_mail_is_sent_where_a_later_revision_fails(small):
    revision(small, RENAME)
    revision(small, "assert not list(data_session().identity_map)\nraise ValueError", "bbb2", "aaa1")
    assert "ValueError" in small.fails("-q", "-x", "transaction=all", "upgrade")
    assert state(small) == BEFORE


def test_one_revision_gets_the_same_session_each_time_and_what_it_holds_is_written(small):
    revision(small, "data_session().add(Person(id=3, name='eve'))\nassert len(data_session().new) == 1")
    small.ok("upgrade")
    assert state(small)[0] == ["ann", "bob", "eve"]


def test_a_revision_sees_what_the_one_before_it_wrote_in_the_same_transaction(small):
    revision(small, "data_session().add(Person(id=3, name='eve'))")
    revision(small, RENAME, "bbb2", "aaa1")
    small.ok("-x", "transaction=all", "upgrade")
    assert state(small)[:2] == (["Ann", "Bob", "Eve"], ["Ann", "Bob", "Eve"])


def test_the_session_works_in_the_transaction_of_the_operations(small):
    body = """
    op.add_column("person", sa.Column("city", sa.String(20)))
    session = data_session()
    session.execute(text("UPDATE person SET city = name"))
    assert op.get_bind().scalar(text("SELECT city FROM person WHERE id = 1")) == "ann"
    session.add(Person(id=3, name="eve"))
    session.flush()
    op.execute("UPDATE person SET name = 'EVE' WHERE name = 'eve'")
    """
    revision(small, body)
    small.ok("upgrade")
    assert state(small)[0] == ["ann", "bob", "EVE"]


def test_helpers_of_an_application_that_know_zope_sqlalchemy_work(small):
    revision(
        small,
        "session = data_session()\nsession.execute(text(\"UPDATE person SET name = 'x' WHERE id = 1\"))\n"
        "zope.sqlalchemy.mark_changed(session)\nsend('x')",
    )
    small.ok("upgrade")
    assert state(small) == (["x", "bob"], ["x"], ["aaa1"])


def test_a_savepoint_undoes_a_part_of_a_revision(small):
    body = """
    session = data_session()
    session.add(Person(id=3, name="eve"))
    savepoint = transaction.savepoint()
    session.add(Person(id=4, name="mallory"))
    session.flush()
    savepoint.rollback()
    """
    revision(small, body)
    small.ok("upgrade")
    assert state(small) == (["ann", "bob", "eve"], [], ["aaa1"])


def test_what_the_application_left_joined_while_it_started_is_dropped(small):
    init = small.app / "shop" / "__init__.py"
    init.write_text(init.read_text() + "\nfrom shop.outbox import send\nsend('stale')\n")
    revision(small, RENAME)
    small.ok("upgrade")
    assert state(small)[1] == ["Ann", "Bob"]


def test_a_revision_without_a_session_may_use_the_transaction_package_by_itself(small):
    revision(small, "with transaction.manager:\n    send('alone')")
    small.ok("upgrade")
    assert state(small) == (["ann", "bob"], ["alone"], ["aaa1"])


def test_a_downgrade_has_a_session_too(small):
    down = RENAME.replace("title", "lower").strip().replace("\n", "\n    ")
    revision(small, "pass", downgrade=down)
    small.ok("upgrade")
    small.ok("downgrade", "base")
    assert state(small) == (["ann", "bob"], ["ann", "bob"], [])


# --- misuse ----------------------------------------------------------------------------------------------------


def test_a_revision_that_ends_the_transaction_is_told_what_to_do(small):
    for ends in (
        "transaction.commit()",
        "transaction.abort()",
        "transaction.begin()",
        "with transaction.manager: pass",
    ):
        revision(small, RENAME + ends)
        said = small.fails("-q", "upgrade")
        assert "upgrade to shop aaa1 failed: the revision ended its transaction by itself" in said, ends
        assert state(small) == BEFORE, ends


def test_a_revision_that_rolls_back_its_session_is_undone(small):
    revision(small, RENAME + "session.flush()\nsession.rollback()")
    assert "upgrade to shop aaa1 failed" in small.fails("-q", "upgrade")
    assert state(small) == BEFORE


def test_a_commit_of_the_session_commits_nothing_yet(small):
    revision(small, RENAME + "session.commit()\nraise ValueError")
    assert "ValueError" in small.fails("-q", "upgrade")
    assert state(small) == BEFORE


def test_without_a_database_it_is_told_which_revision_wants_one(small):
    revision(small, RENAME)
    ran = small.run("upgrade", "--sql")
    assert ran.code == 1
    assert ran.err == (
        "FAILED: shop aaa1 (up) cannot be written as SQL: websauna_migrate.data_session() needs a database, and --sql "
        "has none; run this revision without --sql, or write its work as op.execute()\n"
    )


def test_plain_alembic_tells_it_too(small):
    small.write_ini("[alembic]\nscript_location = %(here)s/alembic\n")
    revision(small, RENAME)
    ran = small.run("--raiseerr", "upgrade", "head", "--sql", script=ALEMBIC)
    assert ran.code != 0
    assert "data_session() needs a database, and --sql has none" in ran.err
