"""Changes of models that only PostgreSQL has, there and back on a real database."""

from __future__ import annotations

import sys

import pytest

from projects import Workspace


@pytest.fixture
def work(tmp_path, postgresql):
    """An application without models."""
    workspace = Workspace(tmp_path, postgresql.new_database())
    workspace.add_app("shop", history=True)
    return workspace


def changed(work, models):
    """Replace the models, write the revision and apply it; return its text."""
    work.models(work.app / "shop", models)
    (script,) = work.autogenerate()
    work.ok("check")
    return script.read_text()


# --- sequences -------------------------------------------------------------------------------------------------

NUMBERED = """
class Thing(Base):
    __tablename__ = "Thing"
    id = Column({}, primary_key=True)
"""


def width(work):
    """Return the type of the only sequence."""
    return work.execute("SELECT format_type(seqtypid, NULL) FROM pg_sequence")[0][0]


def test_the_sequence_of_a_serial_key_gets_the_width_of_its_column(work):
    changed(work, NUMBERED.format("Integer"))
    changed(work, NUMBERED.format("BigInteger"))
    assert width(work) == "bigint"
    work.ok("downgrade", "-1")
    assert width(work) == "integer"


def test_a_sequence_that_stayed_narrow_is_found(work):
    changed(work, NUMBERED.format("BigInteger"))
    work.execute('ALTER SEQUENCE "Thing_id_seq" AS integer')
    ran = work.run("check")
    assert (ran.code, ran.out) == (1, "shop:\n  modify sequence Thing: id from integer to bigint\n")
    changed(work, NUMBERED.format("BigInteger"))
    assert width(work) == "bigint"


COUNTED = """
class Thing(Base):
    __tablename__ = "Thing"
    Id = Column({id}, primary_key=True)
    number = Column(Integer, Identity({identity}))
    own = Column(BigInteger, Sequence("Own"{sequence}))
    added = Column(Integer{added})
    becomes = Column(Integer{becomes})
"""
COUNTED_BEFORE = {
    "id": "Integer",
    "identity": "start=5, cycle=True, maxvalue=9000",
    "sequence": ", cache=3",
    "added": "",
    "becomes": ", nullable=False, server_default='7'",
}
COUNTED_AFTER = {
    "id": "BigInteger, Identity(always=True, increment=2)",
    "identity": "minvalue=100, increment=10",
    "sequence": ", start=7, increment=-1, minvalue=-9, maxvalue=99, cycle=True",
    "added": ", Sequence('Added', increment=3)",
    "becomes": ", Identity(start=2)",
}
INSERT = 'INSERT INTO "Thing" (own) VALUES (nextval(\'"Own"\'))'


def test_identities_and_sequences_change_and_go_on_where_they_are(work):
    before = COUNTED.format(**COUNTED_BEFORE)
    changed(work, before)
    work.execute('CREATE SEQUENCE beside AS integer OWNED BY "Thing".number')
    work.execute('ALTER SEQUENCE "Thing_Id_seq" RENAME TO "By:hand"', *[INSERT] * 4)
    work.models(work.app / "shop", COUNTED.format(**COUNTED_AFTER))
    lines = [line[2:] for line in work.run("check").out.splitlines() if line[2:3].isalpha()]
    assert [line.partition(" from ")[0] for line in lines[1:]] == [
        "add sequence: Added",
        "modify sequence: Own",
        "modify type Thing: Id",
        "modify identity Thing: number",
        *["modify default Thing: becomes"] * 2,  # a default goes before an identity comes
        "modify identity Thing: Id",
    ]
    (script,) = work.autogenerate()
    work.goes_both_ways(script, before)
    work.execute(INSERT)
    assert work.execute('SELECT "Id", number, becomes FROM "Thing" ORDER BY 1')[3:] == [(4, 8, 7), (6, 100, 8)]
    assert work.execute("SELECT pg_get_serial_sequence('\"Thing\"', 'Id')") == [('public."By:hand"',)]
    work.ok("downgrade", "-1")
    work.execute(INSERT)
    assert work.execute('SELECT max("Id") FROM "Thing"') == [(7,)]
    assert width(work) == "integer"


# --- enums -----------------------------------------------------------------------------------------------------

COLOURED = """
class Paint(Base):
    __tablename__ = "paint"
    hue = Column(Enum({0}, name="hue"), primary_key=True)

class Wall(Base):
    __tablename__ = "wall"
    id = Column(Integer, primary_key=True)
    hue = Column(Enum({0}, name="hue"), ForeignKey("paint.hue", name="fk_wall_paint", ondelete="CASCADE"))
    __table_args__ = (
        CheckConstraint("hue <> 'red' OR id > 0", name="ck_wall_red"),
        Index("ix_wall_red", "id", postgresql_where=text("hue = 'red'")),
    )
"""
DEPENDENTS = """
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname IN ('fk_wall_paint', 'ck_wall_red')
UNION ALL SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_wall_red' ORDER BY 1
"""


def test_what_compares_an_enum_is_there_again_after_the_enum_was_made_anew(work):
    changed(work, COLOURED.format("'red', 'blue', 'green'"))
    work.execute("INSERT INTO paint VALUES ('red')", "INSERT INTO wall (hue) VALUES ('red')")
    before = work.execute(DEPENDENTS)
    assert len(before) == 3
    changed(work, COLOURED.format("'blue', 'red'"))
    changed(work, COLOURED.format("'blue', 'white', 'red'"))
    assert work.execute(DEPENDENTS) == before
    work.ok("downgrade", "-2")
    assert work.execute(DEPENDENTS) == before
    work.ok("upgrade")
    work.ok("check")
    assert work.execute("SELECT hue::text FROM wall") == [("red",)]


DEFAULTS = """
from sqlalchemy.dialects import postgresql

class Wall(Base):
    __tablename__ = "wall"
    id = Column(Integer, primary_key=True)
    hue = Column(Enum({values}, name="{name}"), server_default=text("CASE WHEN 1 < 2 THEN 'red'::{name} END"))
    hues = Column(postgresql.ARRAY(Enum({values}, name="{name}")), server_default=text("ARRAY['red']::{name}[]"))
    __table_args__ = (CheckConstraint("hue = 'red'", name="ck_wall_red"),)
"""


@pytest.mark.parametrize("values", ["'red', 'blue'", "'blue', 'red'"], ids=["same values", "other order"])
def test_an_enum_may_be_renamed_that_is_part_of_a_default(work, values):
    changed(work, DEFAULTS.format(name="hue", values="'red', 'blue'"))
    changed(work, DEFAULTS.format(name="colour", values=values))
    work.ok("downgrade", "-1")
    work.execute("INSERT INTO wall DEFAULT VALUES")
    assert work.execute("SELECT hue::hue::text, hues::hue[]::text[] FROM wall") == [("red", ["red"])]
    work.ok("upgrade")
    work.ok("check")


# --- constraints -----------------------------------------------------------------------------------------------


def test_an_exclude_constraint_keeps_its_operator_classes(work):
    work.execute("CREATE EXTENSION btree_gist")
    exclude = "postgresql.ExcludeConstraint(('Name', '='), ('span', '&&'), name='ex', ops={'Name': 'gist_text_ops'})"
    text = changed(
        work,
        f"""
        from sqlalchemy.dialects import postgresql

        class Booking(Base):
            __tablename__ = "booking"
            id = Column(Integer, primary_key=True)
            Name = Column(Text)
            span = Column(postgresql.INT4RANGE)
            __table_args__ = ({exclude},)
        """,
    )
    assert '"Name" gist_text_ops' in text


CONSTRAINED = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True, unique=True)
    code = Column(Integer)
    __table_args__ = ({},)
"""


def test_a_constraint_gives_its_name_to_one_of_another_kind(work):
    changed(work, CONSTRAINED.format("CheckConstraint('code > 0', name='one')"))
    changed(work, CONSTRAINED.format("UniqueConstraint('code', name='one')"))
    work.ok("downgrade", "-1")
    work.ok("upgrade")


def test_of_equal_unique_constraints_of_a_new_table_none_is_missing(work):
    equal = "UniqueConstraint('code', name='one'), UniqueConstraint('code', name='two'), UniqueConstraint('code')"
    changed(work, CONSTRAINED.format(equal))  # and that of the primary key


# --- types -----------------------------------------------------------------------------------------------------

TYPED = """
from sqlalchemy.dialects import postgresql

class Thing(Base):
    __tablename__ = "Thing"
    id = Column(Integer, primary_key=True)
    Size = Column({})
    longer = Column({})
    kept = Column({})
    flag = Column({})
    data = Column({})
    several = Column({})
"""
TEXTS = (
    "String(9)",
    "String(9), server_default='7'",
    "String(9), server_default='8'",
    "Integer",
    "Text",
    "postgresql.ARRAY(String)",
)
CONVERTED = (
    "Integer",
    "BigInteger",
    "Integer, server_default='8'",
    "Boolean, server_default=true()",
    "postgresql.JSONB",
    "postgresql.ARRAY(Integer)",
)


def test_a_type_is_converted_with_a_cast_where_postgresql_needs_one(work):
    before = TYPED.format(*TEXTS)
    changed(work, before)
    work.execute("""INSERT INTO "Thing" VALUES (1, '5', '6', DEFAULT, 1, '{"a": 1}', '{1,2}')""")
    work.models(work.app / "shop", TYPED.format(*CONVERTED))
    (script,) = work.autogenerate()
    text = script.read_text()
    assert text.count("postgresql_using=") == 7, text  # upward all but one that has the type; back that of a boolean
    work.goes_both_ways(script, before)
    assert work.execute('SELECT * FROM "Thing"') == [(1, 5, 6, 8, True, {"a": 1}, [1, 2])]


OVER = """
class Item(Base):
    __tablename__ = "item"
    id = Column(Integer, primary_key=True)
    n = Column({})
    gone = Column(Integer)
    made = Column(Integer, Computed("n * {}", persisted=True), index=True)
    {}
    __table_args__ = (
        CheckConstraint("n > 3", name="ck_n"),
        CheckConstraint("n < 90"),
        Index("ix_where", "gone", postgresql_where=text("n > 4")),
    )
"""


def test_what_is_over_a_column_is_made_anew_when_its_type_changes(work):
    last = 'last = Column(Integer, Computed("gone + 1", persisted=True))'
    before = OVER.format("Integer", 2, last)
    after = OVER.format("Numeric(10, 2)", 2, last)
    changed(work, before)
    work.execute("INSERT INTO item (id, n, gone) VALUES (1, 5, 6)")
    work.models(work.app / "shop", after)
    told = [line.strip() for line in work.run("check").out.splitlines() if " item: " in line]
    assert told == ["modify type item: n from INTEGER to NUMERIC(10, 2)"]
    (script,) = work.autogenerate()
    work.goes_both_ways(script, before)
    assert work.execute("SELECT made, last FROM item") == [(10, 7)]
    gone = after.replace("* 2", "* 3").replace('Column(Integer, Computed("gone + 1", persisted=True))', "None")
    gone = gone.replace("    gone = Column(Integer)\n", "").replace('"gone", postgresql', '"id", postgresql')
    work.models(work.app / "shop", gone)
    (script,) = work.autogenerate()
    work.goes_both_ways(script, after)


def test_a_type_that_no_cast_converts_is_warned_of(work):
    changed(work, TYPED.format(*TEXTS))
    work.models(work.app / "shop", TYPED.format(*TEXTS).replace("flag = Column(Integer)", "flag = Column(Uuid)"))
    ran = work.run("revision", "--autogenerate")
    assert "PostgreSQL cannot cast Thing.flag from INTEGER to UUID; pass postgresql_using" in ran.err


DOMAINS = """
from sqlalchemy.dialects import postgresql

class Thing(Base):
    __tablename__ = "Thing"
    id = Column(Integer, primary_key=True)
    plain = Column(postgresql.DOMAIN("Size", {0}))
    named = Column(postgresql.DOMAIN("code", String(9), {1}))
    list = Column(postgresql.ARRAY(postgresql.DOMAIN("same", Integer, check="VALUE in (1, 2)", default="1")))
"""


def test_the_parts_of_a_domain_change(work):
    before = DOMAINS.format("Integer, check='VALUE > 0'", "default='a:b', not_null=True")
    changed(work, before)
    work.execute("""INSERT INTO "Thing" VALUES (1, 5, 'abc')""")
    check = "constraint_name='ck code', check='char_length(VALUE) < 9'"
    after = "Integer, check='VALUE > 1', not_null=True", f"default='c', {check}"
    work.models(work.app / "shop", DOMAINS.format(*after))
    assert work.run("check").out.count("modify domain: ") == 2
    (script,) = work.autogenerate()
    work.goes_both_ways(script, before)
    work.models(work.app / "shop", DOMAINS.format(after[0].replace("Integer", "BigInteger"), after[1]))
    assert "domain Size is integer, and the models have bigint" in work.run("check").err


# --- tables that are parted ------------------------------------------------------------------------------------

PARTED = """
class Sale(Base):
    __tablename__ = "Sale"
    id = Column(Integer, primary_key=True)
    day = Column(Date, primary_key=True)
    code = Column(String(9), index=True)
    __table_args__ = {"postgresql_partition_by": "RANGE (day)"}

class Log(Base):
    __tablename__ = "log"
    id = Column(Integer, primary_key=True)
    __table_args__ = {"postgresql_with": {"fillfactor": 70}}
"""
PARTITIONS = """
SELECT c.relname, pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid), c.reloptions,
(SELECT count(*) FROM pg_index WHERE indrelid = c.oid)
FROM pg_class AS c WHERE c.relkind IN ('r', 'p') AND c.relname ~* '^(sale|log)' ORDER BY 1
"""


def test_a_table_that_was_dropped_comes_back_with_its_partitions(work):
    changed(work, PARTED)
    bounds = "FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"
    work.execute(
        f'CREATE TABLE "Sale_2026" PARTITION OF "Sale" {bounds} PARTITION BY LIST (id)',
        'CREATE TABLE sale_1 PARTITION OF "Sale_2026" FOR VALUES IN (1)',
        'CREATE TABLE sale_rest PARTITION OF "Sale" DEFAULT',
    )
    before = work.execute(PARTITIONS)
    assert len(before) == 5
    work.models(work.app / "shop", PARTED.replace("RANGE (day)", "range(day)"))
    work.ok("check")
    work.models(work.app / "shop", PARTED.replace("RANGE (day)", "LIST (id)"))
    told = "Sale is partitioned by RANGE (day), and the models have LIST (id)"
    assert told in work.run("check").err
    work.models(work.app / "shop", "")
    (script,) = work.autogenerate()
    assert work.execute(PARTITIONS) == []
    work.goes_both_ways(script, PARTED)
    work.ok("downgrade", "-1")
    assert work.execute(PARTITIONS) == before


# --- tables that inherit ---------------------------------------------------------------------------------------

INHERITING = """
class Parent(Base):
    __tablename__ = "parent"
    id = Column(Integer, primary_key=True)
    {0}

class Child(Base):
    __tablename__ = "child"
    id = Column(Integer, primary_key=True)
    {0}
    __table_args__ = {{"postgresql_inherits": "parent"}}
"""
INHERITED = "SELECT attislocal, attinhcount FROM pg_attribute WHERE attname = 'size' AND attrelid = 'child'::regclass"


def test_a_column_of_a_table_that_inherits_comes_changes_and_goes_with_that_of_its_parent(work):
    changed(work, INHERITING.format(""))
    changed(work, INHERITING.format("size = Column(Integer, index=True)"))
    assert work.execute(INHERITED) == [(True, 1)]
    changed(work, INHERITING.format("size = Column(BigInteger, index=True)"))
    changed(work, INHERITING.format(""))
    work.ok("downgrade", "base")
    work.ok("upgrade")
    work.ok("check")


# --- defaults --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["str, enum.Enum", "enum.StrEnum"])
def test_a_member_of_an_enum_of_texts_may_be_a_default(work, kind):
    if kind == "enum.StrEnum" and sys.version_info < (3, 11):
        pytest.skip("Python 3.11 has it")
    text = changed(
        work,
        f"""
        import enum

        class Size({kind}):
            BIG = "it's big"

        class Thing(Base):
            __tablename__ = "thing"
            id = Column(Integer, primary_key=True)
            size = Column(String(9), server_default=Size.BIG)
        """,
    )
    assert 'server_default="it\'s big"' in text
