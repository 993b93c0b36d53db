"""Enums, whose values Alembic passes over on most databases.

Floor 2. Works on the operations of a script, before the user's hooks see them. On PostgreSQL an enum is a type of its
own, which several tables and packages may use: the package of the first column that uses it owns it, and nobody else
writes statements about it. Elsewhere the values belong to the column: MariaDB's ``ENUM``, and the ``CHECK`` that goes
with a text.

What is written is plain SQL that runs without this package. A value is added by ``ALTER TYPE ... ADD VALUE``; any other
change makes the type anew and converts the columns, all in the transaction of the revision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import ops

from websauna_migrate.database.sql import (
    _in_text,
    _literal,
    _quoted,
    adapted,
    escape_colons,
    literal_sql,
    named_types,
)
from websauna_migrate.dialects.spelling import check_constraints, default_text, is_of_type, stored_name, type_text
from websauna_migrate.exceptions import EnumInUse, EnumTaken
from websauna_migrate.packages.package import ColumnName, TableName, TypeName
from websauna_migrate.renames import Renames, inspect_renamed
from websauna_migrate.requirements import UsedType

if TYPE_CHECKING:
    from collections.abc import Collection

    from alembic.autogenerate.api import AutogenContext
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection, Dialect, Inspector

    from websauna_migrate.packages.ownership import Ownership

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "0": "\0", "Z": "\x1a"}
_LITERAL = re.compile(r"'((?:[^'\\]|''|\\.)*)'")
_CAST_LITERAL = re.compile(r"('(?:[^']|'')*')::.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class User:
    """A column that uses an enum, or an array of it, and its default as SQL."""

    column: ColumnName
    is_array: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True)
class ModelEnum:
    """An enum as the models have it; ``owner`` is the package of ``users[0]``, the first column that uses it."""

    values: tuple[str, ...]
    owner: str
    users: tuple[User, ...]
    is_ours_to_create: bool = True


@dataclass(frozen=True, slots=True)
class StoredEnum:
    """An enum as the database has it.

    ``users`` are columns of the tables that are compared, ``others`` names what else uses it: columns of other tables
    by ``schema.table.column``, functions and the like as PostgreSQL describes them.
    """

    values: tuple[str, ...]
    users: tuple[User, ...] = ()
    others: tuple[str, ...] = ()


# --- what a script says ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Do:
    """A statement of SQL."""

    sql: str


@dataclass(frozen=True, slots=True)
class DoAlone:
    """Statements that are committed before the rest of the script runs, for the ``reason``."""

    reason: str
    sql: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A comment."""

    text: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Stop, with their number, when rows of ``column`` hold a value that goes away.

    ``count`` is the SQL that counts them, ``example`` a statement that gives them another value.
    """

    column: ColumnName
    values: tuple[str, ...]
    count: str
    example: str


Statement: TypeAlias = "Do | DoAlone | Note | Refuse"


class EnumOp(ops.MigrateOperation):
    """A change of an enum: the statements of this direction, and those of the other.

    ``diff`` is what ``check`` reports. Both directions set the defaults of the columns ``with_defaults``.
    """

    def __init__(
        self,
        diff: tuple[Any, ...],
        statements: Sequence[Statement],
        undo: Sequence[Statement] = (),
        with_defaults: Collection[ColumnName] = (),
    ) -> None:
        self.diff = diff
        self.statements = tuple(statements)
        self.undo = tuple(undo)
        self.with_defaults = frozenset(with_defaults)

    def reverse(self) -> EnumOp:
        """Return the operation of the other direction."""
        return EnumOp(("undo", *self.diff), self.undo, self.statements)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return the change as Alembic's commands show it."""
        return self.diff


@renderers.dispatch_for(EnumOp)
def _render(context: AutogenContext, op: EnumOp) -> list[str]:
    prefix = context.opts["alembic_module_prefix"] or ""
    sqlalchemy = context.opts["sqlalchemy_module_prefix"] or ""
    return [_rendered(statement, prefix, sqlalchemy) for statement in op.statements]


def _rendered(statement: Statement, op: str, sa: str) -> str:
    match statement:
        case Do(sql):
            return f"{op}execute({escape_colons(sql)!r})"
        case DoAlone(reason, statements):
            lines = [f"# {reason}", f"with {op}get_context().autocommit_block():"]
            return "\n".join([*lines, *(f"    {op}execute({escape_colons(sql)!r})" for sql in statements)])
        case Note(text):
            return f"# {text}"
        case Refuse(column, values, count, example):
            gone = ", ".join(map(repr, values))
            message = f" rows of {column} hold {gone}, which goes away; say in the script what they become"
            # One line of a comment, whatever the values are.
            comment = f"{op}execute({escape_colons(example)!r})"
            return "\n".join(
                [
                    f"# A row with {gone} stops here. To keep it, say before what it becomes:",
                    f"# {comment}",
                    f"if not {op}get_context().as_sql:",
                    f"    rows = {op}get_bind().scalar({sa}text({escape_colons(count)!r}))",
                    "    if rows:",
                    f"        raise ValueError(str(rows) + {message!r})",
                ]
            )


# --- what a comparison adds ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Models:
    """The models of all packages; ``packages`` are selected, and ``tables`` is what their comparison may see.

    ``renames`` are run before what is found here.
    """

    ownership: Ownership
    packages: Collection[str]
    tables: Collection[TableName]
    renames: Renames = field(default_factory=Renames)

    def enums(self, dialect: Dialect) -> dict[TypeName, ModelEnum]:
        """Return the enums of the models that PostgreSQL stores as types, in the order of their first columns."""
        found: dict[TypeName, ModelEnum] = {}
        for key, table in self.ownership.tables.items():
            for column in table.columns:
                enum = _stored_as_type(column.type, dialect)
                if enum is None:
                    continue
                place = ColumnName(key.shown(dialect.default_schema_name), column.name)
                user = User(place, _is_array(column.type, dialect), default_text(column, dialect))
                is_ours = bool(getattr(enum, "create_type", True))
                first = ModelEnum(tuple(enum.enums), self.ownership.owners[key], (), is_ours)
                known = found.get(_type_name(enum, dialect), first)
                found[_type_name(enum, dialect)] = replace(known, users=(*known.users, user))
        return found


def change_enums(script: ops.MigrationScript, migration: MigrationContext, models: Models) -> None:
    """Add to ``script`` what the enums of its tables need, both ways.

    :raises EnumInUse: a value is to go from a type that others use too
    :raises EnumTaken: others have a type of this name with other values
    """
    connection = migration.bind
    if connection is None:
        return
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        if connection.dialect.name == "postgresql":
            first, last = _type_changes(upgrade, downgrade, connection, models)
            upgrade.ops[:] = [*first, *upgrade.ops, *last]
            downgrade.ops[:] = [o.reverse() for o in reversed(last)] + downgrade.ops
            downgrade.ops += [o.reverse() for o in reversed(first)]
        _change_checks(upgrade, downgrade, connection, models)
        _refuse_lost_values(upgrade, downgrade, connection.dialect)


def types_of_others(script: ops.MigrationScript, dialect: Dialect, models: Models) -> Iterator[UsedType]:
    """Yield the enums that columns made by ``script`` have and packages that are not selected own."""
    enums = models.enums(dialect)
    keys = {key.shown(dialect.default_schema_name): key for key in models.ownership.tables}
    for upgrade in script.upgrade_ops_list:
        for column, type_ in _made_columns(upgrade, dialect):
            found = _enum_of(type_, dialect)
            enum = enums.get(found[0]) if found else None
            if found and enum and enum.owner not in models.packages and enum.is_ours_to_create:
                statement = f"CREATE TYPE {_quoted(found[0], dialect)} AS"
                yield UsedType(str(column), str(found[0]), keys[enum.users[0].column.table], statement)


# --- PostgreSQL: types -----------------------------------------------------------------------------------------


def _type_changes(
    upgrade: ops.OpContainer, downgrade: ops.OpContainer, connection: Connection, models: Models
) -> tuple[list[EnumOp], list[EnumOp]]:
    """Return the operations before and after those that Alembic found; on the way back the last one is undone first."""
    dialect = connection.dialect
    # What the user's hooks hide is as if others had it.
    compared = {key for key in models.tables if key in models.ownership.tables} | _dropped_tables(upgrade)
    stored, wanted = read_enums(connection, compared, models.renames), models.enums(dialect)
    ours = {name: enum for name, enum in wanted.items() if enum.owner in models.packages and enum.is_ours_to_create}
    renamed = dict(_renamed(stored, ours.keys() - stored.keys(), wanted))
    stored = {renamed.get(name, name): enum for name, enum in stored.items()}
    conversions = list(_conversions(upgrade, downgrade, renamed, stored, wanted, dialect))
    going = _dropped_columns(upgrade, dialect) | {conversion.user.column for conversion in conversions}
    changes = [_created(name, ours[name].values, dialect) for name in ours if name not in stored]
    for name in (name for name in ours if name in stored and stored[name].values != ours[name].values):
        _require_ours(name, stored[name], ours[name])
        # A type that gets another name by this script has none yet that could be committed before.
        alone = None if name in renamed.values() else _values_needed_at_once(models, ours[name], dialect)
        changes.append(_changed(name, stored[name], ours[name], going, alone, dialect))
    for column in {column for op in changes for column in op.with_defaults}:
        _leave_out(column, upgrade, downgrade, dialect, default=True)
    first = [op for op in changes if commits(op)] + [_rename(*names, dialect) for names in renamed.items()]
    first += [op for op in changes if not commits(op)] + [c.op for c in conversions if not c.is_to_enum]
    last = [c.op for c in conversions if c.is_to_enum]
    unused = {name: was for name, was in stored.items() if name not in wanted and _is_unused(was, going)}
    return first, last + [_dropped(name, was.values, dialect) for name, was in unused.items()]


def _is_unused(was: StoredEnum, going: Collection[ColumnName]) -> bool:
    """Tell whether a type that had users has none when the columns ``going`` are gone."""
    return bool(was.users) and not was.others and _columns(was.users) <= set(going)


def read_enums(
    connection: Connection, tables: Collection[TableName], renames: Renames | None = None
) -> dict[TypeName, StoredEnum]:
    """Return the enums in a PostgreSQL database, with what uses them; ``tables`` are those that are compared.

    The users have the names that they have after the ``renames``.
    """
    labels = (
        "SELECT n.nspname, t.typname, ARRAY(SELECT e.enumlabel::text FROM pg_enum AS e WHERE e.enumtypid = t.oid"
        " ORDER BY e.enumsortorder) FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace"
        " WHERE t.typtype = 'e'"
    )
    dialect = connection.dialect
    found = {
        TypeName(schema, name).shown(dialect.default_schema_name): StoredEnum(tuple(values))
        for schema, name, values in connection.execute(sa.text(labels))
    }
    compared = {table.shown(dialect.default_schema_name) for table in tables}
    for name, user, other in _users(connection) if found else ():
        enum = found[name]
        if user is not None and renames is not None:
            user = replace(user, column=ColumnName(*renames.place(*user.column)))
        if user is not None and user.column.table in compared:
            found[name] = replace(enum, users=(*enum.users, user))
        else:
            found[name] = replace(enum, others=(*enum.others, str(user.column) if user else other))
    return found


def _users(connection: Connection) -> Iterator[tuple[TypeName, User | None, str]]:
    """Yield what uses an enum: the column of a table, or None and what PostgreSQL calls it.

    Defaults, constraints and indexes go with their column, the columns of a partition with those of its table.
    """
    query = (
        "SELECT n.nspname, t.typname, d.refobjid = t.typarray, tn.nspname, c.relname, a.attname,"
        " pg_get_expr(f.adbin, f.adrelid), pg_describe_object(d.classid, d.objid, d.objsubid)"
        " FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace"
        " JOIN pg_depend AS d ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray)"
        " LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relkind IN ('r', 'p')"
        " LEFT JOIN pg_namespace AS tn ON tn.oid = c.relnamespace"
        " LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.objsubid"
        " LEFT JOIN pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum AND a.attgenerated = ''"
        " WHERE t.typtype = 'e' AND d.deptype = 'n' AND COALESCE(a.attinhcount, 0) = 0"
        " AND (d.classid IN ('pg_proc'::regclass, 'pg_type'::regclass)"
        " OR d.classid = 'pg_class'::regclass AND d.objsubid > 0)"
        " ORDER BY tn.nspname, c.relname, a.attnum"
    )
    dialect = connection.dialect
    for schema, name, is_array, in_schema, table, column, default, described in connection.execute(sa.text(query)):
        user = None
        if table is not None:
            user = User(
                ColumnName(TableName(in_schema, table).shown(dialect.default_schema_name), column), is_array, default
            )
            user = replace(user, default=default and _CAST_LITERAL.sub(r"\1", default))
        yield TypeName(schema, name).shown(dialect.default_schema_name), user, described


def _renamed(
    stored: Mapping[TypeName, StoredEnum], new: Collection[TypeName], wanted: Mapping[TypeName, ModelEnum]
) -> Iterator[tuple[TypeName, TypeName]]:
    """Yield the types that are to have another name: the columns are the same, and nothing else uses them."""
    by_users = {frozenset(_columns(wanted[name].users)): name for name in wanted if name in new}
    for old, was in stored.items():
        name = by_users.get(frozenset(_columns(was.users)))
        if old not in wanted and not was.others and name is not None:
            yield old, name


def _require_ours(name: TypeName, was: StoredEnum, enum: ModelEnum) -> None:
    strangers = set(was.others) - {str(column) for column in _columns(enum.users)}
    if strangers and not was.users:
        raise EnumTaken(str(name), was.values, enum.values, tuple(sorted(strangers)))


def _created(name: TypeName, values: tuple[str, ...], dialect: Dialect) -> EnumOp:
    create, drop = Do(_create_type(name, values, dialect)), Do(f"DROP TYPE {_quoted(name, dialect)}")
    return EnumOp(("add_enum", str(name), values), [create], [drop])


def _dropped(name: TypeName, values: tuple[str, ...], dialect: Dialect) -> EnumOp:
    create = _created(name, values, dialect)
    return EnumOp(("remove_enum", str(name), values), create.undo, create.statements)


def _rename(old: TypeName, new: TypeName, dialect: Dialect) -> EnumOp:
    there, back = list(_move(old, new, dialect)), list(_move(new, old, dialect))
    return EnumOp(("rename_enum", str(old), str(new)), there, back)


def _move(old: TypeName, new: TypeName, dialect: Dialect) -> Iterator[Do]:
    if old.name != new.name:
        yield Do(f"ALTER TYPE {_quoted(old, dialect)} RENAME TO {_quoted(TypeName(None, new.name), dialect)}")
    if old.schema != new.schema:
        schema = _quoted(TypeName(None, new.schema or dialect.default_schema_name or "public"), dialect)
        yield Do(f"ALTER TYPE {_quoted(TypeName(old.schema, new.name), dialect)} SET SCHEMA {schema}")


def _changed(
    name: TypeName,
    was: StoredEnum,
    enum: ModelEnum,
    going: Collection[ColumnName],
    alone: Collection[str] | None,
    dialect: Dialect,
) -> EnumOp:
    """Return the change of a type to other values.

    ``going`` are columns that do not use it after the script. ``alone`` are values that the script uses, None where
    nothing may be committed before the rest of it.
    """
    diff = ("modify_enum", str(name), was.values, enum.values)
    defaults = {user.column: user.default for user in enum.users}
    after = [replace(user, default=defaults[user.column]) for user in was.users if user.column in defaults]
    staying = [user for user in after if user.column not in going]
    added = [value for value in enum.values if value not in was.values]
    is_longer = tuple(value for value in enum.values if value in was.values) == was.values
    may_add = is_longer and not (alone is None and set(added))
    needed = [value for value in added if alone and value in alone]
    if may_add or (is_longer and was.others):
        undo = [Note(f"{_shown(added)} stays in {name}: tables of others use it.")] if was.others else None
        statements = _added(name, was.values, enum.values, needed, dialect)
        return EnumOp(diff, statements, undo or _remade(name, enum.values, was.values, was.users, (), dialect))
    if was.others:
        lost = tuple(value for value in was.values if value not in enum.values)
        raise EnumInUse(str(name), lost, was.others)
    leaving = [user for user in was.users if user.column not in _columns(staying)]
    upgrade = _remade(name, was.values, enum.values, staying, leaving, dialect)
    downgrade = _remade(name, enum.values, was.values, was.users, (), dialect)
    return EnumOp(diff, upgrade, downgrade, _columns(staying))


def _added(
    name: TypeName, old: tuple[str, ...], new: tuple[str, ...], needed: Sequence[str], dialect: Dialect
) -> list[Statement]:
    statements = []
    for number, value in enumerate(new):
        if value in old:
            continue
        # IF NOT EXISTS: a downgrade may have left it, and what is committed alone outlives a failure.
        sql = f"ALTER TYPE {_quoted(name, dialect)} ADD VALUE IF NOT EXISTS {_literal(value, dialect)}"
        if number:
            sql += f" AFTER {_literal(new[number - 1], dialect)}"
        elif old:
            sql += f" BEFORE {_literal(old[0], dialect)}"
        statements.append(sql)
    if needed:
        return [DoAlone(f"PostgreSQL uses a value only when it is committed: {_shown(needed)}.", tuple(statements))]
    return [Do(sql) for sql in statements]


def _remade(
    name: TypeName,
    old: tuple[str, ...],
    new: tuple[str, ...],
    users: Sequence[User],
    going: Sequence[User],
    dialect: Dialect,
) -> list[Statement]:
    """Return the statements that make a type anew and convert the columns of ``users``; ``going`` become text."""
    statements: list[Statement] = []
    lost = tuple(value for value in old if value not in new)
    if lost:
        statements += [_refuse(user, lost, new, dialect) for user in users]
    # The old type keeps its place until no column is left in it.
    aside = TypeName(name.schema, f"{name.name.encode()[:55].decode(errors='ignore')}_old")
    statements += _move(name, aside, dialect)
    statements.append(Do(_create_type(name, new, dialect)))
    type_ = _quoted(name, dialect)
    converted = {user: type_ + "[]" * user.is_array for user in users} | dict.fromkeys(going, "text")
    for table in dict.fromkeys(user.column.table for user in converted):
        clauses = [c for u, t in converted.items() if u.column.table == table for c in _retyped(u, t, dialect)]
        statements.append(Do(f"ALTER TABLE {_quoted(table, dialect)} {', '.join(clauses)}"))
    statements.append(Do(f"DROP TYPE {_quoted(aside, dialect)}"))
    return statements


def _retyped(user: User, type_: str, dialect: Dialect) -> Iterator[str]:
    """Yield the clauses of ``ALTER TABLE`` that give a column a type and its default."""
    column = _quoted(TableName(None, user.column.name), dialect)
    text = "text[]" if user.is_array and type_ != "text" else "text"
    yield f"ALTER COLUMN {column} DROP DEFAULT"
    yield f"ALTER COLUMN {column} TYPE {type_} USING {column}::{text}" + (f"::{type_}" if type_ != "text" else "")
    if user.default is not None and type_ != "text":
        yield f"ALTER COLUMN {column} SET DEFAULT {user.default}"


def _refuse(user: User, lost: tuple[str, ...], kept: tuple[str, ...], dialect: Dialect) -> Refuse:
    table, column = _quoted(user.column.table, dialect), _quoted(TableName(None, user.column.name), dialect)
    values = ", ".join(_literal(value, dialect) for value in lost)
    to = _literal(next((value for value in kept), ""), dialect)
    if dialect.name != "postgresql":
        where, example = f"{column} IN ({values})", f"{column} = {to} WHERE {column} = {_literal(lost[0], dialect)}"
    elif user.is_array:
        where = f"{column}::text[] && ARRAY[{values}]"
        example = f"{column} = array_replace({column}, {_literal(lost[0], dialect)}, {to})"
    else:
        where = f"{column}::text IN ({values})"
        example = f"{column} = {to} WHERE {column} = {_literal(lost[0], dialect)}"
    count = f"SELECT count(*) FROM {table} WHERE {where}"
    return Refuse(user.column, lost, count, f"UPDATE {table} SET {example}")


def commits(op: ops.MigrateOperation) -> bool:
    """Tell whether ``op`` is a change of an enum that is committed before the rest of the script runs."""
    return isinstance(op, EnumOp) and any(isinstance(statement, DoAlone) for statement in op.statements)


def _values_needed_at_once(models: Models, enum: ModelEnum, dialect: Dialect) -> frozenset[str]:
    """Return the values that the definitions of the tables name: the script may use a new one of them."""
    tables = {key.shown(dialect.default_schema_name): table for key, table in models.ownership.tables.items()}
    texts = [user.default for user in enum.users if user.default]
    for name in {user.column.table for user in enum.users} & tables.keys():
        texts += (_clause_text(clause, dialect) for clause in _clauses(tables[name]))
    return frozenset(value for value in enum.values if any(_in_text(value) in text for text in texts))


def _clauses(table: sa.Table) -> Iterator[Any]:
    """Yield the conditions and expressions in the definition of ``table``."""
    yield from (check.sqltext for check in check_constraints(table))
    yield from (column.computed.sqltext for column in table.columns if column.computed is not None)
    for index in table.indexes:
        yield from index.expressions
        yield index.dialect_options["postgresql"]["where"]


def _clause_text(clause: Any, dialect: Dialect) -> str:
    return literal_sql(clause, dialect) if isinstance(clause, sa.ClauseElement) else str(clause)


# --- PostgreSQL: columns ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Conversion:
    """A column that gets another type, where one of the two is an enum."""

    user: User
    op: EnumOp
    is_to_enum: bool


def _conversions(
    upgrade: ops.OpContainer,
    downgrade: ops.OpContainer,
    renamed: Mapping[TypeName, TypeName],
    stored: Mapping[TypeName, StoredEnum],
    wanted: Mapping[TypeName, ModelEnum],
    dialect: Dialect,
) -> Iterator[_Conversion]:
    """Take changes of a type from or to an enum out of what Alembic found, and yield those that are real."""
    users = {user.column: user for enum in stored.values() for user in enum.users}
    models = {user.column: user for enum in wanted.values() for user in enum.users}
    for op in list(_alterations(upgrade)):
        before, after = _enum_of(op.existing_type, dialect), _enum_of(op.modify_type, dialect)
        if (before is None and after is None) or op.modify_type is None or type_text(op.modify_type, dialect) is None:
            continue  # a type that the database has not is told with its column, where all are looked at
        column = _column(op, dialect)
        if before is not None and (renamed.get(before[0], before[0]), before[1]) == after:
            _leave_out(column, upgrade, downgrade, dialect, type_=True)
            continue
        conversion = _conversion(op, users.get(column), models.get(column), dialect)
        _leave_out(column, upgrade, downgrade, dialect, type_=True, default=True)
        yield conversion


def _conversion(op: Any, stored: User | None, model: User | None, dialect: Dialect) -> _Conversion:
    """Return the change that ``op`` makes of a column: ``stored`` uses an enum before, ``model`` after it."""
    old, new = op.existing_type, op.modify_type
    before = _user_before(op, stored, dialect)
    after = model or replace(before, default=_default_after(op, before, dialect))
    there, back = (
        Do(f"ALTER TABLE {_quoted(before.column.table, dialect)} {', '.join(_retyped(user, type_, dialect))}")
        for user, type_ in ((after, new.compile(dialect)), (before, old.compile(dialect)))
    )
    diff = ("convert_enum", before.column, old, new)
    return _Conversion(before, EnumOp(diff, [there], [back]), _enum_of(new, dialect) is not None)


def _user_before(op: Any, stored: User | None, dialect: Dialect) -> User:
    user = stored or User(_column(op, dialect))
    if stored is None and op.existing_server_default:
        user = replace(user, default=_default_of(op.existing_type, op.existing_server_default, dialect))
    return replace(user, is_array=isinstance(op.existing_type, sa.ARRAY))


def _default_after(op: Any, before: User, dialect: Dialect) -> str | None:
    changed = op.modify_server_default
    return before.default if changed is False else _default_of(op.modify_type, changed, dialect)


def _default_of(type_: Any, default: Any, dialect: Dialect) -> str | None:
    return default_text(sa.Column("c", type_, server_default=default), dialect)


def _enum_of(type_: Any, dialect: Dialect) -> tuple[TypeName, bool] | None:
    """Return the name of the enum that a column of ``type_`` uses, and whether as an array."""
    enum = _stored_as_type(type_, dialect) if type_ is not None else None
    return (_type_name(enum, dialect), _is_array(type_, dialect)) if enum is not None else None


def _stored_as_type(type_: Any, dialect: Dialect) -> sa.Enum | None:
    """Return the enum in ``type_`` that PostgreSQL stores as a type of its own."""
    enums = (named for named in named_types(type_, dialect) if isinstance(named, sa.Enum) and named.name)
    return next(enums, None)


def _type_name(enum: sa.Enum, dialect: Dialect) -> TypeName:
    return TypeName(enum.schema, str(enum.name)).shown(dialect.default_schema_name)


def _is_array(type_: Any, dialect: Dialect) -> bool:
    return isinstance(adapted(type_, dialect), sa.ARRAY)


def _leave_out(
    column: ColumnName,
    upgrade: ops.OpContainer,
    downgrade: ops.OpContainer,
    dialect: Dialect,
    *,
    type_: bool = False,
    default: bool = False,
) -> None:
    """Take the change of a column's type or default out of both directions."""
    for container in (upgrade, downgrade):
        for alter in list(_alterations(container)):
            if _column(alter, dialect) == column:
                alter.modify_type = None if type_ else alter.modify_type
                alter.modify_server_default = False if default else alter.modify_server_default
        for modify in container.ops:
            if isinstance(modify, ops.ModifyTableOps):
                modify.ops = [op for op in modify.ops if not isinstance(op, ops.AlterColumnOp) or op.has_changes()]
        container.ops = [op for op in container.ops if not isinstance(op, ops.ModifyTableOps) or op.ops]


def _made_columns(upgrade: ops.OpContainer, dialect: Dialect) -> Iterator[tuple[ColumnName, Any]]:
    for op in _walk(upgrade):
        if isinstance(op, ops.CreateTableOp):
            table = TableName(op.schema, op.table_name).shown(dialect.default_schema_name)
            yield from ((ColumnName(table, c.name), c.type) for c in op.columns if isinstance(c, sa.Column))
        elif isinstance(op, ops.AddColumnOp):
            table = TableName(op.schema, op.table_name).shown(dialect.default_schema_name)
            yield ColumnName(table, op.column.name), op.column.type
        elif isinstance(op, EnumOp) and op.diff[0] == "convert_enum":
            yield op.diff[1], op.diff[3]


def _dropped_tables(upgrade: ops.OpContainer) -> set[TableName]:
    return {TableName(op.schema, op.table_name) for op in upgrade.ops if isinstance(op, ops.DropTableOp)}


def _dropped_columns(upgrade: ops.OpContainer, dialect: Dialect) -> set[ColumnName]:
    dropped = set()
    for op in _walk(upgrade):
        if isinstance(op, ops.DropColumnOp):
            dropped.add(_column(op, dialect))
        elif isinstance(op, ops.DropTableOp):
            table = TableName(op.schema, op.table_name).shown(dialect.default_schema_name)
            dropped |= {ColumnName(table, column.name) for column in op.to_table().columns}
    return dropped


# --- values that belong to a column ----------------------------------------------------------------------------


def _refuse_lost_values(upgrade: ops.OpContainer, downgrade: ops.OpContainer, dialect: Dialect) -> None:
    """Let the script look for rows with values that an ``ENUM`` column of MariaDB loses, before it changes anything."""
    if dialect.name not in ("mysql", "mariadb"):
        return
    for op in [*_alterations(upgrade), *_alterations(downgrade)]:
        op.existing_type, op.modify_type = _unescaped(op.existing_type), _unescaped(op.modify_type)
    for op in list(_alterations(upgrade)):
        old, new = _native_values(op.existing_type, dialect), _native_values(op.modify_type, dialect)
        if old and new:
            _refuse_both_ways(upgrade, downgrade, _column(op, dialect), (old, new), dialect)


def _unescaped(type_: Any) -> Any:
    """Return a reflected ``ENUM`` with its true values: SQLAlchemy leaves the backslashes in that MariaDB shows."""
    from sqlalchemy.dialects.mysql import ENUM

    if type(type_) is not ENUM or not any("\\" in value for value in type_.enums):
        return type_
    return ENUM(*map(_without_escapes, type_.enums), charset=type_.charset, collation=type_.collation)


def _without_escapes(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text)


def _native_values(type_: Any, dialect: Dialect) -> tuple[str, ...]:
    impl = adapted(type_, dialect) if type_ is not None else None
    return tuple(impl.enums) if isinstance(impl, sa.Enum) and impl.native_enum else ()


def _change_checks(
    upgrade: ops.OpContainer, downgrade: ops.OpContainer, connection: Connection, models: Models
) -> None:
    """Change the ``CHECK`` that holds the values of an enum stored as text, which Alembic compares by name only."""
    dialect, inspector = connection.dialect, inspect_renamed(connection, models.renames)
    for key, table in models.ownership.tables.items():
        if models.ownership.owners[key] not in models.packages:
            continue
        for column in table.columns:
            name, values = _check_of(column, dialect)
            stored = _stored_check(inspector, key, name) if name else None
            found = _listed(stored, dialect) if stored else ()
            if name and stored and set(found) != set(values):
                place = ColumnName(key.shown(dialect.default_schema_name), column.name)
                old, new = (_values_sql(column.name, listed, dialect) for listed in (found, values))
                upgrade.ops.append(_check_change(key, name, old, new))
                downgrade.ops.insert(0, _check_change(key, name, new, old))
                _refuse_both_ways(upgrade, downgrade, place, (found, values), dialect)


def _check_of(column: sa.Column[Any], dialect: Dialect) -> tuple[str | None, tuple[str, ...]]:
    """Return the name of the ``CHECK`` of a column's enum and its values, None where it has none with a name."""
    type_ = adapted(column.type, dialect)
    if not isinstance(type_, sa.Enum) or not type_.create_constraint or _native_values(column.type, dialect):
        return None, ()
    for check in check_constraints(column.table):
        if is_of_type(check) and list(check.columns) == [column] and isinstance(check.name, str):
            return stored_name(check, dialect), tuple(type_.enums)
    return None, ()


def _stored_check(inspector: Inspector, table: TableName, name: str) -> str | None:
    if not inspector.has_table(table.name, schema=table.schema):
        return None
    checks = inspector.get_check_constraints(table.name, schema=table.schema)
    return next((check["sqltext"] for check in checks if check["name"] == name), None)


def _check_change(table: TableName, name: str, old: str, new: str) -> ops.ModifyTableOps:
    before, after = (sa.CheckConstraint(sa.text(escape_colons(sql)), name=name) for sql in (old, new))
    for constraint in (before, after):
        sa.Table(table.name, sa.MetaData(), constraint, schema=table.schema)
    changes: list[Any] = [ops.DropConstraintOp.from_constraint(before)]
    changes.append(ops.CreateCheckConstraintOp.from_constraint(after))
    return ops.ModifyTableOps(table.name, changes, schema=table.schema)


def _listed(check: str, dialect: Dialect) -> tuple[str, ...]:
    """Return the texts in the SQL of a ``CHECK`` as the database shows it."""
    texts = tuple(text.replace("''", "'") for text in _LITERAL.findall(check))
    return tuple(map(_without_escapes, texts)) if dialect.name in ("mysql", "mariadb") else texts


def _values_sql(column: str, values: Sequence[str], dialect: Dialect) -> str:
    listed = ", ".join(_literal(value, dialect) for value in values)
    return f"{_quoted(TableName(None, column), dialect)} IN ({listed})"


def _refuse_both_ways(
    upgrade: ops.OpContainer,
    downgrade: ops.OpContainer,
    column: ColumnName,
    change: tuple[tuple[str, ...], tuple[str, ...]],
    dialect: Dialect,
) -> None:
    for container, (before, after) in ((upgrade, change), (downgrade, change[::-1])):
        kept = {value.casefold() for value in after}  # MariaDB takes "a" and "A" for the same value
        lost = tuple(value for value in before if value.casefold() not in kept)
        if lost:
            refuse = _refuse(User(column), lost, after, dialect)
            container.ops.insert(0, EnumOp(("remove_enum_values", str(column), lost), [refuse]))


# --- names and texts -------------------------------------------------------------------------------------------


def _columns(users: Iterable[User]) -> set[ColumnName]:
    return {user.column for user in users}


def _column(op: Any, dialect: Dialect) -> ColumnName:
    return ColumnName(TableName(op.schema, op.table_name).shown(dialect.default_schema_name), op.column_name)


def _alterations(container: Any) -> Iterator[ops.AlterColumnOp]:
    return (op for op in _walk(container) if isinstance(op, ops.AlterColumnOp))


def _walk(container: Any) -> Iterator[Any]:
    for op in container.ops:
        yield op
        yield from getattr(op, "ops", ())


def _create_type(name: TypeName, values: Sequence[str], dialect: Dialect) -> str:
    listed = ", ".join(_literal(value, dialect) for value in values)
    return f"CREATE TYPE {_quoted(name, dialect)} AS ENUM ({listed})"


def _shown(values: Iterable[str]) -> str:
    return ", ".join(map(repr, values))
