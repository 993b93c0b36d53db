"""The base and the families of the errors of websauna_migrate: imports nothing of the project.

A class stands for one situation that a caller can react to, and keeps its facts as attributes. A situation that nobody
tells apart is an error of its family, with its text where it is raised. Each says in ``what`` what happened and where,
and in ``remedy`` what to do next; ``str()`` is both in one line. No message holds a password: a URL is rendered
without it before it gets here. The classes of a wing are in its ``errors.py``, and can be imported from here.

::

    MigrateError                       exit code 1
    |-- UsageError (ValueError)        exit code 2: the command line is wrong
    |-- SettingsError (ValueError)     an INI file, an include, a setting, the start of the application
    |-- RegistrationError (ValueError) add_migration_package() was called with an invalid value
    |-- OwnershipError                 a table without an owner or with two, models that a revision cannot express
    |-- RevisionError                  a revision script, or a name of a revision
    |-- PlanError                      the steps of a run cannot be put in order
    |-- LockError                      the lock of a run
    |-- RunError (RuntimeError)        a run failed
    `-- ClientError (OSError)          pg_dump, psql and the like
"""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TypeAlias

#: The wings that have errors of their own, in ``errors.py``.
_WINGS = (
    "settings",
    "packages",
    "revisions",
    "database",
    "dialects",
    "scratch",
    "autogenerate",
    "run",
    "web",
    "scripts",
)

#: Classes of 0.1.0.dev0 that are errors of their family now; their names can be imported until 0.2.
_FOLDED = {
    "UsageError": "AdoptionOfSeveral EmptySelection NoSettingsFile NobodyToAsk RelativeStepOverSeveral UnknownClient "
    "UnknownOption UnknownTable WrongCombination",
    "SettingsError": "AppIsComposite IncludeCycle IncludedPackageMissing InvalidConfigUri InvalidInitializer "
    "InvalidInterpolation InvalidNumber QueriedWhileStarting UnknownApplication UnknownIncludeScheme UnsetVariable "
    "UseCycle",
    "InvalidPasteSection": "DistributionMissing EntryPointMissing FactoryMissing",
    "RegistrationError": "HistoryTableTaken InvalidMetadata InvalidPackageName ScriptLocationTaken",
    "OwnershipError": "DottedReference EnumInUse EnumTaken NotInThisDialect UnregisteredOwner",
    "RevisionError": "DroppedTooEarly InstalledHistory MissingScriptLocation MissingTemplate NoRevisions NotOnHeads "
    "NotUpToDate RebaseRefused RequiredTableMissing RequiredTypeMissing RevisionNotOnBranch StepTooFar TemplateLacks",
    "InvalidRevision": "DuplicateBranchLabel DuplicateRevision InvalidRevisionHeader MissingParent "
    "MissingRevisionHeader RevisionCycle",
    "AmbiguousRevision": "AmbiguousStep RevisionInSeveralHistories SeveralHeads",
    "RequirementError": "AmbiguousRequirement UnknownRequirement UnregisteredRequirement",
    "PlanError": "RevisionNotApplied",
    "RunError": "AlreadyAdopted BrokenForeignKeys ChangedMeanwhile DataSessionInTransactionOfCaller DataSessionOffline "
    "DataSessionOutsideRevision HistoryRowGone ModelsDiffer NoAnswer NoVersionTable NotCompared NotConfirmed "
    "NotDroppable NothingMatches OfflineStepFailed OptionNotAllowed StatementFailed UnusableHistoryTable",
    "EnvFailed": "EnvDidNotRun OpenTransaction WrongPackage",
    "NotInOneTransaction": "NoTransactionalDdl",
    "ClientError": "BackupFailed DatabaseUnnamed NoClientKnown OutputFailed SnapshotFailed",
}

#: What starts a command where the settings file is not known.
PROGRAM = ("ws-alembic",)


@dataclass(frozen=True, slots=True)
class Command:
    """A command of ``ws-alembic`` for ``packages``. It names no settings file: only the border knows that."""

    packages: str
    arguments: tuple[str, ...]

    def text(self, program: Sequence[str] = PROGRAM) -> str:
        """Return the command quoted for a shell; ``program`` is its start: ``"ws-alembic", "-c", "app.ini"``."""
        return shlex.join((*program, "-x", f"packages={self.packages}", *self.arguments))

    def __str__(self) -> str:
        return self.text()


#: What to do: a command, a sentence, or the parts of a sentence that has commands in it.
Remedy: TypeAlias = str | Command | tuple[str | Command, ...]


def command(packages: str, *arguments: str) -> Command:
    """Return the command that runs ``arguments`` of ``ws-alembic`` for ``packages``."""
    return Command(packages, arguments)


def parts_of(remedy: Remedy) -> tuple[str | Command, ...]:
    """Return the parts of ``remedy``, to put it into another one."""
    return remedy if isinstance(remedy, tuple) else (remedy,)


def remedy_text(remedy: Remedy, program: Sequence[str] = PROGRAM) -> str:
    """Return ``remedy`` for a person; one that is a command can be run as it is."""
    return escaped("".join(part if isinstance(part, str) else part.text(program) for part in parts_of(remedy)))


def message_text(what: str, remedy: Remedy, program: Sequence[str] = PROGRAM) -> str:
    """Return ``what`` happened and its ``remedy`` in one line."""
    todo = remedy_text(remedy, program)
    return escaped(what) + (f"; {'run: ' if isinstance(remedy, Command) else ''}{todo}" if todo else "")


def escaped(text: str) -> str:
    r"""Return ``text`` with its control characters as ``\x1b``, so that it cannot steer a terminal."""
    return text if text.isprintable() else "".join(map(_shown, text))


def escaped_lines(text: str) -> str:
    """Return ``text`` with its control characters escaped, but with its lines."""
    return text if text.isprintable() else "\n".join(map(escaped, text.split("\n")))


def _shown(character: str) -> str:
    is_control = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return character.encode("unicode_escape").decode() if is_control else character


def one_line(text: object) -> str:
    """Return a text from elsewhere in one line, with single spaces and without control characters."""
    return escaped(" ".join(str(text).split()))


def listed(names: tuple[str, ...]) -> str:
    """Return ``names`` with commas between them, ``none`` where there are none."""
    return ", ".join(names) or "none"


def summed(names: tuple[str, ...]) -> str:
    """Return ``names`` with commas between them; of many, the first three, the last and their number."""
    if len(names) <= 8:
        return listed(names)
    return f"{listed(names[:3])}, ..., {names[-1]} ({len(names)} in all)"


def reason_of(error: BaseException) -> str:
    """Return the message of ``error`` in one line, of an error of the database that of its driver."""
    return one_line(getattr(error, "orig", None) or error)


def cause_of(error: BaseException) -> str:
    """Return the class and the message of ``error`` in one line."""
    reason = reason_of(error)
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__


class MigrateError(Exception):
    """Base of all errors that websauna_migrate raises on purpose.

    ``what`` says what happened and where. ``remedy`` says what to do: a
    :class:`~websauna_migrate.exceptions.Command`, a sentence, or the parts of one; it is empty where there is nothing
    to say. ``str()`` is both in one line.
    """

    exit_code: int = 1

    def __init__(self, what: str, remedy: Remedy = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def text(self, program: Sequence[str] = PROGRAM) -> str:
        """Return the message with ``program`` as the start of its commands."""
        return message_text(self.what, self.remedy, program)

    def __str__(self) -> str:
        return self.text()


class UsageError(MigrateError, ValueError):
    """The command line is wrong."""

    exit_code = 2


class SettingsError(MigrateError, ValueError):
    """A settings file or a value in it is wrong, or the application does not start from it."""


class RegistrationError(MigrateError, ValueError):
    """A migration package was registered with an invalid value."""


class OwnershipError(MigrateError):
    """A table has no owner or more than one, or a revision of its owner cannot express the model."""


class RevisionError(MigrateError):
    """A revision script is broken, or a revision is not found."""


class PlanError(MigrateError):
    """No order of steps satisfies what the revisions ask for."""


class LockError(MigrateError):
    """The lock that keeps two runs apart could not be acquired, or was lost."""


class RunError(MigrateError, RuntimeError):
    """A run failed."""


class ClientError(MigrateError, OSError):
    """A client program of the database is missing or failed, or a dump could not be made."""


def load_all() -> None:
    """Import the errors of all wings, so that the subclasses of :class:`MigrateError` are complete."""
    for wing in _WINGS:
        import_module(f"websauna_migrate.{wing}.errors")


def __getattr__(name: str) -> type[MigrateError]:
    """Return the error ``name`` of a wing: all of them can be imported from here, and none is loaded before that."""
    home = next((family for family, folded in _FOLDED.items() if name in folded.split()), None)
    if home is not None:
        return globals().get(home) or __getattr__(home)
    if not name.startswith("_"):
        for wing in _WINGS:
            found = getattr(import_module(f"websauna_migrate.{wing}.errors"), name, None)
            if isinstance(found, type) and issubclass(found, MigrateError):
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
