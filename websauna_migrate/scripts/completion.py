"""Completion of ``ws-alembic`` in a shell, by ``argcomplete``: also of packages and revisions.

The shell runs ``ws-alembic`` for each completion, with the environment variable ``_ARGCOMPLETE``.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from websauna_migrate.exceptions import MigrateError
from websauna_migrate.packages.selection import ALL, OPTIONS, parse_x_options
from websauna_migrate.scripts.arguments import after_subcommand
from websauna_migrate.scripts.parser import build_parser
from websauna_migrate.settings import ALEMBIC_SECTION

if TYPE_CHECKING:
    from argparse import Action, Namespace
    from collections.abc import Callable, Iterable, Mapping

    from websauna_migrate.bootstrap import Application

_VALUES = {"transaction": ("each", "all"), "cascade": ("no", "yes")}
_REVISIONS = {"revision", "revisions", "rev", "onto", "head", "depends_on"}
_SYMBOLS = {"head": "the newest revision", "heads": "all heads", "base": "before the first revision"}


def complete() -> None:
    """Print the completions of the command line that the shell passes in the environment, and exit.

    Returns where ``argcomplete`` is not installed any more.
    """
    try:
        from argcomplete.finders import CompletionFinder
    except ImportError:
        return

    finder: Any = CompletionFinder()  # Any: it calls any function, and is annotated to take a class
    finder(build_parser(), always_complete_options=False, default_completer=completions)


def completions(prefix: str, action: Action, parsed_args: Namespace, **_: object) -> Mapping[str, str]:
    """Return what the value of ``action`` may be that begins with ``prefix``, each with its description.

    What is wrong with the settings is shown below the command line, and nothing is completed.
    """
    if action.dest in ("config", after_subcommand("config"), "directory", "backup", "version_path"):
        return _files(prefix, ini=action.metavar == "INI")
    try:
        if action.dest in ("x", after_subcommand("x")):
            return x_values(prefix, lambda: _application(parsed_args).packages)
        if action.dest in _REVISIONS:
            return {name: text for name, text in _revisions(parsed_args).items() if name.startswith(prefix)}
    except MigrateError as error:
        from argcomplete.io import warn

        warn(error.text())
    return {}


def x_values(prefix: str, packages: Callable[[], Iterable[str]]) -> dict[str, str]:
    """Return the ``-x`` options that begin with ``prefix``; ``packages`` is called for a value of ``packages=``."""
    name, equals, value = prefix.partition("=")
    if not equals:
        return {f"{option}=": "" for option in OPTIONS if option.startswith(name)}
    if name != "packages":
        return {f"{name}={one}": "" for one in _VALUES.get(name, ()) if one.startswith(value)}
    before, comma, last = value.rpartition(",")
    given = before.split(",")
    others = [one for one in (*packages(), *(() if comma else (ALL,))) if one not in given]
    return {f"{name}={before}{comma}{one}": "" for one in others if one.startswith(last)}


def _files(prefix: str, *, ini: bool) -> dict[str, str]:
    from argcomplete.completers import FilesCompleter

    return dict.fromkeys(FilesCompleter(("ini",) if ini else ())(prefix), "")


def _revisions(parsed_args: Namespace) -> dict[str, str]:
    """Return the symbols and the revisions of the selected packages, with their messages."""
    from websauna_migrate.packages.histories import package_here
    from websauna_migrate.packages.selection import package_names, select

    app = _application(parsed_args)
    named = parse_x_options(_given(parsed_args, "x")).packages
    selected = select(app.histories, package_names(named, app.packages, package_here(app.packages, app.app_package)))
    histories = [app.graph().histories[one.history.package] for one in selected]
    return _SYMBOLS | {id_: revision.message for one in histories for id_, revision in one.revisions.items()}


def _application(parsed_args: Namespace) -> Application:
    from websauna_migrate.bootstrap import load_application
    from websauna_migrate.scripts.loading import settings_file

    parsed_args.config = _given(parsed_args, "config")
    with redirect_stdout(sys.stderr):
        return load_application(
            settings_file(parsed_args), vars(parsed_args).get("name") or ALEMBIC_SECTION, complete=False
        )


def _given(parsed_args: Namespace, option: str) -> list[str]:
    """Return the values of ``option`` before and after the subcommand."""
    values = vars(parsed_args)
    return [*(values.get(option) or ()), *(values.get(after_subcommand(option)) or ())]
