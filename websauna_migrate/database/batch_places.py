"""The table in which revisions that work in batches keep their place until they are done."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, String, Table, Text, and_, func, inspect, select

from websauna_migrate.database.history_table import create_missing

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

#: The name of the table.
PLACES = "alembic_batches"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of ``in_batches()``: the ``number`` of those in the revision of the history, counted from 1."""

    history_table: str
    revision: str
    direction: str
    number: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """A revision of the history that was stopped in its batches, after ``rows`` of ``table``."""

    history_table: str
    revision: str
    direction: str
    table: str
    rows: int


@dataclass(frozen=True, slots=True)
class Place:
    """How far a call is: the last key as text, None before the first batch, and the number of rows up to it."""

    table: str
    key: str | None = None
    rows: int = 0
    is_done: bool = False


@cache
def _places() -> Table:
    """Return the table: its options import the dialects of MariaDB and MySQL, and most runs do not need it."""
    # On PostgreSQL a comparison of two varchar could use an operator that somebody made in the search path.
    compared = Text()
    return Table(
        PLACES,
        MetaData(),
        Column("history_table", String(64).with_variant(compared, "postgresql"), primary_key=True),
        Column("revision", String(255).with_variant(compared, "postgresql"), primary_key=True),
        Column("direction", String(4).with_variant(compared, "postgresql"), primary_key=True),
        Column("call_number", Integer, primary_key=True, autoincrement=False),
        Column("table_name", String(255), nullable=False),
        Column("place", Text),
        Column("row_count", BigInteger, nullable=False),
        Column("is_done", Boolean, nullable=False),
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )


def begin_call(connection: Connection, call: Call, table: str) -> Place:
    """Return the place of a call, which may be new; the table of places is created where it is missing."""
    table_of_places = _places()
    create_missing(table_of_places, connection)
    row = connection.execute(select(table_of_places).where(_is(call))).first()
    if row is not None:
        return Place(row.table_name, row.place, row.row_count, row.is_done)
    connection.execute(
        table_of_places.insert().values(
            history_table=call.history_table,
            revision=call.revision,
            direction=call.direction,
            call_number=call.number,
            table_name=table,
            row_count=0,
            is_done=False,
        )
    )
    return Place(table)


def move(connection: Connection, call: Call, place: Place) -> None:
    """Write down the place of a call."""
    values = {"place": place.key, "row_count": place.rows, "is_done": place.is_done}
    connection.execute(_places().update().where(_is(call)).values(values))


def stopped_revisions(connection: Connection) -> tuple[Stopped, ...]:
    """Return the revisions whose batches are not done, each with the last call that it made; the table has to exist."""
    table = _places()
    rows = connection.execute(select(table).order_by(table.c.history_table, table.c.revision, table.c.call_number))
    last = {(row.history_table, row.revision, row.direction): row for row in rows}
    return tuple(Stopped(*key, row.table_name, row.row_count) for key, row in last.items())


def forget_calls(connection: Connection, history_tables: Collection[str], revision: str | None = None) -> None:
    """Delete the places in these histories, of one revision or of all, and the table when it is empty."""
    if not inspect(connection).has_table(PLACES, connection.dialect.default_schema_name):
        return
    table = _places()
    delete = table.delete().where(table.c.history_table.in_(history_tables))
    connection.execute(delete if revision is None else delete.where(table.c.revision == revision))
    if not connection.scalar(select(func.count()).select_from(table)):
        table.drop(connection)


def _is(call: Call) -> ColumnElement[bool]:
    columns = _places().c
    return and_(
        columns.history_table == call.history_table,
        columns.revision == call.revision,
        columns.direction == call.direction,
        columns.call_number == call.number,
    )
