"""What is done with a generated revision between the comparison and the file: passes in one order, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from alembic.util import warn
from sqlalchemy import inspect

from websauna_migrate.autogenerate.columns.computed import recreate_columns
from websauna_migrate.autogenerate.columns.conversions import convert_types
from websauna_migrate.autogenerate.columns.domains import change_domains
from websauna_migrate.autogenerate.columns.fills import fill_columns
from websauna_migrate.autogenerate.columns.sequences import change_options
from websauna_migrate.autogenerate.columns.serials import change_sequences
from websauna_migrate.autogenerate.comparison import Given, Writing
from websauna_migrate.autogenerate.completion import complete
from websauna_migrate.autogenerate.constraints.referring_keys import keep_referring_keys
from websauna_migrate.autogenerate.contract.split import is_all_of, split
from websauna_migrate.autogenerate.enums.facts import Models
from websauna_migrate.autogenerate.enums.script import change_enums, types_of_others
from websauna_migrate.autogenerate.objects.change import change_objects
from websauna_migrate.autogenerate.rendering import require_in_template
from websauna_migrate.autogenerate.script_ops import warnings_of
from websauna_migrate.autogenerate.tables.drops import losses, order_drops
from websauna_migrate.autogenerate.tables.options import change_storage
from websauna_migrate.autogenerate.tables.partitions import compare_partitioning
from websauna_migrate.autogenerate.tables.renamed import Renames
from websauna_migrate.autogenerate.tables.renames import note_candidates, put_first, take_renames
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alembic.operations.ops import MigrateOperation, MigrationScript
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection

    from websauna_migrate.autogenerate.comparison import Comparison
    from websauna_migrate.autogenerate.creators import Used, UsedType
    from websauna_migrate.packages.ownership import Ownership


@dataclass(slots=True)
class Draft:
    """The ``scripts`` of one comparison on their way to a file, changed by one pass after the other.

    ``user`` are the options of the user's ``env.py``. ``renamed`` are the operations that rename, which are kept apart
    until the others are complete. ``is_contract`` where all that is left is for after the new code runs everywhere.
    """

    scripts: list[MigrationScript]
    migration: MigrationContext
    heads: object
    comparison: Comparison
    user: Mapping[str, Any]
    renamed: list[MigrateOperation] = field(default_factory=list)
    is_contract: bool = False

    @property
    def writing(self) -> Writing | None:
        """What to do for a revision with what was found; None where nothing is written, or something given."""
        return self.comparison.writing if isinstance(self.comparison.writing, Writing) else None

    @property
    def given(self) -> Given | None:
        """The operations to write in place of comparing."""
        return self.comparison.writing if isinstance(self.comparison.writing, Given) else None

    @property
    def is_complete(self) -> bool:
        """Whether the operations to write are given for both ways."""
        return self.given is not None and self.given.undo is not None

    def models(self, ownership: Ownership) -> Models:
        """Return the models as far as ``ownership`` has them."""
        renames = self.writing.renames if self.writing is not None else Renames()
        return Models(ownership, self.comparison.packages, self.comparison.tables, renames)


Pass: TypeAlias = Callable[[Draft], None]


def apply(draft: Draft) -> None:
    """Run all passes over ``draft``."""
    for one in PASSES:
        one(draft)


def _take_given(draft: Draft) -> None:
    if draft.given is not None:
        upgrade, downgrade = draft.scripts[0].upgrade_ops_list[0], draft.scripts[0].downgrade_ops_list[0]
        draft.is_contract = draft.given.contract
        upgrade.ops[:] = draft.given.operations
        if draft.given.undo is None:
            upgrade.reverse_into(downgrade)
        else:
            downgrade.ops[:] = draft.given.undo


def _take_renames(draft: Draft) -> None:
    if draft.writing is not None:
        for script in draft.scripts:
            draft.renamed += take_renames(script, draft.migration, draft.writing.renames, draft.writing.ask)


def _recreate_columns(draft: Draft) -> None:
    for script in draft.scripts if not draft.is_complete else ():
        recreate_columns(script, draft.migration, is_written=draft.writing is not None)


def _keep_referring_keys(draft: Draft) -> None:
    if draft.writing is not None:
        for script in draft.scripts:
            keep_referring_keys(script, draft.migration, draft.comparison.tables)


def _split_foreign_keys(draft: Draft) -> None:
    if draft.comparison.writing is not None and not draft.is_complete:
        for script in draft.scripts:
            draft.comparison.writing.requirements.split(script, draft.migration.dialect.name)


def _order_drops(draft: Draft) -> None:
    for script in draft.scripts if not draft.is_complete else ():
        order_drops(script, draft.migration.dialect.name)


def _change_enums(draft: Draft) -> None:
    if draft.comparison.ownership is not None and draft.given is None:
        models = draft.models(_visible(draft.comparison.ownership, draft))
        for script in draft.scripts:
            change_enums(script, draft.migration, models, is_written=draft.writing is not None)


def _change_sequences_and_domains(draft: Draft) -> None:
    ownership, connection = draft.comparison.ownership, draft.migration.bind
    if ownership is None or connection is None or draft.given is not None:
        return
    tables = _visible(ownership, draft).tables
    ours = [tables[key] for key in draft.comparison.tables if key in tables]
    others = [table for key, table in ownership.tables.items() if key not in draft.comparison.tables]
    has_identities = draft.user.get("compare_server_default") is not False
    for script in draft.scripts:
        if connection.dialect.name == "postgresql":
            renames = draft.models(ownership).renames
            change_sequences(script, connection, ours, renames, with_identities=has_identities)
            change_domains(script, connection, ours, others)
        change_options(script, connection, ours, others)


def _change_storage(draft: Draft) -> None:
    ownership, connection = draft.comparison.ownership, draft.migration.bind
    if ownership is None or connection is None or connection.dialect.name != "postgresql" or draft.given is not None:
        return
    tables = _visible(ownership, draft).tables
    ours = [tables[key] for key in draft.comparison.tables if key in tables]
    for script in draft.scripts:
        change_storage(script, connection, ours, draft.models(ownership).renames)
        compare_partitioning(script, connection, ours, draft.models(ownership).renames)


def _convert_types(draft: Draft) -> None:
    connection = draft.migration.bind
    if draft.writing is not None and connection is not None and connection.dialect.name == "postgresql":
        for script in draft.scripts:
            convert_types(script, connection)


def _fill_columns(draft: Draft) -> None:
    if draft.writing is not None and draft.migration.bind is not None:
        for script in draft.scripts:
            fill_columns(script, draft.migration, draft.writing.renames, draft.writing.ask_value)


def _visible(ownership: Ownership, draft: Draft) -> Ownership:
    """Return ``ownership`` without those of our tables that the user's ``include_object`` hides."""
    include_object = draft.user.get("include_object")
    if include_object is None:
        return ownership
    ours = ownership.of(draft.comparison.packages)
    visible = {
        key: table
        for key, table in ownership.tables.items()
        if key not in ours or include_object(table, key.name, "table", False, None)
    }
    return replace(ownership, tables=visible)


def _put_renames_first(draft: Draft) -> None:
    for script in draft.scripts if draft.renamed else ():
        put_first(script, draft.renamed)


def _change_objects(draft: Draft) -> None:
    if draft.migration.bind is not None and draft.given is None:
        for script in draft.scripts:
            change_objects(script, draft.migration.bind, draft.comparison, draft.user, draft.writing)


def _split_contract(draft: Draft) -> None:
    if draft.writing is None or draft.writing.on_contract is None:
        return
    for script in draft.scripts:
        contract = split(script, draft.migration)
        if contract is None:
            continue
        if is_all_of(script, contract):
            draft.is_contract = True
            continue
        given = Given(
            contract.upgrade,
            draft.writing.requirements,
            "contract",
            contract.downgrade,
            str(script.rev_id),
            contract=True,
            on_loss=draft.writing.on_loss,
            before=tuple(script.upgrade_ops_list[0].ops),
        )
        draft.writing.on_contract(given)


def _note_candidates(draft: Draft) -> None:
    if draft.writing is not None and draft.writing.ask is None:
        for script in draft.scripts:
            note_candidates(script, draft.migration)


def _warn_of_computed_names(draft: Draft) -> None:
    """Warn of tables in no model that a revision may have made under a computed name: they are not dropped."""
    connection, ownership = draft.migration.bind, draft.comparison.ownership
    if connection is None or ownership is None or not draft.comparison.computed:
        return
    default = connection.dialect.default_schema_name
    known = {table.shown(default) for table in (*ownership.owners, *draft.comparison.tables)}
    include_name = draft.user.get("include_name") or (lambda *_: True)
    for table in sorted(set(_tables_in(connection)) - known, key=str):
        ids = [id_ for id_, names in draft.comparison.computed if names.fullmatch(table.name)]
        is_asked_for = table.name not in draft.comparison.history_tables and include_name(
            table.name, "table", {"schema_name": table.schema}
        )
        if ids and is_asked_for:
            warn(
                f"Table {table} is in no model, and is not dropped because revision {ids[0]} computes names of tables; "
                f"write op.drop_table() into a revision, or hide it with include_name"
            )


def _tables_in(connection: Connection) -> Iterator[TableName]:
    """Yield the tables of the default schema, on PostgreSQL those of all schemas."""
    inspector = inspect(connection)
    default = connection.dialect.default_schema_name
    schemas = inspector.get_schema_names() if connection.dialect.name == "postgresql" else [None]
    for schema in schemas:
        if schema != "information_schema":
            yield from (TableName(schema, name).shown(default) for name in inspector.get_table_names(schema))


def _warn_of_what_is_left(draft: Draft) -> None:
    """Warn of what differs and is only a comment in the script."""
    for script in draft.scripts:
        for line in warnings_of(script.upgrade_ops_list):
            warn(line)


def _call_hook_of_user(draft: Draft) -> None:
    hook = draft.user.get("process_revision_directives")
    if hook is not None:
        hook(draft.migration, draft.heads, draft.scripts)


def _complete(draft: Draft) -> None:
    for script in draft.scripts:
        complete(script, draft.migration, draft.comparison)


def _report_losses(draft: Draft) -> None:
    if draft.comparison.writing is not None:
        for line in (line for script in draft.scripts for line in losses(script)):
            draft.comparison.writing.on_loss(line)


def _leave_out_empty(draft: Draft) -> None:
    on_nothing = draft.writing.on_nothing if draft.writing is not None else None
    if on_nothing is not None and all(ops.is_empty() for script in draft.scripts for ops in script.upgrade_ops_list):
        draft.scripts.clear()
        on_nothing()


def _write_requirements(draft: Draft) -> None:
    if draft.comparison.writing is None or not draft.scripts:
        return
    requirements, migration = draft.comparison.writing.requirements, draft.migration
    required: dict[str, str | tuple[str, ...]] = {}
    before: dict[str, str] = {}
    for script in draft.scripts:
        of_script = requirements.of(
            script,
            draft.comparison.tables,
            _types_of_others(script, draft),
            migration.bind,
            _used_by_objects(script, draft),
        )
        required |= of_script
        before |= requirements.run_before(script, of_script)
    for name, value in (("requires", required), ("run_before", before), ("contract", draft.is_contract)):
        require_in_template(name, value, migration)
        migration.opts["template_args"][name] = value


def _types_of_others(script: MigrationScript, draft: Draft) -> list[UsedType]:
    ownership = draft.comparison.ownership
    if ownership is None:
        return []
    return list(types_of_others(script, draft.migration.dialect, draft.models(ownership)))


def _used_by_objects(script: MigrationScript, draft: Draft) -> list[Used]:
    objects, ownership = draft.comparison.objects, draft.comparison.ownership
    if objects is None or ownership is None or draft.migration.dialect.name != "postgresql":
        return []
    from websauna_migrate.autogenerate.objects.uses import used_by  # imports alembic-utils

    operations = [op for upgrade in script.upgrade_ops_list for op in upgrade.ops]
    return list(used_by(operations, objects, ownership.owners, draft.migration.dialect.default_schema_name))


PASSES: tuple[Pass, ...] = (
    # In place of what Alembic found, so that all others work on it.
    _take_given,
    # Compares again, which replaces all operations: nothing may be changed before it.
    _take_renames,
    # What stands for a change of a computed column until here can neither be written nor reversed.
    _recreate_columns,
    # These two make the way back anew from the way there, so they come before those that write both ways apart.
    _keep_referring_keys,
    _split_foreign_keys,
    _order_drops,
    _change_enums,
    # After the columns that have their numbers from a sequence, on the way back before them.
    _change_sequences_and_domains,
    _change_storage,
    # After the enums, which write some changes of types by themselves, and after all that makes the way back.
    _convert_types,
    # After all that makes the way back: a column that is filled has none of its own.
    _fill_columns,
    # After the enums: what they commit by itself stays before the renames, the rest of it uses the new names.
    _put_renames_first,
    # Around all that is done to tables: a view is dropped before they change, and created after it.
    _change_objects,
    # When all operations are there, and know how they are undone. The rest of them may go into another revision.
    _split_contract,
    # The last of ours before the hook: a comment stands right before the operation that it is about.
    _note_candidates,
    _warn_of_computed_names,
    _warn_of_what_is_left,
    # The user sees what is going to happen, and may change it; from here on operations are only completed and read.
    _call_hook_of_user,
    # After the hook, so that what it added runs as well.
    _complete,
    _report_losses,
    # Only now is it known that nothing is left to do.
    _leave_out_empty,
    # Last: what a script requires follows from all its operations.
    _write_requirements,
)
