"""Errors of a run: which step failed, what was applied, what was not, and what stays in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.database.remedies import remedy_for, was_done_already
from websauna_migrate.exceptions import (
    Command,
    MigrateError,
    Remedy,
    RunError,
    cause_of,
    command,
    listed,
    parts_of,
    reason_of,
    summed,
)

if TYPE_CHECKING:
    from websauna_migrate.database.batch_places import Stopped
    from websauna_migrate.database.table_holders import TableHolder

PLAIN = "alembic_version"
NO_TABLE = "the database has none of the tables that these revisions create"
_AGAIN = "run the command again"

#: Why a database keeps a part of a revision that goes on where it stopped.
BATCHES = "it works in batches"

#: The options that make one transaction of a run.
ALL, DRY_RUN = "-x transaction=all", "--dry-run"
_WITHOUT = {DRY_RUN: "nothing was changed; upgrade a copy of the database instead"}
_VERBS = {"up": "upgrade to", "down": "downgrade of"}
_SEE_LOG = "look into the server's log"
_INSTEAD_OF_SETUP = "put that call at its end instead of its own set-up"


def _done_and_left(applied: tuple[str, ...], left: tuple[str, ...]) -> str:
    return f"applied in this run: {summed(applied)}; not applied: {summed(left)}"


def _undone(revision: str, stays: str | None) -> str:
    if stays is None:
        return f"{revision} was rolled back"
    if stays == BATCHES:
        return f"the finished batches of {revision} are kept, and the next run goes on after them"
    return (
        f"the earlier statements of {revision} were not rolled back, because {stays}: undo them by hand, "
        f"or make the script skip them"
    )


def _kept(left: tuple[str, ...], stays: str | None) -> str:
    return f"{_undone(left[0], stays)}; " if left and stays else ""


def _what_and_remedy(error: BaseException, fix: str, package: str) -> tuple[str, Remedy]:
    """Return what ``error`` says, and what to do about it: its own remedy, then ``fix`` where it is the script.

    What the script creates may exist, or what it drops not, because the revision of ``package`` was applied before.
    """
    if isinstance(error, (SubscriberFailed, TableInUse)):
        return error.what, error.remedy
    if isinstance(error, MigrateError):
        return error.what, (*parts_of(error.remedy), f"; {fix}" if error.remedy else fix)
    if was_done_already(error):
        doctor = command(package, "doctor")
        return cause_of(error), ("find out whether it was applied before with: ", doctor, f"; if it was not, {fix}")
    return cause_of(error), remedy_for(error) or fix


class SubscriberFailed(RunError):
    """A subscriber of the application raised; ``event`` is the name of what it was told."""

    def __init__(self, subscriber: str, event: str, error: BaseException, outcome: str = "") -> None:
        self.subscriber = subscriber
        self.event = event
        self.error = error
        said = f"the subscriber {subscriber} of {event} failed: {cause_of(error)}"
        super().__init__(f"{said}; {outcome}" if outcome else said, "fix the subscriber")


class StepFailed(RunError):
    """A revision raised an exception.

    ``applied`` and ``left`` are "package revision" each. ``stays`` tells why the database keeps the statements that
    the revision had run before it failed, and is None where it does not.
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
        verb = _VERBS[direction]
        said, remedy = _what_and_remedy(error, f"fix {path}", package)
        super().__init__(
            f"{verb} {package} {revision} failed: {said}; {_undone(revision, stays)}; {_done_and_left(applied, left)}",
            (*parts_of(remedy), f" and {_AGAIN}"),
        )


class TableInUse(RunError, TimeoutError):
    """A statement of a revision waited too long for a table: so ended the last of ``tries`` in ``seconds``.

    ``table`` and ``holder`` are None where the database does not tell. ``reason`` tells why it is not tried again where
    tries were left.
    """

    def __init__(
        self,
        table: str | None,
        holder: TableHolder | None,
        tries: int,
        seconds: float,
        reason: str | None,
        error: BaseException,
    ) -> None:
        self.table = table
        self.holder = holder
        self.tries = tries
        self.seconds = seconds
        self.reason = reason
        self.error = error
        what = f"the table {table}" if table else "a table"
        tried = f"{tries} {'try' if tries == 1 else 'tries'} in {seconds:.1f} s"
        again = f", not tried again because {reason}" if reason else ""
        end = f"wait until that session is done, or end it with: {holder.how_to_end}" if holder else remedy_for(error)
        more = "websauna_migrate.lock_wait" if reason else "websauna_migrate.lock_wait or lock_wait_tries"
        super().__init__(
            f"{what} is in use by {holder or 'an unknown session'} ({cause_of(error)}; {tried}{again})",
            f"{end}; or raise {more}",
        )


class ConnectionLost(RunError, ConnectionError):
    """The connection to the database was lost in the middle of a run; attributes as those of :class:`StepFailed`."""

    def __init__(
        self, error: BaseException, applied: tuple[str, ...], left: tuple[str, ...], *, stays: str | None
    ) -> None:
        self.error = error
        self.applied = applied
        self.left = left
        self.stays = stays
        super().__init__(
            f"the connection to the database was lost: {reason_of(error)}; {_kept(left, stays)}"
            f"{_done_and_left(applied, left)}",
            f"{remedy_for(error) or _SEE_LOG}, then {_AGAIN}",
        )


class RunStopped(RunError):
    """The run stopped before its next revision; ``error`` is the reason."""

    def __init__(self, error: MigrateError, applied: tuple[str, ...], left: tuple[str, ...]) -> None:
        self.error = error
        self.applied = applied
        self.left = left
        super().__init__(f"{error.what}; {_done_and_left(applied, left)}", error.remedy)


class RunInterrupted(RunError):
    """The run was interrupted. The current revision was rolled back, unless ``stays`` gives the reason why not."""

    exit_code = 130

    def __init__(self, applied: tuple[str, ...], left: tuple[str, ...], *, stays: str | None = None) -> None:
        self.applied = applied
        self.left = left
        self.stays = stays
        super().__init__(f"interrupted; {_kept(left, stays)}{_done_and_left(applied, left)}", f"{_AGAIN} to continue")


class ObserverFailed(RunError):
    """A method of the :class:`~websauna_migrate.Observer` of a run raised between two steps; ``error`` is what."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(f"the observer of the run failed: {cause_of(error)}", f"fix it and {_AGAIN}")


class PlanOutdated(RunError):
    """The history table of ``package`` holds ``found``, and held ``expected`` when the plan was made."""

    def __init__(self, package: str, expected: tuple[str, ...], found: tuple[str, ...]) -> None:
        self.package = package
        self.expected = expected
        self.found = found
        super().__init__(
            f"the plan was made when {package} was at {listed(expected)}, and it is at {listed(found)} now; "
            "nothing was run",
            "make the plan again",
        )


class NotAdopted(RunError):
    """The history table is empty, and the version table of another tool holds revisions of this history.

    With ``is_left_over`` the database has none of the tables of these revisions.
    """

    def __init__(self, package: str, table: str, rows: tuple[str, ...], *, is_left_over: bool = False) -> None:
        self.package = package
        self.table = table
        self.rows = rows
        self.is_left_over = is_left_over
        source = () if table == PLAIN else ("--from", table)
        what = (
            f"{package}: nothing was run, because the table {table} says that {listed(rows)} is applied already and "
            f"the history table is empty"
        )
        remedy: Remedy = ("take the database over with: ", command(package, "adopt", *source))
        if is_left_over:
            what += f"; but {NO_TABLE}"
            remedy = ("drop the old table with: ", command(package, "adopt", *source, "--drop-old"))
        super().__init__(what, remedy)


class HalfDone(RunError):
    """A revision was stopped in its batches, and the run would go the other way."""

    def __init__(self, package: str, stopped: Stopped, finish: Command, forget: Command) -> None:
        self.package = package
        self.stopped = stopped
        super().__init__(
            f"{said_half_done(package, stopped)}; nothing was run",
            ("finish it first with: ", finish, "; or keep the rows as they are and forget its place with: ", forget),
        )


def said_half_done(package: str, stopped: Stopped) -> str:
    """Say how far a revision came: it was stopped, or another run is at work on it."""
    what = f"the {_VERBS[stopped.direction]} {package} {stopped.revision}"
    return f"{what} is half done, with {stopped.rows} rows of {stopped.table} so far"


class HeadsDiffer(RunError):
    """A history table does not hold what the plan says: another program wrote to it."""

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


class NotInOneTransaction(RunError):
    """``-x transaction=all`` or ``--dry-run`` where a step cannot run in one transaction with the others.

    ``option`` is the one of these that was given.
    """

    def __init__(self, what: str, option: str = ALL) -> None:
        self.option = option
        super().__init__(f"{option}: {what}", _WITHOUT.get(option, f"run without {option}"))


class UnusableConnection(RunError):
    """The connection that was given to ``execute()`` would not commit the steps, or could not roll one back."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(
            f"execute() cannot use this connection: {what}; nothing was run",
            remedy,
        )


class EnvFailed(RunError):
    """An ``env.py`` raised, left a transaction open, or did not call ``run_alembic()`` for its package."""

    def __init__(self, package: str, what: str, remedy: str) -> None:
        self.package = package
        super().__init__(what, remedy)


def raised_in_env(path: str, package: str, error: BaseException, *, is_ours: bool) -> EnvFailed:
    """Return the error of an ``env.py`` that raised ``error``; one that ``is_ours`` calls ``run_alembic()``."""
    what = f"{path} of {package} failed with {cause_of(error)}; nothing was run"
    if not is_ours:
        return EnvFailed(package, f"{what}; it does not call {_our_call(package)}", _INSTEAD_OF_SETUP)
    return EnvFailed(package, what, f"correct it and {_AGAIN}")


def did_not_run_alembic(path: str, package: str) -> EnvFailed:
    """Return the error of an ``env.py`` that did nothing."""
    return EnvFailed(package, f"{path} did not call {_our_call(package)}, so nothing was done", _INSTEAD_OF_SETUP)


def _our_call(package: str) -> str:
    return f"websauna_migrate.env.run_alembic(package={package!r})"


def transaction_left_open(package: str) -> EnvFailed:
    """Return the error of a transaction that was open before Alembic began its own, which it would never commit."""
    return EnvFailed(
        package,
        f"env.py of {package}: a transaction is open on the connection, so nothing would be committed",
        "end it before run_alembic() is called",
    )


def names_other_package(path: str, named: str, package: str) -> EnvFailed:
    """Return the error of an ``env.py`` that names another package than the one that is run."""
    return EnvFailed(
        package, f"{path} calls run_alembic(package={named!r}) in the history of {package!r}", f"name {package!r} there"
    )


class TransactionEndedInside(RunError):
    """A revision committed or aborted the transaction that it shares with the run."""

    def __init__(self) -> None:
        super().__init__(
            "the revision ended its transaction by itself",
            "remove commit(), rollback(), transaction.abort() and begin() from it: the run commits when it is done, "
            "and an exception rolls it back; put what cannot run in a transaction into "
            "op.get_context().autocommit_block()",
        )


class FailedAfterCommit(RunError):
    """The revision was committed, and another participant of its transaction failed after that."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(
            f"the revision is applied, but what had joined its transaction failed after the commit: {cause_of(error)}",
            f"do by hand what is missing, then {_AGAIN}",
        )
