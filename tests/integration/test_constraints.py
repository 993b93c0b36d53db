"""CHECK, EXCLUDE, UNIQUE, primary and foreign keys that change, there and back on real databases."""

from __future__ import annotations

import re

import pytest

from projects import Workspace

CHECKED = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    a = Column(Integer, CheckConstraint("a < 1000"))
    b = Column(Integer, nullable=False)
    word = Column(String(20))
    flag = Column(Boolean(create_constraint=True, name="is_flag"))
    hue = Column(Enum("red", "blue", name="hues", native_enum=False, create_constraint=True))
    __table_args__ = (
        CheckConstraint("a > 0", name="ck_same"),
        CheckConstraint(b.between(1, 9) | (word == "it's 5% :x"), name="ck_expression"),
        CheckConstraint("word in ('A b', 'ab') and not (a = 1 or b = 2)", name="ck_words"),
        CheckConstraint("{named}", name="ck_named"),
        CheckConstraint("a <> b"),
        CheckConstraint("{unnamed}"),
        CheckConstraint("upper(word) = word", name="{name}"),
    )
"""


@pytest.fixture
def pg(tmp_path, postgresql):
    """A folder with nothing in it and a database."""
    return Workspace(tmp_path, postgresql.new_database())


BOOKED = """
from sqlalchemy.dialects.postgresql import ExcludeConstraint, INT4RANGE

class Booking(Base):
    __tablename__ = "Booking"
    id = Column(Integer, primary_key=True)
    Room = Column(Integer)
    span = Column(INT4RANGE)
    word = Column(String(20))
    __table_args__ = (
        ExcludeConstraint(("Room", "="), (func.lower(word), "="), using="btree", name="ex_word"),
        {0}
    )

class Other(Base):
    __tablename__ = "other"
    id = Column(Integer, primary_key=True)
    __table_args__ = (ExcludeConstraint(("id", "="), using="btree", name="ex_other", where=text("id > 1 and id < 9")),)
"""
EXCLUSIONS = """
        ExcludeConstraint((span, "&&"), name="ex_span", where=text("word <> 'a:b 5%'")),
        ExcludeConstraint(("word", "="), using="btree"),
        ExcludeConstraint(("Room", "="), using="btree", name="ex_removed"),
"""
OTHER_EXCLUSIONS = """
        ExcludeConstraint((span, "&&"), name="ex_span", where=text("word <> 'c'"), deferrable=True),
        ExcludeConstraint(("word", "="), ("Room", "="), using="btree"),
        ExcludeConstraint(("word", "="), using="btree", name="ex_added"),
"""


INHERITED = """
class Parent(Base):
    __tablename__ = "parent"
    id = Column(Integer, primary_key=True)
    __table_args__ = (CheckConstraint("id > 0", name="ck_id"),)

class Child(Base):
    __tablename__ = "child"
    id = Column(Integer, primary_key=True)
    __table_args__ = ({0} {{"postgresql_inherits": "parent"}})
"""


PAIR = """
class Pair(Base):
    __tablename__ = "pair"
    a = Column(Integer, primary_key=True, autoincrement=False)
    b = Column(Integer, {b})
    c = Column(String(20), unique=True)

class Gone(Base):
    __tablename__ = "gone"
    {gone}
    kept = Column(String(20), primary_key=True)

class Numbered(Base):
    __tablename__ = "numbered"
    id = Column(Integer, primary_key=True)
    b = Column(Integer, nullable=False{numbered})

class Of(Base):
    __tablename__ = "of_pair"
    id = Column(Integer, primary_key=True)
    a = Column(Integer)
    b = Column(Integer)
    c = Column(ForeignKey("pair.c"))
    __table_args__ = (ForeignKeyConstraint({columns}, {target}, name="fk_of"),)
"""
PAIRS = PAIR.format(
    b="nullable=True",
    gone="gone = Column(Integer, primary_key=True)",
    numbered="",
    columns='["a"]',
    target='["pair.a"]',
)
OTHER_PAIRS = PAIR.format(
    b="primary_key=True",
    gone="new = Column(Integer, primary_key=True, autoincrement=False, server_default='0')",
    numbered=", primary_key=True",
    columns='["a", "b"]',
    target='["pair.a", "pair.b"]',
)


KEYS = """
class Place(Base):
    __tablename__ = "place"
    a = Column(Integer, primary_key=True)
    b = Column(Integer, primary_key=True)
    c = Column(Integer, unique=True)
    {more}

class Note(Base):
    __tablename__ = "note"
    id = Column(Integer, primary_key=True)
    a = Column(Integer)
    b = Column(Integer)
    c = Column(Integer)
    __table_args__ = ({args})

{gone}
"""
GONE = """
class Gone(Base):
    __tablename__ = "gone"
    id = Column(Integer, primary_key=True)
    a = Column(Integer)
    b = Column(Integer)
    __table_args__ = ({0})
"""
KEY = 'ForeignKeyConstraint(["a", "b"], ["place.a", "place.b"], name="fk_{0}"{1}),'
PLAIN = (
    'UniqueConstraint("a", "b", name="uq_order"), UniqueConstraint("b", "c"),'
    'UniqueConstraint("a", "c", name="uq_rules", deferrable=True, initially="DEFERRED"),'
    'UniqueConstraint("c", name="uq_nulls"),'
) + KEY.format("note", ", deferrable=True")
CHANGED = (
    'UniqueConstraint("b", "a", name="uq_order"), UniqueConstraint("c", "b"),'
    'UniqueConstraint("a", "c", name="uq_rules"),'
    'UniqueConstraint("c", name="uq_nulls", postgresql_nulls_not_distinct=True),'
) + KEY.format("note", ', deferrable=True, initially="DEFERRED", match="FULL"')
WITH_RULES = 'UniqueConstraint("b", name="uq_gone", deferrable=True), ' + KEY.format("gone", ', match="FULL"')
DEFINITIONS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype IN ('u', 'f', 'x') AND conrelid::regclass::text IN ('place', 'note', 'gone') ORDER BY 1
"""


ORDERED = 'UniqueConstraint("{0}", "{1}", name="uq_order"), UniqueConstraint("{2}", "{3}"),'


def test_checks_primary_keys_and_the_order_of_columns_are_compared_and_change(tmp_path, backend):
    here = Workspace(tmp_path, backend.new_database())
    rules = ' deferrable=True, initially="DEFERRED"' if backend.name != "mariadb" else ' ondelete="CASCADE"'
    before = (
        CHECKED.format(named="a + b > 1", unnamed="b in (1, 2, 3)", name="ck_old")
        + PAIRS
        + KEYS.format(more="", args=ORDERED.format("a", "b", "b", "c") + KEY.format("note", ""), gone="")
    )
    package = here.add_app("shop", before, history=True)
    here.autogenerate()
    assert here.run("check").out == "No new upgrade operations detected.\n"
    here.execute("INSERT INTO pair (a, b) VALUES (1, 2)")
    # What the database makes of a condition is what counts.
    checked = CHECKED.format(named="a + b > 2", unnamed="b in (1, 2)", name="ck_new")
    args = ORDERED.format("b", "a", "c", "b") + KEY.format("note", f",{rules}")
    here.models(package, checked + OTHER_PAIRS + KEYS.format(more="", args=args, gone=""))
    (script,) = here.autogenerate()
    text = script.read_text()
    assert [text.count(what) for what in ("create_check_constraint(", "type_='check'")] == [6, 6], text
    here.goes_both_ways(script, before)
    here.execute("INSERT INTO pair (a, b) VALUES (1, 3)", "INSERT INTO of_pair (id, a, b) VALUES (1, 1, 3)")
    for match, statement in {
        r"(?i)unique|duplicate": "INSERT INTO pair (a, b) VALUES (1, 3)",
        r"(?i)check|constraint": "INSERT INTO thing (a, b, flag) VALUES (1, 1, true)",
    }.items():
        with pytest.raises(Exception, match=match):
            here.execute(statement)


UNIQUES = (
    "__table_args__ = (Index('{of_place}', 'c', unique=True), UniqueConstraint('b', 'c', name='{unique}'),"
    " UniqueConstraint({order}, name='uq_order'))"
)
OF_UNIQUES = (
    'ForeignKeyConstraint(["c"], ["place.c"], name="fk_c"),'
    'ForeignKeyConstraint(["b", "c"], ["place.b", "place.c"], name="fk_bc"),'
    'ForeignKeyConstraint(["a", "c"], ["place.a", "place.c"], name="fk_order"),'
)
WITH_UNIQUES = KEYS.replace("unique=True", "").format(more=UNIQUES, args=OF_UNIQUES + KEY.format("note", ""), gone="")


def test_a_foreign_key_that_stays_is_made_again_around_what_it_refers_to(pg):
    before = KEYS.format(more="", args=KEY.format("note", ', match="FULL"'), gone="")
    package = pg.add_app("shop", before, history=True)
    pg.autogenerate()
    stored = pg.execute(DEFINITIONS)
    pg.models(
        package,
        before.replace(
            "    c = Column(Integer, unique=True)", "    __table_args__ = (PrimaryKeyConstraint('b', 'a'),)"
        ),
    )
    (script,) = pg.autogenerate()
    pg.goes_both_ways(script, before)
    assert {row for row in stored if row[0] == "fk_note"} <= set(pg.execute(DEFINITIONS))
    before = WITH_UNIQUES.format(of_place="uq_place", unique="uq_c", order='"a", "c"')
    pg.models(package, before)
    pg.autogenerate()
    pg.models(package, WITH_UNIQUES.format(of_place="uq_new", unique="uq_of_c", order='"c", "a"'))
    (script,) = pg.autogenerate()
    pg.goes_both_ways(script, before)
    pg.models(package, WITH_UNIQUES.format(of_place="uq_new", unique="uq_of_c", order='"c"'))
    left = "Write by hand: unique uq_order of place is to be dropped, to which foreign keys refer: fk_order of note"
    assert left in pg.run("revision", "--autogenerate", "-m", "x").err
    pg.models(package, before.replace("    b = Column(Integer, primary_key=True)", "    b = Column(Integer)"))
    left = "Write by hand: primary key of place from (a, b) to (a), to which foreign keys refer: fk_note of note"
    assert left in pg.run("revision", "--autogenerate", "-m", "x").err


SIGNED = """
class Signed{number}(Base):
    __tablename__ = "Signed{number}"
    id = Column(Integer, primary_key=True)
    text = Column(Text)
    other = Column(Text)
    {column}
    __table_args__ = (
        Index("ix_{number}", "text", postgresql_using="gist", postgresql_ops={{"text": "gist_trgm_ops{options}"}}),
        Index("ix_kept{number}", text, postgresql_using="gist", postgresql_ops={{"text": "gist_trgm_ops (siglen=32)"}}),
        {index}
    )
"""


INDEXED = """
class Word(Base):
    __tablename__ = "word"
    id = Column(Integer, primary_key=True)
    number = Column({0})
    word = Column(Text)
    __table_args__ = (
        Index("ix_columns", "number"{1}),
        Index("ix_condition", "id", postgresql_where=text("{2}")),
        Index("ix_expression", func.abs(number)),
        Index("ix_collated", word.collate("{3}")),
        Index("ix_same", "word"),
        Index("ix_gone" if "{1}" else "ix_new", "id"),
    )
"""

INDEXED_BEFORE = INDEXED.format("Integer", "", "id > 1", "C")
INVALID = """
UPDATE pg_index SET indisvalid = false WHERE indrelid = 'word'::regclass AND indexrelid::regclass::text ~ '^ix'
"""


def signed(*changes):
    """Return a table for each of ``changes``: the options of its index, another index, and a column."""
    return "".join(
        SIGNED.format(
            number=number, options=options, index=index.replace("ix_other", f"ix_other{number}"), column=column
        )
        for number, (options, index, column) in enumerate(changes)
    )


COLLATED = 'Index("ix_other", other.collate("C")),'
SIGNED_BEFORE = signed(*[("(siglen=64)", COLLATED, "")] * 4)
SIGNED_AFTER = signed(
    ("(siglen=16)", COLLATED, ""),
    ("", 'Index("ix_other", "other"),', ""),
    ("", "", ""),
    ("(siglen=64)", COLLATED.replace(")),", '), postgresql_include=["new"]),'), "new = Column(Text)"),
)
SIGNED_INDEXES = "SELECT indexdef FROM pg_indexes WHERE tablename LIKE 'Signed%%' ORDER BY 1"
EX_GONE = 'postgresql.ExcludeConstraint(("b", "="), using="btree", name="ex_gone"),'
KEYS_GONE = "from sqlalchemy.dialects import postgresql\n" + GONE.format(WITH_RULES + EX_GONE)


def test_constraints_and_indexes_that_only_postgresql_has_come_change_and_go(pg):
    pg.execute("CREATE EXTENSION pg_trgm")
    signed_and_keys = SIGNED_BEFORE + KEYS.format(more="", args=PLAIN, gone=KEYS_GONE)
    before = BOOKED.format(EXCLUSIONS) + INHERITED.format("") + INDEXED_BEFORE + signed_and_keys
    package = pg.add_app("shop", before, history=True)
    pg.autogenerate()
    assert pg.run("check").out == "No new upgrade operations detected.\n"
    stored, indexes = pg.execute(DEFINITIONS), pg.execute(SIGNED_INDEXES)
    pg.models(
        package, before.replace(INHERITED.format(""), INHERITED.format('CheckConstraint("id > 9", name="ck_id"),'))
    )
    assert "Write by hand: CHECK ck_id of child is inherited, change that of the parent table" in pg.run("check").err

    pg.execute(INVALID)
    after = INDEXED.format("BigInteger", ", 'id'", "id > 2", "POSIX") + KEYS.format(more="", args=CHANGED, gone="")
    pg.models(package, BOOKED.format(OTHER_EXCLUSIONS) + INHERITED.format("") + SIGNED_AFTER + after)
    (script,) = pg.autogenerate()
    text = script.read_text()
    assert [len(re.findall(rf"\b{name}\b", text)) for name in ("ex_span", "ex_added", "ex_removed")] == [4, 2, 2], text
    # An index that is invalid and changes is made once.
    assert [text.count(name) for name in ("ix_columns", "ix_condition", "ix_same", "ix_new")] == [4, 4, 4, 2], text
    changed = pg.execute(DEFINITIONS)
    assert len(set(stored) - set(changed)) == 8, changed
    pg.goes_both_ways(script, before)
    assert pg.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
    assert pg.execute(DEFINITIONS) == changed
    pg.ok("downgrade", "-1")
    assert pg.execute(DEFINITIONS) == stored
    assert pg.execute(SIGNED_INDEXES) == indexes
