"""The findings of ``doctor``: each holds the facts, and says what they are, why they matter and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from websauna_migrate.exceptions import Command, Remedy, command, parts_of
from websauna_migrate.packages.errors import BrokenModels
from websauna_migrate.packages.package import TABLE_PREFIX, TableName

if TYPE_CHECKING:
    from websauna_migrate.exceptions import MigrateError
    from websauna_migrate.repair.adoption import Adoption
    from websauna_migrate.repair.replay import Match, Replay
    from websauna_migrate.revisions.plan import Report
    from websauna_migrate.revisions.scripts import Revision

Problem = Literal[
    "unknown-revision",
    "unstamped",
    "several-heads",
    "overlapping-revisions",
    "plain-alembic-version",
    "orphan-history",
    "ownerless-table",
    "unmet-requirement",
]
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, by the facts that were found; ``package`` is None where no registered package is meant.

    ``reason`` says why the problem matters.
    """

    problem: ClassVar[Problem]
    reason: ClassVar[str]

    package: str | None

    @property
    def detail(self) -> str:
        """What was found."""
        raise NotImplementedError

    @property
    def remedy(self) -> Remedy:
        """What to do: a command, or sentences."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class UnknownRevisions(Finding):
    """The history table ``table`` holds revisions that no script has; the tables were compared in ``replay``."""

    problem = "unknown-revision"
    reason = "nobody knows what is applied, so nothing can be upgraded or downgraded"

    package: str
    table: str
    unknown: tuple[str, ...]
    replay: Replay

    @property
    def detail(self) -> str:
        """What was found."""
        return (
            f"{self.table} is at {', '.join(self.unknown)}, which no script has: the code is older than the database "
            f"or on another branch, or a script was deleted or rewritten; {outcome(self.replay)}"
        )

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        if self.replay.exact:
            return command(self.package, "stamp", "--purge", *(self.replay.exact[0].revisions or ("base",)))
        return (
            f"Get the scripts of {self.package} that have {', '.join(self.unknown)} (a newer version, another branch, "
            f"or the deleted file: git log --all -S {self.unknown[0]}); without them change the tables to what the "
            f"closest revision makes, and stamp that one with --purge."
        )


@dataclass(frozen=True, slots=True)
class Overlapping(Finding):
    """Some of the ``rows`` of the history table ``table`` come before others; ``heads`` are those that count."""

    problem = "overlapping-revisions"
    reason = "it cannot be told what is applied, so nothing can be upgraded or downgraded"

    package: str
    table: str
    rows: tuple[str, ...]
    heads: tuple[str, ...]

    @property
    def detail(self) -> str:
        """What was found."""
        return f"{self.table} is at {', '.join(self.rows)}, but some of these come before others"

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        return command(self.package, "stamp", "--purge", *self.heads)


@dataclass(frozen=True, slots=True)
class Unstamped(Finding):
    """The history table ``table`` is empty and ``found`` exist. ``replay`` is None where there are no revisions yet."""

    problem = "unstamped"
    reason = "an upgrade would create the tables that are there already, and fail"

    package: str
    table: str
    found: tuple[TableName, ...]
    replay: Replay | None

    @property
    def detail(self) -> str:
        """What was found."""
        tables = ", ".join(map(str, self.found))
        why = f"{self.package} has no revisions yet" if self.replay is None else outcome(self.replay)
        return f"{self.table} holds no revision, but there are the tables {tables}; {why}"

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        if self.replay is None:
            return (
                f"Write the first revision of {self.package} with the settings of an empty database and "
                f"'revision --autogenerate', then run ",
                command(self.package, "stamp", "heads"),
            )
        exact = next((match for match in self.replay.exact if match.revisions), None)
        if exact is not None:
            return command(self.package, "stamp", *exact.revisions)
        closest = self.replay.matches[0].revisions if self.replay.matches else ()
        if closest:
            return (
                "Change the tables to match a revision; or, if the differences do not matter, run ",
                command(self.package, "stamp", *closest),
            )
        return "Change the tables to match a revision, or choose the revision yourself and write it with stamp."


@dataclass(frozen=True, slots=True)
class ManyHeads(Finding):
    """A history has several ``heads``; ``applied`` are the ids of those that are applied."""

    problem = "several-heads"
    reason = "two lines of changes were never tried together, and 'head' is no longer one revision"

    package: str
    heads: tuple[Revision, ...]
    applied: frozenset[str]
    is_installed: bool

    @property
    def detail(self) -> str:
        """What was found."""
        heads = "; ".join(map(self._described, self.heads))
        return f"{self.package} has {len(self.heads)} heads: {heads}"

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        if self.is_installed:
            return f"Install a version of {self.package} with one head, or merge them in a source checkout of it."
        return command(self.package, "merge", "-m", "Merge heads", *(head.id for head in self.heads))

    def _described(self, head: Revision) -> str:
        date = head.create_date or "a day that the script does not say"
        state = "applied" if head.id in self.applied else "not applied"
        return f"{head.id} {head.message!r} of {date}, after {', '.join(head.down) or 'base'}, {state} ({head.path})"


@dataclass(frozen=True, slots=True)
class PlainTable(Finding):
    """The version table ``plain`` of plain Alembic is not taken over into ``table``, or was changed since.

    ``adoption`` is what adopting it would write, or the error that says why it cannot be adopted.
    """

    problem = "plain-alembic-version"
    reason = "this table is not read here, so what it says counts for nothing"

    package: str
    plain: str
    plain_rows: tuple[str, ...]
    table: str
    rows: tuple[str, ...]
    adoption: Adoption | MigrateError

    @property
    def detail(self) -> str:
        """What was found."""
        found = f"the table {self.plain} of plain Alembic is at {', '.join(self.plain_rows) or 'nothing'}; "
        found += f"{self.table} is at {', '.join(self.rows) or 'nothing'}"
        if isinstance(self.adoption, Exception):
            return f"{found}; {self.adoption.what}"
        return f"{found}; {self.adoption.why}" if self.adoption.changes else found

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        if isinstance(self.adoption, Exception):
            return _sentence(self.adoption.remedy)
        if self.adoption.changes:
            return command(self.package, "adopt", "--yes")
        return (
            f"Find out who still writes to {self.plain}. If {self.table} is right, drop it with ",
            command(self.package, "adopt", "--drop-old"),
            "; if not, write what it holds with ",
            command(self.package, "stamp", "--purge", *self.plain_rows),
        )


@dataclass(frozen=True, slots=True)
class PlainTableOfNobody(Finding):
    """The version table ``plain`` holds revisions that no registered package has; ``app`` is the application."""

    problem = "plain-alembic-version"
    reason = PlainTable.reason

    plain: str
    rows: tuple[str, ...]
    app: str

    @property
    def detail(self) -> str:
        """What was found."""
        return f"the table {self.plain} of plain Alembic is at {', '.join(self.rows)}, which no registered package has"

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        drop = command(self.app, "adopt", "--drop-old")
        return ("Leave it to the other program that uses this database. If there is none, drop it with ", drop)


@dataclass(frozen=True, slots=True)
class Orphan(Finding):
    """``table`` is the history table of a package without a history.

    ``left`` are tables with their numbers of rows; ``is_certain`` tells that they are those of the package.
    ``drop_left`` and ``drop_table`` are the statements that drop them, and ``table``.
    """

    problem = "orphan-history"
    reason = "nothing upgrades or removes the tables of a package that is not registered"

    table: TableName
    rows: tuple[str, ...]
    is_registered: bool
    left: tuple[tuple[TableName, int], ...]
    is_certain: bool
    drop_all: tuple[str, ...]
    drop_table: tuple[str, ...]

    @property
    def detail(self) -> str:
        """What was found."""
        counted = ", ".join(f"{table} ({count} rows)" for table, count in self.left)
        kind = "its tables" if self.is_certain else "tables of no registered package"
        where = "registered without revisions of its own" if self.is_registered else "not registered"
        here = ", ".join(self.rows) or "nothing"
        return f"{self.table} is at {here}, the history of {self._whose}, which is {where}; {kind}: {counted or 'none'}"

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        if not self.rows and not (self.is_certain and self.left):
            return f"Nothing is left but the table; {_by_sql(self.drop_table)}"
        registered = self.is_registered
        back = "say where its revisions are (script_location)" if registered else "install and register it again"
        drop = f"drop those that were its own, then {_by_sql(self.drop_table)}"
        return (
            f"To keep {self._whose}, {back}. To remove it, do the same, and take it out after ",
            command(self.package, "downgrade", "base") if self.package else "its 'downgrade base'",
            f"; or, if its data is not needed, {_by_sql(self.drop_all) if self.is_certain else drop}",
        )

    @property
    def _whose(self) -> str:
        return self.package or f"a package like {self.table.name.removeprefix(TABLE_PREFIX).replace('_', '.')}"


@dataclass(frozen=True, slots=True)
class Ownerless(Finding):
    """The owner of a table is not known; ``error`` says which."""

    problem = "ownerless-table"
    reason = "no package writes its revisions, so autogenerate and check refuse to run"

    error: MigrateError

    @property
    def detail(self) -> str:
        """What was found."""
        return str(self.error)

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        if isinstance(self.error, BrokenModels):
            return "Fix the model that is named there."
        return "Register the package of its model, or set Table.info['package'] to a registered one."


@dataclass(frozen=True, slots=True)
class Unmet(Finding):
    """Something is applied and what it requires is not; ``first`` is what stands in the way of applying that."""

    problem = "unmet-requirement"
    reason = "what is applied may need what is not"

    report: Report
    first: Finding | None

    @property
    def detail(self) -> str:
        """What was found."""
        return self.report.detail

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        return self.first.remedy if self.first else _sentence(self.report.remedy)


#: Why each problem matters.
REASONS: Mapping[Problem, str] = {kind.problem: kind.reason for kind in Finding.__subclasses__()}


def outcome(replay: Replay) -> str:
    """Say which revision the tables look like."""
    if not replay.matches:
        return f"it was not determined which revision the tables match: {replay.stopped}"
    if replay.exact:
        same = [str(match) for match in replay.exact]
        also = f" (as those of {', '.join(same[1:])}, which differ in no table)" if same[1:] else ""
        return f"the tables match revision {same[0]}{also}{replay.limits if replay.stopped else ''}"
    near = "; then ".join(_difference(match) for match in replay.matches[:2])
    return f"the tables match no revision; the closest is {near}{replay.limits}"


def _difference(match: Match) -> str:
    more = f" and {len(match.differences) - _SHOWN} more" if len(match.differences) > _SHOWN else ""
    return f"{match} (the database has {', '.join(match.differences[:_SHOWN])}{more})"


def _by_sql(statements: tuple[str, ...]) -> str:
    return f"run this SQL: {' '.join(statements)}"


def _sentence(remedy: Remedy) -> Remedy:
    """Return the remedy of an error, which follows a semicolon there, as one that stands alone."""
    first, *more = parts_of(remedy)
    if isinstance(first, Command):
        return remedy
    return (first[:1].upper() + first[1:], *more, *(() if more else (".",)))
