"""The arguments of ``ws-alembic`` and its subcommands."""

from __future__ import annotations

import math
from argparse import ArgumentParser
from pathlib import Path

from websauna_migrate.settings import ALEMBIC_SECTION


def add_global_options(parser: ArgumentParser) -> None:
    """Add the options that come before the subcommand."""
    parser.add_argument("-c", "--config", action="append", metavar="INI", help="the settings file of the application")
    parser.add_argument(
        "-n", "--name", default=ALEMBIC_SECTION, help="the section of the settings file with Alembic's options"
    )
    parser.add_argument("-x", action="append", metavar="NAME=VALUE", help="packages=all, packages=a,b and others")
    add_output_options(parser, default=False)


def add_output_options(parser: ArgumentParser, default: object) -> None:
    """Add the options that may come before and after the subcommand."""
    parser.add_argument("--raiseerr", action="store_true", default=default, help="show the stack trace of an error")
    parser.add_argument("-q", "--quiet", action="store_true", default=default, help="print no progress on stderr")


def no_arguments(_parser: ArgumentParser) -> None:
    """Add nothing."""


def add_upgrade_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``upgrade``."""
    _add_run_arguments(parser, default="heads")
    parser.add_argument(
        "--backup",
        type=Path,
        metavar="FILE",
        help="dump the database to FILE first, and upgrade only when the dump is complete; FILE is written only when "
        "there is something to upgrade",
    )
    _add_wait(parser)


def add_downgrade_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``downgrade``."""
    _add_run_arguments(parser, default=None)
    parser.set_defaults(backup=None)
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation before 'downgrade base'")


def add_stamp_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``stamp``."""
    parser.add_argument("revisions", nargs="+", help="one or more revisions, heads or base")
    _add_sql(parser)
    _add_tag(parser)
    parser.add_argument("--purge", action="store_true", help="delete the rows of the history tables first")


def add_ensure_version_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``ensure_version``."""
    _add_sql(parser)


def add_current_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``current``."""
    parser.add_argument("-c", "--check-heads", action="store_true", help="exit with 1 unless all heads are applied")
    _add_verbose(parser)


def add_heads_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``heads``."""
    _add_verbose(parser)
    parser.add_argument("--resolve-dependencies", action="store_true", help="treat dependencies as down revisions")


def add_status_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``status``."""
    parser.add_argument("--check", action="store_true", help="exit with 1 unless all histories are up to date")
    add_format(parser)
    _add_wait(parser)


def add_plan_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``plan``."""
    parser.add_argument("revision", nargs="?", help="default: heads, with --down base")
    parser.add_argument("--down", action="store_true", help="show the plan of a downgrade")
    add_format(parser)


def add_adopt_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``adopt``."""
    parser.add_argument("--from", dest="source", metavar="TABLE", help="the version table; default: alembic_version")
    parser.add_argument("--revision", metavar="REV", help="write this revision, without comparing the tables")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument("--drop-old", action="store_true", help="drop the version table that was adopted")
    _add_no_replay(parser)


def add_doctor_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``doctor``."""
    add_format(parser)
    _add_no_replay(parser)


def add_rebase_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``rebase``."""
    parser.add_argument("revision", metavar="REV", help="the revision whose script is rewritten")
    parser.add_argument("onto", metavar="ONTO", help="the new down revision, or base")


def add_init_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``init``."""
    parser.add_argument(
        "directory", nargs="?", metavar="FOLDER", help="default: the script location of the package, or its usual place"
    )


def add_no_input(parser: ArgumentParser) -> None:
    """Add to Alembic's ``revision`` the option that turns questions off."""
    parser.add_argument(
        "--no-input", action="store_true", help="do not ask whether something was renamed: write drop and add"
    )


def _add_no_replay(parser: ArgumentParser) -> None:
    parser.add_argument("--no-replay", action="store_true", help="do not run scripts in a scratch database")


def add_format(parser: ArgumentParser) -> None:
    """Add ``--format``, for results that programs read too."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help="the format of the result")


def _add_run_arguments(parser: ArgumentParser, default: str | None) -> None:
    nargs = "?" if default else None
    parser.add_argument("revision", nargs=nargs, default=default, help="a revision identifier, heads or base")
    _add_sql(parser)
    _add_tag(parser)


def _add_wait(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="wait so long for a database server that does not answer yet",
    )


def seconds(text: str) -> float:
    """Return the seconds that ``text`` says; 0 or more."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError
    return value


def _add_sql(parser: ArgumentParser) -> None:
    parser.add_argument("--sql", action="store_true", help="write the SQL to stdout; needs no database server")


def _add_tag(parser: ArgumentParser) -> None:
    parser.add_argument("--tag", help="a tag that an env.py may read")


def _add_verbose(parser: ArgumentParser) -> None:
    parser.add_argument("-v", "--verbose", action="store_true", help="show more about each revision")
