"""The error of a result that cannot be written."""

from __future__ import annotations

from websauna_migrate.exceptions import RunError


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
