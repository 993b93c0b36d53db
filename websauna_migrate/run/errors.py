"""Errors of a run: which step failed, what was applied, what was not, and what stays in the database."""

from __future__ import annotations

from websauna_migrate.exceptions import MigrateError, Remedy, RunError, command, listed, reason_of, remedy_for, summed


def _done_and_left(applied: tuple[str, ...], left: tuple[str, ...]) -> str:
    return f"applied in this run: {summed(applied)}; not applied: {summed(left)}"


def _undone(revision: str, stays: str | None) -> str:
    if stays is None:
        return f"nothing of {revision} stays"
    return f"what {revision} had done before stays, because {stays}: undo it by hand or let the script pass over it"


def _kept(left: tuple[str, ...], stays: str | None) -> str:
    return f"{_undone(left[0], stays)}; " if left and stays else ""


class StepFailed(RunError):
    """A revision raised while it ran.

    ``applied`` and ``left`` are "package revision" each. ``stays`` tells why the database keeps the statements that
    the revision had run before it broke, and is None where it does not.
    """

    def __init__(
        self,
        package: str,
        revision: str,
        direction: str,
        path: str,
        error: BaseException,
        *,
        applied: tuple[str, ...],
        left: tuple[str, ...],
        stays: str | None,
    ) -> None:
        self.package = package
        self.revision = revision
        self.direction = direction
        self.path = path
        self.error = error
        self.applied = applied
        self.left = left
        self.stays = stays
        super().__init__(
            f"{package} {revision} ({direction}) broke: {type(error).__name__}: {reason_of(error)}; "
            f"{_undone(revision, stays)}; {_done_and_left(applied, left)}; "
            f"{remedy_for(error) or f'mend {path}'} and run the same command again"
        )


class ConnectionLost(RunError):
    """The server went away in the middle of a run; attributes as those of :class:`StepFailed`."""

    def __init__(
        self, error: BaseException, applied: tuple[str, ...], left: tuple[str, ...], *, stays: str | None
    ) -> None:
        self.error = error
        self.applied = applied
        self.left = left
        self.stays = stays
        super().__init__(
            f"the connection to the database was lost: {reason_of(error)}; {_kept(left, stays)}"
            f"{_done_and_left(applied, left)}; see what the server's log says, then run the same command again"
        )


class RunStopped(RunError):
    """A run did not go on to its next revision; ``error`` tells why."""

    def __init__(self, error: MigrateError, applied: tuple[str, ...], left: tuple[str, ...]) -> None:
        self.error = error
        self.applied = applied
        self.left = left
        super().__init__(f"{error.what}; {_done_and_left(applied, left)}", error.remedy)


class RunInterrupted(RunError):
    """Somebody stopped the run; the revision under way was rolled back, unless ``stays`` tells why not."""

    exit_code = 130

    def __init__(self, applied: tuple[str, ...], left: tuple[str, ...], *, stays: str | None = None) -> None:
        self.applied = applied
        self.left = left
        self.stays = stays
        super().__init__(
            f"interrupted; {_kept(left, stays)}{_done_and_left(applied, left)}; run the same command again to go on"
        )


class HeadsDiffer(RunError):
    """After a run a history table does not hold what the plan says: somebody else wrote to it."""

    def __init__(self, package: str, history_table: str, expected: tuple[str, ...], found: tuple[str, ...]) -> None:
        self.package = package
        self.history_table = history_table
        self.expected = expected
        self.found = found
        super().__init__(
            f"{package}: after the run the table {history_table} holds {listed(found)}, expected {listed(expected)}; "
            f"another program may have written to it",
            command(package, "status"),
        )


class HistoryRowGone(RunError):
    """What a revision is to replace in its history table is not there any more: somebody else wrote to it."""

    def __init__(self, history_table: str, rows: tuple[str, ...]) -> None:
        self.history_table = history_table
        self.rows = rows
        super().__init__(
            f"the table {history_table} does not hold {listed(rows)} any more; does another program write to it?"
        )


class NotInOneTransaction(RunError):
    """A revision leaves its transaction, so that several cannot share one."""

    def __init__(self, package: str, revision: str, path: str) -> None:
        self.package = package
        self.revision = revision
        self.path = path
        super().__init__(
            f"-x transaction=all: {package} {revision} uses autocommit_block() ({path}); run without -x transaction=all"
        )


class NoTransactionalDdl(RunError):
    """The database commits each DDL statement by itself."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        super().__init__(
            f"-x transaction=all: {dialect} commits each DDL statement by itself; run without -x transaction=all"
        )


class OpenTransaction(RunError):
    """A transaction was open before Alembic began its own, which it would then never commit."""

    def __init__(self, package: str) -> None:
        self.package = package
        super().__init__(
            f"env.py of {package}: a transaction is open on the connection, so that nothing would be committed; "
            f"end it before run_alembic() is called"
        )


class WrongPackage(RunError):
    """An ``env.py`` names another package than the one that is run."""

    def __init__(self, path: str, named: str, package: str) -> None:
        self.path = path
        self.named = named
        self.package = package
        super().__init__(f"{path} says run_alembic(package={named!r}) in the history of {package!r}; name that one")


class OptionNotAllowed(RunError):
    """An ``env.py`` sets an option that websauna_migrate sets itself."""

    def __init__(self, package: str, options: list[str]) -> None:
        self.package = package
        self.options = options
        super().__init__(
            f"env.py of {package}: run_alembic() takes no {', '.join(options)}; "
            f"the settings file and add_migration_package() say that"
        )


class EnvFailed(RunError):
    """An ``env.py`` raised."""

    def __init__(self, path: str, package: str, error: BaseException) -> None:
        self.path = path
        self.package = package
        self.error = error
        super().__init__(
            f"{path} of {package} failed with {type(error).__name__}: {reason_of(error)}; nothing was run; "
            f"correct it and run the same command again"
        )


class EnvDidNotRun(RunError):
    """An ``env.py`` did not call ``run_alembic()``."""

    def __init__(self, path: str, package: str) -> None:
        self.path = path
        self.package = package
        super().__init__(
            f"{path} did not call websauna_migrate.env.run_alembic(package={package!r}), so nothing was done; "
            f"put that call at its end in place of its own set-up"
        )


class DataSessionOutsideRevision(RunError):
    """``data_session()`` was called where no revision runs."""

    def __init__(self) -> None:
        super().__init__(
            "websauna_migrate.data_session() was called outside of a revision; call it in upgrade() or downgrade()"
        )


class DataSessionOffline(RunError):
    """``data_session()`` was called while ``--sql`` writes statements, where there are no rows to work on."""

    def __init__(self) -> None:
        super().__init__(
            "websauna_migrate.data_session() needs a database, and --sql has none; run this revision without --sql, "
            "or write its work as op.execute()"
        )


class DataSessionInTransactionOfCaller(RunError):
    """``data_session()`` was called in a transaction that the program that called Alembic has begun."""

    def __init__(self) -> None:
        super().__init__(
            "websauna_migrate.data_session() needs a transaction of its own, and the program that called Alembic has "
            "begun one on its connection; pass a connection without one in Config.attributes"
        )


class TransactionEndedInside(RunError):
    """A revision committed or aborted the transaction that it shares with the run."""

    def __init__(self) -> None:
        super().__init__(
            "the revision ended its transaction by itself; take commit(), rollback(), transaction.abort() and begin() "
            "out of it: the run commits when it is done, and an exception undoes it; what cannot run in a transaction "
            "goes into op.get_context().autocommit_block()"
        )


class FailedAfterCommit(RunError):
    """The database has committed a revision, and what had joined its transaction then failed."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(
            f"the revision is applied, but what had joined its transaction failed after the commit: "
            f"{type(error).__name__}: {reason_of(error)}; do by hand what is missing, then run the same command again"
        )


class OfflineStepFailed(RunError):
    """A revision raised while its SQL was written for ``--sql``."""

    def __init__(self, package: str, revision: str, direction: str, path: str, error: BaseException) -> None:
        self.package = package
        self.revision = revision
        self.direction = direction
        self.path = path
        self.error = error
        what = f"{type(error).__name__}: {reason_of(error)}"
        remedy: Remedy = f"see {path}"
        if isinstance(error, MigrateError):
            what, remedy = error.what, error.remedy
        super().__init__(f"{package} {revision} ({direction}) cannot be written as SQL: {what}", remedy)
