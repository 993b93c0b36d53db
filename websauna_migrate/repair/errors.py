"""Errors of a replay and of an adoption."""

from __future__ import annotations

from websauna_migrate.exceptions import RunError, command, listed, summed


class NotCompared(RunError):
    """No script could be run to find out which revision the tables of a database match. ``reason`` says why."""

    def __init__(self, package: str, reason: str) -> None:
        self.package = package
        self.reason = reason
        super().__init__(
            f"{package}: it was not determined which revision the tables match: {reason}",
            "or pass --revision with the revision",
        )


class AlreadyAdopted(RunError):
    """The history table holds revisions already, and others than those to adopt."""

    def __init__(self, package: str, history_table: str, rows: tuple[str, ...], wanted: tuple[str, ...]) -> None:
        self.package = package
        self.history_table = history_table
        self.rows = rows
        self.wanted = wanted
        super().__init__(
            f"{package}: the table {history_table} is at {listed(rows)}, not at {', '.join(wanted) or 'base'}",
            ("to overwrite it, run: ", command(package, "stamp", "--purge", *(wanted or ("base",)))),
        )


class NothingMatches(RunError):
    """The schema of a database matches no revision.

    ``closest`` is the revision that comes nearest, ``differences`` what differs. ``stopped`` says why not all scripts
    were compared, ``lacks`` what the scratch database did not have.
    """

    def __init__(
        self,
        package: str,
        closest: str,
        differences: tuple[str, ...],
        stopped: str | None = None,
        lacks: tuple[str, ...] = (),
    ) -> None:
        self.package = package
        self.closest = closest
        self.differences = differences
        self.stopped = stopped
        self.lacks = lacks
        near = f". Closest: {closest}, but the database has {summed(differences)}"
        broken = f"; {stopped}" if stopped else ""
        limits = f"; the scratch database lacks {listed(lacks)}" if lacks else ""
        super().__init__(
            f"{package}: the tables match no revision{near}{broken}{limits}",
            "change them, or pass --revision with the revision",
        )
