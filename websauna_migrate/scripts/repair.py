"""The commands for a history that is wrong: ``doctor``, ``adopt``, ``rebase``, and what ``downgrade base`` asks.

``ws_alembic`` registers them.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import WrongCombination, command
from websauna_migrate.packages.selection import select
from websauna_migrate.repair.errors import AdoptionOfSeveral
from websauna_migrate.scripts.common import (
    FAILED,
    application,
    ended_by_signals,
    is_yes,
    program,
    say,
    say_who_holds,
    show,
    show_json,
    tell,
)
from websauna_migrate.scripts.errors import NobodyToAsk, NotConfirmed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websauna_migrate.bootstrap import Application


def doctor(options: Namespace) -> int:
    """Find what is wrong between scripts, models and database; reads only, and exits with 1 when it found something."""
    from websauna_migrate.repair.doctor import examine
    from websauna_migrate.scripts.report import findings_json, findings_text

    app, packages = application(options)
    # What a script prints while it is replayed is no result of ours.
    with redirect_stdout(sys.stderr), ended_by_signals(_nothing):
        findings = examine(app, packages)
    if options.format == "json":
        show_json(findings_json(findings, program(options)))
    else:
        show(findings_text(findings, program(options)))
    return FAILED if findings else 0


def adopt(options: Namespace) -> int:
    """Take an existing database over: write the revision that it stands at into the history table; asks first."""
    from websauna_migrate.repair.adoption import carry_out, propose

    app, packages = application(options)
    selected = select(app.histories, packages)
    if len(selected) > 1:
        raise AdoptionOfSeveral(tuple(one.history.package for one in selected))
    history = selected[0].history
    with redirect_stdout(sys.stderr), ended_by_signals(_nothing):
        adoption = propose(app, history, source=options.source, revision=options.revision, drop_old=options.drop_old)
    if not adoption.changes:
        say(options, f"{history.package}: nothing to adopt, {adoption.why}")
        return 0
    if not (options.yes and options.quiet):
        tell(f"{history.package}: {adoption.why}. This would be written:")
        for change in adoption.changes:
            tell(f"  {change}")
    if not options.yes:
        if not sys.stdin.isatty():
            raise NobodyToAsk("adopt")
        _ask("adopt")
    carry_out(app, adoption, say_who_holds(options))
    say(options, f"{history.package}: adopted at {', '.join(adoption.rows) or 'base'}")
    old = adoption.source
    if old is not None and old.only_rows and adoption.drop is None:
        drop = command(history.package, "adopt", *(("--from", options.source) if options.source else ()), "--drop-old")
        say(options, f"{old.name} was kept; if nothing else uses it, drop it with: {drop.text(program(options))}")
    return 0


def rebase(options: Namespace) -> int:
    """Let a revision that nobody has applied follow another one: rewrites down_revision in its script."""
    from websauna_migrate.database.history_table import read_heads
    from websauna_migrate.revisions import rebase
    from websauna_migrate.revisions.plan import packages_meant

    app, packages = application(options)
    graph = app.graph()
    package, *others = packages_meant(graph, app.selected(packages), options.revision)
    if others:
        raise WrongCombination(f"rebase {options.revision} is for one history", f"say which with -x packages={package}")
    with app.connected(writes=False) as connection:
        rows = read_heads(connection, [app.history(package)])[package]
    script, onto = rebase.rebase(graph.histories[package], options.revision, options.onto, rows)
    say(options, f"{package}: {script.id} follows {onto or 'nothing'} now ({script.path})")
    return 0


def confirm_removal(options: Namespace, app: Application, packages: Sequence[str]) -> None:
    """Tell what ``downgrade base`` would drop and, on a terminal, ask; without one the command goes on.

    :raises NotConfirmed: the answer was not yes
    """
    from websauna_migrate.repair.doctor import tables_to_lose

    losses = tables_to_lose(app, packages, cascade=is_yes(options, "cascade"))
    for table, rows in losses:
        say(options, f"this drops {table} with {rows} row(s)")
    if losses and not options.yes and sys.stdin.isatty():
        _ask("downgrade")


def add_doctor_arguments(parser: ArgumentParser) -> None:
    """Add the options of ``doctor``."""
    parser.add_argument("--format", choices=("text", "json"), default="text")


def add_adopt_arguments(parser: ArgumentParser) -> None:
    """Add the options of ``adopt``."""
    parser.add_argument("--from", dest="source", metavar="TABLE", help="the version table; default: alembic_version")
    parser.add_argument("--revision", metavar="REV", help="write this one, whatever the tables look like")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--drop-old", action="store_true", help="drop the version table that was taken over")


def add_rebase_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``rebase``."""
    parser.add_argument("revision", metavar="REV", help="the revision whose script is rewritten")
    parser.add_argument("onto", metavar="ONTO", help="the revision that it is to follow, or base")


def _ask(command: str) -> None:
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NotConfirmed(command)


def _nothing() -> None:
    """End no statement: a replay waits for none that is long."""
