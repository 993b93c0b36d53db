"""The safe forms, as lines for a script."""

from __future__ import annotations

import ast

import pytest
from sqlalchemy.dialects import postgresql

from websauna_migrate.lint import remedies
from websauna_migrate.lint.actions import actions

PG = postgresql.dialect()


def action_of(sql):
    (action,) = actions(sql, "postgresql")
    return action


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0)", "k"),
        ("ALTER TABLE t ADD CHECK (a > 0)", "t_check"),
        ("ALTER TABLE t ADD FOREIGN KEY(a, b) REFERENCES u (c, d)", "t_a_b_fkey"),
        ('ALTER TABLE t ADD CONSTRAINT "K" CHECK (a > 0) NOT VALID', '"K"'),
    ],
)
def test_a_constraint_is_validated_under_the_name_that_the_database_gives_it(sql, name):
    add, block, validate = remedies.validated_later(action_of(sql), PG).splitlines()
    assert f"ADD CONSTRAINT {name} " in add
    assert add.endswith(" NOT VALID')")
    assert add.count("NOT VALID") == 1
    assert block == "with op.get_context().autocommit_block():"
    assert f"VALIDATE CONSTRAINT {name}'" in validate


def test_a_unique_constraint_is_made_of_an_index():
    code = remedies.constraint_of_index(action_of('ALTER TABLE a."T" ADD UNIQUE (x, y)'), PG)
    assert code.splitlines()[1:] == [
        '    op.execute(\'CREATE UNIQUE INDEX CONCURRENTLY "T_x_y_key" ON a."T" (x, y)\')',
        'op.execute(\'ALTER TABLE a."T" ADD CONSTRAINT "T_x_y_key" UNIQUE USING INDEX "T_x_y_key"\')',
    ]


def test_an_index_of_a_partitioned_table_begins_with_the_table_alone():
    action = action_of("CREATE UNIQUE INDEX i ON t (a)")
    whole = remedies.concurrent_index(action, PG, is_partitioned=False)
    parted = remedies.concurrent_index(action, PG, is_partitioned=True)
    assert "'CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)'" in whole
    assert "'CREATE UNIQUE INDEX i ON ONLY t (a)'" in parted


def test_a_colon_in_sql_is_no_parameter():
    code = remedies.default_later(action_of("ALTER TABLE t ADD COLUMN c text"), "random()::text || ' :a'", PG)
    assert r"random()::text || ' \\:a'" in code


@pytest.mark.parametrize(
    ("sql", "call"),
    [
        (
            "UPDATE a.t SET x = '12:30', y = ':z' WHERE y IS NULL OR x = 1;",
            r"""in_batches('t', 'UPDATE a.t SET x = \'12:30\', y = \'\\:z\' WHERE (y IS NULL OR x = 1) AND "Id" """
            """BETWEEN :low AND :high', schema='a')""",
        ),
        ("DELETE FROM t", """in_batches('t', 'DELETE FROM t WHERE "Id" BETWEEN :low AND :high')"""),
    ],
)
def test_rows_are_changed_in_batches_of_the_key(sql, call):
    [code] = remedies.changed_in_batches(action_of(sql), "Id", PG).splitlines()[2:]
    assert ast.dump(ast.parse(code)) == ast.dump(ast.parse(call))


def test_what_has_no_key_of_one_column_or_more_than_one_table_is_written_by_hand():
    for sql, key in (("DELETE FROM t", None), ("DELETE FROM t USING u WHERE t.id = u.id", "id")):
        assert remedies.changed_in_batches(action_of(sql), key, PG).startswith("# in a revision of its own, with ")
