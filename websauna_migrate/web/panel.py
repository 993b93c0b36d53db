"""What the panel of the toolbar shows. Read as the guard reads it: without a lock, and nothing is created."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
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
    from websauna_migrate.packages.ownership import Ownership
    from websauna_migrate.packages.package import TableName

REGISTRY_KEY = "websauna_migrate.table_ddl"


@dataclass(frozen=True, slots=True)
class _Models:
    """The owners of the tables, and the SQL that creates each."""

    ownership: Ownership
    statements: Mapping[TableName, str]


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
    models = _models(app)
    owners = models.ownership.owners
    if models.ownership.problems:
        yield html.problem_list(problem.text(program) for problem in models.ownership.problems)
    keys = _keys(models.ownership)
    owned: dict[str, list[tuple[str, Sequence[str], str]]] = {package: [] for package in app.packages}
    for name, ddl in models.statements.items():
        owned[owners[name]].append((str(name), keys.get(name, ()), ddl))
    yield panel_parts.table_list(owned)


def _keys(ownership: Ownership) -> dict[TableName, list[str]]:
    """Return the tables of other packages that each table refers to."""
    owners = ownership.owners
    found: dict[TableName, list[str]] = {}
    for table, _, target in foreign_keys_between(ownership):
        name, other = table_name(table), table_name(target)
        if owners[name] != owners[other]:
            found.setdefault(name, []).append(f"{owners[other]}: {other}")
    return found


def _models(app: Application) -> _Models:
    """Return the models, which do not change while the application runs, with what extensions add to them."""
    made: _Models | None = app.registry.get(REGISTRY_KEY)
    if made is None:
        ownership = replace(app.models, complete=True).ownership
        made = app.registry[REGISTRY_KEY] = _Models(ownership, _statements(app, ownership))
    return made


def _statements(app: Application, ownership: Ownership) -> Mapping[TableName, str]:
    """Return the SQL that creates each table, or why it cannot be written."""
    try:
        statements = statements_by_table(ownership, app.url, str(app.ini.path))
    except MigrateError as error:  # of the settings
        return dict.fromkeys(ownership.tables, str(error))
    return {name: _ddl(statements, name) for name in ownership.tables}


def _ddl(statements: Callable[[TableName], list[str]], name: TableName) -> str:
    try:
        return re.sub(r" +$", "", "\n\n".join(statements(name)).expandtabs(4), flags=re.MULTILINE)
    except MigrateError as error:
        return str(error)
    except Exception as error:  # a type of the models may raise anything, and the other panels are wanted
        return cause_of(error)
