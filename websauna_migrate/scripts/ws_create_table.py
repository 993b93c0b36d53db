"""``ws-create-table``: the SQL that creates the tables of registered models."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from websauna_migrate.scripts.border import run_script
from websauna_migrate.scripts.loading import load
from websauna_migrate.scripts.streams import standard_streams
from websauna_migrate.settings import ALEMBIC_SECTION


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``ws-create-table`` and exit."""
    with standard_streams():
        sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run ``ws-create-table`` with ``argv`` and return its exit code."""
    options = build_parser().parse_intermixed_args(argv)
    options.config = [options.settings_file]
    return run_script(lambda: create_table(options), options)


def build_parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = ArgumentParser(
        "ws-create-table",
        description="Print the SQL that creates the tables of the registered models. Does not connect to the database.",
    )
    parser.add_argument("settings_file", metavar="INI", help="the settings file of the application")
    parser.add_argument(
        "tables", nargs="*", default=[], metavar="TABLE", help="only these tables; default: all tables of the package"
    )
    parser.add_argument("-x", action="append", metavar="packages=NAMES", help="packages=all, packages=a,b")
    parser.add_argument("--raiseerr", action="store_true", help="show the stack trace of an error")
    parser.set_defaults(name=ALEMBIC_SECTION)
    return parser


def create_table(options: Namespace) -> int:
    """Print the SQL of the tables that ``options`` name."""
    from websauna_migrate.database.ddl import create_statements, find_tables

    loaded = load(options, needs_owners=True)
    app = loaded.app
    tables = find_tables(app.ownership, loaded.packages, options.tables)
    if tables:
        for statement in create_statements(app.ownership, tables, app.url, str(app.ini.path)):
            print(f"{statement}\n")
    return 0
