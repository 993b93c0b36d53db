"""Which differences between the models and the database are real.

Floor 2. Alembic compares the text of a type or a default with what the database shows of it, and a database spells
much otherwise. Here a text that is not the same at once is given to the database in a temporary table, and what it
makes of it is compared: the database is the judge of its own spelling.

The comparators are a plugin of Alembic, which replaces what it does for types and defaults and adds what it lacks.
Importing the module also makes Alembic read the defaults of PostgreSQL as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import alembic.autogenerate  # noqa: F401 - its comparators are registered first, and so are asked first
import sqlalchemy as sa
from alembic.ddl.mysql import MariaDBImpl, MySQLImpl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.operations.ops import CreateCheckConstraintOp, CreateIndexOp, DropConstraintOp, ExecuteSQLOp
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult, warn
from sqlalchemy import CheckConstraint
from sqlalchemy.engine import Inspector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from websauna_migrate.computed import is_same_computed
from websauna_migrate.database.sql import escape_colons, literal_sql
from websauna_migrate.indexes import RENAMES, ComparingIndexes, is_expression_index, spelled
from websauna_migrate.packages.ownership import table_name
from websauna_migrate.packages.package import TableName
from websauna_migrate.temporary import TEMPORARY, makes_temporary_tables, undone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import AlterColumnOp, MigrateOperation, ModifyTableOps
    from sqlalchemy import Column, ForeignKeyConstraint, Table
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

    from websauna_migrate.renames import Renames

PLUGIN = "websauna_migrate.differences"
_RULES = ("onupdate", "ondelete", "deferrable", "initially")
_INTEGER_WIDTH = re.compile(r"(INT(?:EGER)?)\(\d+\)")
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_CAST_LITERAL = re.compile(r"('(?:[^']|'')*'|NULL)::[\w .\"()\[\]]+")

_DEFAULT_THAT_COUNTS = sa.text(
    "SELECT pg_get_expr(d.adbin, d.adrelid), EXISTS (SELECT FROM pg_depend AS used JOIN pg_depend AS owned"
    " ON owned.classid = 'pg_class'::regclass AND owned.objid = used.refobjid"
    " AND owned.refobjid = d.adrelid AND owned.refobjsubid = d.adnum"
    " WHERE used.classid = 'pg_attrdef'::regclass AND used.objid = d.oid AND used.refclassid = 'pg_class'::regclass)"
    " FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
    " JOIN pg_class AS c ON c.oid = d.adrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE a.attname = :column AND c.relname = :table"
    " AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = :schema END"
)

_CHECKS: WeakKeyDictionary[Inspector, dict[str | None, Any]] = WeakKeyDictionary()


class Sql(ExecuteSQLOp):
    """``op.execute(sql)``, and ``op.execute(undo)`` on the way back."""

    def __init__(self, sql: str, undo: str) -> None:
        super().__init__(sql)
        self.undo = undo

    def reverse(self) -> MigrateOperation:
        """Return the operation of the other direction."""
        return Sql(self.undo, str(self.sqltext))


class ReadingPostgresqlImpl(ComparingIndexes, PostgresqlImpl):
    """Alembic's operations on PostgreSQL, which take a default that counts for what the server says it is.

    SQLAlchemy puts the schema of the table before the name of any sequence, Alembic then looks for a sequence there.
    """

    __dialect__ = "postgresql"

    def autogen_column_reflect(self, inspector: Inspector, table: Table, column_info: Any) -> None:
        """Correct the default of a column that was read, and leave out that of a ``SERIAL``."""
        if "nextval(" not in (column_info.get("default") or ""):
            return
        names = {"schema": table.schema, "table": table.name, "column": column_info["name"]}
        assert self.connection is not None
        found = self.connection.execute(_DEFAULT_THAT_COUNTS, names).first()
        if found is None:  # it was read before, and is shown under another name: see websauna_migrate.renames
            return
        column_info["default"], is_owned = found
        if is_owned and isinstance(column_info["type"], sa.Integer):
            del column_info["default"]

    def correct_for_autogen_foreignkeys(
        self, conn_fks: set[ForeignKeyConstraint], metadata_fks: set[ForeignKeyConstraint]
    ) -> None:
        """Leave out the foreign keys that are the same, whether the models name the default schema or not."""
        default = self.dialect.default_schema_name
        found, wanted = ({key: foreign_key_spec(key, default) for key in keys} for keys in (conn_fks, metadata_fks))
        conn_fks -= {key for key, spec in found.items() if spec in wanted.values()}
        metadata_fks -= {key for key, spec in wanted.items() if spec in found.values()}


class ComparingMySQLImpl(ComparingIndexes, MySQLImpl):
    """Alembic's operations on MySQL, with the server as the judge of indexes."""

    __dialect__ = "mysql"


class ComparingMariaDBImpl(ComparingIndexes, MariaDBImpl):
    """The same on MariaDB."""

    __dialect__ = "mariadb"


def plugins(user: Mapping[str, Any]) -> list[str]:
    """Return the comparators that Alembic is to use: those that the ``user`` of the options asked for, and ours."""
    return [*user.get("autogenerate_plugins", ["alembic.autogenerate.*"]), PLUGIN]


def compare_type(
    context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    """Decide whether the type of a column changed."""
    if isinstance(found.type, sa.types.NullType) or isinstance(wanted.type, sa.types.NullType):
        return PriorityDispatchResult.STOP
    assert context.connection is not None
    dialect = context.connection.dialect
    if type_text(found.type, dialect) != type_text(wanted.type, dialect):
        stored = as_stored(context, wanted, with_default=False)
        if stored is None and not makes_temporary_tables(context.connection):
            return PriorityDispatchResult.CONTINUE  # Alembic compares the names
        if stored is None or type_text(stored.type, dialect) != type_text(found.type, dialect):
            alter.modify_type = wanted.type
    return PriorityDispatchResult.STOP


def compare_server_default(
    context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    """Decide whether the default of a column changed. Computed and identity columns are left to Alembic."""
    defaults = (found.server_default, wanted.server_default)
    if not all(default is None or isinstance(default, sa.DefaultClause) for default in defaults):
        return PriorityDispatchResult.CONTINUE
    assert context.connection is not None
    before, after = default_text(found, context.connection.dialect), default_text(wanted, context.connection.dialect)
    if before != after and not (after is None and wanted.table.autoincrement_column is wanted):
        if after is not None and _is_stored_as(context, wanted, before):
            return PriorityDispatchResult.STOP
        # False stands for "no change", None for "drop it"
        alter.modify_server_default = wanted.server_default
    return PriorityDispatchResult.STOP


def compare_computed(
    context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    """Find that a computed column is as it was. Alembic compares the texts, and warns of any other."""
    assert context.connection is not None
    renames: Renames | None = context.opts.get(RENAMES)
    is_renamed = renames is not None and renames.touch(TableName(schema, table))
    if found.computed is None or wanted.computed is None or is_renamed:
        return PriorityDispatchResult.CONTINUE
    same = is_same_computed(found, wanted, context.connection)
    return PriorityDispatchResult.STOP if same else PriorityDispatchResult.CONTINUE


def compare_identity(
    context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    """Find an identity in place of a default, or the other way round, over which Alembic breaks.

    One in place of a ``SERIAL`` is warned of; the other way round they do the same.
    """
    before, after = found.server_default, wanted.server_default
    if isinstance(before, sa.Identity) and after is None and wanted.table.autoincrement_column is wanted:
        return PriorityDispatchResult.STOP
    if isinstance(after, sa.Identity) and before is None and found.autoincrement is True:
        warn(f"SERIAL of {TableName(schema, table)}.{name} cannot be modified to an identity; write it by hand")
        return PriorityDispatchResult.STOP
    if {type(before), type(after)} != {sa.Identity, sa.DefaultClause}:
        return PriorityDispatchResult.CONTINUE
    alter.existing_server_default, alter.modify_server_default = before, after
    return PriorityDispatchResult.STOP


def pass_over_identity(
    context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    found: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    """Stop the comparison of an identity where the database has none: it made an ordinary column of it."""
    if not isinstance(wanted.server_default, sa.Identity):
        return PriorityDispatchResult.CONTINUE
    if wanted.table.autoincrement_column is wanted:
        alter.kw["autoincrement"] = True
    return PriorityDispatchResult.STOP


def compare_expression_indexes(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Compare indexes over expressions on SQLite by their SQL: SQLAlchemy does not reflect them, Alembic skips them."""
    assert context.connection is not None
    stored = _stored_expression_indexes(context, name) if found is not None and schema is None else {}
    shown = {str(index.name) for index in found.indexes} if found is not None else set()  # Alembic compares those
    of_models = wanted.indexes if wanted is not None else ()
    indexes = {str(index.name): index for index in of_models if is_expression_index(index)}
    indexes = {key: index for key, index in indexes.items() if key not in shown}
    dialect = context.connection.dialect
    wanted_sql = {key: spelled(str(CreateIndex(index).compile(dialect=dialect))) for key, index in indexes.items()}
    same = {key for key, sql in stored.items() if wanted_sql.get(key) == spelled(sql)}
    for key in sorted(stored.keys() - same):
        modify.ops.append(Sql(f"DROP INDEX {dialect.identifier_preparer.quote(key)}", escape_colons(stored[key])))
    modify.ops.extend(CreateIndexOp.from_index(indexes[key]) for key in sorted(indexes.keys() - same))
    return PriorityDispatchResult.CONTINUE


def warn_of_primary_keys(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Warn where the primary key is over other columns: Alembic does not compare it."""
    if found is not None and wanted is not None:
        there, here = ({column.name: None for column in table.primary_key} for table in (found, wanted))
        gone, new = there.keys() - {*wanted.c.keys()}, here.keys() - {*found.c.keys()}
        may_be_renamed = bool(gone and new)
        if there.keys() - (gone if may_be_renamed else ()) != here.keys() - (new if may_be_renamed else ()):
            columns = f"from ({', '.join(there)}) to ({', '.join(here)})"
            warn(f"Primary key of {TableName(schema, name)} cannot be modified {columns}; write it by hand")
    return PriorityDispatchResult.CONTINUE


def compare_check_constraints(
    context: AutogenContext,
    modify: ModifyTableOps,
    schema: str | None,
    name: str,
    found: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Find CHECK constraints that were added or removed, by name. Their conditions are not compared.

    A database names those that the models leave without a name: where there are such, none counts as removed.
    """
    if found is None or wanted is None:
        return PriorityDispatchResult.CONTINUE
    assert context.dialect is not None
    preparer = context.dialect.identifier_preparer
    shown = {preparer.quote(check): (check, sql) for check, sql in _shown_checks(context, schema, name)}
    checks = check_constraints(wanted)
    named = {str(preparer.format_constraint(check)): check for check in checks if isinstance(check.name, str)}
    missing = {key: check for key, check in sorted(named.items()) if key not in shown and _makes(check, found)}
    created = str(CreateTable(wanted).compile(dialect=context.dialect)) if missing else ""
    for key, check in missing.items():
        if f"CONSTRAINT {key} CHECK" in created:  # or it is of a type that needs none here
            modify.ops.append(CreateCheckConstraintOp(check.name, name, check.sqltext, schema=schema))
    if len(named) == len(checks):
        for key in sorted(shown.keys() - named.keys()):
            check_name, sql = shown[key]
            if check_name in found.c and "json_valid" in sql.lower():
                continue  # MariaDB's own, of a JSON column
            gone = sa.CheckConstraint(escape_colons(sql), name=sa.schema.conv(check_name), table=found)
            modify.ops.append(DropConstraintOp.from_constraint(gone))
    return PriorityDispatchResult.CONTINUE


def check_constraints(table: Table) -> list[CheckConstraint]:
    """Return the CHECK constraints of ``table`` and of its columns."""
    everywhere = [*table.constraints, *(constraint for column in table.c for constraint in column.constraints)]
    return [constraint for constraint in everywhere if isinstance(constraint, CheckConstraint)]


def foreign_key_spec(key: ForeignKeyConstraint, default: str | None) -> tuple[Any, ...]:
    """Return what ``key`` does, with None for the schema ``default``."""
    return (
        tuple(column.name for column in key.columns),
        table_name(key.elements[0].column.table).shown(default),
        tuple(element.column.name for element in key.elements),
        *key_rules({rule: getattr(key, rule) for rule in _RULES}),
    )


def key_rules(options: Mapping[str, Any]) -> tuple[str, str, bool, bool]:
    """Return the rules of a foreign key, one that is not said being that of the database."""
    update, delete = (str(options.get(rule) or "no action").lower() for rule in ("onupdate", "ondelete"))
    deferred = str(options.get("initially") or "").lower() == "deferred"
    return update, delete, deferred, deferred or bool(options.get("deferrable"))


def is_of_type(check: CheckConstraint) -> bool:
    """Tell whether ``check`` comes with the type of its column. SQLAlchemy has no public way to tell."""
    return bool(getattr(check, "_type_bound", False))


def stored_name(check: CheckConstraint, dialect: Dialect) -> str:
    """Return the name of ``check`` as the database has it: one that a naming convention makes too long is cut."""
    return str(dialect.identifier_preparer.format_constraint(check)).strip('"`')


def as_stored(context: AutogenContext, column: Column[Any], *, with_default: bool) -> Column[Any] | None:
    """Return ``column`` as the database stores and shows it, None when it cannot make such a column.

    It is made in a temporary table, and nothing of it stays.
    """
    connection = context.connection
    assert connection is not None
    if type_text(column.type, connection.dialect) is None:
        return None
    default: Any = column.server_default if with_default else None
    made = sa.Column(column.name, column.type, server_default=default.arg if default is not None else None)
    hook = context.migration_context.impl.autogen_column_reflect
    try:
        with undone(connection):
            # The statement alone: the types that the column uses are there, or it is another column.
            connection.execute(CreateTable(sa.Table(TEMPORARY, sa.MetaData(), made, prefixes=["TEMPORARY"])))
            listeners = [("column_reflect", hook)]
            shown = sa.Table(TEMPORARY, sa.MetaData(), autoload_with=connection, listeners=listeners)
            return next(iter(shown.c))
    except SQLAlchemyError:
        return None


def type_text(type_: TypeEngine[Any], dialect: Dialect) -> str | None:
    """Return what stands for ``type_`` in the DDL of ``dialect``, None when it has none."""
    try:
        text = type_.compile(dialect)
    except Exception:  # SQLAlchemy breaks in many ways over a type of another database
        return None
    return _INTEGER_WIDTH.sub(r"\1", text)  # how wide MySQL shows an integer is no part of what it stores


def default_text(column: Column[Any], dialect: Dialect) -> str | None:
    """Return the default of ``column`` as SQL, as far as it can be brought to one spelling without the database."""
    default = column.server_default
    if not isinstance(default, sa.DefaultClause):
        return None
    if isinstance(default.arg, sa.TextClause):
        text = default.arg.text
    else:
        text = literal_sql(sa.literal(default.arg) if isinstance(default.arg, str) else default.arg, dialect)
    cast = _CAST_LITERAL.fullmatch(text.strip())
    text = cast[1] if cast else text.strip()
    while text.startswith("(") and _closes_at_end(text):
        text = text[1:-1].strip()
    return None if text.upper() == "NULL" else text


def _makes(check: CheckConstraint, found: Table) -> bool:
    """Tell whether ``check`` needs a statement of its own: that of a type comes with a new column."""
    return not is_of_type(check) or all(column.name in found.c for column in check.columns)


def _shown_checks(context: AutogenContext, schema: str | None, table: str) -> list[tuple[str, str]]:
    """Return name and condition of the named checks of ``table``; those of a whole schema are read at once."""
    inspector = context.inspector
    if schema not in (read := _CHECKS.setdefault(inspector, {})):
        names = [key.name for key in context.table_key_to_table.values() if key.schema in (schema, _default(context))]
        read[schema] = inspector.get_multi_check_constraints(schema=schema, filter_names=names)
    found = read[schema].get((schema, table)) or ()
    return [(check["name"], check["sqltext"]) for check in found if check["name"]]


def _default(context: AutogenContext) -> str | None:
    assert context.dialect is not None
    return context.dialect.default_schema_name


def _is_stored_as(context: AutogenContext, wanted: Column[Any], before: str | None) -> bool:
    """Tell whether the database, asked for the default of ``wanted``, shows ``before``."""
    assert context.connection is not None
    stored = as_stored(context, wanted, with_default=True)
    if stored is None:  # where it cannot be asked, defaults are not compared
        return not makes_temporary_tables(context.connection)
    return default_text(stored, context.connection.dialect) == before


def _closes_at_end(text: str) -> bool:
    """Tell whether the parenthesis that opens ``text`` is closed by its last character."""
    depth = 0
    plain = _LITERAL.sub(lambda match: "_" * len(match[0]), text)
    for position, character in enumerate(plain):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return position == len(plain) - 1
    return False


def _stored_expression_indexes(context: AutogenContext, table: str) -> dict[str, str]:
    # The number of a column that is an expression is -2: https://www.sqlite.org/pragma.html#pragma_index_xinfo
    query = (
        "SELECT name, sql FROM sqlite_master AS m WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL"
        " AND EXISTS (SELECT 1 FROM pragma_index_xinfo(m.name) WHERE cid = -2)"
    )
    assert context.connection is not None
    renames: Renames | None = context.opts.get(RENAMES)
    stored = renames.stored(TableName(None, table)) if renames is not None else TableName(None, table)
    rows = context.connection.execute(sa.text(query), {"table": stored.name})
    dialect = context.connection.dialect
    return {row.name: renames.sql(stored, row.sql, dialect) if renames else row.sql for row in rows}


def _register() -> None:
    plugin = Plugin(PLUGIN)
    plugin.add_autogenerate_comparator(compare_type, "column", "types")
    defaults = ("column", "server_default")
    plugin.add_autogenerate_comparator(compare_server_default, *defaults)
    first = DispatchPriority.FIRST
    plugin.add_autogenerate_comparator(compare_computed, *defaults, priority=first)
    for dialect in ("sqlite", "mysql", "mariadb"):
        plugin.add_autogenerate_comparator(pass_over_identity, *defaults, qualifier=dialect, priority=first)
    plugin.add_autogenerate_comparator(compare_identity, *defaults, qualifier="postgresql", priority=first)
    plugin.add_autogenerate_comparator(warn_of_primary_keys, "table", "primary_keys")
    plugin.add_autogenerate_comparator(compare_check_constraints, "table", "check_constraints")
    plugin.add_autogenerate_comparator(compare_expression_indexes, "table", "expression_indexes", qualifier="sqlite")


_register()
