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


@pytest.fixture
def lite(tmp_path, sqlite):
    """The same on SQLite, for what does not depend on the database."""
    return Workspace(tmp_path, sqlite.new_database())


def make_app(workspace, models, addons=()):
    package = workspace.add_app("shop", models, addons)
    (workspace.app / "alembic").mkdir(exist_ok=True)
    return package


#: Tables that go alone, with what refers to them and to itself.
GONE = """
class Supplier(Base):
    __tablename__ = "supplier"
    id = Column(Integer, primary_key=True)
    name = Column(String(20), index=True)

class Delivery(Base):
    __tablename__ = "delivery"
    id = Column(Integer, primary_key=True)
    supplier_id = Column(ForeignKey("supplier.id"), nullable=False, index=True)
"""
OLD = """
class {Name}(Base):
    __tablename__ = "{name}"
    id = Column(Integer, primary_key=True)
    code = Column(String(20))
    owner_id = Column(ForeignKey("customer.id", name="fk_owner"))
    __table_args__ = (Index("ix_code", "code"), UniqueConstraint("owner_id", "code", name="uq_code"))
"""
EXPRESSION = """
class {Name}(Base):
    __tablename__ = "{name}"
    id = Column(Integer, primary_key=True)
    code = Column(String(20))
    __table_args__ = (Index("ix_lower", func.lower(text("code"))),)
"""
BRIEF = """
class Brief(Base):
    __tablename__ = "brief"
    id = Column(Integer, primary_key=True)
    word = Column(String(20))
    __table_args__ = (Index("ix_word", "word"),)
"""
PLAIN = """
class {Name}(Base):
    __tablename__ = "{name}"
    id = Column(Integer, primary_key=True)
"""
INDEX = "    __table_args__ = (Index('{}', 'id'),)\n"


def table(name, model):
    return model.format(name=name, Name=name.title())


def test_removed_models_go_and_come_back_whatever_refers_to_them_and_takes_their_names(here):
    notes = here.add("notes", table("reader", PLAIN), history=True)
    expression = EXPRESSION if here.url.get_backend_name() != "mariadb" else PLAIN
    before = CUSTOMER + ORDER + STAYS + GONE + CIRCLE + BRIEF + table("bold", OLD) + table("lower", expression)
    before += table("first", PLAIN) + INDEX.format("ix_there") + table("second", PLAIN) + INDEX.format("ix_back")
    after = CUSTOMER.replace("index=True)", "index=True)\n    __table_args__ = (Index('ix_word', 'name'),)") + STAYED
    after += table("new", OLD) + table("upper", expression)
    after += table("first", PLAIN) + INDEX.format("ix_back") + table("second", PLAIN) + INDEX.format("ix_there")
    package = make_app(here, before, ["notes"])
    here.write_ini("websauna_migrate.foreign_histories = alembic_history_gone\n")
    here.execute("CREATE TABLE nobodys (id INTEGER)", "CREATE TABLE alembic_history_gone (version_num VARCHAR(32))")
    (first,) = (path for path in here.autogenerate(*ALL) if path.is_relative_to(here.app))
    edited = "# edited by hand\n" + first.read_text()
    first.write_text(edited)
    here.models(notes, "")
    here.models(package, after)
    ran = here.run("revision", "--autogenerate", "-m", "less")
    assert ran.code == 0, ran
    removed = {"line", "orders", "delivery", "supplier", "apple", "tree", "brief", "bold", "lower"}
    assert sorted(line for line in ran.err.splitlines() if line.startswith("shop: ")) == [
        "shop: drops column invoice.order_id with all its values",
        *(f"shop: drops table {name} with all its rows" for name in sorted(removed)),
    ]
    (script,) = (path for path in here.scripts() if "less" in path.name)
    assert script.is_relative_to(here.app)
    here.ok("upgrade")
    here.goes_both_ways(script, before)
    kept = {"customer", "invoice", "new", "upper", "first", "second", "alembic_history_shop"}
    assert here.tables() == {*kept, "nobodys", "reader", "alembic_history_gone", "alembic_history_notes"}
    assert here.run("revision", "--autogenerate", "-m", "nothing").code == 0
    assert first.read_text() == edited
    for other in ("nobodys", "reader", "alembic_history"):
        assert other not in edited + script.read_text()


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


def test_hooks_of_the_user_keep_a_removed_table(lite):
    package = make_app(lite, CUSTOMER + ORDER)
    lite.autogenerate()
    lite.models(package, CUSTOMER)
    lite.ok("init")
    write(
        lite.app / "alembic" / "env.py",
        "from websauna_migrate.env import run_alembic\n"
        "run_alembic(package='shop', include_object=lambda item, name, kind, *_: name != 'line')\n",
    )
    lite.ok("revision", "--autogenerate", "-m", "less")
    (script,) = (path for path in lite.scripts() if "less" in path.name)
    assert "drop_table('orders')" in script.read_text()
    assert "'line'" not in script.read_text()


# --- types that nobody knows ---------------------------------------------------------------------------------

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
