"""Errors of a replay and of an adoption."""

from __future__ import annotations

from websauna_migrate.exceptions import RunError, UsageError, command, listed, summed


class AdoptionOfSeveral(UsageError):
    """``adopt`` is for one history, and several are selected."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self.packages = packages
        super().__init__(
            f"adopt takes over one history, not {listed(packages)}; say which with -x packages={packages[0]}"
        )


class ReplayImpossible(RunError):
    """The scripts of a history cannot be run in a scratch place."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the scripts cannot be run in a scratch place: {reason}; compare the schema by hand")


class NoVersionTable(RunError):
    """There is no table of this name to take over."""

    def __init__(self, table: str) -> None:
        self.table = table
        super().__init__(f"adopt --from: the database has no table {table}; look which table the other tool uses")


class NotDroppable(RunError):
    """``--drop-old`` was asked for a table that holds more than revisions."""

    def __init__(self, table: str) -> None:
        self.table = table
        super().__init__(
            f"adopt --drop-old: the table {table} holds more than the column version_num, and is not dropped here; "
            f"run without --drop-old"
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
    """The schema of a database is that of no revision.

    ``closest`` is the revision that comes nearest, None where no script could be run, ``differences`` what differs.
    """

    def __init__(
        self, package: str, closest: str | None, differences: tuple[str, ...], stopped: str | None = None
    ) -> None:
        self.package = package
        self.closest = closest
        self.differences = differences
        self.stopped = stopped
        near = f"; the closest is {closest}, the database has {summed(differences)}" if closest else ""
        broken = f"; {stopped}" if stopped else ""
        super().__init__(
            f"{package}: the tables in the database are those of no revision{near}{broken}; "
            f"change them, or name the revision with --revision"
        )


class ChangedMeanwhile(RunError):
    """Between the question and the answer somebody else wrote to the table."""

    def __init__(self, table: str) -> None:
        self.table = table
        super().__init__(f"somebody else wrote to {table} meanwhile, so nothing was changed; run the command again")
