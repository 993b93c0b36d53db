"""``ws-alembic``: Alembic's commands for all packages of a Pyramid application.

The commands here are our own, and those that find nothing to do never import Alembic. All others are
Alembic's, run once for each history by ``command_line``.
"""

from __future__ import annotations

import gc
import sys
from argparse import REMAINDER, SUPPRESS, ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from websauna_migrate._version import __version__
from websauna_migrate.exceptions import WrongCombination
from websauna_migrate.packages.errors import InstalledHistory
from websauna_migrate.packages.selection import is_installed, select, x_option
from websauna_migrate.scripts.backup import back_up
from websauna_migrate.scripts.common import (
    FAILED,
    Output,
    application,
    ended_by_signals,
    fail,
    is_yes,
    run_script,
    say,
    say_who_holds,
    show,
    show_json,
    standard_streams,
    tell,
    warn,
)
from websauna_migrate.scripts.errors import NotOnHeads
from websauna_migrate.scripts.progress import shown_progress
from websauna_migrate.scripts.repair import (
    add_adopt_arguments,
    add_doctor_arguments,
    add_rebase_arguments,
    adopt,
    confirm_removal,
    doctor,
    rebase,
)

if TYPE_CHECKING:
    from websauna_migrate.packages.selection import Selected
    from websauna_migrate.revisions.plan import Plan
    from websauna_migrate.run.steps import Progress

PROG = "ws-alembic"


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``ws-alembic`` and exit."""
    # Looking for garbage among the modules, while they are loaded and once more at exit, is a third of the time of a
    # command with nothing to do. It is on again as soon as the application is loaded.
    gc.disable()
    with standard_streams():
        code = run(sys.argv[1:] if argv is None else argv)
    gc.freeze()
    sys.exit(code)


def run(argv: Sequence[str]) -> int:
    """Run ``ws-alembic`` with ``argv`` and return its exit code."""
    command = command_of(argv)
    if command in COMMANDS:
        options = build_parser().parse_args(argv)
        if not _needs_alembic(command, options):
            return run_script(lambda: COMMANDS[command](options), options)
    if command is None and "--version" in argv:
        build_parser().parse_args(["--version"])
    from websauna_migrate.scripts.command_line import CommandLine

    line = CommandLine(tuple(COMMANDS.values()))
    alembic_options = line.parse(argv)
    return run_script(lambda: line.run(alembic_options), alembic_options)


def command_of(argv: Sequence[str]) -> str | None:
    """Return the subcommand in ``argv``, None when there is none."""
    parser = ArgumentParser(add_help=False, exit_on_error=False)
    _add_global_options(parser)
    parser.add_argument("-h", "--help", "--version", action="store_true")
    parser.add_argument("rest", nargs=REMAINDER)
    try:
        rest = parser.parse_known_args(argv)[0].rest
    except Exception:  # argparse raises many things; the real parser tells what is wrong
        return None
    return rest[0] if rest else None


def build_parser() -> ArgumentParser:
    """Return the parser of the commands that are our own, with Alembic's options where it has the command too."""
    parser = ArgumentParser(PROG, description="Alembic's commands for all packages of a Pyramid application.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    _add_global_options(parser)
    commands = parser.add_subparsers(required=True)
    for name, add_arguments in _ARGUMENTS.items():
        command = COMMANDS[name]
        subparser = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        add_arguments(subparser)
        _add_output_options(subparser, default=SUPPRESS)  # what was said before the command stays said
    return parser


def upgrade(options: Namespace) -> int:
    """Upgrade to a later version."""
    return _migrate(options, "up")


def downgrade(options: Namespace) -> int:
    """Revert to a previous version."""
    return _migrate(options, "down")


def stamp(options: Namespace) -> int:
    """Write revisions into the history tables without running them."""
    from websauna_migrate.run.offline import write_stamp_sql
    from websauna_migrate.run.stamp import stamp as write_rows

    if options.sql and options.purge:
        raise WrongCombination("--sql does not see the rows that --purge is to forget", "leave out one of them")
    app, packages = application(options, complete=False)
    if options.sql:
        write_stamp_sql(app, packages, options.revisions, sys.stdout)
        return 0
    heads = write_rows(app, packages, options.revisions, purge=options.purge, on_wait=say_who_holds(options))
    for package, rows in heads.items():
        say(options, f"{package}: stamped {', '.join(rows) or 'base'}")
    return 0


def ensure_version(options: Namespace) -> int:
    """Make the history tables that do not exist yet."""
    from websauna_migrate.run.offline import write_ensure_version_sql
    from websauna_migrate.run.stamp import ensure_version as make_history_tables

    app, packages = application(options, complete=False)
    if options.sql:
        write_ensure_version_sql(app, packages, sys.stdout)
    else:
        make_history_tables(app, packages, on_wait=say_who_holds(options))
    return 0


def current(options: Namespace) -> int:
    """Display the current revision of each history in the database."""
    from websauna_migrate.database.history_table import read_heads
    from websauna_migrate.revisions.history import applied
    from websauna_migrate.revisions.plan import known_rows
    from websauna_migrate.scripts.report import current_lines

    app, packages = application(options, complete=False)
    selected = select(app.histories, packages)
    graph = app.graph()
    with app.connected(writes=False) as connection:
        rows = read_heads(connection, [one.history for one in selected])
    code = 0
    for one in selected:
        history = graph.histories[one.history.package]
        heads = known_rows(history, rows[one.history.package])
        if options.check_heads and set(heads) != set(history.heads):
            fail(options, NotOnHeads(one.history.package))
            code = FAILED
        _print_part(selected, one, current_lines(history, applied(history, heads)))
    return code


def heads(options: Namespace) -> int:
    """Show the heads of each history among its scripts."""
    from websauna_migrate.scripts.report import head_lines

    app, packages = application(options, complete=False)
    selected = select(app.histories, packages)
    graph = app.graph()
    for one in selected:
        _print_part(selected, one, head_lines(graph.histories[one.history.package]))
    return 0


def status(options: Namespace) -> int:
    """Tell where each history stands; with --check exit with 1 unless all are up to date."""
    from websauna_migrate.database.history_table import read_heads
    from websauna_migrate.revisions.plan import history_state, wrong_rows
    from websauna_migrate.scripts.report import status_json, status_text

    app, packages = application(options, complete=False)
    histories = [one.history for one in select(app.histories, packages)]
    graph = app.graph()
    with app.connected(writes=False) as connection:
        rows = read_heads(connection, histories)
    for error in (error for h in histories for error in wrong_rows(graph.histories[h.package], rows[h.package])):
        warn(options, error)
    states = {h.package: history_state(graph.histories[h.package], rows[h.package]) for h in histories}
    if options.format == "json":
        show_json(status_json(histories, states))
    else:
        show(status_text(histories, states, colour=sys.stdout.isatty()))
    well = all(state.state in ("up to date", "no revisions") for state in states.values())
    return 0 if well or not options.check else FAILED


def plan(options: Namespace) -> int:
    """Show the steps that upgrade, or with --down downgrade, would run, in order; changes nothing."""
    from websauna_migrate.database.history_table import read_heads
    from websauna_migrate.scripts.report import plan_json, plan_text

    app, packages = application(options, complete=False)
    with app.connected(writes=False) as connection:
        rows = read_heads(connection, app.histories)
    target = ("base" if options.down else "heads") if options.revision is None else options.revision
    steps = app.plan(
        rows, packages, target, direction="down" if options.down else "up", cascade=is_yes(options, "cascade")
    )
    _warn_of_reports(options, steps)
    if options.format == "json":
        show_json(plan_json(steps))
    else:
        show(plan_text(steps, colour=sys.stdout.isatty()))
    return 0


def init(options: Namespace) -> int:
    """Make the folder for the revisions of the current package: env.py, script.py.mako and versions/."""
    from websauna_migrate.packages.histories import write_scaffold

    app, packages = application(options, complete=False)
    if options.directory and len(packages) > 1:
        raise WrongCombination("one folder cannot hold the revisions of several packages", "name one with -x packages=")
    for name in packages:
        usual = app.place_for_revisions(name)
        folder = Path(options.directory).absolute() if options.directory else usual
        if is_installed(folder):
            error = InstalledHistory(name, str(folder))
            if len(packages) == 1:
                raise error
            warn(options, error)
            continue
        for path in write_scaffold(folder, name):
            say(options, f"wrote {path}")
        if folder != usual:
            tell(f"now say where the revisions of {name} are: websauna_migrate.script_location.{name} = {folder}")
    return 0


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    command.__name__: command
    for command in (
        upgrade,
        downgrade,
        stamp,
        ensure_version,
        current,
        heads,
        status,
        plan,
        doctor,
        adopt,
        rebase,
        init,
    )
}


def _migrate(options: Namespace, direction: Any) -> int:
    from websauna_migrate.run.executor import migrate
    from websauna_migrate.run.offline import write_sql

    app, packages = application(options, complete=False)
    run_options: dict[str, Any] = {
        "direction": direction,
        "cascade": is_yes(options, "cascade"),
        "one_transaction": x_option(options.x or (), "transaction", ("all", "each")) == "all",
        "cmd_opts": options,
    }
    if options.sql and options.backup:
        raise WrongCombination("--sql changes no database, so there is nothing to back up", "leave out --backup")
    if options.sql:
        output = Output()
        with redirect_stdout(sys.stderr):  # what an env.py or a revision prints is no SQL
            write_sql(app, packages, options.revision, output, **run_options)
        print(output.getvalue(), end="")
        return 0
    if direction == "down" and options.revision == "base":
        confirm_removal(options, app, packages)

    def on_plan(plan: Plan) -> None:
        _warn_of_reports(options, plan)
        back_up(options, app, plan)

    return _run(options, partial(migrate, app, packages, options.revision, on_plan=on_plan, **run_options))


def _run(options: Namespace, migrate: Callable[..., Plan]) -> int:
    seconds: dict[str, float] = {}

    def on_progress(progress: Progress) -> None:
        seconds[progress.step.package] = seconds.get(progress.step.package, 0) + progress.seconds
        show_progress(progress)

    # What a revision prints is no result of ours.
    with redirect_stdout(sys.stderr), shown_progress(quiet=options.quiet) as show_progress:
        done = migrate(
            on_wait=say_who_holds(options),
            on_progress=on_progress,
            interruptible=ended_by_signals,
        )
    if not done.steps:
        say(options, "nothing to do")
    elif not options.quiet:
        from websauna_migrate.scripts.report import summary_text

        tell(summary_text(done, seconds, colour=sys.stderr.isatty()).rstrip())
    return 0


def _needs_alembic(command: str, options: Namespace) -> bool:
    """Tell whether the options ask for what only Alembic does."""
    return command in ("current", "heads") and (options.verbose or getattr(options, "resolve_dependencies", False))


def _print_part(selected: Sequence[Selected], one: Selected, lines: Any) -> None:
    if len(selected) > 1:
        show(f"{one.history.package}:\n")
    for line in lines:
        show(f"{line}\n")


def _warn_of_reports(options: Namespace, plan: Plan) -> None:
    for report in plan.reports:
        warn(options, report)


def _add_global_options(parser: ArgumentParser) -> None:
    parser.add_argument("-c", "--config", action="append", metavar="INI", help="the application's settings file")
    parser.add_argument("-n", "--name", default="alembic", help="section of the settings file with Alembic's options")
    parser.add_argument("-x", action="append", metavar="NAME=VALUE", help="packages=all, packages=a,b and others")
    _add_output_options(parser, default=False)


def _add_output_options(parser: ArgumentParser, default: Any) -> None:
    parser.add_argument("--raiseerr", action="store_true", default=default, help="show the stack trace of an error")
    parser.add_argument("-q", "--quiet", action="store_true", default=default, help="no progress on stderr")


def _add_run_arguments(parser: ArgumentParser, default: str | None) -> None:
    nargs = "?" if default else None
    parser.add_argument("revision", nargs=nargs, default=default, help="revision identifier, heads or base")
    parser.add_argument("--sql", action="store_true", help="write the SQL to stdout; needs no server")
    parser.add_argument("--tag", help="a tag that an env.py may ask for")


def _add_upgrade_arguments(parser: ArgumentParser) -> None:
    _add_run_arguments(parser, default="heads")
    parser.add_argument(
        "--backup",
        type=Path,
        metavar="FILE",
        help="dump the database to FILE first, and upgrade only when that is complete; FILE is only written when there "
        "is something to upgrade",
    )


def _add_downgrade_arguments(parser: ArgumentParser) -> None:
    _add_run_arguments(parser, default=None)
    parser.set_defaults(backup=None)
    parser.add_argument("--yes", action="store_true", help="do not ask before all is undone")


def _add_stamp_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("revisions", nargs="+", help="one or more revisions, heads or base")
    parser.add_argument("--sql", action="store_true", help="write the SQL to stdout; needs no server")
    parser.add_argument("--tag", help="a tag that an env.py may ask for")
    parser.add_argument("--purge", action="store_true", help="forget what the history tables hold first")


def _add_ensure_version_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--sql", action="store_true", help="write the SQL to stdout; needs no server")


def _add_current_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-c", "--check-heads", action="store_true", help="exit with 1 unless all heads are applied")
    parser.add_argument("-v", "--verbose", action="store_true", help="more about each revision")


def _add_heads_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-v", "--verbose", action="store_true", help="more about each revision")
    parser.add_argument("--resolve-dependencies", action="store_true", help="treat dependencies as down revisions")


def _add_status_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="exit with 1 unless all is up to date")
    _add_format(parser)


def _add_plan_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("revision", nargs="?", help="default: heads, with --down base")
    parser.add_argument("--down", action="store_true", help="the plan of a downgrade")
    _add_format(parser)


def _add_format(parser: ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json"), default="text")


def _add_init_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("directory", nargs="?", metavar="FOLDER", help="default: where the package's revisions belong")


_ARGUMENTS: dict[str, Callable[[ArgumentParser], None]] = {
    "upgrade": _add_upgrade_arguments,
    "downgrade": _add_downgrade_arguments,
    "stamp": _add_stamp_arguments,
    "ensure_version": _add_ensure_version_arguments,
    "current": _add_current_arguments,
    "heads": _add_heads_arguments,
    "status": _add_status_arguments,
    "plan": _add_plan_arguments,
    "doctor": add_doctor_arguments,
    "adopt": add_adopt_arguments,
    "rebase": add_rebase_arguments,
    "init": _add_init_arguments,
}
