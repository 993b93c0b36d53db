"""Our operations as code, and the way back of each."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import pytest
from alembic.operations import ops

from websauna_migrate.autogenerate.script_ops import (
    Do,
    DoAlone,
    Note,
    Refuse,
    RenameTable,
    Sql,
    SqlOfPostgresql,
    StatementsOp,
    commits,
    made_columns,
    render_sql_of_postgresql,
    rendered_statement,
    walk_ops,
)
from websauna_migrate.packages.package import ColumnName, TableName


@pytest.mark.parametrize("value", ["it's", 'a"b', "a:b", "100%", "new\nline", "{x}", "\\"])
def test_every_statement_is_python_whatever_the_values_are(value):
    column = ColumnName(TableName("s", "t"), "c")
    for statement in (
        Do(f"SELECT {value!r}"),
        DoAlone(f"use {value!r}.", (value,)),
        Note(repr(value)),
        Refuse(column, (value,), f"SELECT {value}", f"UPDATE {value}"),
    ):
        ast.parse(rendered_statement(statement, "op.", "sa."))


@pytest.mark.parametrize(("dialect", "done"), [("postgresql", ["CREATE SCHEMA a"]), ("sqlite", [])])
def test_sql_of_postgresql_is_skipped_elsewhere(dialect, done):
    context = SimpleNamespace(opts={"alembic_module_prefix": "op."})
    (line,) = render_sql_of_postgresql(context, SqlOfPostgresql("CREATE SCHEMA a", ""))
    run = []
    migration = SimpleNamespace(dialect=SimpleNamespace(name=dialect))
    exec(line, {"op": SimpleNamespace(execute=run.append, get_context=lambda: migration)})
    assert run == done


def test_the_way_back_is_the_other_statements():
    op = StatementsOp(("add_enum", "mood", ("a",)), [Do("up")], [Do("down")])
    assert (op.reverse().statements, op.reverse().undo) == (op.undo, op.statements)


def test_a_rename_is_turned_round():
    back = RenameTable("old", "new", schema="s").reverse()
    assert (back.table_name, back.new_table_name, back.schema) == ("new", "old", "s")


def test_a_statement_has_its_way_back():
    back = Sql("CREATE TYPE a", "DROP TYPE a").reverse()
    assert (str(back.sqltext), back.undo) == ("DROP TYPE a", "CREATE TYPE a")


def test_only_a_change_with_statements_of_their_own_transaction_commits():
    assert commits(StatementsOp(("modify_enum",), [DoAlone("why", ("x",))]))
    assert not commits(StatementsOp(("modify_enum",), [Do("x")]))
    assert not commits(Sql("x", "y"))


def test_operations_are_walked_outside_in():
    inner = ops.DropColumnOp("t", "c")
    outer = ops.ModifyTableOps("t", [inner])
    assert list(walk_ops([outer])) == [outer, inner]
    assert list(made_columns(ops.UpgradeOps([outer]))) == []
