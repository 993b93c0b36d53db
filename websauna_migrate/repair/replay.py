"""Which revision a database matches: the scripts are run in a scratch database, and compared after each revision.

The application's database is only read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from websauna_migrate.database.connection import reading
from websauna_migrate.exceptions import MigrateError, PlanError, RevisionError, reason_of
from websauna_migrate.ordering import closure
from websauna_migrate.packages.ownership import package_dependencies
from websauna_migrate.packages.package import TableName
from websauna_migrate.repair.facts import Facts, Watch, differences, read_facts
from websauna_migrate.repair.trial import Trial, trial
from websauna_migrate.revisions.contents import created_tables
from websauna_migrate.revisions.history import HistoryGraph, heads_of
from websauna_migrate.run.errors import StepFailed
from websauna_migrate.run.steps import execute
from websauna_migrate.scratch.errors import NoScratchPlace

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.packages.package import History
    from websauna_migrate.revisions.plan import Plan, PlanStep
    from websauna_migrate.run.observer import Progress
    from websauna_migrate.scratch.places import ScratchPlaces

_NOT_WANTED = "no script was run, because of --no-replay"


@dataclass(frozen=True, slots=True)
class Match:
    """How similar a database is to one at ``revisions``, () for base.

    ``differences`` say what is extra, missing or changed in the database; without any the two are equal.
    """

    revisions: tuple[str, ...]
    differences: tuple[str, ...]
    distance: int

    def __str__(self) -> str:
        return ", ".join(self.revisions) or "base"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tables of a history right after a revision was run."""

    revisions: tuple[str, ...]
    facts: Mapping[TableName, Facts]


@dataclass(frozen=True, slots=True)
class Replay:
    """The ``matches``, the best first and of equal ones the latest, and why the scripts did not run to their end.

    There is none where no script could be run. ``here`` are the tables of the history that the database has,
    ``snapshots`` those of the scratch database after each revision, and ``lacks`` what that one did not have.
    """

    matches: tuple[Match, ...]
    stopped: str | None = None
    here: Mapping[TableName, Facts] = field(default_factory=dict)
    snapshots: tuple[Snapshot, ...] = ()
    lacks: tuple[str, ...] = ()

    @property
    def exact(self) -> tuple[Match, ...]:
        """The matches that differ in nothing."""
        return tuple(match for match in self.matches if not match.distance)

    @property
    def limits(self) -> str:
        """What makes the answer uncertain, as the end of a sentence; nothing where it is not."""
        lacks = f"; the scratch database lacks {', '.join(self.lacks)}" if self.lacks else ""
        return f"; not all scripts were compared: {self.stopped}{lacks}" if self.stopped else lacks


@dataclass(slots=True)
class _Recorder:
    """Takes a snapshot of the tables of one history after each revision that is run.

    These are the tables that its packages own, and those that its scripts create and nobody else owns.
    """

    history: HistoryGraph
    owned: frozenset[TableName]
    watch: Watch
    foreign: set[TableName]
    done: set[str] = field(default_factory=set)
    snapshots: list[Snapshot] = field(default_factory=lambda: [Snapshot((), {})])

    def take(self, connection: Connection, step: PlanStep) -> None:
        if step.package == self.history.package:
            self.done.add(step.revision.id)
        else:
            self.foreign |= self.watch.names(connection) - self.snapshots[-1].facts.keys() - self.owned
        snapshot = Snapshot(heads_of(self.history, self.done), self.watch.read(connection, self.foreign))
        if snapshot != self.snapshots[-1]:
            self.snapshots.append(snapshot)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What the scripts of a history made of an empty database."""

    snapshots: tuple[Snapshot, ...]
    stopped: str | None = None
    lacks: tuple[str, ...] = ()


class Replayer:
    """Finds the revisions of ``app`` that tables match; the scripts of a history are run at most once.

    They run in ``places``. Without these no script is run.
    """

    def __init__(self, app: Application, places: ScratchPlaces | None) -> None:
        self._app = app
        self._places = places
        self._recorded: dict[str, _Recorded] = {}

    def find_matches(self, history: History, connection: Connection) -> Replay:
        """Return which revisions the tables of ``history`` match in the database of ``connection``."""
        if history.package not in self._recorded:
            self._recorded[history.package] = self._record(history, connection)
        recorded = self._recorded[history.package]
        tables = {table for snapshot in recorded.snapshots for table in snapshot.facts}
        with reading(connection):
            here = read_facts(connection, tables | self._app.ownership.of(history.packages))
        matches = ranked(here, recorded.snapshots)
        return Replay(matches, recorded.stopped, here, recorded.snapshots, recorded.lacks)

    def _record(self, history: History, connection: Connection) -> _Recorded:
        app = self._app
        try:
            plan = app.plan({}, _related(app, history))
        except (PlanError, RevisionError) as error:  # no order is possible
            return _Recorded((), error.what)
        if self._places is None and plan.steps:
            return _Recorded((), _NOT_WANTED)
        recorder = _recorder(app, history, plan)
        if self._places is None or not plan.steps:
            return _Recorded(tuple(recorder.snapshots))
        lacks: tuple[str, ...] = ()
        try:
            with trial(app, plan, self._places, connection, recorder.watch.schemas) as tried:
                lacks = tried.lacks
                _run(tried, plan, recorder)
        except NoScratchPlace as error:
            return _Recorded((), str(error))
        except StepFailed as error:
            return _Recorded(tuple(recorder.snapshots), _why(error), lacks)
        except MigrateError as error:
            return _Recorded(tuple(recorder.snapshots), error.what, lacks)
        return _Recorded(tuple(recorder.snapshots), None, lacks)


def ranked(here: Mapping[TableName, Facts], snapshots: Sequence[Snapshot]) -> tuple[Match, ...]:
    """Return how similar ``here`` is to the best of ``snapshots`` at the same revisions.

    The best come first, and of equal ones the latest.
    """
    matches = (Match(snapshot.revisions, *differences(here, snapshot.facts)) for snapshot in reversed(snapshots))
    best: dict[tuple[str, ...], Match] = {}
    for match in sorted(matches, key=lambda match: match.distance):
        best.setdefault(match.revisions, match)
    return tuple(best.values())


def _related(app: Application, history: History) -> tuple[str, ...]:
    """Return the packages of ``history`` and of those that have to run with it.

    These are the ones that its tables refer to, and those whose scripts create tables of it.
    """
    needs = package_dependencies(app.ownership)
    created = {package: created_tables(graph.revisions.values()) for package, graph in app.graph().histories.items()}

    def further(package: str) -> Iterable[str]:
        one = app.history(package)
        owned = app.ownership.of(one.packages)
        yield from (app.history(needed).package for name in one.packages for needed in needs.get(name, ()))
        yield from (other for other, tables in created.items() if owned & tables.keys())

    related = closure((history.package,), further)
    return tuple(one.package for one in app.histories if one.package in related)


def _recorder(app: Application, history: History, plan: Plan) -> _Recorder:
    owned = app.ownership.of(history.packages)
    created = created_tables(step.revision for step in plan.steps if step.package == history.package)
    schemas = frozenset({None, *(table.schema for table in (*owned, *created))})
    foreign = set(app.ownership.owners) - owned
    return _Recorder(app.graph().histories[history.package], owned, Watch(schemas), foreign)


def _run(tried: Trial, plan: Plan, recorder: _Recorder) -> None:
    def take(progress: Progress) -> None:
        if progress.state == "done":
            with reading(tried.connection):
                recorder.take(tried.connection, progress.step)

    execute(tried.app, plan, tried.connection, on_progress=take)


def _why(error: StepFailed) -> str:
    if isinstance(error.error, MigrateError):
        return error.error.what
    return f"{error.package} {error.revision} fails on an empty database: {reason_of(error.error)}"
