"""Models that were removed: what is dropped, in which order, and what is said about it, on all three databases."""

from __future__ import annotations

import re

import pytest

from projects import Workspace, revise, write

CUSTOMER = """
class Customer(Base):
    __tablename__ = "customer"
    id = Column(Integer, primary_key=True)
    name = Column(String(20), index=True)
"""
ORDER = """
class Order(Base):
    __tablename__ = "orders"
    id = Column(Integer, primary_key=True)
    customer_id = Column(ForeignKey("customer.id"), nullable=False, index=True)

class Line(Base):
    __tablename__ = "line"
    id = Column(Integer, primary_key=True)
    order_id = Column(ForeignKey("orders.id", ondelete="CASCADE"))
    parent_id = Column(ForeignKey("line.id"))
"""
CIRCLE = """
class Apple(Base):
    __tablename__ = "apple"
    id = Column(Integer, primary_key=True)
    tree_id = Column(ForeignKey("tree.id"), index=True)

class Tree(Base):
    __tablename__ = "tree"
    id = Column(Integer, primary_key=True)
    best_id = Column(ForeignKey("apple.id", ondelete="SET NULL", name="best"))
    garden_id = Column(ForeignKey("customer.id"))
"""
STAYS = """
class Invoice(Base):
    __tablename__ = "invoice"
    id = Column(Integer, primary_key=True)
    order_id = Column(ForeignKey("orders.id", name="fk_invoice_order"), index=True)
"""
STAYED = """
class Invoice(Base):
    __tablename__ = "invoice"
    id = Column(Integer, primary_key=True)
"""
ALL = ("-x", "packages=all")


@pytest.fixture
def here(tmp_path, database_url):
    """A folder with nothing in it and a database, on each of the three."""
    return Workspace(tmp_path, database_url)


def make_app(workspace, models, addons=()):
    package = workspace.add_app("shop", models, addons)
    (workspace.app / "alembic").mkdir(exist_ok=True)
    return package


def test_removed_tables_are_dropped_with_those_that_refer_to_them_first(here):
    package = make_app(here, CUSTOMER + ORDER)
    here.autogenerate()
    here.models(package, "")
    (script,) = here.autogenerate()
    assert here.tables() == {"alembic_history_shop"}
    here.goes_both_ways(script, CUSTOMER + ORDER)


def test_removed_tables_that_refer_to_each_other_in_a_circle_are_dropped(here):
    package = make_app(here, CUSTOMER + CIRCLE)
    here.autogenerate()
    here.models(package, CUSTOMER)
    (script,) = here.autogenerate()
    assert here.tables() == {"customer", "alembic_history_shop"}
    here.goes_both_ways(script, CUSTOMER + CIRCLE)


def test_a_table_that_stays_lets_go_of_a_removed_one_first(here):
    package = make_app(here, CUSTOMER + ORDER + STAYS)
    here.autogenerate()
    here.models(package, CUSTOMER + STAYED)
    (script,) = here.autogenerate()
    assert here.tables() == {"customer", "invoice", "alembic_history_shop"}
    here.goes_both_ways(script, CUSTOMER + ORDER + STAYS)


def test_what_is_lost_is_said_when_the_file_is_written(here):
    package = make_app(here, CUSTOMER + ORDER + STAYS)
    here.autogenerate()
    here.models(package, CUSTOMER + STAYED)
    ran = here.run("revision", "--autogenerate", "-m", "less")
    assert ran.code == 0
    said = [line for line in ran.err.splitlines() if line.startswith("shop: ")]
    assert sorted(said) == [
        "shop: drops column invoice.order_id with all its values",
        "shop: drops table line with all its rows",
        "shop: drops table orders with all its rows",
    ]


def test_the_tables_of_others_are_in_no_script_whatever_was_added_or_removed(here):
    notes = here.add("notes", CUSTOMER.replace("customer", "reader").replace("Customer", "Reader"), history=True)
    package = make_app(here, CUSTOMER + ORDER, ["notes"])
    here.write_ini("websauna_migrate.foreign_histories = alembic_history_gone\n")
    here.execute("CREATE TABLE nobodys (id INTEGER)", "CREATE TABLE alembic_history_gone (version_num VARCHAR(32))")
    here.autogenerate(*ALL)
    here.models(notes, "")
    here.models(package, CUSTOMER + STAYED)
    (script,) = here.autogenerate()
    assert script.is_relative_to(here.app)
    for other in ("nobodys", "reader", "alembic_history"):
        assert other not in script.read_text()
    assert here.tables() >= {"nobodys", "reader", "alembic_history_gone", "alembic_history_notes"}


COMPUTED = "for name in ('left', 'right'):\n        op.create_table(name, sa.Column('id', sa.Integer))"


@pytest.mark.parametrize(
    ("hidden", "warned"), [("none", "Table left is in no model"), ("left", "Table right is in no")]
)
def test_a_table_with_a_computed_name_that_is_in_no_model_is_named(tmp_path, sqlite, hidden, warned):
    work = Workspace(tmp_path, sqlite.new_database())
    work.add_app("shop", history=True)
    folder = work.app / "shop" / "alembic"
    hook = f"lambda name, *_: name != {hidden!r}"
    env_py = f"from websauna_migrate.env import run_alembic\nrun_alembic(package='shop', include_name={hook})\n"
    write(folder / "env.py", env_py)
    revise(folder, "aaa1", upgrade=COMPUTED)
    work.ok("upgrade")
    work.execute("CREATE TABLE nobodys (id INTEGER)")
    error = work.run("check").err  # warnings are errors here
    assert warned in error
    assert "aaa1" in error


def test_hooks_of_the_user_keep_a_removed_table(here):
    package = make_app(here, CUSTOMER + ORDER)
    here.autogenerate()
    here.models(package, CUSTOMER)
    here.ok("init")
    write(
        here.app / "alembic" / "env.py",
        "from websauna_migrate.env import run_alembic\n"
        "run_alembic(package='shop', include_object=lambda item, name, kind, *_: name != 'line')\n",
    )
    here.ok("revision", "--autogenerate", "-m", "less")
    (script,) = (path for path in here.scripts() if "less" in path.name)
    assert "drop_table('orders')" in script.read_text()
    assert "'line'" not in script.read_text()


def test_a_revision_edited_by_hand_is_never_rewritten(here):
    package = make_app(here, CUSTOMER + ORDER)
    (first,) = here.autogenerate()
    edited = "# edited by hand\n" + first.read_text()
    first.write_text(edited)
    here.models(package, CUSTOMER)
    here.autogenerate()
    here.run("revision", "--autogenerate", "-m", "nothing")
    assert first.read_text() == edited


# --- names that something new is to have ---------------------------------------------------------------------

OLD = """
class Old(Base):
    __tablename__ = "old"
    id = Column(Integer, primary_key=True)
    code = Column(String(20))
    owner_id = Column(ForeignKey("customer.id", name="fk_owner"))
    __table_args__ = (Index("ix_code", "code"), UniqueConstraint("owner_id", "code", name="uq_code"))
"""
NEW = OLD.replace("Old", "Anew").replace('"old"', '"anew"')


def test_a_new_table_may_use_the_names_of_a_removed_one(here):
    package = make_app(here, CUSTOMER + OLD)
    here.autogenerate()
    here.models(package, CUSTOMER + NEW)
    (script,) = here.autogenerate()
    assert here.tables() == {"anew", "customer", "alembic_history_shop"}
    here.goes_both_ways(script, CUSTOMER + OLD)


def test_a_table_that_stays_may_use_the_name_of_a_removed_ones_index(here):
    before = CUSTOMER + OLD
    after = CUSTOMER.replace("index=True)", "index=True)\n    __table_args__ = (Index('ix_code', 'name'),)")
    package = make_app(here, before)
    here.autogenerate()
    here.models(package, after)
    (script,) = here.autogenerate()
    here.goes_both_ways(script, before)


def test_an_index_may_move_to_another_table_with_its_name(here):
    with_index = "    __table_args__ = (Index('ix_moved', 'id'),)\n"
    first, second = CUSTOMER + with_index + STAYED, CUSTOMER + STAYED + with_index
    package = make_app(here, first)
    here.autogenerate()
    here.models(package, second)
    (there,) = here.autogenerate()
    here.goes_both_ways(there, first)
    here.models(package, first)
    (back,) = here.autogenerate()
    here.goes_both_ways(back, second)


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_a_new_table_may_use_the_name_of_a_removed_ones_index_over_an_expression(tmp_path, request, database):
    here = Workspace(tmp_path, request.getfixturevalue(database).new_database())
    old, new = (models.replace('"ix_code", "code"', '"ix_code", func.lower(text("code"))') for models in (OLD, NEW))
    package = make_app(here, CUSTOMER + old)
    here.autogenerate()
    here.models(package, CUSTOMER + new)
    (script,) = here.autogenerate()
    here.goes_both_ways(script, CUSTOMER + old)


UNKNOWN = {"sqlite": "", "postgresql": "tid", "mariadb": "GEOMETRY"}


def test_what_has_a_type_that_nobody_knows_is_dropped_and_comes_back_when_somebody_says_it(tmp_path, backend):
    here = Workspace(tmp_path, backend.new_database())
    package = here.add_app("shop", CUSTOMER, history=True)
    here.autogenerate()
    type_ = UNKNOWN[backend.name]
    here.execute(f"ALTER TABLE customer ADD COLUMN place {type_}")
    (script,) = here.autogenerate()
    ran = here.run("downgrade", "-1")
    assert "does not know the type of customer.place: replace NullType" in ran.err
    text = script.read_text().replace("sqlalchemy.types.NullType()", "MyType()")
    text = re.sub("    raise NotImplementedError.*\n", "", text)
    mine = (
        f"class MyType(sa.types.UserDefinedType):\n    def get_col_spec(self, **kw):\n        return {type_ or 'INT'!r}"
    )
    script.write_text(text.replace("\ndef upgrade", f"{mine}\n\n\ndef upgrade", 1))
    here.ok("downgrade", "-1")
    here.ok("upgrade")
    here.models(package, CUSTOMER)
    assert here.run("check").err == ""
