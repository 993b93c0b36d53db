"""What the panel of the toolbar shows. Read as the guard reads it: without a lock, and nothing is created."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from websauna_migrate.database.ddl import statements_by_table
from websauna_migrate.drawing.state import graph_state
from websauna_migrate.drawing.svg import graph_svg
from websauna_migrate.exceptions import MigrateError, cause_of, command
from websauna_migrate.packages.ownership import foreign_keys_between, table_name
from websauna_migrate.revisions.states import history_states
from websauna_migrate.web import html, panel_parts
from websauna_migrate.web.state import application_of, program_of, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pyramid.registry import Registry

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.packages.package import TableName

REGISTRY_KEY = "websauna_migrate.table_ddl"


def panel_html(registry: Registry) -> str:
    """Return the panel for the application of ``registry``, as it is now.

    The heads are read in at most three queries; the SQL of the tables is made once. What cannot be read is said in its
    place, without secrets.
    """
    program = program_of(registry)
    try:
        app = application_of(registry)
    except MigrateError as error:
        return panel_parts.panel(html.problem_list([error.text(program)]))
    return panel_parts.panel("".join((*_revisions(app, program), *_tables(app, program))))


def _revisions(app: Application, program: Sequence[str]) -> Iterator[str]:
    """Yield what is known of the revisions; without a database, what the scripts say."""
    rows: Mapping[str, tuple[str, ...]] | None = None
    try:
        found = standing(app.registry)
        app, rows = found.app, found.rows  # the scripts are read once
        problems = [problem.text(program) for problem in found.problems()]
    except MigrateError as error:
        problems = [error.text(program)]
    try:
        graph = app.graph()
        picture = graph_state(graph, [history.package for history in app.histories], rows)
    except MigrateError as error:
        yield html.problem_list(dict.fromkeys((*problems, error.text(program))))
        return
    states = history_states(graph, app.histories, rows) if rows is not None else {}
    yield html.problem_list(problems) if problems else panel_parts.all_is_well(states.values())
    yield panel_parts.scrolled(panel_parts.status_table(app.histories, states, graph))
    if rows is not None:
        yield _plan(app, rows, program)
    yield panel_parts.heading("Revisions")
    if picture.nodes:
        yield panel_parts.legend(is_known=picture.is_known) + panel_parts.scrolled(graph_svg(picture))
    else:
        yield html.paragraph("There are no revisions.")


def _plan(app: Application, rows: Mapping[str, tuple[str, ...]], program: Sequence[str]) -> str:
    try:
        steps = app.plan(rows, list(app.packages)).steps
    except MigrateError as error:
        return panel_parts.heading("Plan") + html.problem_list([error.text(program)])
    if not steps:
        return ""
    table = panel_parts.scrolled(html.steps_table(steps, datetime.now(timezone.utc)))
    return panel_parts.heading("Plan") + table + html.preformatted(command("all", "upgrade").text(program))


def _tables(app: Application, program: Sequence[str]) -> Iterator[str]:
    yield panel_parts.heading("Tables by owner")
    if app.ownership.problems:
        yield html.problem_list(problem.text(program) for problem in app.ownership.problems)
    statements = _statements(app)
    keys = _keys(app)
    owned: dict[str, list[tuple[str, Sequence[str], str]]] = {package: [] for package in app.packages}
    for name in app.ownership.tables:
        owned[app.ownership.owners[name]].append((str(name), keys.get(name, ()), statements[name]))
    yield panel_parts.table_list(owned)


def _keys(app: Application) -> dict[TableName, list[str]]:
    """Return the tables of other packages that each table refers to."""
    owners = app.ownership.owners
    found: dict[TableName, list[str]] = {}
    for table, _, target in foreign_keys_between(app.ownership):
        name, other = table_name(table), table_name(target)
        if owners[name] != owners[other]:
            found.setdefault(name, []).append(f"{owners[other]}: {other}")
    return found


def _statements(app: Application) -> Mapping[TableName, str]:
    """Return the SQL that creates each table. The models do not change while the application runs."""
    made: Mapping[TableName, str] | None = app.registry.get(REGISTRY_KEY)
    if made is None:
        try:
            statements = statements_by_table(app.ownership, app.url, str(app.ini.path))
        except MigrateError as error:  # of the settings
            return dict.fromkeys(app.ownership.tables, str(error))
        made = {name: _ddl(statements, name) for name in app.ownership.tables}
        app.registry[REGISTRY_KEY] = made
    return made


def _ddl(statements: Callable[[TableName], list[str]], name: TableName) -> str:
    try:
        return re.sub(r" +$", "", "\n\n".join(statements(name)).expandtabs(4), flags=re.MULTILINE)
    except MigrateError as error:
        return str(error)
    except Exception as error:  # a type of the models may raise anything, and the other panels are wanted
        return cause_of(error)
