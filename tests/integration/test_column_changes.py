"""Changes of columns that no database makes in place, there and back on each of them, with rows."""

from __future__ import annotations

import pytest

from projects import Workspace


@pytest.fixture
def work(tmp_path, backend):
    """An application without models, on each database."""
    workspace = Workspace(tmp_path, backend.new_database())
    workspace.add_app("shop", history=True)
    return workspace


def changed(work, models):
    """Replace the models, write the revision and apply it; return its path."""
    work.models(work.app / "shop", models)
    (script,) = work.autogenerate()
    work.ok("check")
    return script


# --- computed columns and collations ----------------------------------------------------------------------------------

COMPUTED = """
class Box(Base):
    __tablename__ = "box"
    id = Column(Integer, primary_key=True)
    a = Column(Integer)
    b = Column(Integer, Computed({b}, persisted=True), unique=True, index=True)
    kept = Column(Integer, Computed({kept}, persisted={persisted}))
    # SQLAlchemy takes what follows the colon for a parameter without a value.
    is_text = Column(Integer, Computed("a + length('a :b')", persisted=True))
    was = Column(Integer{was})
    becomes = Column(Integer{becomes})
    {more}
    __table_args__ = (Index("ix_b_a", "b", "a"), CheckConstraint("b > 0", name="ck_b"))
"""
BEFORE = {"b": "'a * 2'", "kept": "'a + 1'", "was": ", Computed('a * 4', persisted=True)", "becomes": "", "more": ""}
AFTER = {
    "b": "'a * 3 + n'",
    "kept": "'a + 1'",
    "was": "",
    "becomes": ", Computed('a * 6', persisted=True)",
    "more": "n = Column(Integer, server_default='5', nullable=False)",
}
COLLATED = """
class Word(Base):
    __tablename__ = "word"
    id = Column(Integer, primary_key=True)
    plain = Column(String(20{0}), nullable=False, index=True)
    sorted = Column(String(20{1}))
    long = Column(Text({2}))
    more = Column(Integer{3})
"""
COLLATIONS = {
    "sqlite": ("NOCASE", "RTRIM"),
    "postgresql": ("C", "POSIX"),
    "mariadb": ("utf8mb4_bin", "utf8mb4_swedish_ci"),
}


# --- NOT NULL on a table with rows -----------------------------------------------------------------------------

NULLABLE = """
class Note(Base):
    __tablename__ = "note"
    id = Column(Integer, primary_key=True)
    text = Column(String(20))
    numbered = Column(Integer)
"""
RESTRICTED = """
class Note(Base):
    __tablename__ = "note"
    id = Column(Integer, primary_key=True)
    text = Column(String(20), nullable=False)
    numbered = Column(Integer, nullable=False)
    kind = Column(String(9), nullable=False, index=True)
    size = Column(Integer, nullable=False, server_default="3")
"""
TEXT = 'shop: column "text" of table "note" is NOT NULL. SQL value for its rows (empty: none)?'
KIND = 'shop: column "kind" of table "note" is NOT NULL. SQL value for its rows (empty: none)?'
REVISION = ("revision", "--autogenerate", "-m", "restricted")


ROWS = (
    "INSERT INTO box (id, a) VALUES (1, 10)",
    "INSERT INTO word (id, plain, sorted) VALUES (1, 'a', 'b')",
    "INSERT INTO note (id, text, numbered) VALUES (1, 'one', 1), (2, NULL, 2)",
)


def test_columns_change_with_what_is_over_them_and_are_filled_with_what_is_answered(work, backend, on_terminal):
    one, two = (f"collation={name!r}" for name in COLLATIONS[backend.name])
    before = COMPUTED.format(**BEFORE, persisted=True) + COLLATED.format("", f", {one}", one, "") + NULLABLE
    changed(work, before)
    work.execute(*ROWS)
    has_virtual = backend.name != "postgresql" or int(backend.server.version.split(".")[0]) >= 18
    collated = COLLATED.format(f", {one}", f", {two}", "", ", index=True")
    work.models(work.app / "shop", COMPUTED.format(**AFTER, persisted=not has_virtual) + collated + RESTRICTED)
    told = [line.partition(" from ")[0].strip() for line in work.run("check").out.splitlines()]
    names = ["plain", "sorted", *(["long"] if backend.name != "mariadb" else [])]  # which keeps what no model names
    assert [line for line in told if " word: " in line and "index" not in line] == [
        f"modify type word: {name}" for name in names
    ]
    assert [line for line in told if " box: " in line] == [
        "add column box: n INTEGER",
        *(f"modify computed box: {name}" for name in ("b", *["kept"] * has_virtual, "was", "becomes")),
    ]
    scripts = work.scripts()
    ran = on_terminal(work, *REVISION, typed=["no_such\n", "NULL\n", "'a:b'\n", "'none 100%'\n"])
    assert ran.code == 0, ran.seen
    assert ran.questions[0] == KIND
    assert ran.questions[1].startswith("shop: no_such cannot be used: ")
    assert ran.questions[2:] == [KIND.replace("shop: ", "shop: NULL cannot be used: it is NULL. "), TEXT]
    (script,) = work.scripts() - scripts
    work.ok("upgrade")
    assert work.execute("SELECT b, kept, was, becomes FROM box") == [(35, 11, 40, 60)]
    work.goes_both_ways(script, before)
    assert work.execute("SELECT plain, sorted FROM word") == [("a", "b")]
    notes = [("one", "a:b", 3), ("none 100%", "a:b", 3)]
    assert work.execute("SELECT text, kind, size FROM note ORDER BY id") == notes
    work.ok("downgrade", "-1")
    assert work.execute("SELECT b, kept, was, becomes FROM box") == [(20, 11, 40, 60)]


def test_a_column_that_is_not_to_be_null_is_warned_of_where_nobody_is_asked(tmp_path, sqlite, on_terminal):
    work = Workspace(tmp_path, sqlite.new_database())
    work.add_app("shop", history=True)
    changed(work, NULLABLE)
    work.execute(ROWS[-1])
    work.models(work.app / "shop", RESTRICTED)
    before = work.scripts()
    ran = on_terminal(work, *REVISION, "--no-input")
    assert (ran.code, ran.seen.count(" is NOT NULL, and the rows of the table have no value for it; ")) == (0, 2), ran
    (script,) = work.scripts() - before
    text = script.read_text()
    assert text.count(" is NOT NULL, and the table has rows. ") == 2
    assert "UPDATE note SET kind = ... WHERE kind IS NULL" in text
    assert "UPDATE note SET text = ... WHERE text IS NULL" in text
    assert work.run("upgrade").code == 1


# --- options of tables -----------------------------------------------------------------------------------------

OPTIONED = """
class Word(Base):
    __tablename__ = "word"
    id = Column(Integer, primary_key=True)
    text = Column(String(20))
    __table_args__ = {{{}}}

class Other(Base):
    __tablename__ = "other"
    id = Column(Integer, primary_key=True)
"""
COUNTED = """
class Note(Base):
    __tablename__ = "note"
    id = Column(Integer, primary_key=True)
    number = Column(BigInteger, Sequence("numbers"{0}))
    other = Column(BigInteger{1})
"""
OPTIONS = {
    "mariadb": (
        "'mariadb_engine': 'Aria', 'mariadb_charset': 'latin1', 'mariadb_row_format': 'dynamic'",
        "'mariadb_engine': 'InnoDB', 'mariadb_default_charset': 'utf8mb4', 'mariadb_collate': 'utf8mb4_bin',"
        " 'mariadb_row_format': 'compressed', 'mariadb_key_block_size': '8'",
        "SELECT engine, table_collation, row_format FROM information_schema.tables WHERE table_name = 'word'"
        " AND table_schema = DATABASE()",
        [("InnoDB", "utf8mb4_bin", "Compressed")],
    ),
    "postgresql": (
        "'postgresql_with': {'fillfactor': 70}",
        "'postgresql_with': {'fillfactor': 80, 'autovacuum_enabled': False, 'toast.autovacuum_enabled': True}",
        "SELECT reloptions FROM pg_class WHERE relname = 'word'",
        [(["fillfactor=80", "autovacuum_enabled=false"],)],
    ),
}


@pytest.mark.mariadb_only("sequences")
@pytest.mark.parametrize("name", OPTIONS)
def test_sequences_and_options_of_tables_follow_where_the_models_name_them(tmp_path, request, name):
    old, new, query, rows = OPTIONS[name]
    work = Workspace(tmp_path, request.getfixturevalue(name).new_database())
    work.add_app("shop", history=True)
    before = OPTIONED.format(old) + COUNTED.format(", start=3", "")
    changed(work, before)
    work.execute("INSERT INTO word (id, text) VALUES (1, 'one')")
    if name == "postgresql":
        work.execute("ALTER TABLE other SET (fillfactor = 50)")
    counted = COUNTED.format(", increment=-5, minvalue=-100, maxvalue=50, cycle=True", ", Sequence('more')")
    work.models(work.app / "shop", OPTIONED.format(new) + counted)
    (script,) = work.autogenerate()
    assert "ALTER TABLE other" not in script.read_text()
    work.goes_both_ways(script, before)
    assert work.execute(query) == rows
    numbers = "nextval('numbers'), nextval('more')" if name == "postgresql" else "NEXTVAL(numbers), NEXTVAL(more)"
    assert work.execute(f"SELECT {numbers}") == [(3, 1)]
    work.models(work.app / "shop", OPTIONED.format("") + counted)
    work.ok("check")
