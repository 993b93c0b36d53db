"""``ws-alembic lint`` as operators use it: on databases with rows, in a pipe, in a workflow, and without a database."""

from __future__ import annotations

import json

from projects import Workspace
from projects import revise as write_revision

MODELS = """
class Account(Base):
    __tablename__ = "account"
    id = Column(Integer, primary_key=True)
    name = Column(String(50), nullable=False)
    note = Column(String(50))
    size = Column(Integer)
    hue = Column(Enum("red", "blue", name="hue"))
    other_id = Column(Integer)

class Other(Base):
    __tablename__ = "other"
    id = Column(Integer, primary_key=True)

class Old(Base):
    __tablename__ = "old"
    id = Column(Integer, primary_key=True)

class Big(Base):
    __tablename__ = "big"
    id = Column(Integer, primary_key=True)
    total = Column(Integer)
"""

#: What a script does, and the rules that find it.
UNSAFE = {
    "required": (
        'op.add_column("account", sa.Column("age", sa.Integer, nullable=False))',
        {"not-null-without-default"},
    ),
    "indexed": ('op.create_index("ix_name", "account", ["name"])', {"index-without-concurrently"}),
    "unique": ('op.create_unique_constraint("uq_name", "account", ["name"])', {"index-without-concurrently"}),
    "checked": ('op.create_check_constraint("positive", "account", "id > 0")', {"scans-table"}),
    "referring": ('op.create_foreign_key("fk", "account", "other", ["other_id"], ["id"])', {"scans-table"}),
    "numbered": (
        'op.add_column("account", sa.Column("key", sa.Uuid, server_default=sa.text("gen_random_uuid()")))',
        {"rewrites-table"},
    ),
    "wider": ('op.alter_column("account", "size", type_=sa.BigInteger)', {"rewrites-table"}),
    "narrower": ('op.alter_column("account", "name", type_=sa.String(20))', {"narrow-type", "rewrites-table"}),
    "restricted": ('op.alter_column("account", "note", nullable=False)', {"new-not-null", "scans-table"}),
    "value": ("op.execute(\"ALTER TYPE hue RENAME VALUE 'red' TO 'crimson'\")", {"remove-enum-value"}),
    "column_renamed": ('op.alter_column("account", "size", new_column_name="length")', {"rename-column"}),
    "column_dropped": ('op.drop_column("account", "note")', {"drop-column"}),
    "renamed": ('op.rename_table("other", "another")', {"rename-table"}),
    "dropped": ('op.drop_table("old")', {"drop-table"}),
    "filled": ('op.execute("UPDATE big SET total = 0 WHERE total IS NULL")', {"changes-many-rows"}),
    "deleted": ('op.execute(sa.table("big", sa.column("total")).delete())', {"changes-many-rows"}),
    "patient": ("op.execute(\"SET lock_timeout = '1min'\")", {"long-lock-timeout"}),
}


FIRST = """
op.create_table("account", sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(50), nullable=False), sa.Column("note", sa.String(50)), sa.Column("size", sa.Integer),
    sa.Column("hue", sa.Enum("red", "blue", name="hue")), sa.Column("other_id", sa.Integer))
op.create_table("other", sa.Column("id", sa.Integer, primary_key=True))
op.create_table("old", sa.Column("id", sa.Integer, primary_key=True))
op.create_table("big", sa.Column("id", sa.Integer, primary_key=True), sa.Column("total", sa.Integer))
""".strip()
START = "first"


def make(folder, url, settings=""):
    """Make an application whose first revision, :data:`START`, is applied, with rows in a table."""
    workspace = Workspace(folder, url)
    workspace.add_app("shop", MODELS, settings=settings)
    revise(workspace, START, None, FIRST)
    workspace.ok("upgrade")
    workspace.execute("INSERT INTO account (name, note) VALUES ('a', ''), ('b', ''), ('c', '')")
    return workspace


def revise(workspace, id_, down, upgrade, header=""):
    """Write a revision, and return its script."""
    return write_revision(workspace.app / "alembic", id_, down, upgrade.replace("\n", "\n    "), header=header)


def linted(workspace, *argv):
    """Run ``lint`` and return its exit code, its findings by revision, and what it says on stderr."""
    ran = workspace.run("lint", "--format", "json", *argv)
    assert ran.out, ran.err
    found = {}
    for finding in json.loads(ran.out):
        found.setdefault(finding["revision"], []).append(finding)
    return ran.code, found, ran.err


def rules(found):
    return {revision: {finding["rule"] for finding in findings} for revision, findings in found.items()}


def test_each_unsafe_statement_is_found_and_its_safe_form_is_clean_and_runs(tmp_path, postgresql):
    workspace = make(tmp_path, postgresql.new_database())
    workspace.execute("INSERT INTO big SELECT generate_series(1, 10000)")
    down = START
    for id_, (code, _) in UNSAFE.items():
        down = revise(workspace, id_, down, code).stem
    code, found, _ = linted(workspace)
    assert (code, rules(found)) == (1, {id_: expected for id_, (_, expected) in UNSAFE.items()})
    assert {finding["rows"] for finding in found["wider"] + found["required"]} == {3}
    assert {finding["rows"] for finding in found["dropped"]} == {0}
    assert {finding["rows"] for finding in found["filled"] + found["deleted"]} == {10000}
    down = START
    for id_, (unsafe, _) in UNSAFE.items():
        remedies = [finding["remedy"] for finding in found[id_]]
        lines = [remedy for remedy in remedies if not {"contract = True", "lock_wait = 60"} & {*remedy.splitlines()}]
        header = "\n".join(remedy for remedy in remedies if remedy not in lines)
        down = revise(workspace, id_, down, "\n".join(lines) or (unsafe if id_ != "patient" else "pass"), header).stem
    assert linted(workspace)[:2] == (0, {})
    workspace.ok("upgrade", "--expand")
    workspace.ok("upgrade")
    assert workspace.ok("lint") == "No problems found.\n"


def test_a_finding_names_the_place_the_table_and_its_size(tmp_path, postgresql):
    workspace = make(tmp_path, postgresql.new_database())
    path = revise(workspace, "a1", START, UNSAFE["indexed"][0])
    line = path.read_text().splitlines().index("    " + UNSAFE["indexed"][0]) + 1
    ran = workspace.run("lint", cwd=tmp_path)
    place = f"shop/alembic/versions/a1.py:{line}"
    size = "account (3 rows, 24 kB)"
    assert ran.code == 1
    assert ran.out == (
        f"index-without-concurrently in shop a1, {place}\n"
        "  what: CREATE INDEX ix_name ON account (name)\n"
        f"  size: {size}\n"
        "  why:  the table cannot be written to until the index is built\n"
        "  safe: with op.get_context().autocommit_block():\n"
        "            op.execute('CREATE INDEX CONCURRENTLY ix_name ON account (name)')\n"
    )
    (finding,) = json.loads(workspace.run("lint", "--format", "json", cwd=tmp_path).out)
    assert finding == {
        "package": "shop",
        "revision": "a1",
        "rule": "index-without-concurrently",
        "table": "account",
        "rows": 3,
        "detail": f"{place}: CREATE INDEX ix_name ON account (name): the table cannot be written to until the index is "
        f"built; {size}",
        "remedy": "with op.get_context().autocommit_block():\n"
        "    op.execute('CREATE INDEX CONCURRENTLY ix_name ON account (name)')",
    }
    ran = workspace.run("lint", "--format", "github", env={"GITHUB_WORKSPACE": str(tmp_path / "shop")})
    assert ran.out.startswith(f"::warning file=alembic/versions/a1.py,line={line}::index-without-concurrently: ")
    assert ran.out.count("\n") == 1


def test_what_is_ignored_what_contracts_and_what_the_run_makes_itself_is_not_reported(tmp_path, postgresql):
    workspace = make(tmp_path, postgresql.new_database(), "websauna_migrate.lint.ignore = scans-table")
    rows = workspace.execute("SELECT count(*) FROM alembic_history_shop")
    why = 'lint_ignore = {"drop-column": "never released", "ban-char-field": "as the bank has it", "typo": "?"}'
    revise(workspace, "a1", START, UNSAFE["column_dropped"][0], why)
    revise(workspace, "a2", "a1", UNSAFE["dropped"][0], "contract = True")
    new = 'op.create_table("new", sa.Column("id", sa.Integer))\nop.create_index("ix_new", "new", ["id"])'
    revise(workspace, "a3", "a2", new)
    revise(workspace, "a4", "a3", 'op.drop_table("new")\n' + UNSAFE["checked"][0])
    char = 'op.execute("ALTER TABLE account ADD COLUMN code char(3)")'
    revise(workspace, "a5", "a4", char)
    code, found, said = linted(workspace)
    assert (code, rules(found)) == (1, {"a5": {"ban-char-field"}})
    assert (found["a5"][0]["table"], found["a5"][0]["rows"]) == ("account", 3)
    assert said.splitlines() == [
        f"WARNING: shop a1: lint_ignore names {rule!r}, which finds nothing there; correct or remove it in "
        f"{workspace.app / 'alembic/versions/a1.py'}"
        for rule in ("ban-char-field", "typo")
    ]
    assert linted(workspace, f"{START}:a4")[:2] == (0, {})
    revise(workspace, "a5", "a4", char, 'lint_ignore = {"ban-char-field": ""}')
    assert "lint_ignore is not valid; write the rules with the reasons" in workspace.fails("lint")
    workspace.write_ini("websauna_migrate.lint.ignore = scans-table, squawk\n")
    revise(workspace, "a5", "a4", char)
    assert linted(workspace)[:2] == (0, {})
    assert workspace.execute("SELECT count(*) FROM alembic_history_shop") == rows


def test_a_script_that_reads_the_database_is_named_and_the_others_are_looked_at(tmp_path, postgresql):
    workspace = make(tmp_path, postgresql.new_database())
    reads = UNSAFE["indexed"][0] + '\nnames = op.get_bind().execute(sa.text("SELECT name FROM account")).all()'
    path = revise(workspace, "a1", START, reads)
    revise(workspace, "a2", "a1", UNSAFE["dropped"][0])
    code, found, said = linted(workspace)
    assert (code, list(found)) == (1, ["a1", "a2"])
    assert said.startswith("WARNING: shop a1 (up) cannot be written as SQL: ")
    assert said.endswith(f"; the rest of it was left out; see {path}\n")
    batches = "from websauna_migrate.data import in_batches\nin_batches('account', 'UPDATE account SET id = :low')\n"
    path.unlink()
    (workspace.app / "alembic/versions/a2.py").unlink()
    revise(workspace, "a3", START, batches + UNSAFE["dropped"][0])
    code, found, said = linted(workspace)
    assert (code, list(found), said) == (1, ["a3"], "")


def test_without_a_database_the_sql_alone_is_looked_at(tmp_path, postgresql):
    workspace = make(tmp_path, postgresql.new_database())
    revise(workspace, "a1", START, UNSAFE["dropped"][0])
    revise(workspace, "a2", "a1", UNSAFE["required"][0] + "\n" + UNSAFE["wider"][0])
    workspace.write_ini(url="postgresql+psycopg://nobody@127.0.0.1:1/none")
    code, found, said = linted(workspace)
    assert (code, rules(found)) == (1, {"a1": {"drop-table"}, "a2": {"not-null-without-default", "narrow-type"}})
    assert {finding["rows"] for findings in found.values() for finding in findings} == {None}
    assert said.count("\n") == 1
    assert "all revisions are looked at, each by itself" in said
    code, found, said = linted(workspace, f"{START}:a1")
    assert (code, rules(found)) == (1, {"a1": {"drop-table"}})
    assert "the SQL alone is looked at" in said
    assert linted(workspace, "base:head")[0] == 0


def test_where_squawk_is_missing_our_rules_are_shown_and_the_exit_code_says_so(tmp_path, postgresql):
    without = "import sysconfig\nsysconfig.get_path = lambda name: '/nowhere'\n"
    workspace = make(tmp_path, postgresql.new_database())
    workspace.alone = True
    workspace.environment = {"PATH": "/nowhere"}
    package = workspace.app / "shop" / "__init__.py"
    package.write_text(without + package.read_text())
    ran = workspace.run("lint")
    assert (ran.code, ran.out) == (1, "No problems found.\n")
    assert ran.err == (
        "FAILED: squawk is not installed, so its rules for PostgreSQL were left out; run: "
        "pip install 'websauna_migrate[lint]', or write websauna_migrate.lint.ignore = squawk into the INI\n"
    )
    workspace.write_ini("websauna_migrate.lint.ignore = squawk\n")
    assert workspace.ok("lint") == "No problems found.\n"


def test_mariadb_has_its_own_words_for_the_same_changes(tmp_path, mariadb):
    workspace = make(tmp_path, mariadb.new_database())
    same = 'existing_type=sa.String(50), existing_nullable=False, comment="x"'
    revise(workspace, "a1", START, f'op.alter_column("account", "name", {same})\n' + UNSAFE["indexed"][0])
    narrow = 'op.alter_column("account", "name", existing_type=sa.String(50), type_=sa.String(20), nullable=False)'
    revise(workspace, "a2", "a1", narrow)
    values = 'op.alter_column("account", "hue", existing_nullable=True, type_=sa.Enum("red", "green"))'
    revise(workspace, "a3", "a2", values)
    revise(workspace, "a4", "a3", 'op.alter_column("account", "note", existing_type=sa.String(50), nullable=False)')
    revise(workspace, "a5", "a4", UNSAFE["required"][0] + "\n" + UNSAFE["dropped"][0])
    code, found, said = linted(workspace)
    assert (code, said) == (1, "")
    assert rules(found) == {
        "a2": {"narrow-type", "rewrites-table"},
        "a3": {"remove-enum-value", "rewrites-table"},
        "a4": {"new-not-null"},
        "a5": {"not-null-without-default", "drop-table"},
    }
    assert {finding["rows"] for finding in found["a4"]} == {3}


def test_sqlite_has_no_locks_to_fear_and_code_that_breaks_all_the_same(tmp_path, sqlite):
    workspace = make(tmp_path, sqlite.new_database())
    revise(workspace, "a1", START, "\n".join(UNSAFE[id_][0] for id_ in ("indexed", "required", "dropped")))
    code, found, _ = linted(workspace)
    assert (code, rules(found)) == (1, {"a1": {"not-null-without-default", "drop-table"}})
    assert [finding["rows"] for finding in found["a1"]] == [3, 0]


def test_batch_mode_is_looked_at_without_asking_what_the_table_is_like(tmp_path, sqlite):
    workspace = make(tmp_path, sqlite.new_database())
    batch = """
with op.batch_alter_table("note") as batch:
    batch.alter_column("text", existing_type=sa.String(50), nullable=False)
    batch.alter_column("id", new_column_name="number")
    batch.create_unique_constraint("uq_note", ["id"])
    batch.drop_column("text")
"""
    revise(workspace, "a1", START, batch.strip())
    code, found, said = linted(workspace)
    assert (code, said) == (1, "")
    assert rules(found) == {"a1": {"new-not-null", "rename-column", "drop-column"}}
