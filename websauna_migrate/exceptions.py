"""The errors of websauna_migrate: imports nothing of the project.

Each class stands for one situation. It keeps the facts as attributes, and its message is one line that says
what happened, where, and what to do next. Messages never hold a password: a URL goes through
:func:`sqlalchemy.engine.URL.render_as_string` before it gets here.

::

    MigrateError                     exit code 1
    |-- UsageError                   exit code 2: the command line is wrong
    |-- SettingsError                an INI file, an include, a setting
    |-- RegistrationError            add_migration_package() was called with something that cannot be
    |-- OwnershipError               a table without an owner, or with two
    |-- RevisionError                a revision script, or a name of a revision
    |-- PlanError                    the order of a run cannot be made
    |-- LockError                    the lock of a run was not had
    |-- RunError                     a run broke
    `-- ClientError                  pg_dump, psql and the like
"""

from __future__ import annotations

import shlex
from importlib import import_module

#: The wings that have errors of their own, in ``errors.py``.
_WINGS = ("settings", "packages", "revisions", "database", "dialects", "autogenerate", "run", "repair", "scripts")

_COMMAND = "ws-alembic -x "


def command(packages: str, *arguments: str) -> str:
    """Return the command line that runs ``arguments`` of ``ws-alembic`` for ``packages``, quoted for a shell.

    It names no settings file; :func:`with_program` puts that in where it is known.
    """
    return _COMMAND + shlex.join((f"packages={packages}", *arguments))


def with_program(text: str, *program: str) -> str:
    """Return ``text`` with ``program`` as the start of its commands: ``"ws-alembic", "-c", "development.ini"``."""
    return text.replace(_COMMAND, f"{shlex.join(program)} -x ") if program else text


def listed(names: tuple[str, ...]) -> str:
    """Return ``names`` with commas between them, ``none`` where there are none."""
    return ", ".join(names) or "none"


def summed(names: tuple[str, ...]) -> str:
    """Return ``names`` with commas between them; of many, the first three, the last and their number."""
    if len(names) <= 8:
        return listed(names)
    return f"{listed(names[:3])}, ..., {names[-1]} ({len(names)} in all)"


def reason_of(error: BaseException) -> str:
    """Return what ``error`` says in one line, of an error of the database what its driver says."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


_MAY_NOT = "let the user of sqlalchemy.url do that"
_REMEDIES: dict[object, str] = {
    "42501": _MAY_NOT,  # PostgreSQL
    "3F000": "create the schema, or correct its name in the script or in the search_path of sqlalchemy.url",
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), _MAY_NOT),  # MySQL and MariaDB
    "attempt to write a readonly database": "let this user write the file and its folder",
}


def remedy_for(error: BaseException) -> str | None:
    """Return what to do about an error of the database that no script can mend, None for others."""
    said = getattr(error, "orig", None)
    codes = [getattr(said, name, None) for name in ("sqlstate", "pgcode", "errno")]
    return next((_REMEDIES[code] for code in (*codes, *getattr(said, "args", ())) if code in _REMEDIES), None)


class MigrateError(Exception):
    """Base of all errors that websauna_migrate raises on purpose; ``str()`` is one line for a person."""

    exit_code: int = 1


class UsageError(MigrateError, ValueError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class WrongCombination(UsageError):
    """Options that do not go together."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what}; {remedy}")


class UnknownOption(UsageError):
    """An option has a value that it does not know."""

    def __init__(self, option: str, choices: tuple[str, ...]) -> None:
        self.option = option
        self.choices = choices
        super().__init__(f"{option} is not known; say {' or '.join(choices)}")


class SettingsError(MigrateError, ValueError):
    """A settings file or a value in it is wrong."""


class RevisionError(MigrateError, LookupError):
    """A revision script is broken, or a revision is not where it should be."""


class RunError(MigrateError, RuntimeError):
    """A run broke on its way."""


def load_all() -> None:
    """Import the errors of all wings, so that the subclasses of :class:`MigrateError` are complete."""
    for wing in _WINGS:
        import_module(f"websauna_migrate.{wing}.errors")


def __getattr__(name: str) -> type[MigrateError]:
    """Return the error ``name`` of a wing: all of them can be imported from here, and none is loaded before that."""
    if not name.startswith("_"):
        for wing in _WINGS:
            found = getattr(import_module(f"websauna_migrate.{wing}.errors"), name, None)
            if isinstance(found, type) and issubclass(found, MigrateError):
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
