"""``ws-alembic``: Alembic's commands for all packages of a Pyramid application.

The subcommands of ``subcommands.OURS`` run here, and those that find nothing to do never import Alembic. All others
are Alembic's, run once for each history by ``command_line``.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

from websauna_migrate.later import import_alembic
from websauna_migrate.scripts.border import run_script
from websauna_migrate.scripts.loading import load
from websauna_migrate.scripts.parser import build_parser, build_parser_of, command_of, parse
from websauna_migrate.scripts.streams import standard_streams
from websauna_migrate.scripts.subcommands import OURS, TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``ws-alembic`` and exit."""
    # Garbage collection while modules are loaded, and once more at exit, takes a third of the time of a command with
    # nothing to do. It is enabled again as soon as the application is loaded.
    was_enabled = gc.isenabled()
    gc.disable()
    if "_ARGCOMPLETE" in os.environ:  # set by the shell, to complete a command line
        from websauna_migrate.scripts.completion import complete

        complete()
    try:
        with standard_streams():
            code = run(sys.argv[1:] if argv is None else argv)
    finally:
        gc.freeze()
        if was_enabled:  # for a caller that goes on after the exit
            gc.enable()
    sys.exit(code)


def run(argv: Sequence[str]) -> int:
    """Run ``ws-alembic`` with ``argv`` and return its exit code."""
    name = command_of(argv)
    subcommand = OURS.get(name or "")
    if subcommand is not None:
        options = parse(build_parser_of(subcommand), argv)
        work = subcommand.runner(options)
        if work is not None:
            how = {"complete": subcommand.needs_models, "writes_database": subcommand.writes_database}
            return run_script(lambda: work(options, load(options, **how)), options)
    elif name in TABLE or name is None:
        own = build_parser_of(TABLE[name]) if name else build_parser()
        own.parse_known_args(argv)  # answers --help and --version, and what is missing, without Alembic
    import_alembic()
    from websauna_migrate.scripts.command_line import CommandLine

    line = CommandLine(name if name in TABLE else None)
    alembic_options = line.parse(argv)
    return run_script(lambda: line.run(alembic_options), alembic_options)
