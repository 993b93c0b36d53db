"""Errors of a replay and of an adoption."""

from __future__ import annotations

from websauna_migrate.exceptions import RunError, command, listed, summed


class ReplayImpossible(RunError):
    """The scripts of a history cannot be run in a scratch place."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the scripts cannot be run in a scratch place: {reason}", "compare the schema by hand")


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

    ``closest`` is the revision that comes nearest, None where no script could be run, ``differences`` what differs.
    """

    def __init__(
        self, package: str, closest: str | None, differences: tuple[str, ...], stopped: str | None = None
    ) -> None:
        self.package = package
        self.closest = closest
        self.differences = differences
        self.stopped = stopped
        near = f". Closest: {closest}, but the database has {summed(differences)}" if closest else ""
        broken = f"; {stopped}" if stopped else ""
        super().__init__(
            f"{package}: the tables match no revision{near}{broken}",
            "change them, or pass --revision with the revision",
        )
