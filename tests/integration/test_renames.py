"""Renamed tables and columns: what is asked, what is written, and that rows stay, on all three databases."""

from __future__ import annotations

import re

import pytest

from projects import ALEMBIC, Workspace
from terminals import CTRL_C

CUSTOMER = """
class Customer(Base):
    __tablename__ = "customer"
    id = Column(Integer, primary_key=True)
    name = Column(String(20))
"""
ORDER = """
class Order(Base):
    __tablename__ = "orders"
    id = Column(Integer, primary_key=True)
    customer_id = Column(ForeignKey("customer.id"), index=True)
    parent_id = Column(ForeignKey("orders.id"))
    day = Column(Date)
    number = Column(String(20), unique=True)
    paid = Column(Boolean, nullable=False, server_default=true())
"""
LINE = """
class Line(Base):
    __tablename__ = "line"
    id = Column(Integer, primary_key=True)
    order_id = Column(ForeignKey("orders.id", ondelete="CASCADE", name="fk_line_order"), index=True)
"""
MODELS = CUSTOMER + ORDER + LINE
PURCHASE = MODELS.replace('"orders', '"purchase').replace("class Order", "class Purchase")
ROWS = (
    "INSERT INTO customer (id, name) VALUES (1, 'Ada')",
    "INSERT INTO orders (id, customer_id, number, paid) VALUES (7, 1, 'A7', true)",
    "INSERT INTO line (id, order_id) VALUES (9, 7)",
)
ALL = ("-x", "packages=all")
YES, NO, CTRL_D = "y\n", "n\n", "\x04"


@pytest.fixture
def here(tmp_path, database_url):
    """A folder with nothing in it and a database, on each of the three."""
    return Workspace(tmp_path, database_url)


@pytest.fixture
def lite(tmp_path, sqlite):
    return Workspace(tmp_path, sqlite.new_database())


def make_app(workspace, models, addons=()):
    package = workspace.add_app("shop", models, addons)
    (workspace.app / "alembic").mkdir(exist_ok=True)
    return package


def written(workspace, on_terminal, *argv, typed=lambda _: YES):
    """Write a revision on a terminal; return what was to be seen there, and the revision."""
    before = workspace.scripts()
    ran = on_terminal(workspace, *argv, "revision", "--autogenerate", "-m", "renamed", typed=typed)
    assert ran.code == 0, ran.seen
    return ran, *sorted(workspace.scripts() - before)


# --- tables ----------------------------------------------------------------------------------------------------


def test_a_renamed_table_keeps_its_rows_and_what_refers_to_it(here, on_terminal):
    package = make_app(here, MODELS)
    here.autogenerate()
    here.execute(*ROWS)
    here.models(package, PURCHASE)
    ran, script = written(here, on_terminal)
    assert ran.questions == ['shop: was table "orders" renamed to "purchase"?']
    assert "op.rename_table('orders', 'purchase')" in script.read_text()
    assert "drop_table" not in script.read_text()
    assert "drops" not in ran.seen
    here.goes_both_ways(script, MODELS)
    assert here.execute("SELECT id, customer_id, number FROM purchase") == [(7, 1, "A7")]
    assert here.execute("SELECT order_id FROM line") == [(7,)]


CONVENTION = """
Base.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""
NAMED = """
class Sale(Base):
    __tablename__ = "sale"
    id = Column(Integer, primary_key=True)
    customer_id = Column(ForeignKey("customer.id"), index=True)
    first_id = Column(ForeignKey("sale.id"))
    number = Column(String(20), nullable=False, index=True)
    year = Column(Integer, nullable=False)
    total = Column(Integer)
    twice = Column(Integer, Computed("total * 2", persisted=True))
    __table_args__ = (
        UniqueConstraint("number", "year"),
        CheckConstraint("total > 0", name="positive"),
        Index("ix_sale_some", "total", sqlite_where=text("total > 1"), postgresql_where=text("total > 1")),
        Index("ix_sale_lower", func.lower(number)) if EXPRESSIONS else Index("ix_sale_total", total),
    )
"""


def test_what_is_named_after_the_table_follows_it(here, on_terminal):
    expressions = f"EXPRESSIONS = {here.url.get_backend_name() in ('sqlite', 'postgresql')}\n"
    models = CONVENTION + expressions + CUSTOMER + NAMED
    package = make_app(here, models)
    here.autogenerate()
    here.execute(ROWS[0], "INSERT INTO sale (id, customer_id, number, year, total) VALUES (3, 1, 'x', 2026, 5)")
    here.models(package, models.replace("sale", "deal"))
    _, script = written(here, on_terminal)
    renames = {"sqlite": 0, "postgresql": 9, "mariadb": 5, "mysql": 5}
    assert script.read_text().count(" RENAME ") == 2 * renames[here.url.get_backend_name()], script.read_text()
    here.goes_both_ways(script, models)
    assert here.execute("SELECT id, customer_id, number, year, total FROM deal") == [(3, 1, "x", 2026, 5)]


def test_a_new_table_may_refer_to_a_renamed_one_at_once(here, on_terminal):
    package = make_app(here, MODELS)
    here.autogenerate()
    refund = LINE.replace("Line", "Refund").replace('"line"', '"refund"').replace("fk_line", "fk_refund")
    here.models(package, PURCHASE + refund.replace('"orders', '"purchase'))
    _, script = written(here, on_terminal)
    here.goes_both_ways(script, MODELS)


def test_what_else_changed_in_a_renamed_table_is_written_too(here, on_terminal):
    package = make_app(here, CONVENTION + MODELS)
    here.autogenerate()
    here.execute(*ROWS)
    changed = (
        PURCHASE.replace("String(20), unique=True", "String(40), nullable=False")
        .replace("day = Column(Date)", "day = Column(Date)\n    note = Column(String(200), index=True)")
        .replace('Column(ForeignKey("customer.id"), index=True)', "Column(Integer)")
        .replace('parent_id = Column(ForeignKey("purchase.id"))', "parent_id = Column(Integer)")
    )
    here.models(package, CONVENTION + changed)
    _, script = written(here, on_terminal)
    here.goes_both_ways(script, CONVENTION + MODELS)
    assert here.execute("SELECT id, customer_id, number, note FROM purchase") == [(7, 1, "A7", None)]


def test_tables_that_do_not_look_alike_are_not_asked_about(lite, on_terminal):
    package = make_app(lite, CUSTOMER)
    lite.autogenerate()
    lite.models(package, ORDER.replace("customer.id", "orders.id"))
    ran, script = written(lite, on_terminal)
    assert ran.questions == []
    assert "renamed, write" not in script.read_text()


SHOP = """
class Shop(Base):
    __tablename__ = "shop"
    id = Column(Integer, primary_key=True)
    owner = Column(ForeignKey("customer.id", name="fk_owner"))
"""


def rename_table_of_other_package(workspace, on_terminal):
    """Rename a table of ``stock`` that one of ``shop`` refers to; return the questions and the revisions written."""
    stock = workspace.add("stock", CUSTOMER, history=True)
    package = make_app(workspace, SHOP, ["stock"])
    workspace.autogenerate(*ALL)
    workspace.execute("INSERT INTO customer VALUES (1, 'Ada')", "INSERT INTO shop VALUES (2, 1)")
    workspace.models(stock, CUSTOMER.replace("customer", "client"))
    workspace.models(package, SHOP.replace("customer", "client"))
    ran, *scripts = written(workspace, on_terminal, *ALL)
    return ran.questions, scripts


def test_a_renamed_table_is_asked_about_once_for_all_packages(here, on_terminal):
    questions, [script] = rename_table_of_other_package(here, on_terminal)
    assert questions == ['stock: was table "customer" renamed to "client"?']
    assert script.is_relative_to(here.folder / "stock")
    here.ok(*ALL, "upgrade")
    here.ok(*ALL, "check")
    assert here.execute("SELECT name FROM client JOIN shop ON owner = client.id") == [("Ada",)]


def test_a_new_database_gets_the_tables_that_refer_to_a_renamed_one_before(here, backend, on_terminal):
    rename_table_of_other_package(here, on_terminal)
    here.write_ini(url=backend.new_database())
    here.ok(*ALL, "upgrade")
    here.ok(*ALL, "check")
    here.ok(*ALL, "downgrade", "base", "--yes")


# --- columns ---------------------------------------------------------------------------------------------------


@pytest.mark.mariadb_only("rename of a column that a computed column uses")
def test_a_renamed_column_keeps_its_values_and_what_is_over_it(here, on_terminal):
    models = CONVENTION + "EXPRESSIONS = False\n" + CUSTOMER + NAMED
    package = make_app(here, models)
    here.autogenerate()
    here.execute(ROWS[0], "INSERT INTO sale (id, customer_id, number, year, total) VALUES (3, 1, 'x', 2026, 5)")
    names = {"number": "code", "customer_id": "client_id", "total": "sum"}
    here.models(package, re.sub("number|customer_id|total", lambda match: names[match[0]], models))
    wanted = [f'shop: was column "{old}" of table "sale" renamed to "{new}"?' for old, new in names.items()]
    _, script = written(here, on_terminal, typed=lambda question: YES if question in wanted else NO)
    here.goes_both_ways(script, models)
    assert here.execute("SELECT id, client_id, code, year, sum FROM sale") == [(3, 1, "x", 2026, 5)]


def test_a_column_that_others_refer_to_may_be_renamed(here, on_terminal):
    package = make_app(here, MODELS)
    here.autogenerate()
    here.execute(*ROWS)
    renamed = CUSTOMER.replace("    id = ", "    customer = ") + (ORDER + LINE).replace(
        "customer.id", "customer.customer"
    )
    here.models(package, renamed)
    ran, script = written(here, on_terminal)
    assert ran.questions == ['shop: was column "id" of table "customer" renamed to "customer"?']
    here.goes_both_ways(script, MODELS)
    assert here.execute("SELECT customer FROM customer") == [(1,)]


def test_a_foreign_key_without_a_name_stays_with_its_renamed_column(here, on_terminal):
    models = CUSTOMER + ORDER.replace(", index=True", "")
    package = make_app(here, models)
    here.autogenerate()
    here.execute(*ROWS[:2])
    here.models(package, models.replace("customer_id", "buyer_id"))
    _, script = written(here, on_terminal)
    here.goes_both_ways(script, models)
    assert here.execute("SELECT buyer_id FROM orders") == [(1,)]


def test_columns_of_a_renamed_table_may_be_renamed_too(here, on_terminal):
    package = make_app(here, MODELS)
    here.autogenerate()
    here.execute(*ROWS)
    here.models(package, PURCHASE.replace("number = ", "code = ").replace("customer_id = ", "Buyer = "))
    ran, script = written(here, on_terminal)
    assert ran.questions == [
        'shop: was table "orders" renamed to "purchase"?',
        'shop: was column "customer_id" of table "purchase" renamed to "Buyer"?',
        'shop: was column "number" of table "purchase" renamed to "code"?',
    ]
    here.goes_both_ways(script, MODELS)
    assert here.execute("SELECT id, code FROM purchase") == [(7, "A7")]


def test_what_else_changed_in_a_renamed_column_is_written_too(here, on_terminal):
    package = make_app(here, MODELS)
    here.autogenerate()
    here.execute(*ROWS)
    changed = "code = Column(String(20), nullable=False, server_default='none', unique=True)"
    here.models(package, MODELS.replace("number = Column(String(20), unique=True)", changed))
    _, script = written(here, on_terminal)
    here.goes_both_ways(script, MODELS)
    assert here.execute("SELECT id, code FROM orders") == [(7, "A7")]


def test_columns_of_different_types_are_not_asked_about(here, on_terminal):
    package = make_app(here, MODELS)
    here.autogenerate()
    here.models(package, MODELS.replace("day = Column(Date)", "at = Column(Text)"))
    ran, _ = written(here, on_terminal)
    assert (ran.questions, "drops column orders.day" in ran.seen) == ([], True)


def test_a_type_that_the_database_spells_otherwise_is_the_same(here, on_terminal):
    package = make_app(here, MODELS)
    here.autogenerate()
    here.execute(*ROWS)
    here.models(package, MODELS.replace("paid = ", "settled = "))
    ran, script = written(here, on_terminal)
    assert ran.questions == ['shop: was column "paid" of table "orders" renamed to "settled"?']
    here.goes_both_ways(script, MODELS)
    assert here.execute("SELECT settled FROM orders") == [(1,)]


# --- PostgreSQL ------------------------------------------------------------------------------------------------

MOOD = """
import enum
class Mood(enum.Enum):
    sad = 1
    glad = 2
class Person(Base):
    __tablename__ = "person"
    id = Column(Integer, primary_key=True)
    mood = Column(Enum(Mood), nullable=False, server_default="sad")
    moods = Column(ARRAY(Enum(Mood)))
"""


@pytest.mark.parametrize("values", ["", "\n    mad = 3", "\n    bad = 0\n    mad = 3"])
def test_a_renamed_table_and_column_keep_their_enum(tmp_path, postgresql, on_terminal, values):
    here = Workspace(tmp_path, postgresql.new_database())
    package = make_app(here, MOOD)
    here.autogenerate()
    here.execute("INSERT INTO person (mood, moods) VALUES ('glad', '{sad,glad}')")
    changed = (
        MOOD.replace('"person"', '"human"').replace("mood =", "feeling =").replace("glad = 2", "glad = 2" + values)
    )
    here.models(package, changed)
    ran, script = written(here, on_terminal)
    assert len(ran.questions) == 2
    here.goes_both_ways(script, MOOD)
    assert here.execute("SELECT feeling::text, moods::text FROM human") == [("glad", "{sad,glad}")]


def test_a_value_taken_from_the_enum_of_a_renamed_column_stops_at_its_rows(tmp_path, postgresql, on_terminal):
    here = Workspace(tmp_path, postgresql.new_database())
    package = make_app(here, MOOD.replace("glad = 2", "glad = 2\n    mad = 3"))
    here.autogenerate()
    here.execute("INSERT INTO person (mood) VALUES ('mad')")
    here.models(package, MOOD.replace('"person"', '"human"').replace("mood =", "feeling ="))
    written(here, on_terminal)
    assert "1 rows of human.feeling hold 'mad'" in here.run("upgrade").err
    here.execute("UPDATE person SET mood = 'sad'")
    here.ok("upgrade")
    here.ok("check")


def test_a_default_from_a_sequence_stays_with_what_is_renamed(tmp_path, postgresql, on_terminal):
    here = Workspace(tmp_path, postgresql.new_database())
    models = """
class Ticket(Base):
    __tablename__ = "ticket"
    id = Column(Integer, primary_key=True)
    number = Column(Integer, Sequence("tickets"), server_default=Sequence("tickets").next_value())
"""
    package = make_app(here, models)
    here.autogenerate()
    here.models(package, models.replace('"ticket"', '"pass"').replace("number", "count"))
    ran, script = written(here, on_terminal)
    assert len(ran.questions) == 2
    here.goes_both_ways(script, models)
    here.execute("INSERT INTO pass DEFAULT VALUES")
    assert here.execute("SELECT id, count FROM pass") == [(1, 1)]


def test_a_table_in_a_schema_is_renamed_there(tmp_path, postgresql, on_terminal):
    here = Workspace(tmp_path, postgresql.new_database())
    models = "Base.metadata.schema = 'Stock'\n" + MODELS.replace('"orders.id', '"Stock.orders.id').replace(
        '"customer.id', '"Stock.customer.id'
    )
    package = make_app(here, models)
    here.autogenerate()
    here.models(package, models.replace('"orders', '"Purchase').replace("Stock.orders", "Stock.Purchase"))
    _, script = written(here, on_terminal)
    assert "op.rename_table('orders', 'Purchase', schema='Stock')" in script.read_text()
    here.goes_both_ways(script, models)


# --- answers ---------------------------------------------------------------------------------------------------


def test_no_means_drop_and_add(here, on_terminal):
    package = make_app(here, MODELS)
    here.autogenerate()
    here.models(package, PURCHASE.replace("name = ", "called = "))
    ran, script = written(here, on_terminal, typed=[NO, "\n"])
    assert ran.questions == [
        'shop: was table "orders" renamed to "purchase"?',
        'shop: was column "name" of table "customer" renamed to "called"?',
    ]
    assert "rename" not in script.read_text().replace("renamed", "")
    assert "# If" not in script.read_text()
    assert "drops table orders with all its rows" in ran.seen
    here.goes_both_ways(script, MODELS)


STOCK = """
class Bin(Base):
    __tablename__ = "bin"
    id = Column(Integer, primary_key=True)
    word = Column(String(20))
    maker_id = Column(ForeignKey("maker.id", name="fk_bin_maker", use_alter=True))
"""
MAKER = """
from stock.models import Base
from sqlalchemy import *

class Maker(Base):
    __tablename__ = "maker"
    id = Column(Integer, primary_key=True)
    called = Column(String(20))
    bin_id = Column(ForeignKey("bin.id", name="fk_maker_bin"))
"""


@pytest.mark.parametrize(("old", "new"), [("maker", "builder"), ("bin", "box")])
def test_a_table_is_renamed_in_one_of_two_packages_that_refer_to_each_other(here, on_terminal, old, new):
    here.add("stock", STOCK, history=True)
    make_app(here, MAKER, addons=["stock"])
    here.autogenerate(*ALL)
    here.execute("INSERT INTO bin (id, word) VALUES (1, 'x')")
    here.execute("INSERT INTO maker (id, bin_id) VALUES (2, 1)", "UPDATE bin SET maker_id = 2")
    for models in here.folder.glob("*/*/models.py"):
        models.write_text(models.read_text().replace(f'"{old}', f'"{new}'))
    ran = on_terminal(here, *ALL, "revision", "--autogenerate", "-m", "renamed", typed=lambda _: YES)
    assert (ran.code, len(ran.questions)) == (0, 1), ran.seen
    here.ok(*ALL, "upgrade")
    here.ok(*ALL, "check")
    assert here.execute(f"SELECT count(*) FROM {new}") == [(1,)]
    here.ok(*ALL, "downgrade", "base", "--yes")
    here.ok(*ALL, "upgrade")
    here.ok(*ALL, "check")


@pytest.mark.parametrize("how", ["--no-input", "no terminal"])
def test_where_nobody_is_asked_the_script_says_what_to_write(here, on_terminal, how):
    package = make_app(here, MODELS)
    here.autogenerate()
    here.models(package, PURCHASE.replace("name = ", "called = "))
    command = ("revision", "--autogenerate", "-m", "less")
    before = here.scripts()
    if how == "--no-input":
        ran = on_terminal(here, *command, how)
        assert (ran.code, ran.questions) == (0, []), ran.seen
    else:
        assert here.run(*command).code == 0
    (script,) = here.scripts() - before
    text = script.read_text()
    assert (
        "# If 'orders' was renamed, replace the drop and the create by: op.rename_table('orders', 'purchase')\n" in text
    )
    column = "op.execute('ALTER TABLE customer RENAME COLUMN name TO called')\n"
    assert f"# If column 'name' was renamed, replace the drop and the add by: {column}" in text
    here.goes_both_ways(script, MODELS)


def test_plain_alembic_asks_nothing_and_the_script_says_what_to_write(lite):
    package = make_app(lite, MODELS)
    lite.ok("init")
    lite.write_ini("[alembic]\nscript_location = %(here)s/alembic\n")
    lite.autogenerate()
    lite.models(package, PURCHASE)
    before = lite.scripts()
    ran = lite.run("revision", "--autogenerate", "-m", "less", script=ALEMBIC)
    (script,) = lite.scripts() - before
    assert (ran.code, "# If 'orders' was renamed" in script.read_text()) == (0, True), ran


@pytest.mark.parametrize(("key", "code"), [(CTRL_D, 1), (CTRL_C, 130)])
def test_who_does_not_answer_gets_no_revision(lite, on_terminal, key, code):
    package = make_app(lite, MODELS)
    lite.autogenerate()
    lite.models(package, PURCHASE)
    before = lite.files()
    ran = on_terminal(lite, "revision", "--autogenerate", "-m", "renamed", typed=[key])
    assert ran.code == code
    assert "FAILED: " in ran.seen
    assert lite.files() == before


def test_check_asks_nothing(lite, on_terminal):
    package = make_app(lite, MODELS)
    lite.autogenerate()
    lite.models(package, PURCHASE)
    ran = on_terminal(lite, "check")
    assert (ran.code, ran.questions) == (1, [])
