"""Errors of the command line itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.exceptions import ClientError, RevisionError, RunError, UsageError, command, reason_of, remedy_for

if TYPE_CHECKING:
    from websauna_migrate.exceptions import MigrateError


class NobodyToAsk(UsageError):
    """A command asks before it writes, and there is no terminal."""

    def __init__(self, command: str) -> None:
        self.command = command
        super().__init__(f"{command} asks before it writes, and here is no terminal; say --yes")


class NoSettingsFile(UsageError):
    """No settings file was named."""

    def __init__(self) -> None:
        super().__init__("no settings file was named; say which with -c, as in: ws-alembic -c development.ini upgrade")


class NotOnHeads(RevisionError):
    """``current --check-heads`` found that the database is behind its scripts."""

    def __init__(self, package: str) -> None:
        self.package = package
        super().__init__(f"{package}: the database is not on all head revisions", command(package, "upgrade"))


class StatementFailed(RunError):
    """The database refused a statement that no revision has. ``origin`` names the settings file."""

    def __init__(self, origin: str, error: BaseException) -> None:
        self.origin = origin
        self.error = error
        remedy = remedy_for(error) or "see the statement with --raiseerr"
        super().__init__(f"{origin}: the database says: {reason_of(error)}; {remedy}")


class NotConfirmed(RunError):
    """Somebody was asked whether to go on, and did not say yes."""

    def __init__(self, command: str) -> None:
        self.command = command
        super().__init__(f"{command}: nothing was changed; run it again and answer yes, or say --yes")


class ResultNotWritten(RunError):
    """A command could not write what it had to: to stdout, or to a file. ``target`` says to which, as far as known."""

    def __init__(
        self, target: str, reason: str | None, remedy: str = "send the output to another place, or make room there"
    ) -> None:
        self.target = target
        self.reason = reason
        super().__init__(f"cannot write to {target}: {reason}; {remedy}")


class BackupFailed(ClientError):
    """The dump that was to come before an upgrade is not complete; ``error`` tells why."""

    def __init__(self, error: MigrateError) -> None:
        self.error = error
        super().__init__(f"the backup failed, nothing was upgraded: {error.what}", error.remedy)
