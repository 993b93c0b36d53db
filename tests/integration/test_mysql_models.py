"""What models of MariaDB and MySQL say, compared and written as the server accepts it, both ways."""

from __future__ import annotations

import re

import pytest

from projects import Workspace

WELL = "No new upgrade operations detected.\n"
KEYS = """
class Parent(Base):
    __tablename__ = "parent"
    id = Column(Integer, primary_key=True)
    parent_id = Column(ForeignKey("parent.id"))
    code = Column(String(20))
    number = Column(Integer)
    __table_args__ = (UniqueConstraint("code", name="uq_code"), Index("uq_number", "number", unique=True))

class Child(Base):
    __tablename__ = "child"
    id = Column(Integer, primary_key=True)
    parent_id = Column(ForeignKey("parent.id", name="fk_parent", ondelete="CASCADE"))
    code = Column(ForeignKey("parent.code", name="fk_code", onupdate="CASCADE"))
    number = Column(ForeignKey("parent.number", name="fk_number"))
    plain = Column(ForeignKey("parent.id"), index=True)
    other = Column(ForeignKey("parent.id", name="fk_other"))
    other_id = Column(ForeignKey("parent.id", name="fk_other_id"))
    other_key = Column(ForeignKey("parent.id", name="fk_other_key"), unique=True)
    extra = Column(Integer)
    size = Column(Enum("S", "M", name="sizes", native_enum=False, create_constraint=True))
    __table_args__ = (Index("ix_code", "code"), Index("ix_number", "number"), Index("ix_other", "other"))

class Gone(Base):
    __tablename__ = "gone"
    id = Column(Integer, primary_key=True)
    number = Column(ForeignKey("parent.number"))
"""
NEW = """
class New(Base):
    __tablename__ = "new"
    id = Column(Integer, primary_key=True)
    number = Column(ForeignKey("parent.number"), index=True)
    code = Column(ForeignKey("parent.code"))
"""
#: The types of two columns in keys, of text and of numbers.
TYPES = (
    ("code = Column(String(20))", "code = Column(String(30))"),
    ("number = Column(Integer)", "number = Column(BigInteger)"),
)
INDEXES = (
    # The index of a key is another one, goes, is made anew under its name, or comes.
    ('Index("ix_code", "code")', 'Index("ix_code_and_more", "code", "extra")'),
    ('Column(ForeignKey("parent.id"), index=True)', 'Column(ForeignKey("parent.id"))'),
    ('name="fk_other_key"), unique=True', 'name="fk_other_key")'),
    ('Index("ix_other", "other")', 'Index("ix_other", "other", "extra")'),
    ('name="fk_other_id")', 'name="fk_other_id"), index=True'),
    # The CHECK is changed after the indexes, which stay as they are then.
    ('Enum("S", "M", name', 'Enum("S", "L", name'),
    # So do those that keys refer to.
    ('UniqueConstraint("code", name="uq_code")', 'UniqueConstraint("code", name="uq_of_code")'),
)
# For MySQL a key needs a unique index of just its columns.
OF_MARIADB = ('Index("uq_number", "number", unique=True)', 'Index("uq_number", "number", "code", unique=True)')
CONVENTION = """
Base.metadata.naming_convention = {"ix": "i_%(column_0_label)s", "uq": "u_%(table_name)s_%(column_0_name)s"}
"""


@pytest.fixture
def maria(tmp_path, mariadb):
    """A folder with nothing in it and a database."""
    return Workspace(tmp_path, mariadb.new_database())


@pytest.fixture(params=["mariadb", "mysql"])
def both(request, tmp_path):
    """The same on MariaDB, and on MySQL itself."""
    return Workspace(tmp_path, request.getfixturevalue(request.param).new_database())


def changed(models, *changes):
    for before, after in changes:
        assert before in models, before
        models = models.replace(before, after)
    return models


def keys(workspace):
    """Return the foreign keys as the server shows them."""
    return {
        f"{table}: {line}"
        for table in sorted(workspace.tables() & {"parent", "child", "new"})
        for ((_, sql),) in [workspace.execute(f"SHOW CREATE TABLE {table}")]
        for line in re.findall("FOREIGN KEY.*?(?=,?\n)", sql)
    }


def test_what_foreign_keys_use_may_change(both):
    package = both.add_app("shop", KEYS, history=True)
    both.autogenerate()
    both.execute("INSERT INTO parent (id, code, number) VALUES (1, 'a', 1)")
    both.execute("INSERT INTO child (id, parent_id, code, number, plain) VALUES (1, 1, 'a', 1, 1)")
    before = keys(both)
    # First the types alone, with a table that comes and one that goes; then indexes; then all get other names.
    steps = [changed(KEYS[: KEYS.index("class Gone")], *TYPES) + NEW]
    steps.append(changed(steps[-1], *INDEXES, *([OF_MARIADB] if both.url.get_backend_name() == "mariadb" else [])))
    steps.append(CONVENTION + changed(steps[-1], ('name="uq_of_code"', "name=None")))
    for number, (old, models) in enumerate(zip([KEYS, *steps], steps, strict=False)):
        both.models(package, models)
        (script,) = both.autogenerate()
        both.goes_both_ways(script, old)
        after = keys(both)
        assert len(after) == len(before) + 2, number
    both.ok("downgrade", "-3")
    assert keys(both) == before
    assert both.execute("SELECT code, number FROM child") == [("a", 1)]


def test_a_key_of_another_package_is_named_where_the_type_of_its_column_changes(maria, run):
    users = "class User(Base):\n    __tablename__ = 'user'\n    id = Column(Integer, primary_key=True)\n"
    post = "from users.models import Base\nfrom sqlalchemy import *\n\nclass Post(Base):\n    __tablename__ = 'post'\n"
    post += "    id = Column(Integer, primary_key=True)\n    user_id = Column(ForeignKey('user.id', name='fk_user'))\n"
    package = maria.add("users", users, history=True)
    maria.add_app("shop", post, ["users"], history=True)
    maria.autogenerate("-x", "packages=all")
    maria.models(package, users.replace("Integer", "BigInteger"))
    argv = ("-c", maria.ini, "-x", "packages=users", "revision", "--autogenerate", "-m", "wider")
    ran = run("ws-alembic", *argv, cwd=maria.app, env={"PYTHONPATH": ":".join(map(str, maria.path))})
    note = "The foreign key fk_user of post to user is of another package: drop it before the type changes"
    assert ran.returncode == 0, ran
    assert ran.stderr.count(note) == 1
    (script,) = (path for path in maria.scripts() if "wider" in path.name)
    assert script.read_text().count(f"    # {note}") == 2
    assert "drop_constraint" not in script.read_text()


COLUMNS = """
from sqlalchemy.dialects import mysql

class Note(Base):
    __tablename__ = "note"
    id = Column(Integer, primary_key=True)
    # Of another character set in the database than the models name, which is none.
    name = Column(String(50))
    body = Column(Text)
    kind = Column(Enum("a", "b"))
    # With one that they name.
    key = Column(String(20, collation="utf8mb4_bin"))
    at_null = Column(mysql.TIMESTAMP, nullable=True, server_default=text("NULL ON UPDATE CURRENT_TIMESTAMP"))
    at_ms = Column(mysql.DATETIME(fsp=3), server_default=text("NULL ON UPDATE CURRENT_TIMESTAMP(3)"), comment="why")
    at_now = Column(DateTime, server_default=text("CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"))
    at_day = Column(DateTime, nullable=False, server_default=text("'2020-01-01 00:00:00' ON UPDATE CURRENT_TIMESTAMP"))
    at_any = Column(DateTime, server_default=text("NULL ON UPDATE CURRENT_TIMESTAMP"), server_onupdate=FetchedValue())
    number = Column(Integer)
    twice = Column(Integer, Computed("number * 2"))
    __table_args__ = (
        Index("ft", "body", mysql_prefix="FULLTEXT", mariadb_prefix="FULLTEXT"),
        Index("ix_name", "name", mysql_length=10, mariadb_length=10),
        Index("ix_kind", "kind", "name"),
        Index("ix_key", "key"),
    )
"""
UNNAMED = (
    "ALTER TABLE note MODIFY name VARCHAR(50) CHARACTER SET latin1 COLLATE latin1_german1_ci",
    "ALTER TABLE note MODIFY body TEXT CHARACTER SET latin1",
    "ALTER TABLE note MODIFY kind ENUM('a', 'b') CHARACTER SET latin1",
    "ALTER TABLE note DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
)
COLUMN_CHANGES = (
    ("String(50)", "String(60)", "modify type note: name from VARCHAR(50)"),
    ('Enum("a", "b")', 'Enum("a", "b", "c")', "modify type note: kind from ENUM"),
    ('collation="utf8mb4_bin"', 'collation="utf8mb4_general_ci"', "modify type note: key from VARCHAR(20)"),
    (
        'nullable=True, server_default=text("NULL ON UPDATE CURRENT_TIMESTAMP")',
        "nullable=True",
        "modify default note: at_null from NULL ON UPDATE",
    ),
    ("NULL ON UPDATE CURRENT_TIMESTAMP(3)", "NULL", "modify default note: at_ms from NULL ON UPDATE"),
    (
        "CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
        "CURRENT_TIMESTAMP",
        "modify default note: at_now from",
    ),
    (
        ", server_default=text(\"'2020-01-01 00:00:00' ON UPDATE CURRENT_TIMESTAMP\")",
        "",
        "modify default note: at_day from '2020-01-01 00:00:00' ON UPDATE",
    ),
    ('server_default=text("NULL ON UPDATE CURRENT_TIMESTAMP"), server_onupdate', "server_onupdate", ""),
    ("number * 2", "number * 3", "modify computed note: twice"),
    ("mysql_length=10, mariadb_length=10", "mysql_length=20, mariadb_length=20", "index note: ix_name"),
    ('Index("ix_key", "key")', 'Index("ix_key", "key", mysql_prefix="FULLTEXT", mariadb_prefix="FULLTEXT")', "ix_key"),
)


def test_columns_and_indexes_change_as_the_models_say_and_no_more(both):
    package = both.add_app("shop", COLUMNS, history=True)
    both.autogenerate()
    assert both.ok("check") == WELL
    both.execute(*UNNAMED, "INSERT INTO note (id, name) VALUES (1, 'a')")
    assert both.ok("check") == WELL
    ((_, before),) = both.execute("SHOW CREATE TABLE note")
    both.models(package, changed(COLUMNS, *((old, new) for old, new, _ in COLUMN_CHANGES)))
    told = both.run("check").out
    for *_, difference in COLUMN_CHANGES:
        assert difference in told
    assert "at_any" not in told
    assert "ix_kind" not in told
    (script,) = both.autogenerate()
    ((_, after),) = both.execute("SHOW CREATE TABLE note")
    assert after.count("latin1_german1_ci") == before.count("latin1_german1_ci")
    assert after.upper().count("ON UPDATE") == 1
    both.goes_both_ways(script, COLUMNS)
    both.ok("downgrade", "-1")
    ((_, again),) = both.execute("SHOW CREATE TABLE note")
    assert sorted(again.splitlines()) == sorted(before.splitlines())
