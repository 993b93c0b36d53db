"""A database that is ahead of the code: newer code has upgraded it, and this code still runs.

So it is while new code is deployed, and after it was taken back. The history table then holds a revision that this code
does not have. What tells such a database from one of another branch are the tables: after revisions that only expand,
they have all that the models of this code need, and no column that an INSERT of this code would have to fill.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect
from sqlalchemy.engine import ObjectKind

from websauna_migrate.database.connection import reading
from websauna_migrate.database.history_table import NoId
from websauna_migrate.exceptions import MigrateError, listed
from websauna_migrate.revisions.plan import unknown_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Column, Table
    from sqlalchemy.engine import Connection
    from sqlalchemy.engine.interfaces import ReflectedColumn

    from websauna_migrate.bootstrap import Application


@dataclass(frozen=True, slots=True)
class Newer:
    """A history whose table holds ``revisions`` that this code does not have.

    ``misfit`` tells why this code cannot run with its tables; None where it can: the database is ahead.
    """

    package: str
    revisions: tuple[str, ...]
    misfit: str | None

    def says_that(self, so: str) -> str:
        """Return in one line that the database is ahead, and what follows from it."""
        return (
            f"{self.package}: the database is at revision {listed(self.revisions)}, which this code does not have; "
            f"the tables have all that the code needs, so {so}"
        )


def newer_histories(app: Application, rows: Mapping[str, Sequence[str]], connection: Connection) -> dict[str, Newer]:
    """Return the histories that hold revisions which this code does not have, by their package.

    Where no history table holds an unknown revision, nothing is asked.
    """
    try:
        graph = app.graph()
    except MigrateError:  # told where the scripts are needed
        return {}
    newer: dict[str, Newer] = {}
    for history in app.histories:
        name = history.package
        unknown = tuple(error.revision for error in unknown_rows(graph.histories[name], rows[name]))
        if unknown and not any(isinstance(row, NoId) for row in rows[name]):
            tables = [app.ownership.tables[key] for key in app.owned(history.packages)]
            newer[name] = Newer(name, unknown, misfit(tables, connection))
    return newer


def histories_ahead(app: Application, rows: Mapping[str, Sequence[str]], connection: Connection) -> dict[str, Newer]:
    """Return those of :func:`newer_histories` with whose tables this code can run."""
    newer = newer_histories(app, rows, connection)
    return {name: one for name, one in newer.items() if one.misfit is None}


def misfit(tables: Iterable[Table], connection: Connection) -> str | None:
    """Return why the code of ``tables`` cannot run with those that the database has, None where it can."""
    by_schema: dict[str | None, list[Table]] = defaultdict(list)
    for table in tables:
        by_schema[table.schema].append(table)
    with reading(connection):
        inspector = inspect(connection)
        for schema, those in by_schema.items():
            names = [table.name for table in those]
            found = inspector.get_multi_columns(schema, filter_names=names, kind=ObjectKind.ANY)
            for table in those:
                problem = _misfit(table, found.get((schema, table.name), ()))
                if problem is not None:
                    return problem
    return None


def _misfit(table: Table, found: Sequence[ReflectedColumn]) -> str | None:
    if not found:
        return f"table {table.fullname} is missing"
    needed, there = {column.name for column in table.columns}, {column["name"]: column for column in found}
    missing = sorted(needed - there.keys())
    if missing:
        return f"column {table.fullname}.{missing[0]} is missing"
    unknown = [column["name"] for column in found if column["name"] not in needed and not _may_be_left_out(column)]
    if unknown:
        return f"column {table.fullname}.{unknown[0]} is NOT NULL without a default"
    empty = [column.name for column in table.columns if _may_be_null(column) and not there[column.name]["nullable"]]
    return f"column {table.fullname}.{empty[0]} is NOT NULL, and nullable in the models" if empty else None


def _may_be_null(column: Column[Any]) -> bool:
    """Tell whether an INSERT of the code may write NULL, which no default of the database replaces."""
    return bool(column.nullable) and column.default is None and column.server_default is None


def _may_be_left_out(column: ReflectedColumn) -> bool:
    """Tell whether an INSERT need not give a value."""
    has_value = column.get("default") is not None or column.get("autoincrement") is True
    return column["nullable"] or has_value or "computed" in column or "identity" in column
