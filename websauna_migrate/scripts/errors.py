"""Errors of the command line itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.exceptions import ClientError, RunError, reason_of, remedy_for

if TYPE_CHECKING:
    from websauna_migrate.exceptions import MigrateError


class StatementFailed(RunError):
    """The database refused a statement that no revision has. ``origin`` names the settings file."""

    def __init__(self, origin: str, error: BaseException) -> None:
        self.origin = origin
        self.error = error
        remedy = remedy_for(error) or "pass --raiseerr to see the statement"
        super().__init__(f"{origin}: the database reports: {reason_of(error)}", remedy)


class ResultNotWritten(RunError, OSError):
    """A result could not be written to stdout or to a file. ``target`` says to which, as far as known."""

    def __init__(
        self,
        target: str,
        reason: str | None,
        remedy: str = "send the output to another place, or free some space there",
    ) -> None:
        self.target = target
        self.reason = reason
        super().__init__(f"cannot write to {target}: {reason}", remedy)


class BackupFailed(ClientError):
    """The dump that was to come before an upgrade is not complete; ``error`` tells why."""

    def __init__(self, error: MigrateError) -> None:
        self.error = error
        super().__init__(f"the backup failed, nothing was upgraded: {error.what}", error.remedy)
