"""Findings about revisions whose tables are there and that count as pending, or the other way round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import Command, Remedy, command
from websauna_migrate.repair.findings import Finding, by_sql, outcome
from websauna_migrate.repair.traces import shown
from websauna_migrate.run.errors import said_half_done

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websauna_migrate.database.batch_places import Stopped
    from websauna_migrate.packages.package import TableName
    from websauna_migrate.repair.replay import Replay
    from websauna_migrate.repair.traces import Part, Trace
    from websauna_migrate.revisions.scripts import Revision


@dataclass(frozen=True, slots=True)
class AlreadyApplied(Finding):
    """The history table ``table`` is at ``rows``, and the database at ``revisions``; ``traces`` are of those between.

    ``before`` are pending revisions that have to be run first, ``why`` is what the tables match.
    """

    problem = "already-applied"
    reason = "an upgrade would make these changes again, and fail"

    package: str
    table: str
    rows: tuple[str, ...]
    traces: tuple[Trace, ...]
    revisions: tuple[str, ...]
    before: tuple[str, ...]
    why: str

    @property
    def detail(self) -> str:
        """What was found."""
        said = traced(self.traces)
        return (
            f"{self.table} is at {', '.join(self.rows)}, but the database {f'{said}, as' if said else 'is as'} after "
            f"{', '.join(self.revisions)}; {self.why}"
        )

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        stamp = command(self.package, "stamp", *self.revisions)
        return ("Run ", command(self.package, "upgrade", *self.before), ", then ", stamp) if self.before else stamp


@dataclass(frozen=True, slots=True)
class HalfApplied(Finding):
    """The database has a part of what the pending ``revision`` creates.

    ``counted`` are the tables that it created, with their numbers of rows, where it has nothing else; ``drop`` are the
    statements that drop them. Unless it ``is_alone``, the database has something of other pending revisions too.
    """

    problem = "half-applied"
    reason = "an upgrade would create again what is there, and fail"

    package: str
    revision: Revision
    trace: Trace
    counted: tuple[tuple[TableName, int], ...]
    drop: tuple[str, ...]
    replay: Replay
    is_alone: bool = True

    @property
    def detail(self) -> str:
        """What was found."""
        rows = "".join(f"; {table} has {count} row(s)" for table, count in self.counted)
        missing = [f"it lacks {shown(self.trace.missing)}"] if self.trace.missing else []
        left = [f"it has {shown(self.trace.left)} still"] if self.trace.left else []
        rest = "; ".join(missing + left) or outcome(self.replay)
        return f"revision {self.revision.id} is pending, but the database {traced([self.trace])}{rows}; {rest}"

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        if self.trace.missing is None and not self.is_alone:
            first = "Drop nothing before it is known which revision the tables match; let the scripts run in "
            return (first, command(self.package, "doctor"))
        if self.counted and not any(count for _, count in self.counted):
            # What else of it was run is only known where it was compared.
            undo = f", undo what else of {self.revision.path} was run" if self.trace.missing is None else ""
            return f"The tables are empty. Drop them{undo}, then upgrade; {by_sql(self.drop)}"
        return (
            f"Run the statements of {self.revision.path} that are missing, out of those that this prints: ",
            statements(self.package, self.revision),
            "; then run ",
            command(self.package, "stamp", self.revision.id),
        )


@dataclass(frozen=True, slots=True)
class HalfDoneBatches(Finding):
    """A revision was stopped in its batches: ``finish`` runs the rest of them."""

    problem = "half-applied"
    reason = "some rows are as they were before the revision, others as they are after it"

    package: str
    stopped: Stopped
    finish: Command

    @property
    def detail(self) -> str:
        """What was found."""
        return said_half_done(self.package, self.stopped)

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        return self.finish


@dataclass(frozen=True, slots=True)
class Inserted(Finding):
    """The history table ``table`` is at ``rows``, after ``revision``, and the database has nothing of that one."""

    problem = "inserted-revision"
    reason = "the revision counts as applied, so no upgrade runs it"

    package: str
    table: str
    rows: tuple[str, ...]
    revision: Revision
    missing: frozenset[Part]

    @property
    def detail(self) -> str:
        """What was found."""
        return (
            f"{self.table} is at {', '.join(self.rows)}, which includes {self.revision.id} ({self.revision.path}), but "
            f"the database lacks {shown(self.missing)}: the script may have been added after later ones were applied"
        )

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        return (
            f"Run the statements that this prints, except those about {self.table}: ",
            statements(self.package, self.revision),
        )


def traced(traces: Sequence[Trace]) -> str:
    """Say what the database has and lacks because of pending revisions."""
    there = {part for trace in traces for part in trace.there}
    gone = {part for trace in traces for part in trace.gone}
    said = [f"has {shown(there)}"] if there else []
    return " and ".join([*said, *([f"lacks {shown(gone)}"] if gone else [])])


def statements(package: str, revision: Revision) -> Command:
    """Return the command that prints the SQL of ``revision``."""
    start = revision.down[0] if revision.down else "base"
    return command(package, "upgrade", "--sql", f"{start}:{revision.id}")
