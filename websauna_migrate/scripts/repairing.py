"""The commands that repair a history: ``doctor``, ``adopt``, ``rebase``, and the confirmation of ``downgrade base``."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import RunError, UsageError, command, listed
from websauna_migrate.packages.selection import histories_of
from websauna_migrate.scripts.asking import can_answer, confirm
from websauna_migrate.scripts.border import FAILED
from websauna_migrate.scripts.others import say_elsewhere
from websauna_migrate.scripts.printing import program, say, show, show_json, tell, warn
from websauna_migrate.scripts.progress import Waiting
from websauna_migrate.scripts.signals import ended_by_signals

if TYPE_CHECKING:
    from argparse import Namespace

    from websauna_migrate.exceptions import Command
    from websauna_migrate.repair.adoption import Adoption
    from websauna_migrate.scratch.places import ScratchPlaces
    from websauna_migrate.scripts.loading import Loaded


def doctor(options: Namespace, loaded: Loaded) -> int:
    """Find problems in scripts, models and database; exit with 1 when there is one."""
    from websauna_migrate.repair.doctor import examine
    from websauna_migrate.scripts.report import findings_json, findings_text

    # What a script prints while it is replayed is not a result.
    with redirect_stdout(sys.stderr), ended_by_signals(_nothing), _scratch_places(options) as places:
        findings = examine(loaded.app, loaded.selected, places)
    if options.format == "json":
        show_json(findings_json(findings, program(options)))
    else:
        show(findings_text(findings, program(options)))
    _say_elsewhere(options, loaded)
    return FAILED if findings else 0


def _say_elsewhere(options: Namespace, loaded: Loaded) -> None:
    from websauna_migrate.database.history_table import read_heads
    from websauna_migrate.revisions.plan import pending_elsewhere

    app = loaded.app
    if loaded.x.packages is not None or len(app.histories) == len(loaded.selected):
        return
    with app.connected(writes=False) as connection:
        rows = read_heads(connection, app.histories)
    say_elsewhere(options, loaded, pending_elsewhere(app.graph(), rows, histories_of(loaded.selected)))


def adopt(options: Namespace, loaded: Loaded) -> int:
    """Write the revision of an existing database into the history table; ask for confirmation first."""
    from websauna_migrate.repair.adoption import carry_out, propose
    from websauna_migrate.repair.replay import Replayer

    if len(loaded.selected) > 1:
        names = histories_of(loaded.selected)
        raise UsageError(
            f"adopt takes over one history, not {listed(names)}", f"select one with -x packages={names[0]}"
        )
    app, history = loaded.app, loaded.selected[0].history
    chosen = {"source": options.source, "revision": options.revision, "drop_old": options.drop_old}
    with redirect_stdout(sys.stderr), ended_by_signals(_nothing), _scratch_places(options) as places:
        adoption = propose(app, history, Replayer(app, places), **chosen)
    if not adoption.changes:
        say(options, f"{history.package}: nothing to adopt, {adoption.why}")
        return 0
    if not (options.yes and options.quiet):
        _tell_changes(history.package, adoption)
    if adoption.is_left_over and adoption.rows:
        warn(options, _may_be_left_over(options, history.package, adoption))
    confirm("adopt", yes=options.yes)
    carry_out(app, adoption, Waiting(options))
    is_written = adoption.rows != adoption.before
    done = f"adopted at {', '.join(adoption.rows) or 'base'}" if is_written else f"{adoption.drop} was dropped"
    say(options, f"{history.package}: {done}")
    _say_what_stays(options, history.package, adoption)
    return 0


def rebase(options: Namespace, loaded: Loaded) -> int:
    """Rewrite ``down_revision`` in the script of a revision that is not applied."""
    from websauna_migrate.database.history_table import read_heads
    from websauna_migrate.revisions import rebase
    from websauna_migrate.revisions.plan import packages_meant

    app = loaded.app
    graph = app.graph()
    package, *others = packages_meant(graph, histories_of(loaded.selected), options.revision)
    if others:
        raise UsageError(f"rebase {options.revision} is for one history", f"select one with -x packages={package}")
    with app.connected(writes=False) as connection:
        rows = read_heads(connection, [app.history(package)])[package]
    script, onto = rebase.rebase(graph.histories[package], options.revision, options.onto, rows)
    say(options, f"{package}: the down revision of {script.id} is now {onto or 'base'} ({script.path})")
    return 0


def confirm_removal(options: Namespace, loaded: Loaded) -> None:
    """List what ``downgrade base`` would drop and, on a terminal, ask; without a terminal the command goes on.

    :raises RunError: the answer was not yes
    """
    from websauna_migrate.repair.doctor import tables_to_lose

    losses = tables_to_lose(loaded.app, loaded.selected, cascade=loaded.x.cascade)
    for table, rows in losses:
        say(options, f"this drops table {table} with {rows} row(s)")
    if losses and can_answer():
        confirm("downgrade", yes=options.yes)


def _scratch_places(options: Namespace) -> AbstractContextManager[ScratchPlaces | None]:
    """Return where scripts may be run, None with ``--no-replay``."""
    from websauna_migrate.scratch.places import ScratchPlaces

    return nullcontext() if options.no_replay else ScratchPlaces()


def _tell_changes(package: str, adoption: Adoption) -> None:
    tell(f"{package}: {adoption.why}. These changes will be made:")
    for change in adoption.changes:
        tell(f"  {change}")


def _say_what_stays(options: Namespace, package: str, adoption: Adoption) -> None:
    """Name the version table that was adopted and still exists, and the command that drops it."""
    old = adoption.source
    if old is None or not old.only_rows or adoption.drop is not None:
        return
    drop = _drop_old(options, package).text(program(options))
    say(options, f"{old.name} was kept; if nothing else uses it, drop it with: {drop}")


def _drop_old(options: Namespace, package: str) -> Command:
    return command(package, "adopt", *(("--from", options.source) if options.source else ()), "--drop-old")


def _may_be_left_over(options: Namespace, package: str, adoption: Adoption) -> RunError:
    """Return what to say of an old version table that is adopted, although the database has none of its tables."""
    from websauna_migrate.run.errors import NO_TABLE

    found = f"{package}: {NO_TABLE}: {listed(adoption.rows)}; was it downgraded to base?"
    return RunError(found, ("then drop the old table instead: ", _drop_old(options, package)))


def _nothing() -> None:
    """Cancel no statement: a replay runs only short ones."""
