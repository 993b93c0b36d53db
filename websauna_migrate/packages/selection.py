"""The packages and histories that a command considers: ``-x packages=`` and the working directory.

Reads which folders exist, nothing else.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import UsageError, listed
from websauna_migrate.packages.errors import NothingRegistered, UnknownPackage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from websauna_migrate.packages.package import History

ALL = "all"
OPTIONS = ("packages", "transaction", "cascade")
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_INSTALLED = {"site-packages", "dist-packages"}


@dataclass(frozen=True, slots=True)
class XOptions:
    """The ``-x`` options of websauna_migrate. ``packages`` is None if ``-x packages=`` is absent."""

    packages: tuple[str, ...] | None = None
    one_transaction: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class Selected:
    """A history that a command runs for, and those of its packages that the command considers."""

    history: History
    packages: tuple[str, ...]


def select(histories: Sequence[History], packages: Collection[str]) -> tuple[Selected, ...]:
    """Group ``packages`` by history, in the order of ``histories``.

    :raises UnknownPackage: no history has one of them
    """
    names = (packages,) if isinstance(packages, str) else packages
    registered = tuple(name for history in histories for name in history.packages)
    for name in names:
        if name not in registered:
            raise UnknownPackage(name, registered, closest(name, registered))
    selected = (Selected(h, tuple(name for name in h.packages if name in names)) for h in histories)
    return tuple(s for s in selected if s.packages)


def histories_of(selected: Iterable[Selected]) -> tuple[str, ...]:
    """Return the names of the histories of ``selected``."""
    return tuple(one.history.package for one in selected)


def parse_x_options(x_arguments: Iterable[str]) -> XOptions:
    """Return the options of websauna_migrate among ``x_arguments``, the values of all ``-x`` options.

    Other names belong to the ``env.py`` of the user. If an option is given twice, the last value counts; the values of
    ``packages`` are combined.

    :raises UsageError: an option has a value that it does not accept
    """
    packages: list[str] | None = None
    transaction, cascade = "each", "no"
    for name, _, value in (argument.partition("=") for argument in x_arguments):
        if name == "packages":
            packages = [*(packages or ()), *(part.strip() for part in value.split(",") if part.strip())]
        elif name == "transaction":
            transaction = _one_of(name, value, ("all", "each"))
        elif name == "cascade":
            cascade = _one_of(name, value, ("yes", "no"))
    given = None if packages is None else tuple(dict.fromkeys(packages))
    return XOptions(given, one_transaction=transaction == "all", cascade=cascade == "yes")


def misspelled(x_arguments: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each name among ``x_arguments`` that resembles an option of websauna_migrate and is none, with that."""
    for name in dict.fromkeys(argument.partition("=")[0] for argument in x_arguments):
        similar = difflib.get_close_matches(name.strip().lower(), OPTIONS, n=1, cutoff=0.8)
        if similar and name not in OPTIONS:
            yield name, similar[0]


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        known = " or ".join(f"-x {name}={choice}" for choice in choices)
        raise UsageError(f"-x {name}={value} is not valid", f"pass {known}")
    return value


def package_names(named: Sequence[str] | None, registered: Collection[str], current: str) -> tuple[str, ...]:
    """Return the packages that a command considers.

    ``named`` is the value of ``-x packages=``. Without it that is ``current``, the current package.

    :raises NothingRegistered: the application registers none at all
    :raises UnknownPackage: one of them is not registered
    :raises UsageError: the option names none
    """
    if not registered:
        raise NothingRegistered(current)
    if named is None:
        return (current,)
    if not named:
        raise UsageError("-x packages= names no package", f"name some of {listed(tuple(registered))}, or all")
    for name in named:
        if name not in registered and name != ALL:
            raise UnknownPackage(name, tuple(registered), closest(name, registered))
    return tuple(registered) if ALL in named else tuple(named)


def closest(name: str, names: Iterable[str]) -> str | None:
    """Return the most similar of ``names``, None if none is similar to ``name``."""
    return next(iter(difflib.get_close_matches(name, list(names), n=1)), None)


def current_package(folders: Mapping[str, Path], app_package: str, working_directory: Path) -> str:
    """Return the package whose project folder contains the working directory, else ``app_package``.

    ``folders`` gives the folder of each registered package. The deepest project folder wins. If several packages
    share it, the package that contains the working directory comes first, then the application, then registration
    order.
    """
    here = working_directory.resolve()
    projects = {name: project for name, folder in folders.items() if (project := project_folder(folder.resolve()))}
    around = {name: project for name, project in projects.items() if here.is_relative_to(project)}
    if not around:
        return app_package
    deepest = max(around.values(), key=lambda project: len(project.parts))
    candidates = [name for name, project in around.items() if project == deepest]
    inside = [name for name in candidates if here.is_relative_to(folders[name].resolve())]
    if inside:
        return max(inside, key=lambda name: len(folders[name].resolve().parts))
    return app_package if app_package in candidates else candidates[0]


def project_folder(folder: Path) -> Path | None:
    """Return the nearest project folder at or above ``folder``, None for an installed package."""
    if is_installed(folder):
        return None
    return next((f for f in (folder, *folder.parents) if any((f / name).is_file() for name in _PROJECT_FILES)), None)


def is_installed(folder: Path) -> bool:
    """Tell whether ``folder`` is where pip installs packages, and not in a source checkout."""
    return bool(_INSTALLED.intersection(folder.parts))
