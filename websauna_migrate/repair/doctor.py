"""What is wrong between the scripts, the models and the database: findings, each with its remedy.

Reads only. To tell which revision a database looks like, the scripts are run in a scratch place
(:mod:`websauna_migrate.repair.replay`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING, Literal

from websauna_migrate.database.connection import reading
from websauna_migrate.database.drop_order import drop_statements
from websauna_migrate.database.history_table import read_heads
from websauna_migrate.database.reflection import row_count, table_names
from websauna_migrate.exceptions import Command, MigrateError, Remedy, command, parts_of
from websauna_migrate.packages import selection
from websauna_migrate.packages.errors import BrokenModels
from websauna_migrate.packages.histories import DEFAULT_FOLDER, package_folders
from websauna_migrate.packages.package import TABLE_PREFIX, History, TableName, history_table_name
from websauna_migrate.repair.adoption import PLAIN, propose, read_version_table
from websauna_migrate.repair.replay import Match, Replay, find_matches
from websauna_migrate.revisions.contents import created_tables
from websauna_migrate.revisions.errors import OverlappingRevisions
from websauna_migrate.revisions.graph import Graph
from websauna_migrate.revisions.history import HistoryGraph, applied
from websauna_migrate.revisions.plan import wrong_rows
from websauna_migrate.revisions.scripts import read_revisions
from websauna_migrate.run.errors import RunInterrupted

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
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

#: Why a problem matters.
REASONS: Mapping[Problem, str] = {
    "unknown-revision": "nobody knows what is applied, so nothing can be upgraded or downgraded",
    "unstamped": "an upgrade would create the tables that are there already, and fail",
    "several-heads": "two lines of changes were never tried together, and 'head' is no longer one revision",
    "overlapping-revisions": "it cannot be told what is applied, so nothing can be upgraded or downgraded",
    "plain-alembic-version": "this table is not read here, so what it says counts for nothing",
    "orphan-history": "nothing upgrades or removes the tables of a package that is not registered",
    "ownerless-table": "no package writes its revisions, so autogenerate and check refuse to run",
    "unmet-requirement": "what is applied may need what is not",
}
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong. ``remedy`` is a command, or sentences.

    ``package`` is None where no registered package is meant.
    """

    problem: Problem
    package: str | None
    detail: str
    remedy: Remedy

    @property
    def reason(self) -> str:
        """Why it matters."""
        return REASONS[self.problem]


@dataclass(frozen=True, slots=True)
class _Case:
    """What was read of the application and its database."""

    app: Application
    connection: Connection
    graph: Graph
    tables: frozenset[TableName]
    rows: Mapping[str, tuple[str, ...]]

    def own_tables(self, history: History) -> frozenset[TableName]:
        """Return the tables in the database that are models or creations of ``history``."""
        created = created_tables(self.graph.histories[history.package].revisions.values()).keys()
        return self.tables & (self.app.ownership.of(history.packages) | created)

    def unclaimed(self) -> list[TableName]:
        """Return the tables in the database that no registered package has a model or a script for."""
        claimed = set().union(*map(self.own_tables, self.app.histories))
        rest = self.tables - claimed - self.app.ownership.owners.keys()
        return sorted((name for name in rest if not _is_history(name)), key=str)


def examine(app: Application, packages: Collection[str]) -> tuple[Finding, ...]:
    """Return what is wrong with the histories of ``packages``; changes nothing.

    What belongs to no registered package counts as the application's.
    """
    selected = [one.history for one in selection.select(app.histories, packages)]
    with app.connected(writes=False) as connection:
        schemas = {None, *(name.schema for name in app.ownership.owners)}
        with reading(connection):
            tables = table_names(connection, schemas)
        rows = read_heads(connection, app.histories)
        case = _Case(app, connection, app.graph(), tables, rows)
        return tuple(_findings(case, selected))


def _findings(case: _Case, selected: Sequence[History]) -> Iterator[Finding]:
    is_app = case.app.app_package in {name for history in selected for name in history.packages}
    unrecorded = cache(partial(_unrecorded, case))
    for history in selected:
        yield from _unknown_revisions(case, history)
        yield from _overlapping(case, history)
        yield from unrecorded(history)
        yield from _several_heads(case, history)
    if is_app:
        yield from _plain_table_of_nobody(case)
        yield from _orphan_histories(case)
    yield from _ownerless_tables(case)
    yield from _unmet_requirements(case, {history.package for history in selected}, unrecorded)


# --- one history -----------------------------------------------------------------------------------------------


def _unknown_revisions(case: _Case, history: History) -> Iterator[Finding]:
    unknown = sorted(set(case.rows[history.package]) - case.graph.histories[history.package].revisions.keys())
    if not unknown:
        return
    replay = find_matches(case.app, history, case.connection)
    detail = (
        f"{history.history_table} is at {', '.join(unknown)}, which no script has: the code is older than the "
        f"database or on another branch, or a script was deleted or rewritten; {_outcome(replay)}"
    )
    remedy: Remedy = (
        f"Get the scripts of {history.package} that have {', '.join(unknown)} (a newer version, another branch, or "
        f"the deleted file: git log --all -S {unknown[0]}); without them change the tables to what the closest "
        f"revision makes, and stamp that one with --purge."
    )
    if replay.exact:
        remedy = command(history.package, "stamp", "--purge", *_targets(replay.exact[0]))
    yield Finding("unknown-revision", history.package, detail, remedy)


def _overlapping(case: _Case, history: History) -> Iterator[Finding]:
    for error in wrong_rows(case.graph.histories[history.package], case.rows[history.package]):
        if isinstance(error, OverlappingRevisions):
            detail = f"{history.history_table} is at {', '.join(error.rows)}, but some of these come before others"
            remedy = command(history.package, "stamp", "--purge", *error.heads)
            yield Finding("overlapping-revisions", history.package, detail, remedy)


def _unrecorded(case: _Case, history: History) -> tuple[Finding, ...]:
    """Find tables that ``history`` has in the database and that its own history table says nothing of."""
    return tuple(_plain_table(case, history)) or tuple(_unstamped(case, history))


def _unstamped(case: _Case, history: History) -> Iterator[Finding]:
    own, revisions = case.own_tables(history), case.graph.histories[history.package].revisions
    # Tables that a script makes with SQL of its own are known only when it has run.
    if case.rows[history.package] or not (own or (revisions and case.unclaimed())):
        return
    replay = find_matches(case.app, history, case.connection)
    tables = ", ".join(sorted(map(str, own | replay.found)))
    if not tables:
        return
    detail = f"{history.history_table} holds no revision, but there are the tables {tables}; "
    if not revisions:
        first = (
            f"Write the first revision of {history.package} with the settings of an empty database and "
            f"'revision --autogenerate', then run ",
            command(history.package, "stamp", "heads"),
        )
        yield Finding("unstamped", history.package, f"{detail}{history.package} has no revisions yet", first)
        return
    exact = next((match for match in replay.exact if match.revisions), None)
    closest = replay.matches[0].revisions
    remedy: Remedy = "Change the tables to match a revision, or choose the revision yourself and write it with stamp."
    if closest:
        remedy = (
            "Change the tables to match a revision; or, if the differences do not matter, run ",
            command(history.package, "stamp", *closest),
        )
    if exact is not None:
        remedy = command(history.package, "stamp", *exact.revisions)
    yield Finding("unstamped", history.package, detail + _outcome(replay), remedy)


def _several_heads(case: _Case, history: History) -> Iterator[Finding]:
    graph = case.graph.histories[history.package]
    if len(graph.heads) > 1:
        done = applied(graph, case.rows[history.package])
        heads = "; ".join(_described(graph, head, done) for head in graph.heads)
        remedy: Remedy = command(history.package, "merge", "-m", "Merge heads", *graph.heads)
        if selection.is_installed(history.version_locations[0]):
            remedy = f"Install a version of {history.package} with one head, or merge them in a source checkout of it."
        yield Finding(
            "several-heads", history.package, f"{history.package} has {len(graph.heads)} heads: {heads}", remedy
        )


def _described(graph: HistoryGraph, id_: str, done: Collection[str]) -> str:
    revision = graph.revisions[id_]
    date = revision.create_date or "a day that the script does not say"
    state = "applied" if id_ in done else "not applied"
    return (
        f"{id_} {revision.message!r} of {date}, after {', '.join(revision.down) or 'base'}, {state} ({revision.path})"
    )


def _outcome(replay: Replay) -> str:
    """Say which revision the tables look like."""
    stopped = f"; not all scripts were compared: {replay.stopped}" if replay.stopped else ""
    if replay.exact:
        same = [str(match) for match in replay.exact]
        also = f" (as those of {', '.join(same[1:])}, which differ in no table)" if same[1:] else ""
        return f"the tables match revision {same[0]}{also}{stopped}"
    near = "; then ".join(_difference(match) for match in replay.matches[:2])
    return f"the tables match no revision; the closest is {near}{stopped}"


def _difference(match: Match) -> str:
    more = f" and {len(match.differences) - _SHOWN} more" if len(match.differences) > _SHOWN else ""
    return f"{match} (the database has {', '.join(match.differences[:_SHOWN])}{more})"


def _targets(match: Match) -> tuple[str, ...]:
    return match.revisions or ("base",)


# --- tables of other tools and of packages that are gone ---------------------------------------------------------


def _plain_table(case: _Case, history: History) -> Iterator[Finding]:
    """Find an ``alembic_version`` that this history has yet to take over."""
    rows = _plain_rows(case)
    graph = case.graph.histories[history.package]
    known = bool(rows) and graph.revisions.keys() >= set(rows or ())
    waits = history.package == case.app.app_package and not case.rows[history.package] and case.own_tables(history)
    if rows is None or not (known or (waits and not _known_anywhere(case, rows))):
        return
    if known and applied(graph, rows) <= applied(graph, case.rows[history.package]):
        return  # taken over
    detail = f"the table {PLAIN} of plain Alembic is at {', '.join(rows) or 'nothing'}; {history.history_table} is "
    detail += f"at {', '.join(case.rows[history.package]) or 'nothing'}"
    try:
        adoption = propose(case.app, history)
    except RunInterrupted:
        raise
    except MigrateError as error:
        yield Finding("plain-alembic-version", history.package, f"{detail}; {error.what}", _sentence(error.remedy))
        return
    if adoption.changes:
        adopt = command(history.package, "adopt", "--yes")
        yield Finding("plain-alembic-version", history.package, f"{detail}; {adoption.why}", adopt)
        return
    remedy = (
        f"Find out who still writes to {PLAIN}. If {history.history_table} is right, drop it with ",
        command(history.package, "adopt", "--drop-old"),
        "; if not, write what it holds with ",
        command(history.package, "stamp", "--purge", *rows),
    )
    yield Finding("plain-alembic-version", history.package, detail, remedy)


def _plain_table_of_nobody(case: _Case) -> Iterator[Finding]:
    rows = _plain_rows(case)
    app = case.app.history(case.app.app_package)
    waits = not case.rows[app.package] and case.own_tables(app)
    if rows and not _known_anywhere(case, rows) and not waits:
        detail = f"the table {PLAIN} of plain Alembic is at {', '.join(rows)}, which no registered package has"
        drop = command(app.package, "adopt", "--drop-old")
        remedy = ("Leave it to the other program that uses this database. If there is none, drop it with ", drop)
        yield Finding("plain-alembic-version", None, detail, remedy)


def _plain_rows(case: _Case) -> tuple[str, ...] | None:
    if TableName(None, PLAIN) not in case.tables:
        return None
    found = read_version_table(case.connection, TableName(None, PLAIN))
    return found.rows if found is not None else None


def _known_anywhere(case: _Case, rows: Sequence[str]) -> bool:
    return bool(rows) and any(history.revisions.keys() >= set(rows) for history in case.graph.histories.values())


def _orphan_histories(case: _Case) -> Iterator[Finding]:
    registered = {history.history_table for history in case.app.histories}
    for name in sorted(table for table in case.tables if _is_history(table) and table.name not in registered):
        found = read_version_table(case.connection, name)
        rows = found.rows if found is not None and found.rows is not None else ()
        yield _orphan(case, name, rows)


def _orphan(case: _Case, name: TableName, rows: Sequence[str]) -> Finding:
    package = _package_of(case, name)
    known = package is not None and package in case.app.packages
    whose = package or f"a package like {_dotted(name)}"
    left, certain = _left_behind(case, package)
    counted = ", ".join(f"{table} ({row_count(case.connection, table)} rows)" for table in left)
    kind = "its tables" if certain else "tables of no registered package"
    where = "registered without revisions of its own" if known else "not registered"
    detail = f"{name} is at {', '.join(rows) or 'nothing'}, the history of {whose}, which is {where}"
    detail += f"; {kind}: {counted or 'none'}"
    if not rows and not (certain and left):
        return Finding("orphan-history", package, detail, f"Nothing is left but the table; {_by_sql(case, name)}")
    back = "say where its revisions are (script_location)" if known else "install and register it again"
    downgrade = command(package, "downgrade", "base") if package else "its 'downgrade base'"
    own = _by_sql(case, *left, name) if certain else f"drop those that were its own, then {_by_sql(case, name)}"
    remedy = (
        f"To keep {whose}, {back}. To remove it, do the same, and take it out after ",
        downgrade,
        f"; or, if its data is not needed, {own}",
    )
    return Finding("orphan-history", package, detail, remedy)


def _by_sql(case: _Case, *tables: TableName) -> str:
    """Say how ``tables`` are dropped by hand."""
    with reading(case.connection):
        statements = drop_statements(case.connection, tables)
    return f"run this SQL: {' '.join(statements)}"


def _left_behind(case: _Case, package: str | None) -> tuple[list[TableName], bool]:
    """Return the tables that ``package`` left, and whether they are known to be its own."""
    folders = tuple(folder / DEFAULT_FOLDER / "versions" for folder in package_folders(package)) if package else ()
    folders = tuple(folder for folder in folders if folder.is_dir())
    if package is None or not folders:
        return case.unclaimed(), False
    created = created_tables(read_revisions(_history_in(package, folders)))
    with reading(case.connection):
        existing = table_names(case.connection, {name.schema for name in created})
    return sorted(existing & created.keys(), key=str), True


def _history_in(package: str, folders: tuple[Path, ...]) -> History:
    return History(package, (package,), folders[0].parent, folders, history_table_name(package))


def _package_of(case: _Case, name: TableName) -> str | None:
    """Return the package that keeps its revisions in the table ``name``: a registered one, or one that is installed."""
    registered = [package for package in case.app.packages if history_table_name(package) == name.name]
    words = name.name.removeprefix(TABLE_PREFIX).split("_")
    if registered or len(words) > _SHOWN:
        return registered[0] if registered else None
    names = (
        "".join(map("".join, zip(words, (*gaps, ""), strict=True))) for gaps in product("._", repeat=len(words) - 1)
    )
    return next((package for package in names if package_folders(package)), None)


def _dotted(name: TableName) -> str:
    return name.name.removeprefix(TABLE_PREFIX).replace("_", ".")


def _is_history(name: TableName) -> bool:
    return name.schema is None and name.name.startswith(TABLE_PREFIX)


def tables_to_lose(app: Application, packages: Sequence[str], *, cascade: bool = False) -> list[tuple[TableName, int]]:
    """Return the tables that ``downgrade base`` of ``packages`` drops, and how many rows each has."""
    with app.connected(writes=False) as connection:
        plan = app.plan(read_heads(connection, app.histories), packages, "base", direction="down", cascade=cascade)
        revisions: dict[str, list[Revision]] = {}
        for step in plan.steps:
            revisions.setdefault(step.package, []).append(step.revision)
        created = {name for undone in revisions.values() for name in created_tables(undone)}
        existing = table_names(connection, {name.schema for name in created} | {None})
        return [(name, row_count(connection, name)) for name in sorted(created & existing, key=str)]


# --- models and requirements -------------------------------------------------------------------------------------


def _ownerless_tables(case: _Case) -> Iterator[Finding]:
    for problem in case.app.ownership.problems:
        remedy = "Register the package of its model, or set Table.info['package'] to a registered one."
        if isinstance(problem, BrokenModels):
            remedy = "Fix the model that is named there."
        yield Finding("ownerless-table", None, str(problem), remedy)


def _unmet_requirements(
    case: _Case, packages: Collection[str], unrecorded: Callable[[History], Sequence[Finding]]
) -> Iterator[Finding]:
    for report in case.app.plan(case.rows, ()).reports:
        if report.problem == "unmet-requirement" and report.package in packages:
            remedy = _sentence(report.remedy)
            if report.missing is not None:
                # If its tables are there, an upgrade would try to create them again, and fail.
                history = case.app.history(report.missing.package)
                first = (*_overlapping(case, history), *unrecorded(history))
                remedy = first[0].remedy if first else remedy
            yield Finding("unmet-requirement", report.package, report.detail, remedy)


def _sentence(remedy: Remedy) -> Remedy:
    """Return the remedy of an error, which follows a semicolon there, as one that stands alone."""
    first, *more = parts_of(remedy)
    if isinstance(first, Command):
        return remedy
    return (first[:1].upper() + first[1:], *more, *(() if more else (".",)))
