"""What a database shows otherwise than the models say it, and is no difference."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import create_engine, inspect

from projects import Workspace

WELL = "No new upgrade operations detected.\n"
OFF = "Enum('50%', '100%', 'a:b', 'it\\'s', name='off')"
SALE = f"""
class Sale(Base):
    __tablename__ = "sale"
    id = Column(Integer, primary_key=True)
    plain = Column({OFF}, server_default="50%")
    expression = Column({OFF}, server_default=text("'100%'"))
    quote = Column({OFF}, server_default="it's")
    colon = Column({OFF}, server_default="a:b")
    colon_in_expression = Column({OFF}, server_default=text("'a\\\\:b'"))
    several = Column(ARRAY({OFF}), server_default="{{50%}}")
    several_in_expression = Column(ARRAY({OFF}), server_default=text("ARRAY['50%'::off]"))
"""
NUMBERS = """
class Here(Base):
    __tablename__ = "here"
    id = Column(Integer, primary_key=True)
    of_models = Column(Integer, Sequence("own"), server_default=Sequence("own").next_value())
    by_name = Column(Integer, server_default=text("nextval('own')"))
    by_full_name = Column(Integer, server_default=text("nextval('public.own')"))
    elsewhere = Column(Integer, server_default=text("nextval('stock.theirs')"))
    quoted = Column(Integer, server_default=text("nextval('stock.\\"The''irs\\"'::regclass)"))
    in_text = Column(String(30), server_default=text("'a' || nextval('own'::regclass)"))

class There(Base):
    __tablename__ = "there"
    __table_args__ = {"schema": "stock"}
    id = Column(SmallInteger, primary_key=True)
    theirs = Sequence("theirs", schema="stock")
    of_models = Column(Integer, theirs, server_default=theirs.next_value())
    by_name = Column(Integer, Sequence("The'irs", schema="stock"), server_default=text("nextval('own')"))
    by_full_name = Column(Integer, server_default=text("nextval('public.own')"))
    own_schema = Column(Integer, server_default=text("nextval('stock.theirs')"))
    elsewhere = Column(Integer, server_default=Sequence("own").next_value())
    in_text = Column(String(30), server_default=text("'a' || nextval('own'::regclass)"))
"""
NOTE = """
class Note(Base):
    __tablename__ = "note"
    id = Column(Integer, primary_key=True)
    at = Column(String(30), server_default="at :b 12:30 100% \\\\ c")
"""
HOST = """
from sqlalchemy.dialects import mysql

class Host(Base):
    __tablename__ = "host"
    id = Column(Integer, primary_key=True)
    key = Column(Uuid)
    uuid = Column(UUID)
    four = Column(mysql.INET4)
    six = Column(mysql.INET6, nullable=False, server_default="::1")
"""


@pytest.fixture
def pg(tmp_path, postgresql):
    """A folder with nothing in it and a database."""
    return Workspace(tmp_path, postgresql.new_database())


@pytest.fixture
def maria(tmp_path, mariadb):
    """The same on MariaDB."""
    return Workspace(tmp_path, mariadb.new_database())


def make_app(workspace, models):
    """Bring the database to ``models``: then there is no difference, and no warning."""
    package = workspace.add_app("shop", models, history=True)
    workspace.autogenerate()
    ran = workspace.run("check")
    assert (ran.code, ran.out, ran.err) == (0, WELL, "")
    return package


def finds_only(workspace, *differences):
    """Find just these ``differences``, which a script takes away, and its way back brings again."""
    told = "".join(f"  {difference}\n" for difference in differences)
    assert workspace.run("check").out == f"shop:\n{told}"
    (script,) = workspace.autogenerate()
    assert workspace.ok("check") == WELL
    workspace.ok("downgrade", "-1")
    script.unlink()
    assert workspace.run("check").out == f"shop:\n{told}"


def test_the_default_of_an_enum_may_hold_a_percent_sign(pg):
    package = make_app(pg, SALE)
    pg.models(package, SALE.replace('server_default="50%"', 'server_default="100%"'))
    finds_only(pg, "modify default sale: plain from '50%'::off to 100%")


def test_a_default_may_take_its_number_from_a_sequence_of_any_schema(pg):
    pg.execute("CREATE SCHEMA stock")
    package = make_app(pg, NUMBERS)
    pg.models(package, NUMBERS.replace("'public.own'", "'stock.theirs'", 1))
    finds_only(pg, "modify default here: by_full_name from nextval('own'::regclass) to nextval('stock.theirs')")


def test_a_default_of_a_table_elsewhere_may_name_another_sequence_later(pg):
    pg.execute("CREATE SCHEMA stock", "CREATE SEQUENCE stock.own")
    package = make_app(pg, NUMBERS)
    before, _, there = NUMBERS.rpartition("class There")
    pg.models(package, before + "class There" + there.replace("'public.own'", "'stock.own'"))
    finds_only(pg, "modify default stock.there: by_full_name from nextval('own'::regclass) to nextval('stock.own')")


def test_a_default_with_colons_comes_back_as_it_was(tmp_path, backend):
    here = Workspace(tmp_path, backend.new_database())
    package = make_app(here, NOTE)
    (default,) = (column["default"] for column in columns(here, "note") if column["name"] == "at")
    here.models(package, NOTE.replace(":b", ":c"))
    here.autogenerate()
    here.ok("downgrade", "-1")
    assert [column["default"] for column in columns(here, "note") if column["name"] == "at"] == [default]


def columns(workspace, table):
    engine = create_engine(workspace.url)
    with engine.connect() as connection:
        found = inspect(connection).get_columns(table)
    engine.dispose()
    return found


@pytest.mark.mariadb_only("types of MariaDB")
def test_the_types_that_only_mariadb_has_are_known(maria):
    package = make_app(maria, HOST)
    maria.models(package, HOST.replace("mysql.INET4", "String(45)"))
    finds_only(maria, "modify type host: four from INET4 to VARCHAR(45)")


INDEXED = """
class Place(Base):
    __tablename__ = "place"
    id = Column(Integer, primary_key=True)
    a = Column(String(20))
    b = Column(String(20))
    n = Column(Integer)
    __table_args__ = (
        {indexes}
    )
"""
INDEXES = {
    "sqlite": """
        Index("ix_text", text("n")),
        Index("ix_down", text("n DESC")),
        Index("ix_desc", desc("n")),
        Index("ix_unique", text("a"), "n", unique=True),
        Index("ix_collated", a.collate("NOCASE")),
        Index("ix_both", func.lower(a).collate("NOCASE"), n.desc()),
        Index("ix_where", text("b"), sqlite_where=text("n > 0")),
    """,
    "mariadb": """
        Index("ix_text", text("n")),
        Index("ix_down", text("n DESC")),
        Index("ix_desc", desc("n")),
        Index("ix_unique", text("a"), "n", unique=True),
        Index("ix_prefix", text("b(10)"), text("`a`")),
        Index("ix_order", "a", n.desc()),
    """,
    "postgresql": """
        Index("ix_text", text("n")),
        Index("ix_down", text("n DESC")),
        Index("ix_desc", desc("n")),
        Index("ix_unique", text("a"), "n", unique=True),
        Index("ix_collated", a.collate("C")),
        Index("ix_joined", func.lower(a) + b),
        Index("ix_cast", cast(a, Text), text("(n::text)")),
        Index("ix_coalesce", func.coalesce(a, "it's :x 5%"), text("coalesce(n, 0) DESC NULLS LAST")),
        Index("ix_operators", text("lower(a) text_pattern_ops"), postgresql_where=text("n > 0")),
        Index("ix_where", "b", postgresql_where=text("n > 0")),
        Index("ix_method", "n", postgresql_using="hash"),
    """,
}
# What some of them are after a change.
INDEX_CHANGES = {
    "sqlite": (
        'Index("ix_text", text("n DESC"))',
        'Index("ix_collated", a.collate("RTRIM"))',
        'Index("ix_where", text("b"), sqlite_where=text("n > 1"))',
    ),
    "mariadb": (
        'Index("ix_text", text("b"))',
        'Index("ix_down", text("n"))',
        'Index("ix_unique", text("a"), text("b"), unique=True)',
        'Index("ix_prefix", text("b(5)"), text("`a`"))',
        'Index("ix_order", a.desc(), "n")',
    ),
    "postgresql": (
        'Index("ix_text", text("n DESC"))',
        'Index("ix_collated", a.collate("POSIX"))',
        'Index("ix_joined", func.upper(a) + b)',
        'Index("ix_operators", text("lower(a) bpchar_pattern_ops"), postgresql_where=text("n > 0"))',
        'Index("ix_where", text("b"), postgresql_where=text("n > 1"))',
        'Index("ix_method", "n")',
    ),
}


def test_an_index_may_be_spelled_as_one_likes(tmp_path, backend):
    here = Workspace(tmp_path, backend.new_database())
    models = INDEXED.format(indexes=INDEXES[backend.name])
    package = make_app(here, models)
    # Some other difference, so that no table is left out of the comparison.
    here.models(package, models.replace("n = ", "more = Column(Integer)\n    n = "))
    finds_only(here, "add column place: more INTEGER")


def test_an_index_that_is_another_one_is_found(tmp_path, backend):
    here = Workspace(tmp_path, backend.new_database())
    models = INDEXED.format(indexes=INDEXES[backend.name])
    package = make_app(here, models)
    changed, names = models, []
    for change in INDEX_CHANGES[backend.name]:
        name = change.split('"')[1]
        changed = re.sub(rf'Index\("{name}".*(?=,\n)', lambda _, change=change: change, changed)
        names.append(name)
    here.models(package, changed)
    assert sorted(re.findall(r"ix_\w+", here.run("check").out)) == sorted(names)
    (script,) = here.autogenerate()
    assert here.ok("check") == WELL
    here.ok("downgrade", "-1")
    script.unlink()
    here.models(package, models)
    assert here.ok("check") == WELL


PUBLIC = """
class Place(Base):
    __tablename__ = "place"
    __table_args__ = {"schema": "public"}
    id = Column(Integer, primary_key=True)
    in_id = Column(ForeignKey("public.place.id", ondelete="CASCADE"))

class Sale(Base):
    __tablename__ = "sale"
    id = Column(Integer, primary_key=True)
    place_id = Column(ForeignKey("public.place.id", name="fk_place"))

class Note(Base):
    __tablename__ = "note"
    __table_args__ = {"schema": "public"}
    id = Column(Integer, primary_key=True)
    sale_id = Column(ForeignKey(Sale.id, deferrable=True))
"""


def test_the_schema_public_may_be_named_or_not(pg):
    package = make_app(pg, PUBLIC)
    pg.models(package, PUBLIC.replace("id = Column(Integer,", "more = Column(Integer)\n    id = Column(Integer,"))
    assert pg.run("check").out.count("add column") == pg.run("check").out.count("\n  ") == 3
    pg.models(package, PUBLIC.replace(', ondelete="CASCADE"', "").replace(", deferrable=True", ""))
    assert pg.run("check").out.count(" fk ") == 2
    (script,) = pg.autogenerate()
    assert pg.ok("check") == WELL
    pg.ok("downgrade", "-1")
    script.unlink()
    pg.models(package, PUBLIC)
    assert pg.ok("check") == WELL


COMPUTED = """
class Box(Base):
    __tablename__ = "box"
    id = Column(Integer, primary_key=True)
    a = Column(Integer)
    small = Column(Boolean, Computed("a in (1, 2) and a != 3", persisted=True))
    not_small = Column(Boolean, Computed("not (a in (1, 2))", persisted=True))
    price = Column(Numeric(10, 2), Computed("a * 1.5", persisted=True))
    net_price = Column(Numeric(12, 2), Computed("CASE WHEN a = 1 THEN NULL ELSE a END", persisted=True))
    words = Column(String(20), Computed("concat('a:b 5%', CAST(a AS CHAR(3)))", persisted=True))
"""


def test_a_computed_column_may_be_spelled_as_one_likes(tmp_path, backend):
    here = Workspace(tmp_path, backend.new_database())
    models = COMPUTED
    if backend.name == "sqlite":
        models = models.replace("concat('a:b 5%', CAST(a AS CHAR(3)))", "'a:b 5%' || a")
    if backend.name == "postgresql":
        models = models.replace("concat(", "textcat(")
    package = make_app(here, models)
    here.models(package, models.replace("ELSE a END", "ELSE a + 1 END"))
    assert re.findall("  modify computed box: (\\w+) from", here.run("check").out) == ["net_price"]


NUMBERED = """
class Sale(Base):
    __tablename__ = "sale"
    id = Column(Integer, primary_key=True)
    other = Column(Integer)
"""


def test_a_key_may_be_numbered_by_an_identity_where_the_models_do_not_say_how(pg):
    package = make_app(pg, NUMBERED.replace("primary", "Identity(), primary"))
    pg.models(package, NUMBERED)
    assert pg.ok("check") == WELL
    pg.models(package, NUMBERED.replace("Integer, primary", "BigInteger, primary"))
    finds_only(pg, "modify type sale: id from INTEGER to BIGINT")
