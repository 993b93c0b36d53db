"""What a database shows otherwise than the models say it, and is no difference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import create_engine, inspect

from projects import Workspace

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import ReflectedColumn

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


PUBLIC = """
class Yard(Base):
    __tablename__ = "yard"
    __table_args__ = {"schema": "public"}
    id = Column(Integer, primary_key=True)
    in_id = Column(ForeignKey("public.yard.id", ondelete="CASCADE"))

class Trade(Base):
    __tablename__ = "trade"
    id = Column(Integer, primary_key=True)
    yard_id = Column(ForeignKey("public.yard.id", name="fk_yard"))

class Remark(Base):
    __tablename__ = "remark"
    __table_args__ = {"schema": "public"}
    id = Column(Integer, primary_key=True)
    trade_id = Column(ForeignKey(Trade.id, deferrable=True))
"""


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


NUMBERED = """
class Counted(Base):
    __tablename__ = "counted"
    id = Column(Integer, primary_key=True)
    other = Column(Integer)
"""


class Case(NamedTuple):
    """Models, and what they become in two steps, each with patterns of the lines that ``check`` tells then."""

    models: str
    first: str
    found: list[str]
    second: str
    found_then: list[str]


def cases(backend: str, server: str) -> dict[str, Case]:
    """Return those of a ``backend``, which is ``mariadb`` where the ``server`` is MySQL too."""
    indexed = INDEXED.format(indexes=INDEXES[backend])
    reindexed, names = indexed, []
    for change in INDEX_CHANGES[backend]:
        names.append(change.split('"')[1])
        reindexed = re.sub(rf'Index\("{names[-1]}".*(?=,\n)', lambda _, change=change: change, reindexed)
    computed = COMPUTED
    if backend == "sqlite":
        computed = computed.replace("concat('a:b 5%', CAST(a AS CHAR(3)))", "'a:b 5%' || a")
    if backend == "postgresql":
        computed = computed.replace("concat(", "textcat(")
    common = {
        "a default with colons": Case(
            NOTE, NOTE.replace(":b", ":c"), ["modify default note: at from .* to at :c 12:30 .*"], NOTE, []
        ),
        # Some other difference, so that no table is left out of the comparison.
        "an index may be spelled as one likes, and one that is another is found": Case(
            indexed,
            indexed.replace("n = ", "more = Column(Integer)\n    n = "),
            ["add column place: more INTEGER"],
            reindexed,
            [rf".* index place: {name}\b.*" for name in names],
        ),
        "a computed column may be spelled as one likes": Case(
            computed,
            computed,
            [],
            computed.replace("ELSE a END", "ELSE a + 1 END"),
            ["modify computed box: net_price from .*"],
        ),
    }
    return common | {"mariadb": MARIADB, "postgresql": POSTGRESQL}.get(server, {})


def line(text: str) -> str:
    return re.escape(text)


MARIADB = {
    "the types that only MariaDB has": Case(
        HOST,
        HOST.replace("mysql.INET4", "String(45)"),
        [line("modify type host: four from INET4 to VARCHAR(45)")],
        HOST,
        [],
    )
}
_BEFORE, _, _THERE = NUMBERS.rpartition("class There")
POSTGRESQL = {
    "the default of an enum may hold a percent sign": Case(
        SALE,
        SALE.replace('server_default="50%"', 'server_default="100%"'),
        [line("modify default sale: plain from '50%'::off to 100%")],
        SALE,
        [],
    ),
    # Later there is a sequence of the same name in the schema of the table.
    "a default may take its number from a sequence of any schema": Case(
        NUMBERS,
        NUMBERS.replace("'public.own'", "'stock.theirs'", 1),
        [line("modify default here: by_full_name from nextval('own'::regclass) to nextval('stock.theirs')")],
        _BEFORE + "class There" + _THERE.replace("'public.own'", "'stock.own'"),
        [line("modify default stock.there: by_full_name from nextval('own'::regclass) to nextval('stock.own')")],
    ),
    "the schema public may be named or not": Case(
        PUBLIC,
        PUBLIC.replace("id = Column(Integer,", "more = Column(Integer)\n    id = Column(Integer,"),
        [line(f"add column {table}: more INTEGER") for table in ("yard", "trade", "remark")],
        PUBLIC.replace(', ondelete="CASCADE"', "").replace(", deferrable=True", ""),
        [rf".* fk .*\b{table}\b.*" for table in ("yard", "remark")],
    ),
    "a key may be numbered by an identity where the models do not say how": Case(
        NUMBERED.replace("primary", "Identity(), primary"),
        NUMBERED,
        [],
        NUMBERED.replace("Integer, primary", "BigInteger, primary"),
        [line("modify type counted: id from INTEGER to BIGINT")],
    ),
}


def test_what_is_spelled_otherwise_is_no_difference_and_what_is_another_is_found(tmp_path, backend):
    here = Workspace(tmp_path, backend.new_database())
    named = cases(backend.name, here.url.get_backend_name())
    if backend.name == "postgresql":
        here.execute("CREATE SCHEMA stock")
    models = "".join(case.models for case in named.values())
    package = here.add_app("shop", models, history=True)
    here.autogenerate()
    ran = here.run("check")
    assert (ran.code, ran.out, ran.err) == (0, WELL, "")
    [default] = [column["default"] for column in columns(here, "note") if column["name"] == "at"]

    here.models(package, "".join(case.first for case in named.values()))
    wanted = [pattern for case in named.values() for pattern in case.found]
    finds_only(here, wanted)
    (script,) = here.autogenerate()
    assert here.ok("check") == WELL
    here.ok("downgrade", "-1")
    script.unlink()
    finds_only(here, wanted)
    assert [column["default"] for column in columns(here, "note") if column["name"] == "at"] == [default]

    if backend.name == "postgresql":
        here.execute("CREATE SEQUENCE stock.own")
    here.models(package, "".join(case.second for case in named.values()))
    finds_only(here, [pattern for case in named.values() for pattern in case.found_then])
    (script,) = here.autogenerate()
    assert here.ok("check") == WELL
    here.ok("downgrade", "-1")
    script.unlink()
    here.models(package, models)
    assert here.ok("check") == WELL


def finds_only(workspace: Workspace, patterns: list[str]) -> None:
    """See that ``check`` tells a line for each of ``patterns``, and nothing else."""
    told = workspace.run("check").out.replace("\n      ", " ")  # a long line goes on below
    heading, *lines = told.splitlines()
    assert heading == "shop:"
    missing = [pattern for pattern in patterns if not any(re.fullmatch(f"  {pattern}", line) for line in lines)]
    more = [line for line in lines if not any(re.fullmatch(f"  {pattern}", line) for pattern in patterns)]
    assert (missing, more, len(lines)) == ([], [], len(patterns)), lines


def columns(workspace: Workspace, table: str) -> list[ReflectedColumn]:
    engine = create_engine(workspace.url)
    with engine.connect() as connection:
        found = inspect(connection).get_columns(table)
    engine.dispose()
    return found
