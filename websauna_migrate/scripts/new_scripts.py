"""The files that ``revision`` and ``merge`` write."""

from __future__ import annotations

import contextlib
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from websauna_migrate.autogenerate.script_check import check_script
from websauna_migrate.exceptions import RevisionError, command, listed
from websauna_migrate.packages.errors import UnwritableHistory, installed_history
from websauna_migrate.packages.selection import Selected, is_installed
from websauna_migrate.revisions.history import HistoryGraph
from websauna_migrate.scripts.printing import warn


def may_write(one: Selected, options: Namespace) -> bool:
    """Make sure that a revision can be written for ``one``; warn and return False where it is an installed package.

    :raises RevisionError: the folder or the template is missing, or the folder is not writable
    """
    history = one.history
    folder = history.version_locations[0]
    if not history.script_location.is_dir():
        raise RevisionError(
            f"the folder for the revisions of {history.package} does not exist: {history.script_location}",
            ("create it with: ", command(history.package, "init")),
        )
    if is_installed(folder):
        warn(options, installed_history(history.package, history.script_location))
        return False
    template = history.script_location / "script.py.mako"
    if (history.script_location / "env.py").is_file() and not template.is_file():
        raise RevisionError(
            f"the template for the revisions of {history.package} does not exist: {template}",
            ("create it with: ", command(history.package, "init")),
        )
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # permissions alone do not tell
            return True
    except OSError as error:
        raise UnwritableHistory(history.package, str(folder), error) from error


def require_one_head(history: HistoryGraph, head: str | None) -> None:
    """Refuse a revision after ``head``, the value of ``--head``, where that is not one revision.

    :raises RevisionError: there are several heads, and none of them is named
    """
    heads = tuple(sorted(history.branch_heads))
    if head in (None, "head") and len(heads) > 1:
        merge = command(history.package, "merge", "-m", "Merge heads", "heads")
        raise RevisionError(
            f"{history.package} has several heads: {listed(heads)}; no revision was written",
            ("join them with: ", merge, "; or name one with --head"),
        )


@contextlib.contextmanager
def all_or_none(selected: Sequence[Selected]) -> Iterator[None]:
    """Check the scripts that the block wrote, and remove all of them if it or the check failed."""
    before = set(_scripts(selected))
    try:
        yield
        for path in sorted(set(_scripts(selected)) - before):
            check_script(path)
    except BaseException:
        for path in set(_scripts(selected)) - before:
            path.unlink()
        raise


def _scripts(selected: Sequence[Selected]) -> Iterator[Path]:
    for one in selected:
        for folder in one.history.version_locations:
            yield from folder.glob("**/*.py")
