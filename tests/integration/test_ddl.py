"""The SQL of ``ws-create-table`` makes the tables of the models when the database's own program reads it."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from textwrap import dedent

import pytest
import sqlalchemy
from sqlalchemy import create_engine, inspect

from projects import Workspace, write

CREATE_TABLE = "websauna_migrate.scripts.ws_create_table:main"

MODELS = r"""
import enum
from sqlalchemy.dialects import postgresql, mysql

class Colour(enum.Enum):
    red = 1
    green = 2

MOOD = Enum("happy", "so%so", "it's", name="mood")

class Author(Base):
    __tablename__ = "author"
    __table_args__ = {"comment": r"100% of 'them', a\b; done"}
    id = Column(Integer, primary_key=True)
    name = Column(String(50), nullable=False, unique=True, comment="50% \"quoted\"")
    mood = Column(MOOD, server_default="it's")
    favourite = Column(ForeignKey("book.id", use_alter=True, name="fk_favourite"))

class Book(Base):
    __tablename__ = "book"
    __table_args__ = (CheckConstraint("price > 0", name="dear"), Index("ix_book_title_price", "title", "price"))
    id = Column(Integer, primary_key=True)
    title = Column(String(100), index=True, server_default="100% %(new)s it's")
    price = Column(Numeric(10, 2))
    mood = Column(MOOD)
    colour = Column(Enum(Colour))
    twice = Column(Integer, Computed("price * 2", persisted=True))
    made = Column(DateTime, server_default=func.now())
    author_id = Column(ForeignKey("author.id", ondelete="CASCADE"), nullable=False)

Table("book_author", Base.metadata,
    Column("book_id", ForeignKey("book.id"), primary_key=True),
    Column("author_id", ForeignKey("author.id"), primary_key=True))

class Node(Base):
    __tablename__ = "node"
    id = Column(Integer, primary_key=True)
    parent_id = Column(ForeignKey("node.id"))
    peer_id = Column(ForeignKey("peer.id"))

class Peer(Base):
    __tablename__ = "peer"
    id = Column(Integer, primary_key=True)
    node_id = Column(ForeignKey("node.id"))
"""

OF_POSTGRESQL = """
NUMBERS = Sequence("order_numbers", metadata=Base.metadata, start=1000)
Sequence("tickets", metadata=Base.metadata, schema="counted")

class Order(Base):
    __tablename__ = "order"
    __table_args__ = {"schema": "sales"}
    id = Column(Integer, Sequence("order_ids", schema="ids"), primary_key=True)
    state = Column(Enum("new", "done", name="state", schema="kinds"))
    tags = Column(postgresql.ARRAY(MOOD))
    data = Column(postgresql.JSONB, server_default=text("'{\\"a\\": \\"100%\\"}'::jsonb"))
    short = Column(postgresql.DOMAIN("short_text", String(10)))
    address = Column(postgresql.INET)
    author_id = Column(ForeignKey("author.id"))

class Receipt(Base):
    __tablename__ = "receipt"
    number = Column(Integer, server_default=NUMBERS.next_value(), primary_key=True)

class Line(Base):
    __tablename__ = "line"
    __table_args__ = (
        Index("ix_line", text("lower(what)"), postgresql_where=text("what LIKE 'a%'")), {"schema": "sales"},
    )
    id = Column(Integer, Identity(start=5), primary_key=True)
    what = Column(Text)
    state = Column(Enum("new", "done", name="state", schema="kinds"))
    order_id = Column(ForeignKey("sales.order.id"))
"""

OF_MARIADB = """
class Order(Base):
    __tablename__ = "order"
    id = Column(Integer, Sequence("order_ids"), primary_key=True)
    key = Column(Uuid)
    text = Column(mysql.LONGTEXT, comment="50% \\\\ it's")
"""
PERSON = """
class Person(Base):
    __tablename__ = "person"
    id = Column(Integer, primary_key=True)
"""
MORE = {"postgresql": OF_POSTGRESQL, "mariadb": OF_MARIADB, "sqlite": ""}


@pytest.fixture
def shop(tmp_path, database_url):
    workspace = Workspace(tmp_path, database_url)
    workspace.add_app("shop", MODELS + MORE[database_url.get_backend_name().replace("mysql", "mariadb")])
    return workspace


def ddl(workspace, *argv):
    ran = workspace.call(CREATE_TABLE, [str(workspace.ini), *argv])
    assert (ran.code, ran.err) == (0, ""), ran.err
    return ran.out


def load(backend, url, sql):
    """Let the program of the database read ``sql``, and stop at the first error."""
    if backend.name == "sqlite":
        with closing(sqlite3.connect(url.database)) as connection:
            connection.executescript(sql)
        return
    server = backend.server
    argv = {
        "postgresql": ["-h", url.host, "-p", str(url.port), "-U", url.username, "-v", "ON_ERROR_STOP=1", "-q"],
        "mariadb": ["--no-defaults", "-h", url.host, "-P", str(url.port), "-u", url.username],
    }[backend.name]
    done = subprocess.run(
        [str(server.programs / server.client), *argv, url.database], input=sql, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + sql
    assert done.stderr == ""


def names(statements, what):
    return [line.split(" ")[2].rstrip(";") for line in statements.splitlines() if line.startswith(f"CREATE {what} ")]


def test_the_database_takes_it_as_it_is_and_has_what_the_models_say(shop, backend):
    load(backend, shop.url, ddl(shop))
    shop.ok("init")
    ran = shop.run("check")
    assert ran.code == 0, ran.err


def test_texts_arrive_as_they_are_written_in_the_models(shop, backend):
    load(backend, shop.url, ddl(shop))
    engine = create_engine(shop.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO author (id, name) VALUES (1, 'ann')")
        connection.exec_driver_sql("INSERT INTO book (author_id) VALUES (1)")
        assert connection.exec_driver_sql("SELECT mood FROM author").scalar_one() == "it's"
        assert connection.exec_driver_sql("SELECT title FROM book").scalar_one() == "100% %(new)s it's"
    if backend.name != "sqlite":
        assert inspect(engine).get_table_comment("author") == {"text": r"100% of 'them', a\b; done"}
        columns = {column["name"]: column["comment"] for column in inspect(engine).get_columns("author")}
        assert columns["name"] == '50% "quoted"'
    engine.dispose()


def test_a_type_that_tables_share_is_created_once(tmp_path, postgresql):
    shop = Workspace(tmp_path, postgresql.new_database())
    shop.add_app("shop", MODELS + OF_POSTGRESQL)
    made = ddl(shop)
    assert sorted(names(made, "TYPE")) == ["colour", "kinds.state", "mood"]
    assert sorted(names(made, "SEQUENCE")) == ["counted.tickets", "ids.order_ids", "order_numbers"]
    schemas = [line.split()[-1] for line in made.splitlines() if line.startswith("CREATE SCHEMA")]
    assert sorted(schemas) == ["counted;", "ids;", "kinds;", "sales;"]


def test_a_table_that_is_named_comes_with_what_it_needs_and_nothing_else(tmp_path, postgresql):
    shop = Workspace(tmp_path, postgresql.new_database())
    shop.add_app("shop", MODELS + OF_POSTGRESQL)
    made = ddl(shop, "receipt", "node", "peer")
    assert names(made, "TABLE") == ["receipt", "node", "peer"]
    assert names(made, "SEQUENCE") == ["order_numbers"]
    assert names(made, "TYPE") == []
    load(postgresql, shop.url, made)
    made = ddl(shop, "sales.line")
    assert (names(made, "TABLE"), names(made, "TYPE")) == (["sales.line"], ["kinds.state"])


def test_packages_with_a_metadata_of_their_own_load_one_after_the_other(tmp_path, backend):
    shop = Workspace(tmp_path, backend.new_database())
    kind = 'kind = Column(Enum("a", "b", name="{}_kind"))'
    shop.add("people", PERSON + f"    {kind.format('person')}\n", history=True)
    visit = "class Visit(Base):\n    __tablename__ = 'visit'\n    id = Column(Integer, primary_key=True)\n"
    who = "    who = Column(ForeignKey('person.id'))\n"
    shop.add_app("shop", visit + who + f"    {kind.format('visit')}\n", ["people"], history=True)
    for package in ("people", "shop"):
        made = ddl(shop, "-x", f"packages={package}")
        assert len(names(made, "TABLE")) == 1
        load(backend, shop.url, made)
    assert {"person", "visit"} <= shop.tables()
    assert names(ddl(shop), "TABLE") == ["visit"]
    assert names(ddl(shop, "-x", "packages=all"), "TABLE") == ["person", "visit"]


def test_types_and_sequences_of_a_shared_metadata_go_with_the_package_that_uses_them(tmp_path, postgresql):
    shop = Workspace(tmp_path, postgresql.new_database())
    shop.add("people", PERSON + '    kind = Column(Enum("a", "b", name="person_kind"))\n', history=True)
    shared = """
    from people.models import Base
    from sqlalchemy import *

    NUMBERS = Sequence("numbers", metadata=Base.metadata)

    class Visit(Base):
        __tablename__ = "visit"
        id = Column(Integer, primary_key=True)
        number = Column(Integer, server_default=NUMBERS.next_value())
        kind = Column(Enum("a", "b", name="visit_kind"))
        who = Column(ForeignKey("person.id"))
    """
    package = shop.add_app("shop", "", ["people"], history=True)
    write(package / "models.py", dedent(shared))
    people, visits = ddl(shop, "-x", "packages=people"), ddl(shop, "-x", "packages=shop")
    assert (names(people, "TYPE"), names(people, "SEQUENCE")) == (["person_kind"], [])
    assert (names(visits, "TYPE"), names(visits, "SEQUENCE")) == (["visit_kind"], ["numbers"])
    load(postgresql, shop.url, people + visits)


@pytest.mark.mariadb_only("types of MariaDB")
def test_mariadb_has_types_of_its_own_and_mysql_has_not(tmp_path, mariadb):
    model = """
    from sqlalchemy.dialects.mysql import mariadb
    class Visit(Base):
        __tablename__ = "visit"
        id = Column(Uuid, primary_key=True)
    """
    shop = Workspace(tmp_path, mariadb.new_database())
    shop.add_app("shop", dedent(model) + "    address = Column(mariadb.INET6)\n")
    made = ddl(shop)
    # SQLAlchemy 2.0 stores a Uuid as text on MariaDB too.
    assert ("id UUID NOT NULL" if sqlalchemy.__version__ >= "2.1" else "id CHAR(32) NOT NULL") in made
    assert "address INET6" in made
    load(mariadb, shop.url, made)
    shop.models(shop.app / "shop", model)
    shop.write_ini(url="mysql+pymysql://me@nowhere/shop")
    assert "id CHAR(32) NOT NULL" in ddl(shop)


def test_sql_that_hangs_on_a_table_is_kept(tmp_path, postgresql):
    shop = Workspace(tmp_path, postgresql.new_database())
    listens = "event.listen(Person.__table__, 'after_create', DDL('CREATE VIEW people AS SELECT * FROM person'))\n"
    shop.add_app("shop", "from sqlalchemy import event\n" + PERSON + listens)
    load(postgresql, shop.url, ddl(shop))
    assert shop.execute("SELECT * FROM people") == []


def test_an_application_without_tables_has_nothing_to_create(tmp_path, sqlite):
    shop = Workspace(tmp_path, sqlite.new_database())
    shop.add_app("shop")
    assert ddl(shop) == ""
