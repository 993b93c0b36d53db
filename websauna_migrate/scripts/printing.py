"""What the scripts print: results to stdout, everything else to stderr."""

from __future__ import annotations

import functools
import os
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from websauna_migrate.database.remedies import remedy_for
from websauna_migrate.exceptions import (
    PROGRAM,
    MigrateError,
    RunError,
    escaped,
    escaped_lines,
    one_line,
    reason_of,
)
from websauna_migrate.scripts.streams import encodable, fits
from websauna_migrate.settings import ALEMBIC_SECTION

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from websauna_migrate.revisions.reports import Report


def show(text: str, *, coloured: bool = False) -> None:
    """Print a result for people to stdout; a character that its encoding lacks is replaced.

    Control characters are escaped. Only a text that is ``coloured`` is printed as it is: the table escaped its cells.
    """
    print(encodable(text if coloured else escaped_lines(text), sys.stdout), end="")


def show_json(value: object) -> None:
    """Print a result for programs to stdout."""
    from websauna_migrate.scripts.report import as_json

    text = as_json(value)
    print(text if fits(text, sys.stdout) else as_json(value, ascii=True), end="")


def tell(text: str, *, coloured: bool = False) -> None:
    """Print a line about the work, which is not a result, to stderr, as :func:`show` does.

    The work goes on when stderr cannot be written.
    """
    with suppress(OSError):
        print(encodable(text if coloured else escaped_lines(text), sys.stderr), file=sys.stderr)


def say(options: Namespace, line: str) -> None:
    """Print a line about the work to stderr, unless ``-q`` is given."""
    if not options.quiet:
        tell(escaped(line))


def fail(options: Namespace, error: BaseException) -> None:
    """Print the line of an error to stderr."""
    if getattr(error, "orig", None) is not None:  # SQLAlchemy's, which adds the statement and a link
        what = f"{', '.join(settings_files(options))}: the database reports: {reason_of(error)}"
        error = RunError(what, remedy_for(error) or "pass --raiseerr to see the statement")
    tell(f"FAILED: {message(error, program(options))}")


def warn(options: Namespace, problem: MigrateError | Report) -> None:
    """Print a warning to stderr."""
    tell(f"WARNING: {problem.text(program(options))}")


def message(error: BaseException, program: Sequence[str] = PROGRAM) -> str:
    """Return ``error`` as one line for a person, with ``program`` as the start of its commands."""
    if isinstance(error, MigrateError):
        return error.text(program)
    text = one_line(error)
    if type(error).__module__.startswith("alembic."):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def program(options: Namespace) -> tuple[str, ...]:
    """Return the start of a command that uses the settings file as it was given."""
    named, section = settings_files(options), vars(options).get("name", ALEMBIC_SECTION)
    if len(named) != 1:
        return PROGRAM
    return (*PROGRAM, "-c", *named, *(("-n", section) if section != ALEMBIC_SECTION else ()))


def settings_files(options: Namespace) -> list[str]:
    """Return the settings files that ``-c`` names, else that of the environment variable ``ALEMBIC_CONFIG``."""
    named = vars(options).get("config") or [os.environ.get("ALEMBIC_CONFIG")]
    return [str(name) for name in named if name]


def show_warnings_as_lines() -> None:
    """Print the warnings of libraries in one line each, without the place in the library."""
    warnings.formatwarning = functools.partial(_shown_warning, warnings.formatwarning)


def _shown_warning(
    usual: Callable[..., str], message: Warning | str, category: type[Warning], filename: str, *place: object
) -> str:
    """Return a warning as Python shows it, or without the place where that is not the user's code."""
    libraries = [sys.modules.get(name) for name in ("websauna_migrate", "alembic", "sqlalchemy")]
    folders = [Path(library.__file__).parent for library in libraries if library is not None and library.__file__]
    if any(Path(filename).is_relative_to(folder) for folder in folders):
        return f"WARNING: {one_line(message)}\n"
    return usual(message, category, filename, *place)
