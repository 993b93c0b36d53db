"""Results as text and as JSON. Floor 5: returns what is to be printed, and prints nothing itself."""

from __future__ import annotations

import io
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Constraint, ForeignKeyConstraint, Index, Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeEngine

from websauna_migrate.ordering import closure
from websauna_migrate.packages.ownership import table_name
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.text import Text
    from sqlalchemy.engine import Dialect

    from websauna_migrate.doctor import Finding
    from websauna_migrate.packages.package import History
    from websauna_migrate.revisions.history import HistoryGraph
    from websauna_migrate.revisions.plan import HistoryState, Plan

_WIDTH = 1_000_000  # more than any table has: rich never folds
_COLOURS = {"up to date": "green", "no revisions": "dim", "pending": "yellow"}


def as_json(value: object, *, ascii: bool = False) -> str:
    """Return ``value`` as JSON for people and programs, or in ``ascii``, which every stream takes."""
    return json.dumps(value, indent=2, ensure_ascii=ascii) + "\n"


def plan_json(plan: Plan) -> list[dict[str, Any]]:
    """Return the steps of ``plan`` as plain values."""
    return [
        {
            "package": step.package,
            "revision": step.revision.id,
            "direction": step.direction,
            "message": step.revision.message,
        }
        for step in plan.steps
    ]


def plan_text(plan: Plan, *, colour: bool) -> str:
    """Return the steps of ``plan`` as a table."""
    if not plan.steps:
        return "Nothing to do.\n"
    rows = (
        (str(number), step.direction, step.package, step.revision.id, step.revision.message)
        for number, step in enumerate(plan.steps, 1)
    )
    return table(("", "", "package", "revision", "message"), rows, colour=colour)


def status_json(histories: Iterable[History], states: Mapping[str, HistoryState]) -> list[dict[str, Any]]:
    """Return the state of each history as plain values."""
    return [
        {
            "package": history.package,
            "packages": list(history.packages),
            "history_table": history.history_table,
            "current": list(states[history.package].current),
            "heads": list(states[history.package].heads),
            "pending": states[history.package].pending,
            "state": states[history.package].state,
        }
        for history in histories
    ]


def status_text(histories: Iterable[History], states: Mapping[str, HistoryState], *, colour: bool) -> str:
    """Return one row per history."""
    from rich.text import Text

    rows = []
    for history in histories:
        state = states[history.package]
        rows.append(
            (
                history.package,
                Text(state.state, _COLOURS.get(state.state, "red")),
                str(state.pending),
                ", ".join(state.current) or "-",
                ", ".join(state.heads) or "-",
                ", ".join(history.packages[1:]) or "-",
            )
        )
    return table(("package", "state", "pending", "current", "heads", "adopted packages"), rows, colour=colour)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the models of ``package`` have otherwise than the database.

    ``operation`` is what would make it equal, by Alembic's name for it. ``table`` is None where it is about no table.
    """

    package: str
    operation: str
    table: TableName | None
    detail: str


def differences(
    diffs: Iterable[Any], package: str, owners: Mapping[TableName, str], dialect: Dialect
) -> Iterator[Difference]:
    """Yield what ``alembic check`` found, each under the owner of its table, or under ``package`` where it has none.

    ``diffs`` are as :func:`alembic.autogenerate.compare_metadata` returns them.
    """
    for diff in diffs:
        for one in diff if isinstance(diff, list) else [diff]:
            table, detail = _table_and_detail(one, dialect)
            yield Difference(_owner(table, owners, dialect) or package, str(one[0]), table, detail)


def differences_json(found: Iterable[Difference]) -> list[dict[str, Any]]:
    """Return differences as plain values."""
    return [
        {
            "package": one.package,
            "operation": one.operation,
            "table": None if one.table is None else str(one.table),
            "detail": one.detail,
        }
        for one in found
    ]


def differences_text(found: Sequence[Difference]) -> str:
    """Return differences as lines below the packages they belong to."""
    lines = []
    for package in dict.fromkeys(one.package for one in found):
        lines.append(f"{package}:")
        for one in found:
            if one.package == package:
                place = "" if one.table is None else f" {one.table}"
                detail = f": {one.detail}" if one.detail else ""
                lines.append(f"  {one.operation.replace('_', ' ')}{place}{detail}")
    return "".join(f"{line}\n" for line in lines)


def summary_text(plan: Plan, seconds: Mapping[str, float], *, colour: bool) -> str:
    """Return one row per history that ``plan`` touched; ``seconds`` are those that its revisions took."""
    counts = Counter(step.package for step in plan.steps)
    rows = (
        (package, _rows(plan.heads_before[package]), _rows(plan.heads_after[package]), str(count), f"{took:.2f}")
        for package, count in counts.items()
        for took in (seconds[package],)
    )
    return table(("package", "from", "to", "revisions", "seconds"), rows, colour=colour)


def findings_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return what ``doctor`` found as plain values."""
    return [
        {
            "problem": finding.problem,
            "package": finding.package,
            "detail": finding.detail,
            "remedy": finding.remedy,
        }
        for finding in findings
    ]


def findings_text(findings: Sequence[Finding]) -> str:
    """Return what ``doctor`` found: for each what it is, why it matters, and what mends it."""
    if not findings:
        return "Nothing is wrong.\n"
    return "\n".join(
        f"{finding.problem}{f' in {finding.package}' if finding.package else ''}\n"
        f"  what: {finding.detail}\n"
        f"  why:  {finding.reason}\n"
        f"  mend: {finding.remedy}\n"
        for finding in findings
    )


def current_lines(graph: HistoryGraph, applied: set[str]) -> Iterator[str]:
    """Yield the applied revisions that no applied one follows, as ``alembic current`` prints them."""
    for revision in sorted(applied):
        if applied.isdisjoint(graph.children[revision]):
            yield revision + _head_mark(graph, revision) + _tree_marks(graph, revision)


def head_lines(graph: HistoryGraph) -> Iterator[str]:
    """Yield the heads as ``alembic heads`` prints them."""
    for revision in graph.branch_heads:
        labels = _labels(graph, revision)
        yield revision + (f" ({', '.join(labels)})" if labels else "") + _head_mark(graph, revision)


def table(headings: Sequence[str], rows: Iterable[Sequence[str | Text]], *, colour: bool) -> str:
    """Return a table as wide as its content needs, with colours or as plain text; what is a ``str`` stays as it is."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    output = io.StringIO()
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in headings:
        grid.add_column(heading, no_wrap=True, overflow="ignore")
    for row in rows:
        grid.add_row(*row)
    Console(file=output, force_terminal=colour, no_color=not colour, width=_WIDTH, markup=False, emoji=False).print(
        grid
    )
    return "".join(line.rstrip() + "\n" for line in output.getvalue().splitlines())


def _owner(table: TableName | None, owners: Mapping[TableName, str], dialect: Dialect) -> str | None:
    if table is None:
        return None
    return owners.get(table) or owners.get(table._replace(schema=table.schema or dialect.default_schema_name))


def _table_and_detail(diff: Sequence[Any], dialect: Dialect) -> tuple[TableName | None, str]:
    match diff:
        case (_, Table() as table, *_):
            return table_name(table), ""
        case (_, ForeignKeyConstraint() as key):
            columns = ", ".join(key.column_keys)
            return table_name(key.table), f"({columns}) to {', '.join(e.target_fullname for e in key.elements)}"
        case (_, Index(table=Table() as table) | Constraint(table=Table() as table) as item):
            parts = item.expressions if isinstance(item, Index) else getattr(item, "columns", ())
            columns = ", ".join(_shown(part, dialect) for part in parts)
            return table_name(table), f"{item.name or ''} ({columns})".strip()
        case (_, schema, str(table), Column() as column):
            return TableName(schema, table), f"{column.name} {_shown(column.type, dialect)}"
        case (_, schema, str(table), str(column), dict(), before, after):
            return TableName(schema, table), f"{column} from {_shown(before, dialect)} to {_shown(after, dialect)}"
    return None, " ".join(_shown(part, dialect) for part in diff[1:])


def _shown(value: Any, dialect: Dialect) -> str:
    """Return a part of a difference on one line, a type as its SQL."""
    if isinstance(value, Column):
        return str(value.name)
    if isinstance(value, TypeEngine):
        with suppress(SQLAlchemyError):  # some are of another database
            value = value.compile(dialect=dialect)
    return " ".join(str(getattr(value, "arg", value)).split())


def _rows(heads: Iterable[str]) -> str:
    return ", ".join(heads) or "base"


def _labels(graph: HistoryGraph, head: str) -> list[str]:
    """Return the labels of all branches that end in ``head``."""
    line = closure((head,), graph.parents.__getitem__)
    return sorted({label for revision in line for label in graph.revisions[revision].branch_labels})


def _head_mark(graph: HistoryGraph, revision: str) -> str:
    if not graph.after[revision]:
        return " (head)"
    return "" if graph.children[revision] else " (effective head)"


def _tree_marks(graph: HistoryGraph, revision: str) -> str:
    branches = " (branchpoint)" if len(graph.children[revision]) > 1 else ""
    return branches + (" (mergepoint)" if len(graph.parents[revision]) > 1 else "")
