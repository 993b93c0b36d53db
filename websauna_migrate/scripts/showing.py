"""The commands that only read: ``current``, ``heads``, ``status`` and ``plan``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import MigrateError, RevisionError, UsageError, command
from websauna_migrate.scripts.border import FAILED
from websauna_migrate.scripts.loading import import_models
from websauna_migrate.scripts.others import histories_to_read, say_elsewhere
from websauna_migrate.scripts.printing import fail, show, show_json, warn

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from websauna_migrate.packages.selection import Selected
    from websauna_migrate.revisions.plan import HistoryState, Plan
    from websauna_migrate.scripts.loading import Loaded
    from websauna_migrate.web.ahead import Newer


def current(options: Namespace, loaded: Loaded) -> int:
    """Show the applied revisions of each history."""
    from websauna_migrate.database.history_table import read_heads
    from websauna_migrate.revisions.history import applied
    from websauna_migrate.revisions.plan import known_rows
    from websauna_migrate.scripts.report import current_lines

    graph = loaded.app.graph()
    with loaded.app.connected(writes=False) as connection:
        rows = read_heads(connection, [one.history for one in loaded.selected])
    code = 0
    for one in loaded.selected:
        history = graph.histories[one.history.package]
        heads = known_rows(history, rows[one.history.package])
        if options.check_heads and set(heads) != set(history.heads):
            what = f"{one.history.package}: the database is not on all head revisions"
            fail(options, RevisionError(what, command(one.history.package, "upgrade")))
            code = FAILED
        _show_part(loaded, one, current_lines(history, applied(history, heads)))
    return code


def heads(options: Namespace, loaded: Loaded) -> int:
    """Show the heads of each history among its scripts."""
    from websauna_migrate.scripts.report import head_lines

    graph = loaded.app.graph()
    for one in loaded.selected:
        _show_part(loaded, one, head_lines(graph.histories[one.history.package]))
    return 0


def status(options: Namespace, loaded: Loaded) -> int:
    """Show the state of each history."""
    from websauna_migrate.database.search_path import first_schema_missing
    from websauna_migrate.revisions.plan import pending_elsewhere, wrong_rows
    from websauna_migrate.revisions.states import history_states, status_json
    from websauna_migrate.run.errors import said_half_done
    from websauna_migrate.run.half_done import read_standing, unfinished
    from websauna_migrate.scripts.report import status_text

    histories = [one.history for one in loaded.selected]
    graph = loaded.app.graph()
    with loaded.app.connected(writes=False) as connection:
        rows, stopped = read_standing(connection, histories_to_read(loaded))
        misplaced = first_schema_missing(connection)
        newer = _newer(options, loaded, rows, connection)
    if misplaced is not None:
        warn(options, misplaced)
    known = [h.package for h in histories if h.package not in newer]
    for error in (error for name in known for error in wrong_rows(graph.histories[name], rows[name])):
        warn(options, error)
    half_done = tuple(unfinished(graph, histories, rows, stopped))
    for one in half_done:
        warn(options, MigrateError(said_half_done(one.package, one.stopped), one.finish))
    states = history_states(graph, histories, rows)
    if options.format == "json":
        show_json(status_json(histories, states))
    else:
        show(status_text(histories, states, colour=sys.stdout.isatty()), coloured=True)
    expected = {name: state for name, state in states.items() if name not in newer or newer[name].misfit}
    is_whole = not any(one.stopped.direction == "down" for one in half_done)
    is_good = not options.check or (_are_good(options, loaded, expected) and misplaced is None and is_whole)
    say_elsewhere(options, loaded, pending_elsewhere(graph, rows, list(states)))
    return 0 if is_good else FAILED


def _newer(
    options: Namespace, loaded: Loaded, rows: Mapping[str, Sequence[str]], connection: Connection
) -> Mapping[str, Newer]:
    """Return the histories that newer code has upgraded, with a warning for each, where ``--allow-ahead`` is given."""
    if not options.allow_ahead:
        return {}
    from websauna_migrate.scripts.ahead import selected_newer, warn_of_ahead

    import_models(options, loaded)
    newer = selected_newer(loaded, rows, connection)
    warn_of_ahead(options, newer.values())
    return newer


def _are_good(options: Namespace, loaded: Loaded, states: Mapping[str, HistoryState]) -> bool:
    """Tell whether ``status --check`` finds nothing to do; warn of histories without revisions."""
    from websauna_migrate.revisions.states import are_fine, without_revisions

    histories = [one.history for one in loaded.selected if one.history.package in states]
    missing = without_revisions(histories, states, loaded.app.owned)
    for error in missing.values():
        warn(options, error)
    return not missing and are_fine(states.values(), expand=options.expand)


def plan(options: Namespace, loaded: Loaded) -> int:
    """Show the steps of an upgrade or a downgrade."""
    from websauna_migrate.database.history_table import read_heads
    from websauna_migrate.scripts.report import plan_json, plan_text

    if options.down and options.expand:
        raise UsageError("--expand is for the plan of an upgrade", "leave out --down or --expand")
    with loaded.app.connected(writes=False) as connection:
        rows = read_heads(connection, loaded.app.histories)
    target = ("base" if options.down else "heads") if options.revision is None else options.revision
    steps = loaded.app.plan_selected(
        rows,
        loaded.selected,
        target,
        direction="down" if options.down else "up",
        cascade=loaded.x.cascade,
        expand=options.expand,
    )
    warn_of_reports(options, steps)
    if options.format == "json":
        show_json(plan_json(steps))
    else:
        show(plan_text(steps, colour=sys.stdout.isatty()), coloured=True)
    if not options.down:
        say_elsewhere(options, loaded, steps.elsewhere)
    return 0


def warn_of_reports(options: Namespace, plan: Plan, ahead: Collection[str] = ()) -> None:
    """Print what ``plan`` found on its way as warnings; that packages are ``ahead`` was told before."""
    for report in plan.reports:
        if report.problem != "unknown-revision" or report.package not in ahead:
            warn(options, report)


def _show_part(loaded: Loaded, one: Selected, lines: Iterable[str]) -> None:
    """Print ``lines`` about ``one``, with a heading where there are several histories."""
    if len(loaded.selected) > 1:
        show(f"{one.history.package}:\n")
    for line in lines:
        show(f"{line}\n")
