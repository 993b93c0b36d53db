"""The arguments of ``ws-alembic`` and its subcommands."""

from __future__ import annotations

import math
from argparse import SUPPRESS, ArgumentParser
from pathlib import Path

from websauna_migrate.private import option_names
from websauna_migrate.settings import ALEMBIC_SECTION

_CONFIG = "the settings file of the application; default: the environment variable ALEMBIC_CONFIG"
_NAME = f"the section of the settings file with Alembic's options; default: {ALEMBIC_SECTION}"
_X = "an option for websauna_migrate, as packages=all, or for your env.py; can be given several times"
_RAISEERR = "print the traceback of an error"
_QUIET = "print no progress on stderr"
_REVISION = "a revision id, the first part of one, head, heads, base, or a relative step such as +1 or -1"

#: The templates of ``alembic init``, without the one whose revisions have a part for each database.
TEMPLATES = ("generic", "async", "pyproject", "pyproject_async")


def add_global_options(parser: ArgumentParser) -> None:
    """Add the options that come before the subcommand."""
    parser.add_argument("-c", "--config", action="append", metavar="INI", help=_CONFIG)
    parser.add_argument("-n", "--name", metavar="SECTION", default=ALEMBIC_SECTION, help=_NAME)
    parser.add_argument("-x", action="append", metavar="NAME=VALUE", help=_X)
    parser.add_argument("--raiseerr", action="store_true", help=_RAISEERR)
    parser.add_argument("-q", "--quiet", action="store_true", help=_QUIET)


def add_options_again(parser: ArgumentParser) -> None:
    """Add the global options to the ``parser`` of a subcommand, after its own: a name of its own keeps its meaning.

    None has a default, which would replace what was given before the subcommand.
    """
    group = parser.add_argument_group("global options, also before the command")
    taken = option_names(parser)
    config = [name for name in ("-c", "--config") if name not in taken]
    group.add_argument(
        *config, action="append", dest=after_subcommand("config"), default=SUPPRESS, metavar="INI", help=_CONFIG
    )
    group.add_argument("-n", "--name", metavar="SECTION", default=SUPPRESS, help=_NAME)
    group.add_argument(
        "-x", action="append", dest=after_subcommand("x"), default=SUPPRESS, metavar="NAME=VALUE", help=_X
    )
    group.add_argument("--raiseerr", action="store_true", default=SUPPRESS, help=_RAISEERR)
    group.add_argument("-q", "--quiet", action="store_true", default=SUPPRESS, help=_QUIET)


def after_subcommand(option: str) -> str:
    """Return where the values of ``option`` are kept that are given after the subcommand."""
    return f"{option}_after"


def no_arguments(_parser: ArgumentParser) -> None:
    """Add nothing."""


def add_upgrade_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``upgrade``."""
    _add_run_arguments(parser, default="heads")
    _add_expand(parser, "leave contract revisions, and what comes after one, to a later upgrade")
    parser.add_argument(
        "--backup",
        type=Path,
        metavar="FILE",
        help="dump the database to FILE first, and upgrade only when the dump is complete; FILE is written only when "
        "there is something to upgrade",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="run everything in one transaction and roll it back; print the time of each revision and, on PostgreSQL, "
        "the locks of tables that it holds. Until the end the tables are locked",
    )
    _add_allow_ahead(parser, "leave it as it is")
    _add_wait(parser)


def add_downgrade_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``downgrade``."""
    _add_run_arguments(parser, default=None)
    parser.set_defaults(backup=None, expand=False, dry_run=False, allow_ahead=False)
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation before 'downgrade base'")


def add_stamp_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``stamp``."""
    parser.add_argument("revisions", nargs="+", metavar="REVISION", help="one or more revisions, heads or base")
    _add_sql(parser)
    _add_tag(parser)
    parser.add_argument("--purge", action="store_true", help="delete the rows of the history tables first")


def add_ensure_version_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``ensure_version``."""
    _add_sql(parser)


def add_current_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``current``."""
    parser.add_argument("-c", "--check-heads", action="store_true", help="exit with 1 unless all heads are applied")
    add_verbose(parser)


def add_heads_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``heads``."""
    add_verbose(parser)
    parser.add_argument("--resolve-dependencies", action="store_true", help="treat dependencies as down revisions")


def add_status_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``status``."""
    parser.add_argument("--check", action="store_true", help="exit with 1 unless all histories are up to date")
    _add_expand(parser, "with --check: contract revisions need not be applied")
    _add_allow_ahead(parser, "with --check, that is no reason to exit with 1")
    add_format(parser)
    _add_wait(parser)


def add_plan_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``plan``."""
    parser.add_argument("revision", nargs="?", metavar="REVISION", help="default: heads; with --down: base")
    parser.add_argument("--down", action="store_true", help="show the plan of a downgrade")
    _add_expand(parser, "show the plan of upgrade --expand")
    add_format(parser)


def add_graph_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``graph``."""
    formats = ("text", "mermaid", "dot", "svg")
    parser.add_argument("--format", choices=formats, default="text", help="the format; svg needs Graphviz")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write into this file; default: standard output")
    parser.add_argument("--tables", action="store_true", help="draw the tables and their foreign keys")


def add_lint_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``lint``."""
    parser.add_argument(
        "revision",
        nargs="?",
        default="heads",
        metavar="FROM:TO",
        help="the revisions after FROM up to TO of one history; default: what is pending",
    )
    formats = ("text", "json", "github")
    parser.add_argument("--format", choices=formats, default="text", help="the format; github makes annotations")
    _add_wait(parser)


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
    parser.add_argument(
        "-t",
        "--template",
        choices=TEMPLATES,
        default=TEMPLATES[0],
        help="accepted as in Alembic; the files are the same for each, and serve every driver",
    )
    parser.add_argument("--package", action="store_true", help="also write __init__.py into FOLDER and its versions/")


def add_edit_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``edit``."""
    parser.add_argument("rev", metavar="REVISION", help="a revision id, or a symbol such as head")


def add_history_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``history``."""
    parser.add_argument(
        "-r", "--rev-range", metavar="RANGE", help="only these revisions: START:END, START: or :END, as base:head"
    )
    add_verbose(parser)
    parser.add_argument("-i", "--indicate-current", action="store_true", help="mark what is applied in the database")


def add_merge_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``merge``."""
    parser.add_argument("revisions", nargs="+", metavar="REVISION", help="the heads to join; 'heads' stands for all")
    _add_new_revision_options(parser)


def add_revision_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``revision``."""
    _add_new_revision_options(parser)
    parser.add_argument("--autogenerate", action="store_true", help="compare the database with the models")
    parser.add_argument(
        "--no-input",
        action="store_true",
        help="ask nothing: a renamed table or column is dropped and added, a NOT NULL column is not filled",
    )
    parser.add_argument("--sql", action="store_true", help="run env.py offline, without a database; see Alembic")
    parser.add_argument("--head", metavar="REVISION", help="the down revision; default: the head of the history")
    parser.add_argument("--version-path", metavar="FOLDER", help="write the script into this one of the folders")
    parser.add_argument(
        "--depends-on", action="append", metavar="REVISION", help="a revision of the same history that runs before"
    )


def add_show_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``show``."""
    parser.add_argument("rev", metavar="REVISION", help="a revision id, or a symbol such as head")


def _add_new_revision_options(parser: ArgumentParser) -> None:
    parser.add_argument("-m", "--message", metavar="TEXT", help="what the revision does; it is part of the file name")
    parser.add_argument("--branch-label", metavar="NAME", help="a name for the branch that begins here")
    parser.add_argument(
        "--rev-id", metavar="ID", help="the revision id: letters, digits, '_', '-' and '.'; default: a random one"
    )
    parser.add_argument("--splice", action="store_true", help="accept a down revision that is no head: begin a branch")


def _add_no_replay(parser: ArgumentParser) -> None:
    parser.add_argument("--no-replay", action="store_true", help="do not run scripts in a scratch database")


def add_format(parser: ArgumentParser) -> None:
    """Add ``--format``, for results that programs read too."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help="the format of the result")


def _add_run_arguments(parser: ArgumentParser, default: str | None) -> None:
    nargs = "?" if default else None
    parser.add_argument("revision", nargs=nargs, default=default, metavar="REVISION", help=_REVISION)
    _add_sql(parser)
    _add_tag(parser)


def _add_expand(parser: ArgumentParser, meaning: str) -> None:
    parser.add_argument("--expand", action="store_true", help=meaning)


def _add_allow_ahead(parser: ArgumentParser, meaning: str) -> None:
    what = "a newer release has upgraded the database, and the code of this one can run with its tables"
    parser.add_argument("--allow-ahead", action="store_true", help=f"where {what}: {meaning}")


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
    parser.add_argument("--tag", metavar="TEXT", help="a text that your env.py can read")


def add_verbose(parser: ArgumentParser) -> None:
    """Add ``--verbose``."""
    parser.add_argument("-v", "--verbose", action="store_true", help="show more about each revision")
