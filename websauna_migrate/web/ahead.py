"""A database that is ahead of the code: newer code has upgraded it, and this code still runs.

So it is while new code is deployed, and after it was taken back. The history table then holds a revision that this code
does not have. What tells such a database from one of another branch are the tables: after revisions that only expand,
they have all that the models of this code need, and nothing that an INSERT of this code would have to give.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import inspect
from sqlalchemy.engine import ObjectKind

from websauna_migrate.database.connection import reading
from websauna_migrate.database.history_table import NoId
from websauna_migrate.exceptions import MigrateError
from websauna_migrate.revisions.plan import unknown_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection
    from sqlalchemy.engine.interfaces import ReflectedColumn

    from websauna_migrate.bootstrap import Application


def histories_ahead(
    app: Application, rows: Mapping[str, Sequence[str]], connection: Connection
) -> dict[str, tuple[str, ...]]:
    """Return the histories that are ahead of the code, by their package, with the revisions that it does not have.

    Where no history table holds an unknown revision, nothing is asked.
    """
    try:
        graph = app.graph()
    except MigrateError:  # told where the scripts are needed
        return {}
    ahead: dict[str, tuple[str, ...]] = {}
    for history in app.histories:
        name = history.package
        unknown = tuple(error.revision for error in unknown_rows(graph.histories[name], rows[name]))
        if unknown and not any(isinstance(row, NoId) for row in rows[name]):
            tables = [app.ownership.tables[key] for key in app.owned(history.packages)]
            if fit(tables, connection):
                ahead[name] = unknown
    return ahead


def fit(tables: Iterable[Table], connection: Connection) -> bool:
    """Tell whether the code of ``tables`` can run with those that the database has."""
    by_schema: dict[str | None, list[Table]] = defaultdict(list)
    for table in tables:
        by_schema[table.schema].append(table)
    with reading(connection):
        inspector = inspect(connection)
        for schema, those in by_schema.items():
            names = [table.name for table in those]
            found = inspector.get_multi_columns(schema, filter_names=names, kind=ObjectKind.ANY)
            if not all(_fits(table, found.get((schema, table.name), ())) for table in those):
                return False
    return True


def _fits(table: Table, found: Sequence[ReflectedColumn]) -> bool:
    names = {column.name for column in table.columns}
    others = [column for column in found if column["name"] not in names]
    return names <= {column["name"] for column in found} and all(map(_may_be_left_out, others))


def _may_be_left_out(column: ReflectedColumn) -> bool:
    """Tell whether an INSERT need not give a value."""
    has_value = column.get("default") is not None or column.get("autoincrement") is True
    return column["nullable"] or has_value or "computed" in column or "identity" in column
