"""The findings of ``doctor``: each holds the facts, and says what they are, why they matter and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from websauna_migrate.exceptions import Command, Remedy, command, parts_of, summed
from websauna_migrate.packages.errors import BrokenModels
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from websauna_migrate.exceptions import MigrateError
    from websauna_migrate.repair.replay import Match, Replay
    from websauna_migrate.revisions.reports import Report
    from websauna_migrate.revisions.scripts import Revision

Problem = Literal[
    "unknown-revision",
    "unstamped",
    "already-applied",
    "half-applied",
    "inserted-revision",
    "no-revision-files",
    "invalid-index",
    "missing-schema",
    "several-heads",
    "overlapping-revisions",
    "plain-alembic-version",
    "orphan-history",
    "ownerless-table",
    "unmet-requirement",
    "broken-requirement",
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
    reason = "it is not known what is applied, so nothing can be upgraded or downgraded"

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
    reason = "it is ambiguous what is applied, so nothing can be upgraded or downgraded"

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
    """The history table ``table`` is empty and ``found`` exist. ``replay`` is None where there are no revisions yet.

    ``heads`` are the revisions that the models stand for, where the tables match these and no revision.
    """

    problem = "unstamped"
    reason = "an upgrade would create the tables that are there already, and fail"

    package: str
    table: str
    found: tuple[TableName, ...]
    replay: Replay | None
    heads: tuple[str, ...] = ()

    @property
    def detail(self) -> str:
        """What was found."""
        tables = summed(tuple(map(str, self.found)))
        why = f"{self.package} has no revisions yet" if self.replay is None else outcome(self.replay)
        if self.replay is not None and self.heads:
            why = f"the tables match the models, but {beside_scripts(self.replay, self.heads)}"
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
        if self.heads:
            return command(self.package, "stamp", *self.heads)
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
class NoRevisionFiles(Finding):
    """Packages own ``tables``, which the database lacks, and no script is in ``folders``."""

    problem = "no-revision-files"
    reason = "an upgrade succeeds and creates no tables"

    package: str
    tables: tuple[TableName, ...]
    folders: tuple[str, ...]
    is_installed: bool
    has_folder: bool

    @property
    def detail(self) -> str:
        """What was found."""
        tables = summed(tuple(map(str, self.tables)))
        return f"{self.package} has models of the tables {tables}, but no revisions in {', '.join(self.folders)}"

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        if self.is_installed:
            return f"Install a build of {self.package} that contains its revision scripts."
        first = command(self.package, "revision", "--autogenerate", "-m", "Create the first tables")
        made = () if self.has_folder else (command(self.package, "init"), ", then ")
        return ("If the revisions were left out of a build, add them. If there are none yet, run ", *made, first)


@dataclass(frozen=True, slots=True)
class BrokenIndex(Finding):
    """PostgreSQL marked the index ``index`` of ``table`` as invalid; ``statement`` builds it again."""

    problem = "invalid-index"
    reason = "no query uses the index, and if it is unique, nothing prevents duplicate rows"

    package: str
    index: str
    table: TableName
    statement: str

    @property
    def detail(self) -> str:
        """What was found."""
        return f"the index {self.index} of {self.table} is invalid: CREATE INDEX CONCURRENTLY failed or was interrupted"

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        return f"If the index is unique, remove duplicate rows first. Then {by_sql([self.statement])}"


class _StopsRuns:
    """What an upgrade would say, as a mixin of findings: ``error`` is that."""

    __slots__ = ()
    error: MigrateError

    @property
    def detail(self) -> str:
        """What was found."""
        return self.error.what

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        return sentence(self.error.remedy)


@dataclass(frozen=True, slots=True)
class MissingSchema(_StopsRuns, Finding):
    """The first schema of the ``search_path`` of PostgreSQL cannot be used."""

    problem = "missing-schema"
    reason = "no revision can be run, because its tables would be created in another schema, or in none"

    error: MigrateError


@dataclass(frozen=True, slots=True)
class BrokenRequirement(_StopsRuns, Finding):
    """What a pending revision requires does not exist, or waits for it."""

    problem = "broken-requirement"
    reason = "no order of the pending revisions is possible, so nothing can be upgraded"

    error: MigrateError


@dataclass(frozen=True, slots=True)
class ManyHeads(Finding):
    """A history has several ``heads``; ``applied`` are the ids of those that are applied."""

    problem = "several-heads"
    reason = "the branches were never tested together, and 'head' is ambiguous"

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
            return sentence(self.error.remedy)
        return "Register the package of its model, or set Table.info['package'] to a registered one."


@dataclass(frozen=True, slots=True)
class Unmet(Finding):
    """Something is applied and what it requires is not; ``first`` is what stands in the way of applying that."""

    problem = "unmet-requirement"
    reason = "an applied revision may need something that does not exist"

    report: Report
    first: Finding | None

    @property
    def detail(self) -> str:
        """What was found."""
        return self.report.detail

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        return self.first.remedy if self.first else sentence(self.report.remedy)


def outcome(replay: Replay) -> str:
    """Say which revision the tables match."""
    if not replay.matches:
        return f"it was not determined which revision the tables match: {replay.stopped}"
    if replay.exact:
        same = [str(match) for match in replay.exact]
        also = f" (as those of {summed(tuple(same[1:]))}, which differ in no table)" if same[1:] else ""
        return f"the tables match revision {same[0]}{also}{replay.limits if replay.stopped else ''}"
    near = "; then ".join(_difference(match) for match in replay.matches[:2])
    return f"the tables match no revision; the closest is {near}{replay.limits}"


def beside_scripts(replay: Replay, heads: Sequence[str]) -> str:
    """Say how the tables that the scripts create differ from those of the database."""
    match = next((match for match in replay.matches if set(match.revisions) == set(heads)), None)
    if match is None:
        return f"they were not compared with {', '.join(heads)}{replay.limits}"
    return f"the scripts create others, up to {_difference(match)}{replay.limits}"


def _difference(match: Match) -> str:
    more = f" and {len(match.differences) - _SHOWN} more" if len(match.differences) > _SHOWN else ""
    return f"{match} (differences: {', '.join(match.differences[:_SHOWN])}{more})"


def by_sql(statements: Sequence[str]) -> str:
    """Return the end of a remedy that is SQL."""
    return f"run this SQL: {' '.join(statements)}"


def sentence(remedy: Remedy) -> Remedy:
    """Return the remedy of an error, which follows a semicolon there, as one that stands alone."""
    first, *more = parts_of(remedy)
    if isinstance(first, Command):
        return remedy
    return (first[:1].upper() + first[1:], *more, *(() if more else (".",)))
