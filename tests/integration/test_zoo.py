"""Every type and construct of SQLAlchemy, from the models into the database and back, with no difference left over.

The models of the zoo are those that all three databases have, and for each what it has of its own.
"""

from __future__ import annotations

import re
import subprocess
import sysconfig
from pathlib import Path
from textwrap import dedent

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import DBAPIError

from projects import INITIALIZER, Workspace, write

TYPES = '''
"""Types of the zoo, in a module of their own."""

import enum

from sqlalchemy import Enum, Numeric, String, func
from sqlalchemy.types import TypeDecorator, UserDefinedType


class Mood(enum.Enum):
    happy = 1
    sad = 2


class Priority(enum.Enum):
    LOW = "low"
    HIGH = "it's high: 100%"


class Money(TypeDecorator):
    impl = Numeric
    cache_ok = True


class Currency(TypeDecorator):
    impl = String
    cache_ok = True

    def __init__(self, standard, **options):
        self.standard = standard
        super().__init__(**options)


class EnumText(TypeDecorator):
    impl = Enum
    cache_ok = True


class Point(UserDefinedType):
    cache_ok = True

    def __init__(self, srid=0):
        self.srid = srid

    def get_col_spec(self):
        return "VARCHAR(40)"
'''

COMMON = """
import datetime
import decimal
import uuid

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from {name} import types as own

CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    pass


class Types(Base):
    __tablename__ = "types"
    id = Column(Integer, primary_key=True)
    small = Column(SmallInteger)
    big = Column(BigInteger)
    flag = Column(Boolean, nullable=False)
    flag_checked = Column(Boolean(create_constraint=True, name="flag_is_bool"))
    number = Column(Numeric(10, 2))
    plain_number = Column(Numeric)
    real = Column(Float)
    single = Column(Float(24))
    double = Column(Double)
    string = Column(String(50))
    words = Column(Unicode(20))
    long = Column(Text)
    long_words = Column(UnicodeText)
    blob = Column(LargeBinary)
    day = Column(Date)
    time_of_day = Column(Time)
    moment = Column(DateTime)
    moment_in_zone = Column(DateTime(timezone=True))
    span = Column(Interval)
    ident = Column(Uuid)
    ident_text = Column(Uuid(as_uuid=False, native_uuid=False))
    document = Column(JSON)
    pickle = Column(PickleType)
    mood = Column(Enum(own.Mood))
    mood_text = Column(Enum(own.Mood, native_enum=False, length=30))
    mood_checked = Column(Enum("a", "b", native_enum=False, create_constraint=True, name="mood_checked"))
    priority = Column(Enum(own.Priority, name="priority", values_callable=lambda e: [m.value for m in e]))
    mood_decorated = Column(own.EnumText(own.Mood))
    price = Column(own.Money(12, 2))
    currency = Column(own.Currency("ISO", length=3))
    point = Column(own.Point(4326))
    varying = Column(String(10).with_variant(Text(), "postgresql").with_variant(mysql.VARCHAR(12), "mysql", "mariadb"))
    collated = Column(String(10, collation={"sqlite": "NOCASE", "postgresql": "C"}.get("{dialect}", "utf8mb4_bin")))


class Defaults(Base):
    __tablename__ = "defaults"
    id = Column(Integer, primary_key=True)
    word = Column(String(30), server_default="word")
    empty = Column(String(30), server_default="")
    quote = Column(String(30), server_default="it's")
    quoted = Column(String(30), server_default="'quoted'")
    colon = Column(String(30), server_default="a :b 12:30 100% \\\\ c")
    as_text = Column(String(30), server_default=text("'text'"))
    number = Column(Integer, server_default="7")
    negative = Column(Integer, server_default=text("-7"))
    amount = Column(Numeric(6, 2), server_default="1.50")
    ratio = Column(Float, server_default="0.5")
    yes = Column(Boolean, server_default=true())
    no = Column(Boolean, server_default=false())
    one = Column(Boolean, server_default="1")
    nullish = Column(String(3), server_default=text("NULL"))
    now = Column(DateTime, server_default=func.now())
    stamp = Column(DateTime, server_default=text("CURRENT_TIMESTAMP"))
    day = Column(Date, server_default="2020-02-29")
    choice = Column(Enum("x", "y", name="choice"), server_default="x")
    ident = Column(Uuid, server_default="00000000000000000000000000000000")
    money = Column(own.Money(8, 2), server_default="9.99")
    python_side = Column(DateTime, default=datetime.datetime.now, onupdate=datetime.datetime.now)
    total = Column(Integer, Computed("number * 2", persisted="{dialect}" == "postgresql" or None))
    stored = Column(Integer, Computed("number + negative", persisted=True))


class Identified(Base):
    __tablename__ = "identified"
    id = Column(Integer, Identity(start=10, increment=2), primary_key=True)


class Indexes(Base):
    __tablename__ = "indexes"
    id = Column(Integer, primary_key=True)
    a = Column(Integer, index=True)
    b = Column(Integer, CheckConstraint("b < 100", name="b_small"), CheckConstraint("b <> 50"), unique=True)
    c = Column(Integer, index=True, unique=True)
    d = Column(String(20))
    e = Column(String(20))
    __table_args__ = (
        Index("ix_two", "a", "d"),
        Index("ix_down", a.desc(), d),
        UniqueConstraint("d", "e", name="uq_pair"),
        UniqueConstraint("a", "e"),
        CheckConstraint("a > 0", name="a_positive"),
        CheckConstraint("d <> '50%' AND d <> 'a:b'", name="percent_and_colon"),
        CheckConstraint(b > 5),
        {"comment": "a table's \\"comment\\" 100%"},
    )


class Parent(Base):
    __tablename__ = "parent"
    x = Column(Integer, primary_key=True)
    y = Column(Integer, primary_key=True, autoincrement=False)
    kind = Column(String(10), comment="which 'kind': 100%")
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "parent"}


class Single(Parent):
    extra = Column(Integer)
    __mapper_args__ = {"polymorphic_identity": "single"}


class Joined(Parent):
    __tablename__ = "joined"
    x = Column(Integer, primary_key=True)
    y = Column(Integer, primary_key=True)
    other = Column(Integer)
    __table_args__ = (ForeignKeyConstraint(["x", "y"], ["parent.x", "parent.y"], ondelete="CASCADE"),)
    __mapper_args__ = {"polymorphic_identity": "joined"}


class Node(Base):
    __tablename__ = "node"
    id = Column(Integer, primary_key=True)
    up_id = Column(ForeignKey("node.id", ondelete="SET NULL"), index=True)
    leaf_id = Column(ForeignKey("leaf.id", name="fk_node_leaf", use_alter=True))


class Leaf(Base):
    __tablename__ = "leaf"
    id = Column(Integer, primary_key=True)
    node_id = Column(ForeignKey("node.id", onupdate="CASCADE"), nullable=False, index=True)


links = Table(
    "links",
    Base.metadata,
    Column("node_id", ForeignKey("node.id"), primary_key=True),
    Column("leaf_id", ForeignKey("leaf.id"), primary_key=True),
    info={"anything": object()},
)


class Quoted(Base):
    __tablename__ = "Order Details"
    id = Column("Id", Integer, primary_key=True)
    select = Column("select", Integer, index=True)
    mixed = Column("Mixed Case", String(5))
    percent = Column("percent%", Integer)
    __table_args__ = (Index("Index Of Mixed", "Mixed Case"),)


class NamedBase(DeclarativeBase):
    metadata = MetaData(naming_convention=CONVENTION)


class Named(NamedBase):
    __tablename__ = "named"
    id = Column(Integer, primary_key=True)
    a = Column(Integer, index=True)
    b = Column(Integer, CheckConstraint("b > 0", name="positive"), unique=True)
    parent_id = Column(ForeignKey("named.id"))
    flag = Column(Boolean(create_constraint=True, name="flag"))


Index("ix_lower", func.lower(Indexes.d))
bases = [Base, NamedBase]
"""

POSTGRESQL = """
class OfPostgres(Base):
    __tablename__ = "of_postgres"
    id = Column(BigInteger, Identity(always=True), primary_key=True)
    serial = Column(Integer, Sequence("zoo_seq", start=5))
    from_sequence = Column(Integer, Sequence("zoo_seq2"), server_default=Sequence("zoo_seq2").next_value())
    jsonb = Column(postgresql.JSONB, server_default=text("'{}'::jsonb"))
    jsonb_str = Column(postgresql.JSONB, server_default='{"a": 1}')
    either = Column(JSON().with_variant(postgresql.JSONB(), "postgresql"))
    array = Column(ARRAY(Integer), server_default=text("'{}'"))
    matrix = Column(postgresql.ARRAY(String(5), dimensions=2))
    moods = Column(ARRAY(Enum(own.Mood)))
    own_enum = Column(postgresql.ENUM("p", "q:r", "it's 5%", name="pq"), nullable=False, server_default="p")
    domain = Column(postgresql.DOMAIN("positive", Integer, check="VALUE > 0"))
    uid = Column(postgresql.UUID, server_default=text("gen_random_uuid()"))
    inet = Column(postgresql.INET)
    cidr = Column(postgresql.CIDR)
    mac = Column(postgresql.MACADDR)
    bits = Column(postgresql.BIT(3))
    varbits = Column(postgresql.BIT(5, varying=True))
    span = Column(postgresql.INTERVAL(precision=3), server_default=text("'1 day'"))
    year_span = Column(postgresql.INTERVAL(fields="YEAR"))
    money = Column(postgresql.MONEY)
    search = Column(postgresql.TSVECTOR, Computed("to_tsvector('english', coalesce(note, ''))", persisted=True))
    note = Column(Text, server_default=text("'a' || 'b'"))
    ints = Column(postgresql.INT4RANGE)
    many = Column(postgresql.TSTZMULTIRANGE)
    stamp = Column(postgresql.TIMESTAMP(timezone=True, precision=3), server_default=text("now() + interval '1 hour'"))
    oid = Column(postgresql.OID)
    during = Column(postgresql.TSRANGE)
    utc = Column(DateTime, server_default=text("timezone('utc', now())"))
    code = Column(CHAR(4))
    __table_args__ = (
        Index("ix_pg_partial", "note", unique=True, postgresql_where=text("note LIKE 'a%'")),
        Index("ix_pg_ops", "note", postgresql_ops={"note": "text_pattern_ops"}),
        Index("ix_pg_gin", "jsonb", postgresql_using="gin"),
        Index("ix_pg_include", "code", postgresql_include=["inet"]),
        Index("ix_pg_expression", func.upper(note), text("(code || '%')")),
        Index("ix_pg_expression_ops", func.lower(note).label("low"), postgresql_ops={"low": "text_pattern_ops"}),
        Index("ix_pg_nulls", code.desc().nulls_last()),
        UniqueConstraint("code", name="uq_pg_deferred", deferrable=True, initially="DEFERRED"),
        UniqueConstraint("inet", name="uq_pg_nulls", postgresql_nulls_not_distinct=True),
        postgresql.ExcludeConstraint(("during", "&&"), name="ex_during"),
        ForeignKeyConstraint(["serial"], ["types.id"], deferrable=True, initially="DEFERRED"),
    )
"""

MARIADB = """
class OfMariadb(Base):
    __tablename__ = "of_mariadb"
    id = Column(mysql.INTEGER(unsigned=True), primary_key=True)
    tiny = Column(mysql.TINYINT)
    medium = Column(mysql.MEDIUMINT(unsigned=True), server_default="3")
    wide = Column(mysql.BIGINT(display_width=20))
    year = Column(mysql.YEAR)
    bits = Column(mysql.BIT(4))
    flags = Column(mysql.SET("a", "b"))
    size = Column(mysql.ENUM("s", "m", "it's"), server_default="m")
    medium_text = Column(mysql.MEDIUMTEXT)
    long_text = Column(mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"))
    varbinary = Column(mysql.VARBINARY(16))
    binary = Column(mysql.BINARY(4))
    decimal = Column(mysql.DECIMAL(8, 3, unsigned=True))
    changed = Column(DateTime, server_default=text("CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"))
    stamp = Column(mysql.TIMESTAMP(fsp=3), server_default=text("CURRENT_TIMESTAMP(3)"))
    uid = Column(String(36), server_default=func.uuid())
    sum = Column(Integer, server_default=text("(1 + 2)"))
    note = Column(Text)
    __table_args__ = (
        Index("ix_prefix", "note", mysql_length={"note": 10}, mariadb_length={"note": 10}),
        Index("ix_full", "medium_text", mysql_prefix="FULLTEXT", mariadb_prefix="FULLTEXT"),
        {"mysql_engine": "InnoDB", "mariadb_engine": "InnoDB", "mysql_charset": "utf8mb4", "mariadb_charset": "latin1"},
    )
"""

SQLITE = """
class OfSqlite(Base):
    __tablename__ = "of_sqlite"
    id = Column(Integer, primary_key=True)
    expression = Column(String(20), server_default=text("(lower('A'))"))
    bare = Column(Integer, server_default=text("1 + 2"))
    doc = Column(sqlite.JSON)
    __table_args__ = (
        Index("ix_lite_partial", "expression", sqlite_where=text("expression LIKE 'a%'")),
        {"sqlite_autoincrement": True},
    )
"""

OWN = {"postgresql": POSTGRESQL, "mariadb": MARIADB, "sqlite": SQLITE}


WELL = "No new upgrade operations detected.\n"
START = "from sqlalchemy import *\nfrom sqlalchemy.orm import *\n"


def zoo(folder, backend, models=None) -> Workspace:
    """Write the application of the zoo into ``folder``, for a fresh database of ``backend``."""
    work = Workspace(folder, backend.new_database())
    name = "zoo"
    common = COMMON.replace("{name}", name).replace("{dialect}", backend.name)
    if backend.name == "mariadb":  # no indexes over expressions
        common = common.replace('Index("ix_lower", func.lower(Indexes.d))', "")
    package = work.add_app(name, history=True, init=INITIALIZER.replace(":Base", ":bases").replace("{addons!r}", "()"))
    write(package / "types.py", TYPES)
    write(
        package / "models.py",
        START + (models or common + OWN[backend.name]),
    )
    return work


def go_there_and_back(work: Workspace, models: str) -> None:
    """Write the revision to other ``models``, run it up, down and up again, and see that nothing is left to do."""
    write(work.folder / "zoo" / "zoo" / "models.py", START + models)
    work.autogenerate()
    for command in (("downgrade", "-1"), ("upgrade",)):
        work.ok(*command)
    assert work.ok("check") == WELL


def left_over(work: Workspace) -> dict[str, object]:
    """Return all that is in the database, but for the history table."""
    engine = create_engine(work.url)
    try:
        with engine.connect() as connection:
            found = inspect(connection)
            rest: dict[str, object] = {"tables": set(found.get_table_names()) - {"alembic_history_zoo"}}
            if engine.dialect.supports_sequences:
                rest["sequences"] = found.get_sequence_names()
            if engine.dialect.name == "postgresql":
                rest["enums"] = found.get_enums()
                rest["domains"] = found.get_domains()
            return {kind: names for kind, names in rest.items() if names}
    finally:
        engine.dispose()


def test_the_zoo_goes_up_shows_no_difference_and_goes_down_without_a_trace(tmp_path, backend):
    work = zoo(tmp_path, backend)
    work.ok("revision", "--autogenerate", "-m", "zoo")
    (script,) = work.scripts()
    passes_linter(script)
    # First as SQL.
    execute_sql(work, work.ok("upgrade", "--sql"))
    assert work.ok("check") == WELL, script.read_text()
    work.ok("downgrade", "base")
    assert left_over(work) == {}
    work.ok("upgrade")
    work.ok("revision", "--autogenerate", "-m", "nothing")
    assert work.scripts() == {script}


def execute_sql(work: Workspace, sql: str) -> None:
    """Execute what ``upgrade --sql`` printed."""
    engine = create_engine(work.url)
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_history_zoo")  # made by Alembic on MariaDB
        for statement in re.split(r";\n", re.sub(r"^--.*$", "", sql, flags=re.MULTILINE)):
            if statement.strip() and statement.strip() not in ("BEGIN", "COMMIT"):
                is_sqlite = work.url.get_backend_name() == "sqlite"
                connection.exec_driver_sql(statement if is_sqlite else statement.replace("%", "%%"))
    engine.dispose()


def passes_linter(script: Path) -> None:
    program = Path(sysconfig.get_path("scripts"), "ruff")
    argv = [program, "check", "--isolated", "--no-cache", script]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


CHANGES = {
    # name of the column: before, after
    "longer": ("String(20)", "String(30)"),
    "unlimited": ("String(20)", "Text"),
    "bounded": ("Text", "String(70)"),
    "precise": ("Numeric(6, 2)", "Numeric(8, 3)"),
    "bigger": ("Integer", "BigInteger"),
    "stricter": ("String(5)", "String(5), nullable=False"),
    "looser": ("String(5), nullable=False", "String(5)"),
    "default_added": ("String(5)", "String(5), server_default='x'"),
    "default_changed": ("String(9), server_default='it\\'s'", "String(9), server_default='it\\'s 5%'"),
    "default_dropped": ("String(5), server_default='x'", "String(5)"),
    "default_emptied": ("String(5), server_default='x'", "String(5), server_default=''"),
    "default_case": ("String(5), server_default='x'", "String(5), server_default='X'"),
    "flag": ("Boolean, server_default=true()", "Boolean, server_default=false()"),
    "number": ("Integer, server_default='1'", "Integer, server_default='2'"),
    "amount": ("Numeric(6, 2), server_default='1.50'", "Numeric(6, 2), server_default='1.05'"),
    "moment": ("DateTime, server_default=func.now()", "DateTime"),
    "gone": ("Integer", None),
    "new": (None, "Integer, CheckConstraint('new > 0', name='new_positive')"),
    "new_flag": (None, "Boolean(create_constraint=True, name='ck_new_flag')"),
    "new_filled": (None, "String(9), nullable=False, server_default='it\\'s'"),
    "indexed": ("Integer", "Integer, index=True"),
    "not_indexed": ("Integer, index=True", "Integer"),
    "unique_index": ("Integer, index=True", "Integer, index=True, unique=True"),
}
CHANGES_ON = {
    "sqlite": {},
    "postgresql": {
        "zoned": ("DateTime", "DateTime(timezone=True)"),
        "unbounded": ("String(20)", "String"),
        "limited": ("String", "String(20)"),
        "sized": ("Float(53)", "Float(24)"),
        "commented": ("Integer", 'Integer, comment="it\'s 5%"'),
        "json": ("JSON", "postgresql.JSONB"),
        "array": ("ARRAY(Integer)", "ARRAY(BigInteger)"),
        "identity": ("Integer, Identity(start=5), nullable=False", "Integer, Identity(start=7), nullable=False"),
        "identity_added": ("Integer, nullable=False", "Integer, Identity(start=5)"),
        "identity_removed": ("Integer, Identity(always=True)", "Integer, nullable=False"),
        "identity_for_default": ("Integer, server_default='5', nullable=False", "Integer, Identity()"),
        "nullable_identity": ("Integer", "Integer, Identity()"),
        "counted": ("Integer", "Integer, server_default=Sequence('counter').next_value()"),
        "newly_counted": (None, "Integer, server_default=Sequence('new_counter').next_value() + 1"),
        "seconds": ("postgresql.TIMESTAMP(precision=3)", "postgresql.TIMESTAMP(precision=0)"),
        "expression": ("Text, server_default=text(\"'a' || 'b'\")", "Text, server_default=text(\"'a' || 'c'\")"),
        "mood": ("Enum('a', 'b', name='old_mood')", "Text"),
    },
    "mariadb": {
        "commented": ("Integer", 'Integer, comment="it\'s 5%"'),
        "unsigned": ("mysql.INTEGER", "mysql.INTEGER(unsigned=True)"),
        "smaller": ("mysql.MEDIUMTEXT", "mysql.TINYTEXT"),
        "size": ("Enum('s', 'm')", "Enum('s', 'm', 'l')"),
        "stamp": ("mysql.TIMESTAMP(fsp=3), nullable=True", "mysql.TIMESTAMP(fsp=6), nullable=True"),
    },
}
TABLE_CHANGES = (
    # arguments of the table that are there before, and those that are there after
    (
        """
        Index("ix_pair", "longer", "number"), Index("ix_gone", "number"), Index("ix_turned", "longer", "text_key"),
        UniqueConstraint("number", name="uq_gone"), UniqueConstraint("number", "longer", name="uq_changed"),
        CheckConstraint("number > 0", name="ck_gone"),
        ForeignKeyConstraint(["other_id"], ["other.id"], name="fk_changed"),
        ForeignKeyConstraint(["gone_id"], ["other.id"], name="fk_gone"),
        """,
        """
        Index("ix_pair", "longer", "number", unique=True), Index("ix_added", "number", "longer"),
        Index("ix_turned", "text_key", "longer"),
        UniqueConstraint("text_key", name="uq_added"), UniqueConstraint("number", "text_key", name="uq_changed"),
        CheckConstraint("number > 1 AND text_key <> '5%'", name="ck_added"),
        ForeignKeyConstraint(["other_id"], ["other.id"], name="fk_changed", ondelete="CASCADE"),
        ForeignKeyConstraint(["added_id"], ["other.id"], name="fk_added"),
        """,
    )
)
CHANGED = """
from sqlalchemy import *
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import *


class Base(DeclarativeBase):
    pass


class Other(Base):
    __tablename__ = "other"
    id = Column(Integer, primary_key=True)


class Changed(Base):
    __tablename__ = "changed"
    id = Column(Integer, primary_key=True)
    other_id = Column(Integer)
    gone_id = Column(Integer)
    added_id = Column(Integer)
    text_key = Column(String(10))
{columns}
    __table_args__ = ({arguments})


bases = Base
"""


def changed(side: int, backend: str) -> str:
    """Return the models before (0) or after (1) all the changes."""
    pairs = CHANGES | CHANGES_ON[backend]
    columns = [f"    {name} = Column({pair[side]})" for name, pair in pairs.items() if pair[side] is not None]
    return CHANGED.format(columns="\n".join(columns), arguments=TABLE_CHANGES[side])


def test_each_real_difference_is_found_and_can_be_undone(tmp_path, backend):
    work = zoo(tmp_path, backend, changed(0, backend.name))
    work.autogenerate()
    models = tmp_path / "zoo" / "zoo" / "models.py"
    write(models, changed(1, backend.name))
    (script,) = work.autogenerate()
    text = script.read_text().partition("def downgrade")[0]
    assert [
        name for name in CHANGES | CHANGES_ON[backend.name] if not re.search(rf"\b(ix_changed_)?{name}\b", text)
    ] == []
    for name in re.findall(r'"((?:ix|uq|ck|fk)_\w+)"', "".join(TABLE_CHANGES)):
        assert f"'{name}'" in text, name
    assert "'new_positive'" in text
    assert work.ok("check") == WELL
    work.ok("downgrade", "-1")
    write(models, changed(0, backend.name))
    script.unlink()
    assert work.ok("check") == WELL


# --- what cannot be written ------------------------------------------------------------------------------------

TYPE_WITH = """
from sqlalchemy import *
from sqlalchemy.orm import *
from sqlalchemy.types import UserDefinedType


def make():
    class Local(UserDefinedType):
        cache_ok = True

        def get_col_spec(self):
            return "INTEGER"

    return Local()


class Needy(UserDefinedType):
    cache_ok = True

    def __init__(self, anything):
        self.anything = anything

    def get_col_spec(self):
        return "INTEGER"


class Base(DeclarativeBase):
    pass


"""
THING_WITH = """
class Thing_{name}(Base):
    __tablename__ = "{name}"
    id = Column(Integer, primary_key=True)
    part = Column({type})
"""


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        ("make()", "the type zoo.models.make.<locals>.Local cannot be written into a revision: "),
        ("Needy(object())", "the type zoo.models.Needy cannot be written into a revision: zoo.models.Needy(<object "),
        ("NullType()", "the type sqlalchemy.sql.sqltypes.NullType cannot be written into a revision: "),
    ],
)
def test_a_type_that_cannot_be_written_is_named_and_leaves_no_file(tmp_path, sqlite, type_, said):
    models = type_with(type_).replace("import UserDefinedType", "import NullType, UserDefinedType")
    work = zoo(tmp_path, sqlite, models)
    before = work.files()
    message = work.fails("revision", "--autogenerate", "-m", "first")
    assert message.startswith(f"table 'thing', column 'part': {said}")
    assert work.files() == before


def type_with(type_: str) -> str:
    return TYPE_WITH + THING_WITH.format(name="thing", type=type_) + "\n\nbases = Base\n"


FOREIGN = TYPE_WITH.replace(
    "class Base(",
    """
from sqlalchemy.dialects import mysql, postgresql


class Elsewhere(TypeDecorator):
    impl = Integer
    cache_ok = True

    def load_dialect_impl(self, dialect):
        raise TypeError("not on " + dialect.name)


class Base(""",
    1,
)


MISSING = {
    "postgresql": {
        'mysql.SET("a", "b")': "sqlalchemy.dialects.mysql.enumerated.SET",
        "mysql.BIT(2)": "sqlalchemy.dialects.mysql.types.BIT",
        "Elsewhere()": "zoo.models.Elsewhere",
    },
    "mariadb": {"VARBINARY()": "sqlalchemy.sql.sqltypes.VARBINARY", "Elsewhere()": "zoo.models.Elsewhere"},
    "sqlite": {
        "postgresql.TSVECTOR()": "sqlalchemy.dialects.postgresql.types.TSVECTOR",
        "Elsewhere()": "zoo.models.Elsewhere",
    },
}
BEFORE = {"number": "Integer", "choice": 'Enum("a", name="part")'}


def foreign(parts: dict[str, str]) -> str:
    """Return models with a table for each of the types ``parts``, named after it."""
    tables = (THING_WITH.format(name=name, type=type_) for name, type_ in parts.items())
    return FOREIGN + "".join(tables) + "\n\nbases = Base\n"


def test_a_type_that_the_database_has_not_is_named(tmp_path, backend):
    work = zoo(tmp_path, backend, foreign(BEFORE))
    work.autogenerate()
    for type_, name in MISSING[backend.name].items():
        for table in ("new", *BEFORE):
            write(work.folder / "zoo" / "zoo" / "models.py", foreign({**BEFORE, table: type_}))
            files = work.files()
            message = work.fails("revision", "--autogenerate", "-m", "next")
            start = f"table '{table}', column 'part': the type {name} cannot be written into a revision: "
            assert message.startswith(start), message
            assert work.files() == files


def test_what_a_hook_of_ones_own_renders_is_looked_at_too(tmp_path, sqlite):
    work = zoo(tmp_path, sqlite, type_with("make()"))
    work.ok("init")
    for rendered, said in {
        "sa.Missing(3)": "table 'thing', column 'part': the type sa.Missing(3) cannot be written into a revision",
        "types.Thing()": "the name 'types' is not defined; it was removed",
    }.items():
        write_env(work, rendered)
        before = work.files()
        ran = work.run("revision", "--autogenerate", "-m", "first")
        assert ran.code == 1
        assert said in ran.err.splitlines()[-1]
        assert work.files() == before
    write_env(work, "sa.Integer()")
    work.autogenerate()


def write_env(work: Workspace, rendered: str) -> None:
    """Give the history of the zoo an ``env.py`` with a hook of its own, which renders a type so."""
    text = f"""
    from websauna_migrate.env import run_alembic


    def render_item(kind, item, context):
        return "{rendered}" if kind == "type" and type(item).__name__ == "Local" else False


    run_alembic(package="zoo", render_item=render_item)
    """
    write(work.folder / "zoo" / "zoo" / "alembic" / "env.py", dedent(text))


# --- what batch mode keeps -------------------------------------------------------------------------------------

KEEPING = """
from sqlalchemy import *
from sqlalchemy.orm import *


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id = Column(Integer, primary_key=True)
    name = Column({type}, nullable=False)
    boss_id = Column(ForeignKey("author.id"))
    __table_args__ = (CheckConstraint("length(name) > 1"), UniqueConstraint("name", "boss_id"))


Index("ix_author_lower", func.lower(Author.name))
Index("ix_author_down", Author.name.desc(), sqlite_where=text("name <> ''"))


class Book(Base):
    __tablename__ = "book"
    id = Column(Integer, primary_key=True)
    author_id = Column(ForeignKey("author.id", ondelete="CASCADE"), nullable=False)


bases = Base
"""


def test_a_table_that_is_built_anew_keeps_rows_keys_indexes_and_triggers(tmp_path, sqlite):
    work = zoo(tmp_path, sqlite, KEEPING.replace("{type}", "String(20)"))
    work.autogenerate()
    work.execute(
        "CREATE TRIGGER no_delete BEFORE DELETE ON author BEGIN SELECT RAISE(ABORT, 'kept'); END",
        "INSERT INTO author VALUES (1, 'Ann', NULL), (2, 'Bob', 1)",
        "INSERT INTO book VALUES (1, 1), (2, 2)",
    )
    listed = "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'author' AND type <> 'table' ORDER BY name"
    before = work.execute(listed)
    write(tmp_path / "zoo" / "zoo" / "models.py", KEEPING.replace("{type}", "String(40)"))
    (script,) = work.autogenerate()
    assert work.execute(listed) == before
    assert work.execute("SELECT * FROM author") == [(1, "Ann", None), (2, "Bob", 1)]
    assert work.execute("SELECT * FROM book") == [(1, 1), (2, 2)]
    ((sql,),) = work.execute("SELECT sql FROM sqlite_master WHERE name = 'author'")
    assert "CHECK (length(name) > 1)" in str(sql)
    assert "VARCHAR(40)" in str(sql)
    assert work.ok("check") == WELL
    work.ok("downgrade", "-1")
    assert work.execute(listed) == before
    assert script.exists()


# --- schemas ---------------------------------------------------------------------------------------------------

SCHEMAS = """
from sqlalchemy import *
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import *


class Base(DeclarativeBase):
    metadata = MetaData(schema="shop")


class Product(Base):
    __tablename__ = "product"
    id = Column(Integer, primary_key=True)
    kind = Column(Enum("a", "b", name="kind"))
    label = Column(String(20), index=True, server_default="x")
    size = Column(postgresql.DOMAIN("size", Integer, check="VALUE > 0", schema="shop"))


class Sale(Base):
    __tablename__ = "sale"
    id = Column(Integer, Sequence("sale_seq", schema="shop"), primary_key=True)
    product_id = Column(ForeignKey("product.id"))
    __table_args__ = (CheckConstraint("id > 0", name="ck_sale"),)


bases = Base
"""
ELSEWHERE = """
class OldSale(Base):
    __tablename__ = "old_sale"
    id = Column(Integer, primary_key=True)
    product_id = Column(ForeignKey("shop.product.id"))
    __table_args__ = (CheckConstraint("id > 0", name="ck_sale"), {"schema": "Sales 2020"})


bases ="""


def test_tables_in_schemas_of_their_own(tmp_path, postgresql):
    models = SCHEMAS.replace("bases =", ELSEWHERE)
    work = zoo(tmp_path, postgresql, models)
    (script,) = work.autogenerate()
    text = script.read_text()
    assert text.count("CREATE SCHEMA IF NOT EXISTS shop") == 1
    assert text.count('CREATE SCHEMA IF NOT EXISTS "Sales 2020"') == 1
    assert "DROP SCHEMA" not in text
    assert (work.tables("shop"), work.tables("Sales 2020")) == ({"product", "sale"}, {"old_sale"})
    assert work.ok("check") == WELL
    write(tmp_path / "zoo" / "zoo" / "models.py", models.replace("String(20)", "String(30)").replace("bases =", MORE))
    (script,) = work.autogenerate()
    assert "CREATE SCHEMA" not in script.read_text()
    assert work.ok("check") == WELL
    work.ok("downgrade", "base")
    assert not work.tables("shop") | work.tables("Sales 2020")
    left = work.execute("SELECT typname FROM pg_type WHERE typname IN ('kind', 'sale_seq', 'size')")
    assert left == []
    work.ok("upgrade")
    assert work.ok("check") == WELL


MORE = """
class More(Base):
    __tablename__ = "more"
    id = Column(Integer, primary_key=True)


bases ="""


def test_a_table_of_another_package_in_the_same_schema_does_not_hide_that_it_is_needed(tmp_path, postgresql):
    work = zoo(tmp_path, postgresql, SCHEMAS)
    work.execute("CREATE SCHEMA shop", "CREATE TABLE shop.of_others (id INTEGER)")
    (script,) = work.autogenerate()
    assert "CREATE SCHEMA IF NOT EXISTS shop" in script.read_text()


# --- drivers ---------------------------------------------------------------------------------------------------


def test_mariadb_under_the_name_of_mysql_shows_no_difference_either(tmp_path, mariadb):
    work = zoo(tmp_path, mariadb)
    work.write_ini(url=work.url.set(drivername="mysql+pymysql"))
    work.autogenerate()
    assert work.ok("check") == WELL
    work.ok("downgrade", "base")
    assert left_over(work) == {}


# --- constraints that the models give no name ------------------------------------------------------------------

WITHOUT = """
class Base(DeclarativeBase):
    pass


bases = Base


class Maker(Base):
    __tablename__ = "maker"
    id = Column(Integer, primary_key=True)


"""
THING_WITHOUT = """
class {name}(Base):
    __tablename__ = "{name}"
    id = Column(Integer, primary_key=True)
    code = Column(String(20){unique})
    size = Column(Integer, nullable=False)
    maker_id = Column(Integer{key})
    a_maker_with_a_name_so_long_that_its_key_has_to_be_cut_short_id = Column(Integer{key})
    {args}
"""
WITH = {
    "unique": ", unique=True",
    "key": ", ForeignKey('maker.id')",
    "args": "__table_args__ = (UniqueConstraint('size', 'code'),)",
}


def without(**full: bool) -> str:
    """Return models with tables of these names, which are ``full`` of constraints or have none."""
    parts = {name: {key: text if has else "" for key, text in WITH.items()} for name, has in full.items()}
    return WITHOUT + "".join(THING_WITHOUT.format(name=name, **texts) for name, texts in parts.items())


def test_constraints_without_a_name_come_and_go(tmp_path, backend):
    work = zoo(tmp_path, backend, without(added=False, there_from_the_start=True))
    work.autogenerate()
    for has in (True, False):
        work.execute(*(f"INSERT INTO {name} (size) VALUES (1)" for name in ("added", "there_from_the_start")))
        go_there_and_back(work, without(added=has, there_from_the_start=not has))
    for name in ("added", "there_from_the_start"):
        assert work.execute(f"SELECT COUNT(*) FROM {name}") == [(2,)]


CHECKED = """
class Base(DeclarativeBase):
    pass


class Named(DeclarativeBase):
    metadata = MetaData(naming_convention={"ck": "ck_%(table_name)s_%(constraint_name)s"})


bases = [Base, Named]
"""
CHECKED_THING = """
class {name}({base}):
    __tablename__ = "{name}"
    id = Column(Integer, primary_key=True)
    kind = Column({kind})
    {column}
"""
CHECKED_NAME = "{}_thing_{}_whose_constraints_get_names_longer_than_any_takes"
OF_TYPES = [
    # the types, and a value that goes in, and one that does not
    ({"kind": "String(20)", "column": ""}, "other", None),
    *(
        (
            {
                "kind": f"Enum({values}, native_enum=False, create_constraint=True, name='kind')",
                "column": "sure = Column(Boolean(create_constraint=True, name='sure'))",
            },
            allowed,
            refused,
        )
        for values, allowed, refused in (
            ("'new', 'old'", "old", "middling"),
            ("'new', 'middling', 'old'", "middling", "other"),
        )
    ),
]


def test_a_type_may_bring_its_check(tmp_path, backend):
    """Two tables have the types one after the other; the second one is a step ahead."""
    tables = [(base, number) for base in ("Base", "Named") for number in range(2)]

    def of_step(step):
        parts = [(CHECKED_NAME.format(*table).lower(), table[0], *OF_TYPES[(table[1] + step) % 3]) for table in tables]
        things = [CHECKED_THING.format(name=name, base=base, **types) for name, base, types, *_ in parts]
        return CHECKED + "".join(things), [(name, *values) for name, _, _, *values in parts]

    work = zoo(tmp_path, backend, of_step(0)[0])
    work.autogenerate()
    for step in (1, 2):
        models, rows = of_step(step)
        go_there_and_back(work, models)
        for name, allowed, refused in rows:
            insert = f"INSERT INTO {name} (id, kind) VALUES "
            work.execute(f"{insert} (1, '{allowed}')", f"DELETE FROM {name}")
            if refused is not None:
                with pytest.raises(DBAPIError):
                    work.execute(f"{insert} (1, '{refused}')")
