"""What autogenerate may look at and write.

One function gives the options of a comparison, for ``revision --autogenerate``, for ``check`` and for tests.
The user's own hooks in ``env.py`` are put behind ours: they narrow what is considered, they never widen it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, Table

from websauna_migrate.exceptions import OwnershipError
from websauna_migrate.packages.metadata import target_metadata
from websauna_migrate.packages.ownership import table_name
from websauna_migrate.packages.package import TableName, referred_name
from websauna_migrate.revisions.contents import created_tables
from websauna_migrate.revisions.scripts import read_revisions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alembic.operations.ops import MigrateOperation, MigrationScript
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection

    from websauna_migrate.autogenerate.enum_facts import Models
    from websauna_migrate.autogenerate.renamed import Renames
    from websauna_migrate.autogenerate.requirements import Requirements, UsedType
    from websauna_migrate.packages.ownership import Ownership
    from websauna_migrate.packages.package import History, MigrationPackage


@dataclass(frozen=True, slots=True)
class Comparison:
    """The models to compare with, and the only tables that a comparison may see.

    ``ownership`` and the selected ``packages`` tell whose an enum is; without them enums are not compared.
    The rest is for writing revisions: ``requirements`` finds what they require, ``given`` are the operations to write
    in place of comparing, ``on_nothing`` is called in place of writing a revision that would be empty, ``on_loss`` gets
    a line for each table and column that is dropped. ``renames`` gathers tables and columns that were renamed, which
    ``ask`` is asked about, for all comparisons of one command; without ``ask`` a comment in the script says how.
    """

    metadata: list[MetaData]
    tables: frozenset[TableName]
    ownership: Ownership | None = None
    packages: tuple[str, ...] = ()
    requirements: Requirements | None = None
    given: tuple[MigrateOperation, ...] = ()
    on_nothing: Callable[[], None] | None = None
    on_loss: Callable[[str], None] = lambda line: None
    renames: Renames | None = None
    ask: Callable[[str], bool] | None = None

    def options(self, connection: Connection | None, user: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options for ``context.configure()``, composed with those of the ``user``."""
        from websauna_migrate.autogenerate.comparators import plugins
        from websauna_migrate.autogenerate.rendering import make_render_item
        from websauna_migrate.autogenerate.unchanged import OPTION, PLUGIN, may_leave_out

        default_schema = connection.dialect.default_schema_name if connection is not None else None
        tables = {table.shown(default_schema) for table in self.tables}
        schemas = {key.schema for key in tables} | {None}
        is_sqlite = connection is not None and connection.dialect.name == "sqlite"
        unchanged: set[TableName] = set()
        return {
            "compare_type": True,
            "compare_server_default": True,
            "render_as_batch": is_sqlite,
            **user,
            "target_metadata": self.metadata,
            "include_schemas": schemas != {None},
            "autogenerate_plugins": [*plugins(user), *([PLUGIN] if may_leave_out(user) else [])],
            OPTION: unchanged,
            "render_item": make_render_item(user.get("render_item")),
            "include_name": _both(_name_filter(tables, unchanged, schemas), user.get("include_name")),
            "include_object": _both(_object_filter(tables, unchanged, default_schema), user.get("include_object")),
            "process_revision_directives": self._processor(user),
        }

    def _processor(self, user: Mapping[str, Any]) -> Callable[..., None]:
        theirs = user.get("process_revision_directives")

        def process(migration: MigrationContext, heads: object, scripts: list[MigrationScript]) -> None:
            from websauna_migrate.autogenerate.completion import complete
            from websauna_migrate.autogenerate.drops import losses
            from websauna_migrate.autogenerate.rendering import require_in_template

            for script in scripts:
                self._prepare(script, migration, user)
            if theirs is not None:
                theirs(migration, heads, scripts)
            for script in scripts:
                complete(script, migration, self.tables)
                for line in losses(script):
                    self.on_loss(line)
            if self.on_nothing is not None and all(_is_empty(script) for script in scripts):
                scripts.clear()
                self.on_nothing()
            elif self.requirements is not None:
                types = [self._types_of_others(script, migration) for script in scripts]
                required = [self.requirements.of(*pair, migration.bind) for pair in zip(scripts, types, strict=True)]
                before = [self.requirements.run_before(*pair) for pair in zip(scripts, required, strict=True)]
                for name, asked in (("requires", required), ("run_before", before)):
                    value = {package: ids for found in asked for package, ids in found.items()}
                    require_in_template(name, value, migration)
                    migration.opts["template_args"][name] = value

        return process

    def _prepare(self, script: MigrationScript, migration: MigrationContext, user: Mapping[str, Any]) -> None:
        from websauna_migrate.autogenerate.drops import order_drops
        from websauna_migrate.autogenerate.enums import change_enums
        from websauna_migrate.autogenerate.renames import note_candidates, put_first, take_renames

        if self.given:
            script.upgrade_ops_list[0].ops[:] = self.given
            script.upgrade_ops_list[0].reverse_into(script.downgrade_ops_list[0])
        renamed = take_renames(script, migration, self.renames, self.ask) if self.renames is not None else []
        if self.requirements is not None:
            self.requirements.split(script, migration.dialect.name)
        order_drops(script, migration.dialect.name)
        if self.ownership is not None and not self.given:
            visible = self._visible(self.ownership, user.get("include_object"))
            change_enums(script, migration, self._models(visible))
        put_first(script, renamed)
        if self.renames is not None and self.ask is None:
            note_candidates(script, migration)

    def _visible(self, ownership: Ownership, include_object: Callable[..., bool] | None) -> Ownership:
        """Return ``ownership`` without those of our tables that the user's ``include_object`` hides."""
        if include_object is None:
            return ownership
        hidden = {
            key
            for key in ownership.tables.keys() & ownership.of(self.packages)
            if not include_object(ownership.tables[key], key.name, "table", False, None)
        }
        return replace(ownership, tables={key: table for key, table in ownership.tables.items() if key not in hidden})

    def _types_of_others(self, script: MigrationScript, migration: MigrationContext) -> list[UsedType]:
        from websauna_migrate.autogenerate.enums import types_of_others

        if self.ownership is None:
            return []
        return list(types_of_others(script, migration.dialect, self._models(self.ownership)))

    def _models(self, ownership: Ownership) -> Models:
        from websauna_migrate.autogenerate.enum_facts import Models
        from websauna_migrate.autogenerate.renamed import Renames

        return Models(ownership, self.packages, self.tables, self.renames or Renames())


def make_comparison(
    packages: Sequence[str],
    history: History,
    registered: Mapping[str, MigrationPackage],
    ownership: Ownership,
) -> Comparison:
    """Return what a comparison for ``packages`` of ``history`` may see.

    That is the tables that they own, and those that the revisions of the history created and no package claims any
    more, which count as those of the history's own package: its model was removed, so the table is to be dropped.

    :raises OwnershipError: the owner of a table is not known, or a name cannot be written into a revision
    """
    ownership.require()
    tables = ownership.of(packages)
    _refuse_dotted_references([ownership.tables[name] for name in sorted(tables, key=str)])
    if history.package in packages:
        created = created_tables(read_revisions(history)).keys()
        tables |= created - ownership.owners.keys()
    return Comparison(target_metadata(registered.values(), ownership), tables, ownership, tuple(packages))


def _refuse_dotted_references(tables: Iterable[Table]) -> None:
    for table in tables:
        for target in sorted(referred_name(key).name for key in table.foreign_keys):
            if "." in target:
                raise OwnershipError(
                    f"a foreign key of table {table.name!r} refers to {target!r}, and a revision cannot tell the dot "
                    f"in that name from that of a schema",
                    "rename the table, or write the revision and its foreign key by hand, in SQL",
                )


def _is_empty(script: MigrationScript) -> bool:
    return all(ops.is_empty() for ops in script.upgrade_ops_list)


def _name_filter(tables: set[TableName], unchanged: set[TableName], schemas: set[str | None]) -> Callable[..., bool]:
    def include_name(name: str | None, type_: str, parent_names: Mapping[str, str | None]) -> bool:
        if type_ == "schema":
            return name in schemas
        if type_ == "table":
            table = TableName(parent_names.get("schema_name"), name or "")
            return table in tables and table not in unchanged
        return True

    return include_name


def _object_filter(
    tables: set[TableName], unchanged: set[TableName], default_schema: str | None
) -> Callable[..., bool]:
    def include_object(item: object, _name: str | None, type_: str, _reflected: bool, _other: object) -> bool:
        if type_ != "table" or not isinstance(item, Table):
            return True
        table = table_name(item).shown(default_schema)
        return table in tables and table not in unchanged

    return include_object


def _both(ours: Callable[..., bool], theirs: Callable[..., bool] | None) -> Callable[..., bool]:
    if theirs is None:
        return ours
    return lambda *arguments: ours(*arguments) and theirs(*arguments)
