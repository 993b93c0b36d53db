"""``--allow-ahead``: an earlier release that is started with a database that a newer one has upgraded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from websauna_migrate.database.history_table import read_heads
from websauna_migrate.exceptions import RevisionError, listed
from websauna_migrate.revisions.reports import Report
from websauna_migrate.scripts.loading import import_models
from websauna_migrate.scripts.printing import warn
from websauna_migrate.web.ahead import newer_histories

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from websauna_migrate.scripts.loading import Loaded
    from websauna_migrate.web.ahead import Newer


def without_ahead(options: Namespace, loaded: Loaded, error: RevisionError) -> Loaded:
    """Return ``loaded`` without the selected histories that are ahead of the code, and warn of each.

    :raises RevisionError: ``error``, where none is; the code cannot run with the tables of one
    """
    import_models(options, loaded)
    with loaded.app.connected(writes=False) as connection:
        newer = selected_newer(loaded, read_heads(connection, loaded.app.histories), connection)
    for one in newer.values():
        if one.misfit is not None:
            raise misfit_error(one)
    if not newer:
        raise error
    warn_of_ahead(options, newer.values())
    rest = tuple(one for one in loaded.selected if one.history.package not in newer)
    return replace(loaded, selected=rest, ahead=frozenset(newer))


def selected_newer(loaded: Loaded, rows: Mapping[str, Sequence[str]], connection: Connection) -> dict[str, Newer]:
    """Return the selected histories that hold revisions which this code does not have, by their package."""
    selected = {one.history.package for one in loaded.selected}
    newer = newer_histories(loaded.app, rows, connection)
    return {name: one for name, one in newer.items() if name in selected}


def warn_of_ahead(options: Namespace, newer: Iterable[Newer]) -> None:
    """Warn of each history that is ahead of the code, or why it does not fit."""
    for one in newer:
        if one.misfit is not None:
            warn(options, misfit_error(one))
        else:
            warn(options, Report("unknown-revision", one.package, one.revisions[0], one.says_that("this code can run")))


def misfit_error(newer: Newer) -> RevisionError:
    """Return the error of a database that newer code has changed so that this code cannot run with it."""
    return RevisionError(
        f"{newer.package}: the database is at revision {listed(newer.revisions)}, which this code does not have, and "
        f"this code cannot run with its tables: {newer.misfit}",
        "deploy the release that has the revision, or undo the revision with that release first",
    )
