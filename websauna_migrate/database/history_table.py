"""The history tables: which rows they hold, how they are made, and the statements that change their rows."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table, bindparam, inspect
from sqlalchemy.exc import DBAPIError

from websauna_migrate.database.connection import reading
from websauna_migrate.database.errors import IdTooLong
from websauna_migrate.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import BindParameter, ColumnElement, Delete, Insert, Update
    from sqlalchemy.engine import Connection, Dialect

    from websauna_migrate.packages.package import History

#: Characters of an id in a history table as Alembic makes it. A table may be wider.
ID_WIDTH = 32


def read_heads(connection: Connection, histories: Iterable[History]) -> dict[str, tuple[str, ...]]:
    """Return the rows of each history table by the package of the history; () where the table is missing.

    Two queries for any number of histories, and one more where a table is missing. A row that is no text is shown as
    SQL writes it.

    :raises RunError: a view has the name of a history table, or a table lacks its column
    """
    return _read(connection, histories, ())[0]


def read_heads_and_tables(
    connection: Connection, histories: Iterable[History]
) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    """Return what :func:`read_heads` returns, and in the same queries the names of all tables beside these.

    :raises RunError: as :func:`read_heads`
    """
    heads, _, tables = _read(connection, histories, ())
    return heads, tables


def read_heads_and_values(
    connection: Connection, histories: Iterable[History], expressions: Sequence[str], schema: str | None = None
) -> tuple[dict[str, tuple[str, ...]], tuple[Any, ...]]:
    """Return what :func:`read_heads` returns, and in the same queries the values of ``expressions`` of SQL, as text.

    The tables are those in ``schema``, by default the one that the connection had when its engine first connected.

    :raises RunError: as :func:`read_heads`
    """
    return _read(connection, histories, expressions, schema)[:2]


def _read(
    connection: Connection, histories: Iterable[History], expressions: Sequence[str], schema: str | None = None
) -> tuple[dict[str, tuple[str, ...]], tuple[Any, ...], frozenset[str]]:
    """Return the heads, the values of ``expressions``, and the names of all tables."""
    histories = tuple(histories)
    heads: dict[str, list[str]] = {history.package: [] for history in histories}
    values: dict[int, Any] = {}
    existing: list[str] = []
    tables: frozenset[str] = frozenset()
    try:
        with reading(connection):
            tables = _existing_tables(connection, [history.history_table for history in histories], schema)
            existing = [history.history_table for history in histories if history.history_table in tables]
            for number, row in _rows(connection, histories, existing, expressions):
                if number >= len(histories):
                    values[number] = row
                else:
                    heads[histories[number].package].append(row if isinstance(row, str) else NoId(row))
    except DBAPIError:
        if not connection.in_transaction():
            _refuse_without_column(connection, existing)
        raise
    rows = {package: tuple(sorted(ids)) for package, ids in heads.items()}
    return rows, tuple(values[key] for key in sorted(values)), tables


class NoId(str):
    """The ``value`` of a row that is no text, as SQL writes it: ``NULL``, ``X'00FF'``, ``1``."""

    __slots__ = ("value",)

    value: object

    def __new__(cls, value: object) -> NoId:
        """Return ``value`` as text that keeps it."""
        text = f"X'{value.hex().upper()}'" if isinstance(value, bytes) else "NULL" if value is None else str(value)
        made = super().__new__(cls, text)
        made.value = value
        return made


def _rows(
    connection: Connection, histories: Sequence[History], existing: Collection[str], expressions: Sequence[str]
) -> Iterable[Sequence[Any]]:
    """Return each row of the history tables that exist, after the number of its history; then ``expressions``."""
    quote = connection.dialect.identifier_preparer.quote
    queries = [
        f"SELECT {number} AS history, version_num FROM {quote(history.history_table)}"
        for number, history in enumerate(histories)
        if history.history_table in existing
    ]
    queries += [f"SELECT {number} AS history, {what}" for number, what in enumerate(expressions, len(histories))]
    return connection.exec_driver_sql(" UNION ALL ".join(queries)) if queries else ()


def _existing_tables(connection: Connection, names: Sequence[str], schema: str | None = None) -> frozenset[str]:
    """Return the names of all tables.

    :raises RunError: a view has the name of a history table, one of ``names``
    """
    # The schema where the tables would be made: without it, those in all of PostgreSQL's search path count.
    schema = schema or connection.dialect.default_schema_name
    inspector = inspect(connection)
    tables = frozenset(inspector.get_table_names(schema))
    missing = [name for name in names if name not in tables]
    views = set(inspector.get_view_names(schema)) if missing else set()
    for name in missing:
        if name in views:
            raise _unusable(name, "it is a view")
    return tables


def _unusable(name: str, reason: str) -> RunError:
    return RunError(f"{name} is not a history table: {reason}", "rename it, or drop it if nothing needs it")


def _refuse_without_column(connection: Connection, names: Iterable[str]) -> None:
    with reading(connection):
        inspector, schema = inspect(connection), connection.dialect.default_schema_name
        for name in names:
            if "version_num" not in (column["name"] for column in inspector.get_columns(name, schema)):
                raise _unusable(name, "it has no column version_num")


def require_room(connection: Connection, ids: Mapping[str, Iterable[str]]) -> None:
    """Refuse ids that do not fit into the history tables; ``ids`` are those to write, by the name of the table.

    SQLite stores what is too long for a column, other databases refuse it, some of them after their DDL.

    :raises IdTooLong: one does not fit
    """
    for name, those in ids.items():
        longest = max(those, key=len, default="")
        width = _width(connection, name) if len(longest) > ID_WIDTH else None
        if width is not None and len(longest) > width:
            raise IdTooLong(longest, name, width)


def require_room_in_new(table: Table, ids: Iterable[str]) -> None:
    """Refuse ids that do not fit into ``table`` as :func:`history_table` makes it.

    :raises IdTooLong: one does not fit
    """
    longest = max(ids, key=len, default="")
    if len(longest) > ID_WIDTH:
        raise IdTooLong(longest, table.name, ID_WIDTH)


def _width(connection: Connection, name: str) -> int | None:
    """Return how many characters an id may have in a history table, None where it may have any number."""
    schema = connection.dialect.default_schema_name
    with reading(connection):
        inspector = inspect(connection)
        columns = inspector.get_columns(name, schema) if inspector.has_table(name, schema) else []
    for column in columns:
        if column["name"] == "version_num":
            return getattr(column["type"], "length", None)
    return ID_WIDTH


def history_table(name: str) -> Table:
    """Return the history table ``name``, the same as Alembic's own version table but for its name."""
    key = PrimaryKeyConstraint("version_num", name=f"{name}_pkc")
    return Table(name, MetaData(), Column("version_num", String(ID_WIDTH), nullable=False), key)


def create_missing(table: Table, connection: Connection) -> None:
    """Create ``table`` unless it is there, in the schema where it would be made."""
    if not inspect(connection).has_table(table.name, connection.dialect.default_schema_name):
        table.create(connection)


def replace_rows(table: Table, before: Sequence[str], wanted: Sequence[str], connection: Connection) -> None:
    """Create ``table`` unless it is there, and make its rows ``wanted`` of the rows ``before``."""
    require_room(connection, {table.name: set(wanted).difference(before)})
    create_missing(table, connection)
    for change in differing_rows(table, before, wanted, connection.dialect):
        connection.execute(change)


def differing_rows(
    table: Table, before: Sequence[str], wanted: Sequence[str], dialect: Dialect
) -> Iterator[Update | Delete | Insert]:
    """Yield the statements that make the rows ``wanted`` of the rows ``before``."""
    return row_changes(table, sorted(set(before) - set(wanted)), sorted(set(wanted) - set(before)), dialect)


def row_changes(
    table: Table, old: Sequence[str], new: Sequence[str], dialect: Dialect
) -> Iterator[Update | Delete | Insert]:
    """Yield the statements, one a row, that put the rows ``new`` in the place of the rows ``old``."""
    for before, after in zip_longest(old, new):
        if before is None:
            yield table.insert().values(version_num=after)
        elif after is None:
            yield table.delete().where(_holds(table, before, dialect))
        else:
            yield table.update().where(_holds(table, before, dialect)).values(version_num=after)


class RowStatements:
    """The statements that change the rows of ``table``, made once for all revisions of a history."""

    def __init__(self, table: Table, dialect: Dialect) -> None:
        before, after = (bindparam(name, type_=table.c.version_num.type) for name in ("before", "after"))
        holds = _holds(table, before, dialect)
        self.insert = table.insert().values(version_num=after)
        self.delete = table.delete().where(holds)
        self.update = table.update().where(holds).values(version_num=after)

    def execute(self, old: Sequence[str], new: Sequence[str], connection: Connection) -> bool:
        """Put the rows ``new`` in the place of the rows ``old``; False if one of these is not there."""
        for before, after in zip_longest(old, new):
            statement = self.insert if before is None else self.delete if after is None else self.update
            values = {name: value for name, value in (("before", before), ("after", after)) if value is not None}
            if connection.execute(statement, values).rowcount == 0:
                return False
        return True


def _holds(table: Table, revision: str | BindParameter[str], dialect: Dialect) -> ColumnElement[bool]:
    """Return the condition for the row of ``revision``.

    PostgreSQL has no operator of its own for two ``varchar``. It would take one that somebody created in the search
    path, and run it with the rights of the user who upgrades.
    """
    column = table.c.version_num
    if isinstance(revision, NoId):
        return column == revision.value  # IS NULL, where that is the value
    if dialect.name == "postgresql":
        return column.bool_op("OPERATOR(pg_catalog.=)")(revision)
    return column == revision
