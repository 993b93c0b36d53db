"""``ws-alembic``: Alembic's commands for all packages of a Pyramid application.

The subcommands of ``subcommands.OURS`` run here, and those that find nothing to do never import Alembic. All others
are Alembic's, run once for each history by ``command_line``.
"""

from __future__ import annotations

import gc
import sys
from argparse import REMAINDER, SUPPRESS, ArgumentParser
from typing import TYPE_CHECKING

from websauna_migrate._version import __version__
from websauna_migrate.scripts.arguments import add_global_options, add_output_options
from websauna_migrate.scripts.border import run_script
from websauna_migrate.scripts.loading import load
from websauna_migrate.scripts.streams import standard_streams
from websauna_migrate.scripts.subcommands import OURS

if TYPE_CHECKING:
    from collections.abc import Sequence

PROG = "ws-alembic"


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``ws-alembic`` and exit."""
    # Garbage collection while modules are loaded, and once more at exit, takes a third of the time of a command with
    # nothing to do. It is enabled again as soon as the application is loaded.
    gc.disable()
    with standard_streams():
        code = run(sys.argv[1:] if argv is None else argv)
    gc.freeze()
    sys.exit(code)


def run(argv: Sequence[str]) -> int:
    """Run ``ws-alembic`` with ``argv`` and return its exit code."""
    name = command_of(argv)
    subcommand = OURS.get(name or "")
    if subcommand is not None:
        options = build_parser().parse_args(argv)
        work = subcommand.runner(options)
        if work is not None:
            return run_script(lambda: work(options, load(options, complete=subcommand.needs_models)), options)
    if name is None and "--version" in argv:
        build_parser().parse_args(["--version"])
    from websauna_migrate.scripts.command_line import CommandLine

    line = CommandLine()
    alembic_options = line.parse(argv)
    return run_script(lambda: line.run(alembic_options), alembic_options)


def command_of(argv: Sequence[str]) -> str | None:
    """Return the subcommand in ``argv``, None when there is none."""
    parser = ArgumentParser(add_help=False, exit_on_error=False)
    add_global_options(parser)
    parser.add_argument("-h", "--help", "--version", action="store_true")
    parser.add_argument("rest", nargs=REMAINDER)
    try:
        rest = parser.parse_known_args(argv)[0].rest
    except Exception:  # argparse raises many things; the complete parser reports what is wrong
        return None
    return rest[0] if rest else None


def build_parser() -> ArgumentParser:
    """Return the parser of our own subcommands, with Alembic's options where it has the subcommand too."""
    parser = ArgumentParser(PROG, description="Alembic's commands for all packages of a Pyramid application.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    add_global_options(parser)
    subparsers = parser.add_subparsers(required=True)
    for subcommand in OURS.values():
        subparser = subparsers.add_parser(subcommand.name, help=subcommand.help, description=subcommand.help)
        subcommand.add_arguments(subparser)
        add_output_options(subparser, default=SUPPRESS)  # keeps what was given before the subcommand
    return parser
