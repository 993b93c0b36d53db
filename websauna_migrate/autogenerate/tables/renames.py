"""Tables and columns that were renamed.

A comparison shows a rename as something that went and something that came. Here such pairs are found and asked
about. What was renamed is then compared once more, through an inspector that shows the database as it is after the
renames: what is left are the other changes, and foreign keys, indexes and checks follow by themselves.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from websauna_migrate.autogenerate.script_ops import Comment, RenameColumn, RenameTable, Sql, commits, render_rename
from websauna_migrate.autogenerate.tables.rename_checks import around_renames
from websauna_migrate.autogenerate.tables.renamed import ColumnRename, inspect_renamed, quoted_name
from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.sql import escape_colons, plain_dialect
from websauna_migrate.dialects.indexes import RENAMES
from websauna_migrate.dialects.spelling import as_stored, type_text
from websauna_migrate.packages.package import ColumnName, TableName
from websauna_migrate.private import use_inspector

if TYPE_CHECKING:
    from alembic.operations.ops import MigrateOperation, MigrationScript, UpgradeOps
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Dialect

    from websauna_migrate.autogenerate.tables.renamed import Renames

N = TypeVar("N", TableName, str)

# The columns of a table by their names; the type of each as SQL, which may have several spellings.
Columns = Mapping[str, frozenset[str]]

_MARIADB = ("mysql", "mariadb")
_RENAME_INDEX = "ALTER TABLE {table} RENAME INDEX {0} TO {1}"
_RENAME_CONSTRAINT = "ALTER TABLE {table} RENAME CONSTRAINT {0} TO {1}"
_CONSTRAINTS = ("unique_constraints", "check_constraints", "foreign_keys", "pk_constraint")
# What a database renames, by what an inspector calls it.
_RENAMING: Mapping[str, Mapping[str, str]] = defaultdict(
    dict,
    postgresql={"indexes": "ALTER INDEX {schema}{0} RENAME TO {1}", **dict.fromkeys(_CONSTRAINTS, _RENAME_CONSTRAINT)},
    mysql={"indexes": _RENAME_INDEX},
    mariadb={"indexes": _RENAME_INDEX},
)


# --- what looks like a rename ----------------------------------------------------------------------------------


def likely_tables(
    removed: Mapping[TableName, Columns], added: Mapping[TableName, Columns]
) -> list[tuple[TableName, TableName]]:
    """Return the pairs of a removed and an added table that look alike, the best first.

    They are in one schema, and the columns with the same name and type are at least half of those of the table that
    has more of them. The order is the same for any order of input.
    """
    pairs = [(old, new) for old in removed for new in added if old.schema == new.schema]
    shares = {(old, new): _share(removed[old], added[new]) for old, new in pairs}
    alike = [pair for pair in pairs if shares[pair] >= 0.5]
    return sorted(alike, key=lambda pair: (-shares[pair], *_by_name(pair[0].name, pair[1].name), str(pair[0])))


def likely_columns(removed: Columns, added: Columns) -> list[tuple[str, str]]:
    """Return the pairs of a removed and an added column of the same type, those with the most similar names first.

    The order is the same for any order of input.
    """
    pairs = ((old, new) for old in removed for new in added if removed[old] & added[new])
    return sorted(pairs, key=lambda pair: _by_name(*pair))


def chosen(pairs: Iterable[tuple[N, N]], is_so: Callable[[N, N], bool]) -> dict[N, N]:
    """Return those of ``pairs`` that ``is_so`` accepts. It is not asked about what an accepted pair has already."""
    found: dict[N, N] = {}
    for old, new in pairs:
        if old not in found and new not in found.values() and is_so(old, new):
            found[old] = new
    return found


def _share(removed: Columns, added: Columns) -> float:
    same = sum(1 for name in removed.keys() & added.keys() if removed[name] & added[name])
    return same / max(len(removed), len(added), 1)


def _by_name(old: str, new: str) -> tuple[float, str, str]:
    return -SequenceMatcher(None, old, new, autojunk=False).ratio(), old, new


# --- renames in a script ---------------------------------------------------------------------------------------


def take_renames(
    script: MigrationScript, migration: MigrationContext, renames: Renames, ask: Callable[[str], bool] | None
) -> list[MigrateOperation]:
    """Take renames out of what ``script`` drops and adds, and return the operations that rename.

    ``renames`` are those that are known already, of packages that were compared before; what ``ask`` says yes to
    is added to them. Without ``ask`` nothing is renamed.
    """
    if migration.bind is None:
        return []
    upgrade, downgrade = script.upgrade_ops_list[0], script.downgrade_ops_list[0]
    found: list[MigrateOperation] = []
    if renames:
        _compare_again(upgrade, migration, renames)
    if ask is not None:
        found += _ask_for_tables(upgrade, migration, renames, ask)
        found += _ask_for_columns(upgrade, migration, renames, ask)
    if found:
        found += _follow(migration, renames)
        _compare_again(upgrade, migration, renames)
    if renames:
        upgrade.reverse_into(downgrade)
    return found


def put_first(script: MigrationScript, found: list[MigrateOperation]) -> None:
    """Let ``script`` begin with the renames ``found``: what follows uses the new names. The way back ends with them.

    What is committed by itself stays before them, so that a revision that fails later leaves no rename.
    """
    upgrade, downgrade = script.upgrade_ops_list[0], script.downgrade_ops_list[0]
    if found:
        alone = [op for op in upgrade.ops if commits(op)]
        upgrade.ops[:] = [*alone, *found, *(op for op in upgrade.ops if op not in alone)]
    downgrade.ops += [op.reverse() for op in reversed(found)]


def note_candidates(script: MigrationScript, migration: MigrationContext) -> None:
    """Put a comment before each operation of ``script`` that may be half of a rename: how to rename instead."""
    upgrade = script.upgrade_ops_list[0]
    tables = chosen(_likely_tables(upgrade, migration), lambda *_: True)
    upgrade.ops[:] = [o for op in upgrade.ops for o in (*_notes(op, tables, migration), op)]


def _notes(
    op: MigrateOperation, tables: Mapping[TableName, TableName], migration: MigrationContext
) -> Iterator[Comment]:
    dialect = migration.dialect
    if isinstance(op, ops.DropTableOp) and (new := tables.get(_table(op, dialect))):
        rename = RenameTable(op.table_name, new.name, schema=op.schema)
        code = render_rename(AutogenContext(migration, autogenerate=False), rename)
        yield Comment(f"If {_shown(op.table_name)} was renamed, replace the drop and the create by: {code}")
    for modify, pairs in _likely_columns([op], migration):
        for old, new_name in chosen(pairs, lambda *_: True).items():
            sql = _rename_column(ColumnRename(_table(modify, dialect), old, new_name), dialect).sqltext
            code = f"{migration.opts['alembic_module_prefix'] or ''}execute({str(sql)!r})"
            yield Comment(f"If column {_shown(old)} was renamed, replace the drop and the add by: {code}")


def _ask_for_tables(
    upgrade: UpgradeOps, migration: MigrationContext, renames: Renames, ask: Callable[[str], bool]
) -> Iterator[MigrateOperation]:
    def is_so(old: TableName, new: TableName) -> bool:
        return ask(f'was table "{old}" renamed to "{new}"?')

    tables = chosen(_likely_tables(upgrade, migration), is_so)
    if tables:
        renames.add_tables(tables)
        _compare_again(upgrade, migration, renames)
    yield from (RenameTable(old.name, new.name, schema=old.schema) for old, new in tables.items())


def _ask_for_columns(
    upgrade: UpgradeOps, migration: MigrationContext, renames: Renames, ask: Callable[[str], bool]
) -> Iterator[MigrateOperation]:
    found: list[tuple[TableName, dict[str, str]]] = []
    for modify, pairs in _likely_columns(upgrade.ops, migration):
        table = _table(modify, migration.dialect)

        def is_so(old: str, new: str, table: TableName = table) -> bool:
            return ask(f'was column "{old}" of table "{table}" renamed to "{new}"?')

        columns = chosen(pairs, is_so)
        renames.add_columns(table, columns)
        if columns:
            found.append((table, columns))
    for table, columns in found:
        before, after = around_renames(connection_of(migration), renames.stored(table), table, columns)
        yield from before
        yield from (_rename_column(ColumnRename(table, *pair), migration.dialect) for pair in columns.items())
        yield from after


def _likely_tables(upgrade: UpgradeOps, migration: MigrationContext) -> list[tuple[TableName, TableName]]:
    dialect = migration.dialect
    dropped = {_table(op, dialect): op.to_table().columns for op in upgrade.ops if isinstance(op, ops.DropTableOp)}
    created = {_table(op, dialect): op.columns for op in upgrade.ops if isinstance(op, ops.CreateTableOp)}
    if not dropped or not created:
        return []
    removed = {table: _stored_columns(columns, dialect) for table, columns in dropped.items()}
    known: dict[str, frozenset[str]] = {}
    for columns in removed.values():
        known |= {name: types | known.get(name, frozenset()) for name, types in columns.items()}
    context = AutogenContext(migration, autogenerate=False)
    added = {table: dict(_model_columns(items, known, context)) for table, items in created.items()}
    return likely_tables(removed, added)


def _likely_columns(
    operations: Iterable[MigrateOperation], migration: MigrationContext
) -> Iterator[tuple[ops.ModifyTableOps, list[tuple[str, str]]]]:
    for modify in operations:
        if not isinstance(modify, ops.ModifyTableOps):
            continue
        dropped = [op.to_column() for op in modify.ops if isinstance(op, ops.DropColumnOp)]
        gone = {column.name for column in dropped}
        created = [op.column for op in modify.ops if type(op) is ops.AddColumnOp]
        added = [column for column in created if column.name not in gone]  # one that is made anew is not new
        if dropped and added:
            removed = _stored_columns(dropped, migration.dialect)
            types = frozenset().union(*removed.values())
            context = AutogenContext(migration, autogenerate=False)
            known = {column.name: types for column in added}
            yield modify, likely_columns(removed, dict(_model_columns(added, known, context)))


def _stored_columns(columns: Iterable[sa.Column[Any]], dialect: Dialect) -> dict[str, frozenset[str]]:
    return {column.name: frozenset({type_text(column.type, dialect) or ""}) - {""} for column in columns}


def _model_columns(
    items: Iterable[object], known: Columns, context: AutogenContext
) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the columns among ``items``, with their types.

    Where ``known`` has other types for one, the database is asked how it shows the type.
    """
    dialect = connection_of(context).dialect
    for column in (item for item in items if isinstance(item, sa.Column)):
        spelled = type_text(column.type, dialect)
        types = {spelled}
        if spelled not in known.get(column.name, {spelled}):
            stored = as_stored(context, column, with_default=False)
            types.add(type_text(stored.type, dialect) if stored is not None else None)
        yield column.name, frozenset(text for text in types if text is not None)


def _compare_again(upgrade: UpgradeOps, migration: MigrationContext, renames: Renames) -> None:
    """Put into ``upgrade`` what differs between the models and the database with ``renames``."""
    migration.opts[RENAMES] = renames
    context = AutogenContext(migration)
    hook = migration.impl.autogen_column_reflect
    use_inspector(context, inspect_renamed(connection_of(migration), renames, hook))
    upgrade.ops.clear()
    context.comparators.dispatch("autogenerate", qualifier=migration.dialect.name)(context, upgrade)


def _rename_column(rename: ColumnRename, dialect: Dialect) -> RenameColumn:
    table, old, new = (
        _quoted_table(rename.table, dialect),
        quoted_name(rename.old, dialect),
        quoted_name(rename.new, dialect),
    )
    sql = f"ALTER TABLE {table} RENAME COLUMN {{}} TO {{}}"
    there, back = (escape_colons(sql.format(*names)) for names in ((old, new), (new, old)))
    return RenameColumn(there, back, ColumnName(rename.table, rename.old), rename.new)


# --- names that follow -----------------------------------------------------------------------------------------


def _follow(migration: MigrationContext, renames: Renames) -> Iterator[Sql]:
    """Add to ``renames`` the names of indexes and constraints that follow, and yield what renames them.

    Those follow that the models have under the same name with the new words in it. Where a database cannot rename, they
    are left to the comparison, which drops and makes them.
    """
    dialect = migration.dialect
    inspector = inspect_renamed(connection_of(migration), renames)
    for model in AutogenContext(migration).table_key_to_table.values():
        table = _key(model.schema, model.name, dialect)
        if not renames.touch(table):
            continue
        schema = f"{quoted_name(table.schema, dialect)}." if table.schema else ""
        known = {"table": _quoted_table(table, dialect), "schema": schema}
        for fact, template in _RENAMING[dialect.name].items():
            found = getattr(inspector, f"get_{fact}")(table.name, table.schema)
            wanted = _names(model, fact, dialect)
            for old, new in _followers([found] if isinstance(found, dict) else found, table, wanted, renames, dialect):
                renames.add_name(table, old, new)
                names = quoted_name(old, dialect), quoted_name(new, dialect)
                yield _sql(template.format(*names, **known), template.format(*reversed(names), **known))


def _followers(
    found: Iterable[Any], table: TableName, wanted: Collection[str], renames: Renames, dialect: Dialect
) -> Iterator[tuple[str, str]]:
    """Yield the old and the new names of those of ``found`` that have one of the names ``wanted`` then.

    MariaDB names the index of a foreign key without a name after the column, and looks for it there.
    """
    columns = renames.columns.get(table, {})
    for one in found:
        name = str(one["name"] or "")
        new = followed_name(name, {renames.stored(table).name: table.name, **columns})
        is_of_key = dialect.name in _MARIADB and name in columns and one["column_names"][:1] == [columns[name]]
        if new != name and "duplicates_constraint" not in one and (is_of_key or quoted_name(new, dialect) in wanted):
            yield name, new


def followed_name(name: str, changed: Mapping[str, str]) -> str:
    """Return ``name`` with the words ``changed`` in it; a word ends where letters and digits end."""
    words = "|".join(re.escape(word) for word in sorted(changed, key=len, reverse=True))
    return re.sub(rf"(?<![^\W_])(?:{words})(?![^\W_])", lambda match: changed[match[0]], name)


def _names(model: sa.Table, fact: str, dialect: Dialect) -> set[str]:
    """Return the names of the indexes or constraints of ``model`` as they are in SQL."""
    preparer = plain_dialect(dialect).identifier_preparer
    named = [constraint for constraint in model.constraints if constraint.name]
    if fact != "indexes":
        return {preparer.format_constraint(constraint) for constraint in named}
    uniques = [constraint for constraint in named if isinstance(constraint, sa.UniqueConstraint)]
    return {preparer.format_index(index) for index in model.indexes} | {preparer.format_constraint(u) for u in uniques}


# --- the database after the renames ----------------------------------------------------------------------------


# --- names and texts -------------------------------------------------------------------------------------------


def _sql(there: str, back: str) -> Sql:
    return Sql(escape_colons(there), escape_colons(back))


def _table(op: ops.CreateTableOp | ops.DropTableOp | ops.ModifyTableOps, dialect: Dialect) -> TableName:
    return _key(op.schema, op.table_name, dialect)


def _key(schema: str | None, name: str, dialect: Dialect) -> TableName:
    return TableName(schema, name).shown(dialect.default_schema_name)


def _quoted_table(table: TableName, dialect: Dialect) -> str:
    preparer = plain_dialect(dialect).identifier_preparer
    return str(preparer.format_table(sa.Table(table.name, sa.MetaData(), schema=table.schema)))


def _shown(name: str) -> str:
    return repr(str(name))  # one line, whatever the name is
