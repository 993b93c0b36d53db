"""The passes over a script: which run for which command, and that the order is the one that is written down."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

from websauna_migrate.autogenerate.comparison import Comparison, Given, Writing
from websauna_migrate.autogenerate.passes import PASSES, Draft, apply
from websauna_migrate.autogenerate.rendering import make_render_item
from websauna_migrate.autogenerate.requirements import Requirements
from websauna_migrate.autogenerate.tables.renamed import Renames
from websauna_migrate.packages.ownership import Ownership
from websauna_migrate.packages.package import History

HISTORY = History("mine", ("mine",), Path("nowhere"), (Path("nowhere/versions"),), "alembic_history_mine")


@pytest.fixture
def migration():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        options = {"render_item": make_render_item(None), "template_args": {}, "target_metadata": []}
        yield MigrationContext.configure(connection, opts=options)
    engine.dispose()


def requirements():
    return Requirements(HISTORY, {"mine": HISTORY}, Ownership({}, {}))


def writing(told, **more):
    return Writing(requirements(), Renames(), lambda: told.append("nothing"), told.append, **more)


def draft(migration, operations, wanted=None, **user):
    script = ops.MigrationScript(None, ops.UpgradeOps(operations), ops.DowngradeOps([]))
    return Draft([script], migration, (), Comparison([], frozenset(), writing=wanted), user)


def dropped(name="t"):
    return ops.DropTableOp.from_table(sa.Table(name, sa.MetaData(), sa.Column("id", sa.Integer)))


def test_each_pass_runs_once_and_has_a_name_of_its_own():
    assert len({one.__name__ for one in PASSES}) == len(PASSES)


def test_what_is_lost_is_told_only_where_something_is_written(migration):
    told = []
    apply(draft(migration, [dropped()], writing(told)))
    apply(draft(migration, [dropped()]))
    assert told == ["drops table t with all its rows"]


def test_the_hook_of_the_user_decides_what_is_left(migration):
    told = []

    def hook(_migration, _heads, scripts):
        scripts[0].upgrade_ops.ops.clear()

    emptied = draft(migration, [dropped()], writing(told), process_revision_directives=hook)
    apply(emptied)
    assert (told, emptied.scripts) == (["nothing"], [])


def test_what_the_hook_of_the_user_adds_is_completed(migration):
    def hook(_migration, _heads, scripts):
        key = sa.CheckConstraint("a > 0", name="positive")
        table = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer, key))
        scripts[0].upgrade_ops.ops.append(ops.CreateTableOp.from_table(table))

    added = draft(migration, [], process_revision_directives=hook)
    apply(added)
    (create,) = added.scripts[0].upgrade_ops.ops
    assert [item.name for item in create.columns if isinstance(item, sa.CheckConstraint)] == ["positive"]


def test_an_empty_revision_stays_where_a_program_asks_for_it(migration):
    kept = draft(migration, [], Writing(requirements(), Renames(), None))
    apply(kept)
    assert len(kept.scripts) == 1
    assert migration.opts["template_args"] == {"requires": {}, "run_before": {}, "contract": False}


def test_given_operations_take_the_place_of_what_was_found(migration):
    given = draft(migration, [dropped("found")], Given((dropped("given"),), requirements()))
    apply(given)
    (up,), (down,) = given.scripts[0].upgrade_ops.ops, given.scripts[0].downgrade_ops.ops
    assert (up.table_name, down.table_name, type(down)) == ("given", "given", ops.CreateTableOp)
