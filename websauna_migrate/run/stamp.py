"""History tables written without running a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.database.batch_places import forget_calls
from websauna_migrate.database.history_table import history_table, read_heads, replace_rows
from websauna_migrate.packages.selection import histories_of
from websauna_migrate.revisions.plan import plan_stamp
from websauna_migrate.run.alone import alone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.packages.selection import Selected
    from websauna_migrate.run.observer import Observer


def stamp(
    app: Application,
    selected: Sequence[Selected],
    targets: Sequence[str],
    observer: Observer,
    *,
    purge: bool = False,
) -> dict[str, tuple[str, ...]]:
    """Write ``targets`` into the history tables of ``selected`` and return their rows; runs no revision.

    ``purge`` forgets what the tables hold first.
    """
    with alone(app, observer) as (connection, _):
        rows = read_heads(connection, app.histories)
        heads = plan_stamp(app.graph(), rows, histories_of(selected), targets, purge=purge)
        _write_heads(app, heads, rows, connection)
    return heads


def ensure_version(
    app: Application,
    selected: Sequence[Selected],
    observer: Observer,
) -> None:
    """Make the history tables of ``selected`` that do not exist yet."""
    with alone(app, observer) as (connection, _):
        rows = read_heads(connection, [one.history for one in selected])
        _write_heads(app, rows, rows, connection)


def _write_heads(
    app: Application, heads: Mapping[str, Sequence[str]], rows: Mapping[str, Sequence[str]], connection: Connection
) -> None:
    """Make the history tables hold ``heads``, all of them or none where the database can."""
    with connection.begin():
        for package, wanted in heads.items():
            table = history_table(app.history(package).history_table)
            replace_rows(table, rows.get(package, ()), wanted, connection)
        forget_calls(connection, [app.history(package).history_table for package in heads])
