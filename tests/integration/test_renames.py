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
REVISION = ("revision", "--autogenerate", "-m", "renamed")
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
    """Write a revision on a terminal and upgrade; return what was to be seen there, and the revision."""
    before = workspace.scripts()
    ran = on_terminal(workspace, *argv, *REVISION, typed=typed)
    assert ran.code == 0, ran.seen
    workspace.ok(*argv, "upgrade")
    return ran, *sorted(workspace.scripts() - before)


def group(name, models):
    """Return ``models`` with ``name`` before the names of their tables: groups of them meet in one database."""
    models = re.sub(r'"(customer|orders|purchase|line|refund|sale)(?=[".])', rf'"{name}_\1', models)
    return re.sub(r"^class ", f"class {name}_", models, flags=re.MULTILINE).replace('"fk_', f'"fk_{name}_')


def rows_of(name, rows=ROWS):
    """Return ``rows`` for the tables of a group."""
    return [row.replace("INTO ", f"INTO {name}_") for row in rows]


def renamed(kind, old, new, package="shop"):
    """Return the question whether a table, or a column of the table ``kind``, was renamed."""
    what = f'table "{old}"' if kind == "table" else f'column "{old}" of table "{kind}"'
    return f'{package}: was {what} renamed to "{new}"?'


# --- tables ----------------------------------------------------------------------------------------------------


REFUND = LINE.replace("Line", "Refund").replace('"line"', '"refund"').replace("fk_line", "fk_refund")
NUMBER = "number = Column(String(20), unique=True)"
UNINDEXED = CUSTOMER + ORDER.replace(", index=True", "")
RENAMES = {
    # before, after, what is asked, and queries with their rows at the end
    "kept": (
        MODELS,
        PURCHASE + REFUND.replace('"orders', '"purchase'),  # a new table may refer to a renamed one at once
        [renamed("table", "kept_orders", "kept_purchase")],
        {
            "SELECT id, customer_id, number FROM kept_purchase": [(7, 1, "A7")],
            "SELECT order_id FROM kept_line": [(7,)],
        },
    ),
    "key": (
        MODELS,
        CUSTOMER.replace("    id = ", "    customer = ") + (ORDER + LINE).replace("customer.id", "customer.customer"),
        [renamed("key_customer", "id", "customer")],
        {"SELECT customer FROM key_customer": [(1,)]},
    ),
    "unnamed": (  # MariaDB names the index of a foreign key without a name after the column
        UNINDEXED,
        UNINDEXED.replace("customer_id", "buyer_id"),
        [renamed("unnamed_orders", "customer_id", "buyer_id")],
        {"SELECT buyer_id FROM unnamed_orders": [(1,)]},
    ),
    "both": (
        MODELS,
        PURCHASE.replace("number = ", "code = ").replace("customer_id = ", "Buyer = "),
        [
            renamed("table", "both_orders", "both_purchase"),
            renamed("both_purchase", "customer_id", "Buyer"),
            renamed("both_purchase", "number", "code"),
        ],
        {"SELECT id, code FROM both_purchase": [(7, "A7")]},
    ),
    "filled": (
        MODELS,
        MODELS.replace(NUMBER, "code = Column(String(20), nullable=False, server_default='none', unique=True)"),
        [renamed("filled_orders", "number", "code")],
        {"SELECT id, code FROM filled_orders": [(7, "A7")]},
    ),
    "spelled": (  # as the database spells the type otherwise
        MODELS,
        MODELS.replace("paid = ", "settled = "),
        [renamed("spelled_orders", "paid", "settled")],
        {"SELECT settled FROM spelled_orders": [(1,)]},
    ),
    "typed": (  # types that differ: the column is dropped
        MODELS,
        MODELS.replace("day = Column(Date)", "at = Column(Text)"),
        [],
        {"SELECT at FROM typed_orders": [(None,)]},
    ),
}


def test_what_is_renamed_keeps_its_rows_and_what_refers_to_it(here, on_terminal):
    before, after = ("".join(group(name, case[side]) for name, case in RENAMES.items()) for side in (0, 1))
    package = make_app(here, before)
    here.autogenerate()
    for name, (models, *_) in RENAMES.items():
        here.execute(*rows_of(name, ROWS if LINE in models else ROWS[:2]))
    here.models(package, after)
    asked = {name: questions for name, (_, _, questions, _) in RENAMES.items()}
    wanted = [question for questions in asked.values() for question in questions]
    ran, script = written(here, on_terminal, typed=lambda question: YES if question in wanted else NO)
    assert {name: [one for one in ran.questions if f'"{name}_' in one] for name in RENAMES} == asked
    assert "op.rename_table('kept_orders', 'kept_purchase')" in script.read_text()
    assert "drop_table('kept" not in script.read_text().partition("def downgrade")[0]
    assert re.findall(r"drops (.*)", ran.seen) == ["column typed_orders.day with all its values"], ran.seen
    here.goes_both_ways(script, before)
    for _, _, _, queries in RENAMES.values():
        for query, rows in queries.items():
            assert here.execute(query) == rows, query


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


# What the other group changes in a renamed table.
CHANGED = (
    PURCHASE.replace("String(20), unique=True", "String(40), nullable=False")
    .replace("day = Column(Date)", "day = Column(Date)\n    note = Column(String(200), index=True)")
    .replace('Column(ForeignKey("customer.id"), index=True)', "Column(Integer)")
    .replace('parent_id = Column(ForeignKey("purchase.id"))', "parent_id = Column(Integer)")
)


COLUMNS = {"number": "code", "customer_id": "client_id", "total": "sum"}
# MySQL renames no column that a computed column uses.
COLUMNED = group("columns", CUSTOMER + NAMED.replace("if EXPRESSIONS", "if False").replace('"ix_sale', '"ix_columns'))
RECOLUMNED = re.sub("|".join(COLUMNS), lambda match: COLUMNS[match[0]], COLUMNED)
SOLD = "INSERT INTO {}sale (id, customer_id, number, year, total) VALUES (3, 1, 'x', 2026, 5)"


def test_what_is_named_after_tables_and_columns_follows_them_and_what_else_changed_is_written_too(here, on_terminal):
    backend = here.url.get_backend_name()
    named = CONVENTION + f"EXPRESSIONS = {backend in ('sqlite', 'postgresql')}\n" + CUSTOMER + NAMED
    columned = [COLUMNED, RECOLUMNED] if backend != "mysql" else ["", ""]
    models = named + group("other", MODELS) + columned[0]
    package = make_app(here, models)
    here.autogenerate()
    here.execute(ROWS[0], SOLD.format(""), *rows_of("other"))
    if columned[0]:
        here.execute(*rows_of("columns", ROWS[:1]), SOLD.format("columns_"))
    here.models(package, named.replace("sale", "deal") + group("other", CHANGED) + columned[1])
    wanted = [renamed("table", "sale", "deal"), renamed("table", "other_orders", "other_purchase")]
    wanted += [renamed("columns_sale", old, new) for old, new in COLUMNS.items() if columned[0]]
    ran, script = written(here, on_terminal, typed=lambda question: YES if question in wanted else NO)
    assert set(wanted) <= set(ran.questions)
    lines = [line for line in script.read_text().splitlines() if " RENAME " in line]
    renames = {"sqlite": 0, "postgresql": 9, "mariadb": 5, "mysql": 5}
    of_sale = [line for line in lines if "sale" in line and "columns" not in line]
    assert len(of_sale) == 2 * renames[backend], of_sale
    here.goes_both_ways(script, models)
    assert here.execute("SELECT id, customer_id, number, year, total FROM deal") == [(3, 1, "x", 2026, 5)]
    assert here.execute("SELECT id, customer_id, number, note FROM other_purchase") == [(7, 1, "A7", None)]
    if columned[0]:
        assert here.execute("SELECT id, client_id, code, year, sum FROM columns_sale") == [(3, 1, "x", 2026, 5)]


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


def test_a_renamed_table_is_asked_about_once_for_all_packages_and_comes_to_a_new_database(here, backend, on_terminal):
    stock = here.add("stock", CUSTOMER, history=True)
    package = make_app(here, SHOP, ["stock"])
    here.autogenerate(*ALL)
    here.execute("INSERT INTO customer VALUES (1, 'Ada')", "INSERT INTO shop VALUES (2, 1)")
    here.models(stock, CUSTOMER.replace("customer", "client"))
    here.models(package, SHOP.replace("customer", "client"))
    ran, script = written(here, on_terminal, *ALL)
    assert ran.questions == [renamed("table", "customer", "client", "stock")]
    assert script.is_relative_to(here.folder / "stock")
    here.ok(*ALL, "check")
    assert here.execute("SELECT name FROM client JOIN shop ON owner = client.id") == [("Ada",)]
    # There the tables that refer to it are created before.
    here.write_ini(url=backend.new_database())
    here.ok(*ALL, "upgrade")
    here.ok(*ALL, "check")
    here.ok(*ALL, "downgrade", "base", "--yes")


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


TICKET = """
class Ticket(Base):
    __tablename__ = "ticket"
    id = Column(Integer, primary_key=True)
    number = Column(Integer, Sequence("tickets"), server_default=Sequence("tickets").next_value())
"""
VALUES = {"same": "", "more": "\n    mad = 3", "first": "\n    bad = 0\n    mad = 3"}


def test_a_renamed_table_and_column_keep_their_enum_and_their_sequence(tmp_path, postgresql, on_terminal):
    here = Workspace(tmp_path, postgresql.new_database())
    renamed_mood = MOOD.replace('"person"', '"human"').replace("mood =", "feeling =")
    before, after = TICKET, TICKET.replace('"ticket"', '"pass"').replace("number", "count")
    for name, values in VALUES.items():
        before += mood_of(name, MOOD)
        after += mood_of(name, renamed_mood.replace("glad = 2", "glad = 2" + values))
    package = make_app(here, before)
    here.autogenerate()
    for name in VALUES:
        here.execute(f"INSERT INTO {name}_person (mood, moods) VALUES ('glad', '{{sad,glad}}')")
    here.models(package, after)
    ran, script = written(here, on_terminal)
    assert len(ran.questions) == 2 * len(["ticket", *VALUES])
    here.goes_both_ways(script, before)
    for name in VALUES:
        assert here.execute(f"SELECT feeling::text, moods::text FROM {name}_human") == [("glad", "{sad,glad}")]
    here.execute("INSERT INTO pass DEFAULT VALUES")
    assert here.execute("SELECT id, count FROM pass") == [(1, 1)]


def mood_of(name, models):
    return re.sub(r"\b(Mood|Person)\b", rf"{name}_\1", re.sub('"(person|human)"', rf'"{name}_\1"', models))


def test_a_value_taken_from_the_enum_of_a_renamed_column_stops_at_its_rows(tmp_path, postgresql, on_terminal):
    here = Workspace(tmp_path, postgresql.new_database())
    package = make_app(here, MOOD.replace("glad = 2", "glad = 2\n    mad = 3"))
    here.autogenerate()
    here.execute("INSERT INTO person (mood) VALUES ('mad')")
    here.models(package, MOOD.replace('"person"', '"human"').replace("mood =", "feeling ="))
    assert on_terminal(here, *REVISION, typed=lambda _: YES).code == 0
    assert "1 rows of human.feeling hold 'mad'" in here.run("upgrade").err
    here.execute("UPDATE person SET mood = 'sad'")
    here.ok("upgrade")
    here.ok("check")


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


def test_no_means_drop_and_add_and_where_nobody_is_asked_the_script_says_what_to_write(here, on_terminal):
    package = make_app(here, MODELS)
    here.autogenerate()
    here.models(package, PURCHASE.replace("name = ", "called = "))
    noted = [written_unasked(here, lambda: here.run(*REVISION))]
    if here.url.get_backend_name() == "sqlite":
        noted.append(written_unasked(here, lambda: on_terminal(here, *REVISION, "--no-input")))
    ran, script = written(here, on_terminal, typed=[NO, "\n"])
    text = script.read_text()
    assert ran.questions == [
        renamed("table", "orders", "purchase"),
        renamed("customer", "name", "called"),
    ]
    assert "rename" not in text.replace("renamed", "")
    assert "# If" not in text
    assert "drops table orders with all its rows" in ran.seen
    here.goes_both_ways(script, MODELS)
    for lines in noted:
        table = "op.rename_table('orders', 'purchase')"
        assert f"    # If 'orders' was renamed, replace the drop and the create by: {table}" in lines
        column = "op.execute('ALTER TABLE customer RENAME COLUMN name TO called')"
        assert f"    # If column 'name' was renamed, replace the drop and the add by: {column}" in lines
        assert [line for line in lines if "# If" not in line] == operations(text)


def written_unasked(workspace, run):
    """Return the lines of the operations in the revision that is written by ``run``, without a question."""
    before = workspace.scripts()
    ran = run()
    assert (ran.code, getattr(ran, "questions", [])) == (0, []), ran
    (script,) = workspace.scripts() - before
    text = script.read_text()
    script.unlink()
    return operations(text)


def operations(text):
    return text.partition("def upgrade")[2].splitlines()


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


def test_a_table_is_renamed_in_one_of_two_packages_that_refer_to_each_other(here, on_terminal):
    here.add("stock", STOCK, history=True)
    make_app(here, MAKER, addons=["stock"])
    here.autogenerate(*ALL)
    here.execute("INSERT INTO bin (id, word) VALUES (1, 'x')")
    here.execute("INSERT INTO maker (id, bin_id) VALUES (2, 1)", "UPDATE bin SET maker_id = 2")
    for old, new in {"maker": "builder", "bin": "box"}.items():
        for models in here.folder.glob("*/*/models.py"):
            models.write_text(models.read_text().replace(f'"{old}', f'"{new}'))
        ran, *_ = written(here, on_terminal, *ALL)
        assert len(ran.questions) == 1, ran.seen
        here.ok(*ALL, "check")
        assert here.execute(f"SELECT count(*) FROM {new}") == [(1,)]
    here.ok(*ALL, "downgrade", "base", "--yes")
    here.ok(*ALL, "upgrade")
    here.ok(*ALL, "check")


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


def test_who_does_not_answer_gets_no_revision_and_check_asks_nothing(lite, on_terminal):
    package = make_app(lite, MODELS)
    lite.autogenerate()
    lite.models(package, PURCHASE)
    before = lite.files()
    for key, code in {CTRL_D: 1, CTRL_C: 130}.items():
        ran = on_terminal(lite, *REVISION, typed=[key])
        assert ran.code == code
        assert "FAILED: " in ran.seen
        assert lite.files() == before
    ran = on_terminal(lite, "check")
    assert (ran.code, ran.questions) == (1, [])
