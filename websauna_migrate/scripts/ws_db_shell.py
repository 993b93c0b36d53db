"""``ws-db-shell``: the client program of an application's database, connected to it."""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING

from websauna_migrate.scripts.border import run_script
from websauna_migrate.scripts.streams import standard_streams
from websauna_migrate.scripts.ws_dump_db import split_arguments

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``ws-db-shell`` and exit."""
    with standard_streams():
        sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run ``ws-db-shell`` with ``argv``; only an error returns, because the client replaces the process."""
    own, arguments = split_arguments(argv)
    options = build_parser().parse_args(own)
    return run_script(lambda: become_client(options, arguments), options)


def build_parser() -> ArgumentParser:
    """Return the parser of the command line before ``--``."""
    parser = ArgumentParser(
        "ws-db-shell",
        usage="%(prog)s [-h] [--client NAME] [--raiseerr] INI [-- ARGS ...]",
        description="Open a shell on the database of an application with the first client that is installed: pgcli or "
        "psql, mycli or mariadb or mysql, litecli or sqlite3. Arguments after -- are passed to the client.",
    )
    parser.add_argument("settings_file", metavar="INI", help="the settings file of the application")
    parser.add_argument("--client", metavar="NAME", help="use this one of the clients named above")
    parser.add_argument("--raiseerr", action="store_true", help="show the stack trace of an error")
    return parser


def become_client(options: Namespace, arguments: Sequence[str]) -> int:
    """Replace this process by the client: it then has the terminal, the signals and the exit code."""
    from websauna_migrate.database.client import choose, option_file, shell_calls
    from websauna_migrate.database.connection import read_database
    from websauna_migrate.settings.app import read_app

    app = read_app(options.settings_file)
    url = read_database(app.settings, str(app.path)).url
    call = choose(shell_calls(url, arguments), options.client)
    with option_file(call) as (argv, _):
        sys.stdout.flush()
        # Python ignores SIGPIPE, and the client would inherit that.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvpe(call.program, argv, {**os.environ, **call.environment})
