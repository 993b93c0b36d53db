"""Each rule has an example that it finds and others that it does not, and its safe form is clean."""

from __future__ import annotations

import pytest
from sqlalchemy.dialects import mysql, postgresql, sqlite

from websauna_migrate.database.table_sizes import Size
from websauna_migrate.lint.actions import actions
from websauna_migrate.lint.facts import NOTHING, ColumnFacts, Facts
from websauna_migrate.lint.rules import RULES, Schema, problems, problems_of_session
from websauna_migrate.packages.package import ColumnName, TableName
from websauna_migrate.revisions.breaking import BREAKS

T = TableName(None, "t")
BIG = TableName(None, "big")
DIALECTS = {"postgresql": postgresql.dialect(), "mysql": mysql.dialect(), "sqlite": sqlite.dialect()}


def column(name, type_, *, nullable=True):
    return {ColumnName(T, name): ColumnFacts(type_, nullable)}


FULL = Facts(
    is_known=True,
    sizes={T: Size(3, 8192), BIG: Size(50_000, 2**20), TableName(None, "parts"): Size(3, 8192, is_partitioned=True)},
    columns={
        **column("name", "VARCHAR(50)"),
        **column("id", "INTEGER", nullable=False),
        **column("hue", "hue"),
        **column("kind", "ENUM('a','b')"),
    },
    checked=frozenset({ColumnName(T, "guarded")}),
    enums={TableName(None, "hue"): ("red", "blue")},
    keys={T: "id", BIG: "id"},
)
EMPTY = Facts(is_known=True, sizes={T: Size(0, 0)})


def found(sql, dialect="postgresql", facts=FULL, *, contract=False):
    """Return the rules that find something in statements of one transaction; COMMIT ends it."""
    schema = Schema(facts, DIALECTS[dialect], longest_wait=5)
    rules = []
    for statement in sql.split(";"):
        if statement.strip() == "COMMIT":
            schema.commit()
        rules += [problem.rule for problem in problems_of_session(statement, schema)]
        for action in actions(statement, dialect):
            rules += [problem.rule for problem in problems(action, schema, in_contract=contract)]
            schema.after(action)
    return rules


FOUND = {
    "drop-table": ["DROP TABLE t"],
    "drop-column": ["ALTER TABLE t DROP COLUMN name"],
    "rename-table": ["ALTER TABLE t RENAME TO u"],
    "rename-column": ["ALTER TABLE t RENAME name TO title"],
    "narrow-type": ["ALTER TABLE t ALTER COLUMN name TYPE VARCHAR(20)", "ALTER TABLE t ALTER COLUMN id TYPE TEXT"],
    "new-not-null": ["ALTER TABLE t ALTER COLUMN name SET NOT NULL"],
    "remove-enum-value": [
        "ALTER TYPE hue RENAME VALUE 'red' TO 'crimson'",
        "ALTER TYPE hue RENAME TO old; CREATE TYPE hue AS ENUM ('blue'); ALTER TABLE t ALTER hue TYPE hue",
    ],
    "not-null-without-default": ["ALTER TABLE t ADD COLUMN n INTEGER NOT NULL", "ALTER TABLE t ADD n INT PRIMARY KEY"],
    "index-without-concurrently": [
        "CREATE INDEX i ON t (name)",
        "CREATE UNIQUE INDEX i ON t (name)",
        "ALTER TABLE t ADD UNIQUE (name)",
        "ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (name)",
    ],
    "rewrites-table": [
        "ALTER TABLE t ALTER COLUMN id TYPE BIGINT",
        "ALTER TABLE t ADD COLUMN n UUID DEFAULT gen_random_uuid() NOT NULL",
        "ALTER TABLE t ADD COLUMN n SERIAL",
        "ALTER TABLE t ADD COLUMN n INTEGER GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE t ADD COLUMN n INTEGER GENERATED ALWAYS AS (id + 1) STORED",
        "VACUUM FULL t",
    ],
    "changes-many-rows": [
        "UPDATE big SET name = 'x'",
        "UPDATE ONLY big AS b SET name = 'x' WHERE name IS NULL",
        "DELETE FROM big WHERE name = 'id = 5'",
        "DELETE FROM big USING t WHERE big.id = t.id",
        "WITH old AS (SELECT id FROM big) DELETE FROM big WHERE id IN (SELECT id FROM old)",
        "UPDATE big SET name = 'x' WHERE id = 5 OR name IS NULL",
        "UPDATE big SET name = ':x' WHERE pid = 5",
    ],
    "long-lock-timeout": [
        "SET lock_timeout = '1min'",
        "SET LOCAL lock_timeout TO 60000",
        "set lock_timeout = 0",
        "SELECT set_config('lock_timeout', '7s', true)",
    ],
    "scans-table": [
        "ALTER TABLE t ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE t ADD CHECK (id > 0)",
        "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES u (id)",
        "ALTER TABLE t ADD CONSTRAINT k CHECK (id > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT k",
    ],
}

CLEAN = {
    "drop-table": ["CREATE TABLE t (id INTEGER); DROP TABLE t", "DROP INDEX t"],
    "drop-column": ["ALTER TABLE t ALTER COLUMN name DROP NOT NULL", "ALTER TABLE t DROP CONSTRAINT name"],
    "rename-table": ["CREATE TABLE u (id INTEGER); ALTER TABLE u RENAME TO v; ALTER TABLE v DROP COLUMN id"],
    "rename-column": ["ALTER TABLE t RENAME CONSTRAINT a TO b"],
    "narrow-type": ["ALTER TABLE t ALTER COLUMN name TYPE VARCHAR(80)", "ALTER TABLE t ALTER COLUMN name TYPE TEXT"],
    "new-not-null": ["ALTER TABLE t ALTER COLUMN id SET NOT NULL", "ALTER TABLE t ADD COLUMN n INT DEFAULT 1 NOT NULL"],
    "remove-enum-value": ["ALTER TYPE hue ADD VALUE 'green' AFTER 'red'"],
    "not-null-without-default": [
        "ALTER TABLE t ADD COLUMN n INTEGER",
        "ALTER TABLE t ADD COLUMN n INT DEFAULT 1 NOT NULL",
    ],
    "index-without-concurrently": [
        "CREATE INDEX CONCURRENTLY i ON t (name)",
        "CREATE INDEX i ON ONLY t (name)",
        "ALTER TABLE t ADD CONSTRAINT k UNIQUE USING INDEX i",
        "CREATE TABLE u (id INTEGER); CREATE INDEX i ON u (id)",
    ],
    "rewrites-table": [
        "ALTER TABLE t ADD COLUMN n TIMESTAMP DEFAULT now() NOT NULL",
        "ALTER TABLE t ADD COLUMN n INTEGER",
    ],
    "changes-many-rows": [
        "UPDATE t SET name = 'x'",
        "UPDATE big SET name = 'x' WHERE id = 5",
        "UPDATE big SET name = 'x' WHERE name IS NULL AND big.id IN (1, 2)",
        'DELETE FROM big WHERE "id" BETWEEN 1 AND 9',
        "CREATE TABLE u (id INTEGER); UPDATE u SET id = 2",
        "INSERT INTO big SELECT * FROM t",
        "SELECT id FROM big FOR UPDATE",
    ],
    "long-lock-timeout": [
        "SET lock_timeout = '5s'",
        "SET LOCAL lock_timeout TO '100ms'",
        "SET lock_timeout = DEFAULT",
        "SET statement_timeout = 0",
        "SELECT set_config('lock_timeout', '500', true)",
    ],
    "scans-table": [
        "ALTER TABLE t ADD CONSTRAINT k CHECK (id > 0) NOT VALID; COMMIT; ALTER TABLE t VALIDATE CONSTRAINT k",
        "ALTER TABLE t ALTER COLUMN id SET NOT NULL",
        "ALTER TABLE t ALTER COLUMN note DROP NOT NULL",
    ],
}


def examples(of):
    return [(rule, sql) for rule, examples in of.items() for sql in examples]


def test_each_rule_has_examples():
    assert FOUND.keys() == CLEAN.keys() == RULES.keys()
    assert RULES.keys() > BREAKS.keys()


@pytest.mark.parametrize(("rule", "sql"), examples(FOUND))
def test_a_rule_finds_what_it_is_about(rule, sql):
    assert rule in found(sql)


@pytest.mark.parametrize(("rule", "sql"), examples(CLEAN))
def test_a_rule_does_not_find_what_is_safe(rule, sql):
    assert found(sql) == []


@pytest.mark.parametrize(("rule", "sql"), [one for one in examples(FOUND) if one[0] in BREAKS])
def test_a_contract_revision_breaks_no_code(rule, sql):
    assert rule not in found(sql, contract=True)


def test_a_check_that_is_valid_saves_the_scan_for_not_null():
    assert found("ALTER TABLE t ALTER COLUMN guarded SET NOT NULL", contract=True) == []
    check = 'ALTER TABLE t ADD CONSTRAINT k CHECK ("name" IS NOT NULL) NOT VALID'
    not_null = "ALTER TABLE t ALTER COLUMN name SET NOT NULL"
    validate = "ALTER TABLE t VALIDATE CONSTRAINT k"
    assert found(f"{check};COMMIT;{validate};{not_null}", contract=True) == []
    assert found(f"{check};{not_null}", contract=True) == ["scans-table"]


def test_an_empty_table_needs_no_value_for_its_rows_but_the_code_does():
    add = "ALTER TABLE t ADD COLUMN n INTEGER NOT NULL"
    assert found(add, facts=EMPTY) == ["new-not-null"]
    assert found(add, facts=NOTHING) == ["new-not-null", "not-null-without-default"]


def test_without_a_database_a_change_of_a_type_may_be_narrower_unless_an_earlier_statement_tells():
    alter = "ALTER TABLE t ALTER COLUMN name TYPE TEXT"
    assert found(alter, facts=NOTHING) == ["narrow-type"]
    assert found(f"ALTER TABLE t ADD COLUMN name VARCHAR(20); {alter}", facts=NOTHING) == []


@pytest.mark.parametrize(
    ("sql", "rules"),
    [
        ("ALTER TABLE t MODIFY name VARCHAR(80) NULL", []),
        ("ALTER TABLE t MODIFY name VARCHAR(50) NOT NULL", ["new-not-null"]),
        ("ALTER TABLE t MODIFY unknown VARCHAR(50) NOT NULL", ["narrow-type"]),
        ("ALTER TABLE t CHANGE name title VARCHAR(20) NULL", ["rename-column", "narrow-type", "rewrites-table"]),
        ("ALTER TABLE t MODIFY kind ENUM('a','b','c') NULL", []),
        ("ALTER TABLE t MODIFY kind ENUM('b') NULL", ["remove-enum-value", "rewrites-table"]),
        ("CREATE INDEX i ON t (name)", []),
        ("ALTER TABLE t ADD CHECK (id > 0)", []),
    ],
)
def test_mariadb_and_mysql_lock_less_and_copy_more(sql, rules):
    assert found(sql, "mysql") == rules


def test_a_condition_over_the_key_is_known_from_the_database_or_called_id():
    update = "UPDATE big SET name = 'x' WHERE id = 5"
    assert found(update, facts=NOTHING) == []
    assert found("UPDATE big SET name = 'x'", facts=NOTHING) == ["changes-many-rows"]
    other = Facts(is_known=True, sizes=FULL.sizes, keys={BIG: "number"})
    assert found(update, facts=other) == ["changes-many-rows"]
    assert found("DELETE FROM big LIMIT 500", "mysql") == []
    assert found("DELETE FROM big", "sqlite") == ["changes-many-rows"]


def test_mariadb_and_mysql_wait_for_tables_in_seconds():
    assert found("SET SESSION innodb_lock_wait_timeout = 50", "mysql") == ["long-lock-timeout"]
    assert found("SET lock_wait_timeout = 5", "mysql") == []
    assert found("SET lock_timeout = 0", "mysql") == []


def test_sqlite_only_breaks_code():
    assert found("CREATE INDEX i ON t (name); ALTER TABLE t ADD CHECK (id > 0)", "sqlite") == []
    assert found("ALTER TABLE t DROP COLUMN name", "sqlite") == ["drop-column"]


@pytest.mark.parametrize(("rule", "sql"), examples(FOUND))
def test_what_a_remedy_executes_is_clean(rule, sql):
    schema = Schema(FULL, DIALECTS["postgresql"])
    for action in (action for statement in sql.split(";") for action in actions(statement, "postgresql")):
        for problem in problems(action, schema, in_contract=False):
            if problem.rule != rule:
                continue
            done = executed(problem.remedy)
            assert found(done, contract=True) == []
            assert done or any(text in problem.remedy for text in ("contract = True", "# not in", "in_batches("))
        schema.after(action)


def executed(code):
    """Return the statements that ``code`` executes, with COMMIT where it leaves the transaction."""
    lines = []
    for line in code.splitlines():
        if "autocommit_block" in line:
            lines.append("COMMIT")
        elif line.strip().startswith("op.execute("):
            lines.append(eval(line.strip().removeprefix("op.execute")).replace("\\:", ":"))
    return ";".join(lines)
