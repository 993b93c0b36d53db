"""``ws-dump-db``: the database of an application as SQL text."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from websauna_migrate.database.errors import ClientFailed
from websauna_migrate.exceptions import UsageError
from websauna_migrate.scripts.border import run_script
from websauna_migrate.scripts.outputs import refuse_database
from websauna_migrate.scripts.printing import tell
from websauna_migrate.scripts.streams import standard_streams

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from rich.progress import Progress, TaskID


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``ws-dump-db`` and exit."""
    with standard_streams():
        sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run ``ws-dump-db`` with ``argv`` and return its exit code."""
    own, arguments = split_arguments(argv)
    options = build_parser().parse_args(own)
    return run_script(lambda: dump_database(options, arguments), options)


def build_parser() -> ArgumentParser:
    """Return the parser of the command line before ``--``."""
    parser = ArgumentParser(
        "ws-dump-db",
        usage="%(prog)s [-h] [--output FILE] [--raiseerr] INI [-- ARGS ...]",
        description="Print the database of an application as SQL. Arguments after -- are passed to the dump program: "
        "pg_dump, mariadb-dump or mysqldump. SQLite needs no program.",
    )
    parser.add_argument("settings_file", metavar="INI", help="the settings file of the application")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write to FILE, which is replaced only when the dump is complete"
    )
    parser.add_argument("--raiseerr", action="store_true", help="show the stack trace of an error")
    return parser


def split_arguments(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split ``argv`` at ``--`` into what is for the script and what is for a program."""
    end = list(argv).index("--") if "--" in argv else len(argv)
    return list(argv[:end]), list(argv[end + 1 :])


def dump_database(options: Namespace, arguments: Sequence[str]) -> int:
    """Write the dump to the target of ``options``. The exit code is that of the dump program."""
    from websauna_migrate.database.connection import read_database
    from websauna_migrate.database.dump import dump
    from websauna_migrate.settings.app import read_app

    app = read_app(options.settings_file)
    url = read_database(app.settings, str(app.path)).url
    if arguments and url.get_backend_name() == "sqlite":
        raise UsageError("SQLite is dumped without a program", "leave out -- and the arguments after it")
    target = options.output
    if target:
        refuse_database(target, url, "--output")
    folder = target.absolute().parent if target else None
    _end_by_signals()
    try:
        with closing(dump(url, arguments, folder=folder, on_message=tell)) as pieces:
            _write(pieces, options.output)
    except ClientFailed as error:
        tell(f"FAILED: {error}")
        return error.returncode
    return 0


def _write(pieces: Generator[bytes], output: Path | None) -> None:
    from websauna_migrate.database.dump import write_all, write_whole

    # The dump on the same terminal would break the progress line.
    mixed = output is None and sys.stdout.isatty()
    with _progress(pieces, shown=sys.stderr.isatty() and not mixed) as counted:
        if output is None:
            sys.stdout.flush()
            write_all(sys.stdout.fileno(), counted, "standard output")
        else:
            write_whole(output, counted)


@contextmanager
def _progress(pieces: Iterable[bytes], *, shown: bool) -> Iterator[Iterable[bytes]]:
    """Yield ``pieces``; when ``shown``, with a progress line of the bytes and the time so far."""
    if not shown:
        yield pieces
        return
    from rich.console import Console
    from rich.progress import FileSizeColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("dumping"), FileSizeColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None)
        yield _counted(pieces, progress, task)


def _counted(pieces: Iterable[bytes], progress: Progress, task: TaskID) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        progress.advance(task, len(piece))


def _end_by_signals() -> None:
    """Turn signals into SystemExit, so that the dump program is ended and an incomplete file is removed."""

    def end(number: int, _frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
