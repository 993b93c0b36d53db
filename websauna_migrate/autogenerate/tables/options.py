"""Options of tables that the models name, such as the engine of MariaDB and the storage parameters of PostgreSQL.

What the models do not name is left as it is: those who run the database set it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.util import PriorityDispatchResult

from websauna_migrate.autogenerate.script_ops import Do, StatementsOp
from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.sql import quoted_table
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrationScript, ModifyTableOps
    from sqlalchemy import Table
    from sqlalchemy.engine import Connection, Dialect

    from websauna_migrate.autogenerate.tables.renamed import Renames

# What MariaDB and MySQL take for an option that a table does not show; the others take 0.
_UNSET = {"ROW_FORMAT": "DEFAULT", "PACK_KEYS": "DEFAULT", "STATS_SAMPLE_PAGES": "DEFAULT"}
_COMPARED = {
    *("ENGINE", "CHARSET", "COLLATE", "KEY_BLOCK_SIZE", "AVG_ROW_LENGTH", "CHECKSUM", "MAX_ROWS", "MIN_ROWS"),
    *_UNSET,
}
_DEFAULT_COLLATION = sa.text(
    "SELECT default_collate_name FROM information_schema.character_sets WHERE character_set_name = :charset"
)
_RELOPTIONS = sa.text(
    "SELECT n.nspname, c.relname, c.reloptions, t.oid, t.reloptions FROM pg_class AS c"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid"
    " WHERE c.relkind IN ('r', 'p') AND c.relname = ANY (:names)"
)


# --- MariaDB and MySQL -----------------------------------------------------------------------------------------


def compare_table_options(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Find the options of a table of MariaDB or MySQL that differ from those that the models name."""
    connection = connection_of(context)
    after = _options(wanted, connection.dialect) if found is not None and wanted is not None else {}
    if found is None or wanted is None or not after:
        return PriorityDispatchResult.CONTINUE
    before = _with_collation(_options(found, connection.dialect), after, connection)
    changed = {key for key, value in after.items() if _plain(value) != _plain(before.get(key, _unset(key)))}
    if changed:
        place = TableName(schema, name)
        diff = _diff(place, ({key: one.get(key) for key in sorted(changed)} for one in (before, after)))
        there = _alter(place, changed, _merged(before, after), wanted, connection.dialect)
        back = _alter(place, changed, before, wanted, connection.dialect)
        modify.ops.append(StatementsOp(diff, [Do(there)], [Do(back)]))
    return PriorityDispatchResult.CONTINUE


def _options(table: Table, dialect: Dialect) -> dict[str, str]:
    """Return the options of ``table`` by the names that SQL has for them."""
    found = {}
    for option, value in table.dialect_kwargs.items():
        prefix, _, name = option.partition("_")
        key = name.upper().replace(" ", "_").removeprefix("DEFAULT_").replace("CHARACTER_SET", "CHARSET")
        if prefix == dialect.name and key in _COMPARED and value is not None:
            found[key] = str(value)
    return found


def _with_collation(found: dict[str, str], wanted: Mapping[str, str], connection: Connection) -> dict[str, str]:
    """Return the options ``found`` with a collation, which a server leaves out where it is that of the charset."""
    if not {"CHARSET", "COLLATE"} & wanted.keys() or "COLLATE" in found or "CHARSET" not in found:
        return found
    collation = connection.scalar(_DEFAULT_COLLATION, {"charset": found["CHARSET"]})
    return {**found, "COLLATE": str(collation)} if collation else found


def _plain(value: str) -> str:
    """Return ``value`` in one spelling: utf8 is a name for utf8mb3."""
    name, underscore, rest = value.lower().partition("_")
    return ("utf8mb3" if name == "utf8" else name) + underscore + rest


def _merged(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Return the options ``before`` with those ``after``; charset and collation imply each other."""
    merged = {**before, **after}
    if "COLLATE" in after and "CHARSET" not in after:
        merged["CHARSET"] = after["COLLATE"].partition("_")[0]
    elif (
        "COLLATE" not in after and "CHARSET" in after and _plain(after["CHARSET"]) != _plain(before.get("CHARSET", ""))
    ):
        merged.pop("COLLATE", None)
    return merged


def _unset(key: str) -> str:
    return _UNSET.get(key, "0")


def _alter(table: TableName, changed: set[str], options: Mapping[str, str], model: Table, dialect: Dialect) -> str:
    parts = [f"{key}={options.get(key, _unset(key))}" for key in sorted(changed - {"CHARSET", "COLLATE"})]
    if changed & {"CHARSET", "COLLATE"}:
        # The columns follow, unless one of them has its own in the models.
        own = [getattr(column.type, name, None) for column in model.columns for name in ("charset", "collation")]
        collation = f" COLLATE {options['COLLATE']}" if "COLLATE" in options else ""
        parts.append(f"{'DEFAULT' if any(own) else 'CONVERT TO'} CHARACTER SET {options['CHARSET']}{collation}")
    return f"ALTER TABLE {quoted_table(table, dialect)} {', '.join(parts)}"


def _diff(table: TableName, options: Iterable[Mapping[str, object]]) -> tuple[Any, ...]:
    texts = (", ".join(f"{key}={value}" for key, value in one.items()) for one in options)
    return ("modify_table", table.schema, table.name, "options", {}, *texts)


# --- PostgreSQL ------------------------------------------------------------------------------------------------


def change_storage(script: MigrationScript, connection: Connection, tables: Iterable[Table], renames: Renames) -> None:
    """Add to ``script`` the storage parameters of ``tables`` that the models name and that differ, both ways."""
    default = connection.dialect.default_schema_name
    wanted = {
        TableName(table.schema, table.name).shown(default): {key: _text(value) for key, value in named.items()}
        for table in tables
        # SQLAlchemy 2.0 has no such option of a table.
        if (named := table.dialect_options["postgresql"].get("with"))
    }
    if not wanted:
        return
    found = _stored(connection, [renames.stored(table).name for table in wanted])
    changes: list[StatementsOp] = []
    for table in sorted(wanted, key=str):
        if (stored := found.get(renames.stored(table))) is not None:
            changes += _storage(table, stored, wanted[table], connection.dialect)
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        upgrade.ops += changes
        downgrade.ops[:0] = [change.reverse() for change in reversed(changes)]


def _text(value: object) -> str:
    return str(value).lower()


@dataclass(frozen=True, slots=True)
class _Stored:
    """The storage parameters that a table has, and whether it has a TOAST table: else it has no parameters of one."""

    options: Mapping[str, str]
    has_toast: bool


def _stored(connection: Connection, names: list[str]) -> dict[TableName, _Stored]:
    default = connection.dialect.default_schema_name
    found = {}
    for schema, table, own, toast, of_toast in connection.execute(_RELOPTIONS, {"names": names}):
        options = [*(own or ()), *(f"toast.{option}" for option in of_toast or ())]
        values = dict(option.split("=", 1) for option in options)
        found[TableName(schema, table).shown(default)] = _Stored(values, toast is not None)
    return found


def _storage(table: TableName, stored: _Stored, wanted: Mapping[str, str], dialect: Dialect) -> Iterator[StatementsOp]:
    found = stored.options
    possible = {key: value for key, value in wanted.items() if stored.has_toast or not key.startswith("toast.")}
    changed = {key: value for key, value in possible.items() if _text(found.get(key)) != value}
    if changed:
        alter = f"ALTER TABLE {quoted_table(table, dialect)}"
        before = {key: found[key] for key in changed if key in found}
        unset = [key for key in changed if key not in found]
        back = [f"{alter} SET ({_listed(before)})"] if before else []
        back += [f"{alter} RESET ({', '.join(unset)})"] if unset else []
        diff = _diff(table, ({key: found.get(key) for key in changed}, changed))
        yield StatementsOp(diff, [Do(f"{alter} SET ({_listed(changed)})")], [Do(sql) for sql in back])


def _listed(options: Mapping[str, str]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in options.items())
