"""The enums of the models and of a PostgreSQL database as values, and the columns that use them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from websauna_migrate.autogenerate.tables.renamed import Renames
from websauna_migrate.database.sql import adapted, may_be_named, named_types, without_cast
from websauna_migrate.dialects.spelling import default_text
from websauna_migrate.exceptions import OwnershipError
from websauna_migrate.packages.package import ColumnName, TableName, TypeName

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection, Dialect

    from websauna_migrate.packages.ownership import Ownership


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
        """Return the enums of the models that PostgreSQL stores as types, in the order of their first columns.

        :raises OwnershipError: two enums of the selected packages have one name and other values
        """
        found: dict[TypeName, ModelEnum] = {}
        for key, table in self.ownership.tables.items():
            for column in table.columns:
                enum = stored_as_type(column.type, dialect)
                if enum is None:
                    continue
                place = ColumnName(key.shown(dialect.default_schema_name), column.name)
                user = User(place, is_array(column.type, dialect), default_text(column, dialect))
                is_ours = bool(getattr(enum, "create_type", True))
                first = ModelEnum(tuple(enum.enums), self.ownership.owners[key], (), is_ours)
                name = stored_type_name(enum, dialect)
                known = found.get(name, first)
                if {known.owner, first.owner} & set(self.packages):
                    _require_same(name, known, first, user)
                found[name] = replace(known, users=(*known.users, user))
        return found


def _require_same(name: TypeName, known: ModelEnum, enum: ModelEnum, user: User) -> None:
    if known.values != enum.values and known.is_ours_to_create and enum.is_ours_to_create:
        raise OwnershipError(
            f"the enum {str(name)!r} has the values {', '.join(map(repr, known.values))} for {known.users[0].column}, "
            f"and {', '.join(map(repr, enum.values))} for {user.column}",
            "give one of the two another name, or both the same values",
        )


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

    Defaults, constraints and indexes go with their column, the columns of a partition with those of its table. A view
    stands in the way of a change of the columns and the type that it reads, and is no user.
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
        " OR d.classid = 'pg_class'::regclass AND d.objsubid > 0 AND NOT EXISTS"
        " (SELECT FROM pg_class AS v WHERE v.oid = d.objid AND v.relkind IN ('v', 'm')))"
        " ORDER BY tn.nspname, c.relname, a.attnum"
    )
    dialect = connection.dialect
    for schema, name, is_array, in_schema, table, column, default, described in connection.execute(sa.text(query)):
        user = None
        if table is not None:
            place = ColumnName(TableName(in_schema, table).shown(dialect.default_schema_name), column)
            user = User(place, is_array, without_cast(default) if default else None)
        yield TypeName(schema, name).shown(dialect.default_schema_name), user, described


def stored_as_type(type_: Any, dialect: Dialect) -> sa.Enum | None:
    """Return the enum in ``type_`` that PostgreSQL stores as a type of its own."""
    if not may_be_named(type_):
        return None
    enums = (named for named in named_types(type_, dialect) if isinstance(named, sa.Enum) and named.name)
    return next(enums, None)


def stored_type_name(enum: sa.Enum, dialect: Dialect) -> TypeName:
    """Return the name of the type that PostgreSQL stores ``enum`` as."""
    return TypeName(enum.schema, str(enum.name)).shown(dialect.default_schema_name)


def is_array(type_: Any, dialect: Dialect) -> bool:
    """Tell whether ``type_`` is an array in ``dialect``."""
    return isinstance(adapted(type_, dialect), sa.ARRAY)


def columns_of(users: Iterable[User]) -> set[ColumnName]:
    """Return the columns of ``users``."""
    return {user.column for user in users}
