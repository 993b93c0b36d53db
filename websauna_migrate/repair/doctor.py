"""What is wrong between the scripts, the models and the database: findings, each with its remedy.

Reads only. To tell which revision a database looks like, the scripts are run in a scratch database
(:mod:`websauna_migrate.repair.replay`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING

from websauna_migrate.database.connection import reading
from websauna_migrate.database.history_table import read_heads
from websauna_migrate.database.reflection import invalid_indexes, row_count, search_path, table_names
from websauna_migrate.database.search_path import first_schema_missing
from websauna_migrate.database.version_tables import find_version_tables, read_version_table
from websauna_migrate.exceptions import MigrateError, RevisionError
from websauna_migrate.packages.histories import DEFAULT_FOLDER, foreign_histories, package_folders
from websauna_migrate.packages.package import TABLE_PREFIX, History, TableName, history_table_name
from websauna_migrate.packages.selection import is_installed
from websauna_migrate.repair.adoption import propose, share_of
from websauna_migrate.repair.ahead import find_misrecorded
from websauna_migrate.repair.case import Case, is_history
from websauna_migrate.repair.findings import (
    BrokenIndex,
    BrokenRequirement,
    ManyHeads,
    MissingSchema,
    NoRevisionFiles,
    Overlapping,
    Ownerless,
    UnknownRevisions,
    Unmet,
    Unstamped,
)
from websauna_migrate.repair.left_tables import Orphan, PlainTable, PlainTableOfNobody
from websauna_migrate.repair.misrecorded import HalfDoneBatches
from websauna_migrate.repair.models import models_match
from websauna_migrate.repair.replay import Replayer
from websauna_migrate.revisions.contents import created_tables
from websauna_migrate.revisions.errors import OverlappingRevisions, RequirementCycle, RequirementError
from websauna_migrate.revisions.history import applied
from websauna_migrate.revisions.plan import make_plan, wrong_rows
from websauna_migrate.revisions.scripts import read_revisions
from websauna_migrate.run.errors import PLAIN
from websauna_migrate.run.half_done import read_standing, unfinished

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.database.version_tables import VersionTable
    from websauna_migrate.packages.selection import Selected
    from websauna_migrate.repair.adoption import Adoption
    from websauna_migrate.repair.findings import Finding
    from websauna_migrate.revisions.scripts import Revision
    from websauna_migrate.scratch.places import ScratchPlaces

_WORDS = 8  # of a table's name, with a dot or an underscore between each two


def examine(app: Application, selected: Sequence[Selected], places: ScratchPlaces | None) -> tuple[Finding, ...]:
    """Return what is wrong with the histories of ``selected``; changes nothing.

    What belongs to no registered package counts as the application's. Scripts are run in ``places``; without these,
    none is.
    """
    with app.connected(writes=False) as connection:
        schemas = {None, *(name.schema for name in app.ownership.owners)}
        default = connection.dialect.default_schema_name
        foreign = {name.shown(default) for name in foreign_histories(app.ini.settings)}
        with reading(connection):
            tables = table_names(connection, schemas) - foreign
            elsewhere = search_path(connection)
        registered = {TableName(None, history.history_table) for history in app.histories}
        besides = {*foreign, *registered, *app.ownership.owners}
        versions = find_version_tables(connection, besides, (*schemas, *elsewhere))
        rows, stopped = read_standing(connection, app.histories)
        half_done = tuple(unfinished(app.graph(), app.histories, rows, stopped))
        case = Case(app, connection, app.graph(), tables, rows, versions, half_done, Replayer(app, places))
        return (*_missing_schema(connection), *_findings(case, [one.history for one in selected]))


def _missing_schema(connection: Connection) -> Iterator[Finding]:
    error = first_schema_missing(connection)
    if error is not None:
        yield MissingSchema(None, error)


def _findings(case: Case, selected: Sequence[History]) -> Iterator[Finding]:
    is_app = case.app.app_package in {name for history in selected for name in history.packages}
    unrecorded = cache(partial(_unrecorded, case))
    for history in selected:
        yield from _unknown_revisions(case, history)
        yield from _overlapping(case, history)
        yield from unrecorded(history)
        yield from _no_revision_files(case, history)
        yield from find_misrecorded(case, history)
        yield from _half_done(case, history)
        yield from _several_heads(case, history)
        yield from _invalid_indexes(case, history)
    if is_app:
        yield from _plain_table_of_nobody(case)
        yield from _orphan_histories(case)
    yield from _ownerless_tables(case)
    yield from _unmet_requirements(case, {history.package for history in selected}, unrecorded)
    yield from _broken_requirements(case, [history.package for history in selected])


# --- one history -----------------------------------------------------------------------------------------------


def _unknown_revisions(case: Case, history: History) -> Iterator[Finding]:
    unknown = sorted(set(case.rows[history.package]) - case.graph.histories[history.package].revisions.keys())
    if not unknown:
        return
    replay = case.replayer.find_matches(history, case.connection)
    yield UnknownRevisions(history.package, history.history_table, tuple(unknown), replay)


def _overlapping(case: Case, history: History) -> Iterator[Finding]:
    for error in wrong_rows(case.graph.histories[history.package], case.rows[history.package]):
        if isinstance(error, OverlappingRevisions):
            yield Overlapping(history.package, history.history_table, error.rows, error.heads)


def _unrecorded(case: Case, history: History) -> tuple[Finding, ...]:
    """Find tables of ``history`` in the database that its history table does not account for."""
    return tuple(_plain_table(case, history)) or tuple(_unstamped(case, history))


def _unstamped(case: Case, history: History) -> Iterator[Finding]:
    own, graph = case.own_tables(history), case.graph.histories[history.package]
    revisions = graph.revisions
    # Tables that a script makes with SQL of its own are known only when it has run.
    if case.rows[history.package] or not (own or (revisions and case.unclaimed())):
        return
    replay = case.replayer.find_matches(history, case.connection)
    found = tuple(sorted(own | replay.here.keys(), key=str))
    if found:
        unsure = revisions and not any(match.revisions for match in replay.exact)
        heads = graph.heads if unsure and models_match(case.app, history, case.connection) else ()
        yield Unstamped(history.package, history.history_table, found, replay if revisions else None, heads)


def _no_revision_files(case: Case, history: History) -> Iterator[Finding]:
    """Find a history that no upgrade makes the tables of. Where these are in the database, it is unstamped."""
    nothing = not case.graph.histories[history.package].revisions and not case.rows[history.package]
    tables = case.app.ownership.of(history.packages)
    if nothing and tables and not case.own_tables(history):
        folders = tuple(map(str, history.version_locations))
        installed, there = is_installed(history.version_locations[0]), history.script_location.is_dir()
        yield NoRevisionFiles(history.package, tuple(sorted(tables, key=str)), folders, installed, there)


def _half_done(case: Case, history: History) -> Iterator[Finding]:
    for one in case.half_done:
        if one.package == history.package:
            yield HalfDoneBatches(one.package, one.stopped, one.finish)


def _several_heads(case: Case, history: History) -> Iterator[Finding]:
    graph = case.graph.histories[history.package]
    if len(graph.heads) > 1:
        done = applied(graph, case.rows[history.package])
        heads = tuple(graph.revisions[head] for head in graph.heads)
        installed = is_installed(history.version_locations[0])
        yield ManyHeads(history.package, heads, frozenset(done.intersection(graph.heads)), installed)


def _invalid_indexes(case: Case, history: History) -> Iterator[Finding]:
    own = case.own_tables(history)
    for index in invalid_indexes(case.connection):
        if index.table in own:
            yield BrokenIndex(history.package, index.name, index.table, f"REINDEX INDEX CONCURRENTLY {index.quoted};")


# --- tables of other tools and of packages that are gone ---------------------------------------------------------


def _plain_table(case: Case, history: History) -> Iterator[Finding]:
    """Find version tables of Alembic that this history has yet to take over.

    One in another schema may be that of the same application there, as with a schema for each tenant.
    """
    graph, here = case.graph.histories[history.package], case.rows[history.package]
    waits = not here and bool(case.own_tables(history))
    for table in case.version_tables:
        rows = table.rows or ()
        share = share_of(case.graph, history.package, rows) if table.name.schema is None or waits else ()
        is_app = history.package == case.app.app_package
        claims = waits and is_app and str(table.name) == PLAIN and not _known_anywhere(case, rows)
        if applied(graph, share) - applied(graph, here) or claims:
            adoption = _proposed(case, history, table)
            yield PlainTable(history.package, str(table.name), share or rows, history.history_table, here, adoption)


def _proposed(case: Case, history: History, table: VersionTable) -> Adoption | MigrateError:
    """Return what adopting would write, or the error that says why it cannot be adopted."""
    try:
        source = None if str(table.name) == PLAIN else str(table.name)
        return propose(case.app, history, case.replayer, source=source)
    except MigrateError as error:
        return error


def _plain_table_of_nobody(case: Case) -> Iterator[Finding]:
    rows = _plain_rows(case)
    app = case.app.history(case.app.app_package)
    waits = not case.rows[app.package] and case.own_tables(app)
    if rows and not _known_anywhere(case, rows) and not waits:
        yield PlainTableOfNobody(None, PLAIN, rows, app.package)


def _plain_rows(case: Case) -> tuple[str, ...]:
    plain = TableName(None, PLAIN)
    return next((table.rows or () for table in case.version_tables if table.name == plain), ())


def _known_anywhere(case: Case, rows: Sequence[str]) -> bool:
    return bool(rows) and any(share_of(case.graph, package, rows) for package in case.graph.histories)


def _orphan_histories(case: Case) -> Iterator[Finding]:
    registered = {history.history_table for history in case.app.histories}
    for name in sorted(table for table in case.tables if is_history(table) and table.name not in registered):
        found = read_version_table(case.connection, name)
        rows = found.rows if found is not None and found.rows is not None else ()
        yield _orphan(case, name, rows)


def _orphan(case: Case, name: TableName, rows: tuple[str, ...]) -> Finding:
    package = _package_of(case, name)
    left, certain = _left_behind(case, package)
    return Orphan(
        package,
        table=name,
        rows=rows,
        is_registered=package is not None and package in case.app.packages,
        left=tuple((table, row_count(case.connection, table)) for table in left),
        is_certain=certain,
        drop_all=case.drop(*left, name),
        drop_table=case.drop(name),
    )


def _left_behind(case: Case, package: str | None) -> tuple[list[TableName], bool]:
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


def _package_of(case: Case, name: TableName) -> str | None:
    """Return the package that keeps its revisions in the table ``name``: a registered one, or one that is installed."""
    registered = [package for package in case.app.packages if history_table_name(package) == name.name]
    words = name.name.removeprefix(TABLE_PREFIX).split("_")
    if registered or len(words) > _WORDS:
        return registered[0] if registered else None
    names = (
        "".join(map("".join, zip(words, (*gaps, ""), strict=True))) for gaps in product("._", repeat=len(words) - 1)
    )
    return next((package for package in names if package_folders(package)), None)


def tables_to_lose(
    app: Application, selected: Sequence[Selected], *, cascade: bool = False
) -> list[tuple[TableName, int]]:
    """Return the tables that ``downgrade base`` of ``selected`` drops, and how many rows each has."""
    with app.connected(writes=False) as connection:
        rows = read_heads(connection, app.histories)
        plan = app.plan_selected(rows, selected, "base", direction="down", cascade=cascade)
        revisions: dict[str, list[Revision]] = {}
        for step in plan.steps:
            revisions.setdefault(step.package, []).append(step.revision)
        created = {name for undone in revisions.values() for name in created_tables(undone)}
        existing = table_names(connection, {name.schema for name in created} | {None})
        return [(name, row_count(connection, name)) for name in sorted(created & existing, key=str)]


# --- models and requirements -------------------------------------------------------------------------------------


def _ownerless_tables(case: Case) -> Iterator[Finding]:
    for problem in case.app.ownership.problems:
        yield Ownerless(None, problem)


def _unmet_requirements(
    case: Case, packages: Collection[str], unrecorded: Callable[[History], Sequence[Finding]]
) -> Iterator[Finding]:
    for report in case.app.plan_selected(case.rows, ()).reports:
        if report.problem == "unmet-requirement" and report.package in packages:
            first: Sequence[Finding] = ()
            if report.missing is not None:
                # If its tables are there, an upgrade would try to create them again, and fail.
                history = case.app.history(report.missing.package)
                first = (*_overlapping(case, history), *unrecorded(history))
            yield Unmet(report.package, report, first[0] if first else None)


def _broken_requirements(case: Case, packages: Sequence[str]) -> Iterator[Finding]:
    """Find requirements that stop each upgrade. Where the rows stop it, another finding tells that."""
    try:
        make_plan(case.graph, case.rows, packages)
    except RequirementError as error:
        yield BrokenRequirement(error.asking[0], error)
    except RequirementCycle as error:
        in_cycle = [node.partition(" ")[0] for node in error.path]
        yield BrokenRequirement(next((name for name in in_cycle if name in packages), in_cycle[0]), error)
    except RevisionError:
        return
