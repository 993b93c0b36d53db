"""What is mended in the operations that Alembic finds, and tests that fail when Alembic mends it itself."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

from websauna_migrate.autogenerate.comparison import Comparison
from websauna_migrate.autogenerate.completion import complete
from websauna_migrate.autogenerate.errors import UnrenderableType
from websauna_migrate.autogenerate.install import install
from websauna_migrate.autogenerate.options import comparison_options
from websauna_migrate.autogenerate.rendering import make_render_item
from websauna_migrate.packages.package import TableName


def completed(connection, metadata, *, names_altered=False):
    """Return the code of the revision that brings the database to ``metadata``, upward and downward."""
    tables = frozenset(TableName(table.schema, table.name) for table in metadata.tables.values())
    comparison = Comparison([metadata], tables, names_altered=names_altered)
    options = comparison_options(comparison, connection, {"alembic_module_prefix": "op."})
    install()
    migration = MigrationContext.configure(connection, opts=options)
    script = produce_migrations(migration, metadata)
    complete(script, migration, comparison)
    return [
        render_python_code(op, migration_context=migration, render_as_batch=True, render_item=make_render_item(None))
        for op in (script.upgrade_ops, script.downgrade_ops)
    ]


def table(*items, **options):
    metadata = sa.MetaData(**options)
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), *items)
    return metadata


def found_by_alembic(connection, metadata, **options):
    migration = MigrationContext.configure(connection, opts={"target_metadata": metadata, **options})
    script = produce_migrations(migration, metadata)
    return render_python_code(script.upgrade_ops, migration_context=migration), script


# --- tables ----------------------------------------------------------------------------------------------------


def test_an_index_goes_with_its_table(connection):
    up, down = completed(connection, table(sa.Column("a", sa.Integer, index=True)))
    assert "op.create_index(op.f('ix_t_a'), 't', ['a'], unique=False)" in up
    assert "op.drop_table('t')" in down
    assert "drop_index" not in down


def test_alembic_still_drops_an_index_before_its_table(connection):
    _, script = found_by_alembic(connection, table(sa.Column("a", sa.Integer, index=True)))
    kinds = [type(op) for op in script.downgrade_ops.ops]
    assert kinds == [ops.ModifyTableOps, ops.DropTableOp], "MariaDB refuses that; see _without_indexes_that_go()"


def test_what_the_models_say_to_the_application_is_not_written(connection):
    metadata = table()
    metadata.tables["t"].info["anything"] = object()
    up, _ = completed(connection, metadata)
    assert "info" not in up


def test_the_check_of_a_column_is_written(connection):
    up, _ = completed(connection, table(sa.Column("a", sa.Integer, sa.CheckConstraint("a > 0", name="positive"))))
    assert "sa.CheckConstraint('a > 0', name='positive')" in up


def test_alembic_still_passes_over_the_check_of_a_column(connection):
    text, _ = found_by_alembic(connection, table(sa.Column("a", sa.Integer, sa.CheckConstraint("a > 0"))))
    assert "CheckConstraint" not in text, "Alembic writes it now; see _checks_of_columns()"


def test_the_check_of_a_type_has_the_name_that_the_convention_gives_it(connection):
    convention = {"ck": "ck_%(table_name)s_%(constraint_name)s"}
    flag = sa.Column("f", sa.Boolean(create_constraint=True, name="flag"))
    up, _ = completed(connection, table(flag, naming_convention=convention))
    assert "sa.Boolean(create_constraint=True, name=op.f('ck_t_flag'))" in up
    assert flag.type.name == "flag"


def test_the_names_of_models_are_final_where_the_convention_of_the_script_alters_names(connection):
    positive = sa.CheckConstraint("a > 0", name="positive")
    flag = sa.Column("f", sa.Boolean(create_constraint=True, name="flag"))
    up, _ = completed(connection, table(sa.Column("a", sa.Integer), flag, positive), names_altered=True)
    assert "sa.Boolean(create_constraint=True, name=op.f('flag'))" in up
    assert "sa.CheckConstraint('a > 0', name=op.f('positive'))" in up
    assert type(positive.name) is str, "the models stay as they are"


def test_the_name_of_what_is_added_is_final_where_the_convention_of_the_script_alters_names(connection):
    table(sa.Column("a", sa.Integer)).create_all(connection)
    up, down = completed(connection, table(sa.Column("a", sa.Integer), sa.UniqueConstraint("a")), names_altered=True)
    assert "create_unique_constraint(batch_op.f('uq_t_a'), ['a'])" in up
    assert "drop_constraint(batch_op.f('uq_t_a'), type_='unique')" in down


def test_an_index_over_an_expression_is_created_on_sqlite(connection):
    metadata = table(sa.Column("a", sa.String(5)))
    sa.Index("ix_lower", sa.func.lower(metadata.tables["t"].c.a))
    with pytest.warns(UserWarning, match="autogenerate skipping metadata-specified expression-based index"):
        up, _ = completed(connection, metadata)
    assert "op.create_index('ix_lower', 't', [sa.literal_column('lower(a)')], unique=False)" in up


def test_alembic_still_skips_an_index_over_an_expression_on_sqlite(connection):
    metadata = table(sa.Column("a", sa.String(5)))
    sa.Index("ix_lower", sa.func.lower(metadata.tables["t"].c.a))
    with pytest.warns(UserWarning, match="autogenerate skipping metadata-specified expression-based index"):
        text, _ = found_by_alembic(connection, metadata)
    assert "ix_lower" not in text, "Alembic creates it now; see compare_expression_indexes()"


def test_alembic_still_writes_use_alter_where_it_is_never_created(connection):
    metadata = table(sa.Column("a", sa.ForeignKey("t.id", use_alter=True, name="fk")))
    text, _ = found_by_alembic(connection, metadata)
    assert "use_alter=True" in text, "Alembic adds the key by itself now; see Requirements.split()"


# --- changes ---------------------------------------------------------------------------------------------------


def test_indexes_are_made_outside_of_a_batch(connection):
    table(sa.Column("a", sa.String(5))).create_all(connection)
    metadata = table(sa.Column("a", sa.String(9)))
    sa.Index("ix_down", metadata.tables["t"].c.a.desc())
    up, down = completed(connection, metadata)
    batch = "\n    with op.batch_alter_table('t'"
    assert up.index(batch) < up.index("\n    op.create_index('ix_down', 't', [sa.literal_column('a DESC')]")
    assert down.index("\n    op.drop_index('ix_down', table_name='t'") < down.index(batch)


def test_a_foreign_key_goes_before_the_index_that_it_needs(connection):
    other = sa.Column("b", sa.ForeignKey("t.id", name="fk_b"), index=True)
    table(other).create_all(connection)
    opts = {"render_item": make_render_item(None), "target_metadata": [sa.MetaData()]}
    migration = MigrationContext.configure(connection, opts=opts)
    drop_key = ops.DropConstraintOp("fk_b", "t", type_="foreignkey")
    modify = ops.ModifyTableOps("t", [ops.DropIndexOp("ix_t_b", "t"), drop_key])
    script = ops.MigrationScript(None, ops.UpgradeOps([modify]), ops.DowngradeOps([]))
    migration.dialect.name = "mysql"  # SQLite takes indexes out of the batch
    complete(script, migration, Comparison([], frozenset()))
    first, *rest = script.upgrade_ops.ops[0].ops
    assert isinstance(first, ops.DropConstraintOp)
    assert [op.index_name for op in rest] == ["fk_b", "ix_t_b"]  # the server's own, which has the name of the key


def test_alembic_still_forgets_what_an_identity_was(connection):
    change = ops.AlterColumnOp(
        "t", "id", modify_server_default=sa.Identity(start=7), existing_server_default=sa.Identity(start=5)
    )
    migration = MigrationContext.configure(connection)
    text = render_python_code(ops.UpgradeOps([change]), migration_context=migration)
    assert "existing_server_default" not in text, "Alembic writes it now; see _identity_apart()"


def test_nothing_is_added_where_nothing_changed(connection):
    metadata = table(sa.Column("a", sa.String(5)))
    metadata.create_all(connection)
    assert completed(connection, metadata) == completed(connection, metadata)
    assert "op." not in completed(connection, metadata)[0]


def test_a_type_that_the_database_has_not_is_named(connection):
    from sqlalchemy.dialects import postgresql

    with pytest.raises(UnrenderableType) as caught:
        completed(connection, table(sa.Column("a", postgresql.INET)))
    assert (caught.value.table, caught.value.column) == ("t", "a")
    assert "INET" in caught.value.reason
