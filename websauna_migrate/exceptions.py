"""The errors of websauna_migrate: floor 0, imports nothing of the project.

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

from typing import ClassVar


class MigrateError(Exception):
    """Base of all errors that websauna_migrate raises on purpose; ``str()`` is one line for a person."""

    exit_code: ClassVar[int] = 1


class UsageError(MigrateError, ValueError):
    """The command line asks for something that cannot be."""

    exit_code: ClassVar[int] = 2


class SettingsError(MigrateError, ValueError):
    """A settings file or a value in it is wrong."""


class RegistrationError(MigrateError, ValueError):
    """A migration package was registered in a way that cannot work."""


class OwnershipError(MigrateError):
    """A table has no owner, or more than one."""


class RevisionError(MigrateError, LookupError):
    """A revision script is broken, or a revision is not where it should be."""


class PlanError(MigrateError):
    """No order of steps satisfies what the revisions ask for."""


class LockError(MigrateError, TimeoutError):
    """The lock that keeps two runs apart was not had in time."""


class RunError(MigrateError, RuntimeError):
    """A run broke on its way."""


class ClientError(MigrateError, OSError):
    """A client program of the database is missing or failed."""
