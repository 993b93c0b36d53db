"""Results as text and as JSON. Nothing is printed here."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from websauna_migrate.exceptions import PROGRAM, escaped, remedy_text
from websauna_migrate.ordering import closure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from websauna_migrate.packages.package import History
    from websauna_migrate.repair.findings import Finding
    from websauna_migrate.revisions.history import HistoryGraph
    from websauna_migrate.revisions.plan import HistoryState, Plan
    from websauna_migrate.revisions.scripts import Revision
    from websauna_migrate.run.dry_run import DryRun, Measured

_NOTHING_TO_DO = "Nothing to do."

_GAP = "   "  # between two columns, as Rich makes it
_WIDTH = 1_000_000  # wider than any table: rich never wraps a line
_JSON_CONTROLS = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_COLOURS = {"up to date": "green", "no revisions": "dim", "pending": "yellow", "pending (contract)": "yellow"}


class Coloured(NamedTuple):
    """The text of a cell, and its colour where it has one."""

    text: str
    colour: str = ""


def as_json(value: object, *, ascii: bool = False) -> str:
    """Return ``value`` as indented JSON without control characters; with ``ascii`` every stream can encode it."""
    text = json.dumps(value, indent=2, ensure_ascii=ascii)
    # What JSON leaves as it is are characters of at most four hexadecimal digits: DEL, C1, and those of bidirectional
    # text.
    return _JSON_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def plan_json(plan: Plan) -> list[dict[str, object]]:
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
        return f"{_NOTHING_TO_DO}\n"
    rows = (
        (str(number), step.direction, step.package, _shown_id(step.revision), step.revision.message)
        for number, step in enumerate(plan.steps, 1)
    )
    return table(("", "", "package", "revision", "message"), rows, colour=colour)


def _shown_id(revision: Revision) -> str:
    return f"{revision.id} (contract)" if revision.contract else revision.id


def status_text(histories: Iterable[History], states: Mapping[str, HistoryState], *, colour: bool) -> str:
    """Return one row per history."""
    rows: list[tuple[str | Coloured, ...]] = []
    for history in histories:
        state = states[history.package]
        rows.append(
            (
                history.package,
                Coloured(state.state, _COLOURS.get(state.state, "red")),
                str(state.pending),
                ", ".join(state.current) or "-",
                ", ".join(state.heads) or "-",
                ", ".join(history.packages[1:]) or "-",
            )
        )
    return table(("package", "state", "pending", "current", "heads", "adopted packages"), rows, colour=colour)


def summary_text(plan: Plan, seconds: Mapping[str, float], *, colour: bool) -> str:
    """Return one row per history that ``plan`` changed; ``seconds`` is the run time of its revisions."""
    counts = Counter(step.package for step in plan.steps)
    rows = (
        (package, _rows(plan.heads_before[package]), _rows(plan.heads_after[package]), str(count), f"{took:.2f}")
        for package, count in counts.items()
        for took in (seconds[package],)
    )
    return table(("package", "from", "to", "revisions", "seconds"), rows, colour=colour)


def dry_run_text(done: DryRun, *, colour: bool) -> str:
    """Return one row per revision of a dry run, and one per lock of a table where the database has such locks."""
    if not done.steps:
        return f"{_NOTHING_TO_DO}\n"
    headings = ("package", "revision", "seconds", *(("table", "lock", "held", "blocks") if done.has_locks else ()))
    rows = [row for one in done.steps for row in _measured_rows(one, has_locks=done.has_locks)]
    return table(headings, rows, colour=colour)


def _measured_rows(one: Measured, *, has_locks: bool) -> Iterator[tuple[str, ...]]:
    from websauna_migrate.database.table_locks import blocks

    seconds = f"{one.seconds:.2f}{' (failed)' if one.failed else ''}"
    start: tuple[str, ...] = (one.step.package, one.step.revision.id, seconds)
    if not has_locks:
        yield start
    elif not one.locks:
        yield (*start, "-", "", "", "")
    for lock in one.locks:
        yield (*start, lock.table, lock.mode, f"{lock.seconds:.2f}", blocks(lock.mode) or "-")
        start = ("", "", "")


def findings_json(findings: Iterable[Finding], program: Sequence[str] = PROGRAM) -> list[dict[str, object]]:
    """Return the findings of ``doctor`` as plain values, with ``program`` as the start of commands."""
    return [
        {
            "problem": finding.problem,
            "package": finding.package,
            "detail": finding.detail,
            "remedy": remedy_text(finding.remedy, program),
        }
        for finding in findings
    ]


def findings_text(findings: Sequence[Finding], program: Sequence[str] = PROGRAM) -> str:
    """Return the findings of ``doctor``: for each what it is, why it matters, and how to fix it."""
    if not findings:
        return "No problems found.\n"
    return "\n".join(
        f"{finding.problem}{f' in {finding.package}' if finding.package else ''}\n"
        f"  what: {escaped(finding.detail)}\n"
        f"  why:  {finding.reason}\n"
        f"  fix:  {remedy_text(finding.remedy, program)}\n"
        for finding in findings
    )


def current_lines(graph: HistoryGraph, applied: set[str]) -> Iterator[str]:
    """Yield the applied revisions without an applied successor, as ``alembic current`` prints them."""
    for revision in sorted(applied):
        if applied.isdisjoint(graph.children[revision]):
            yield revision + _head_mark(graph, revision) + _tree_marks(graph, revision)


def head_lines(graph: HistoryGraph) -> Iterator[str]:
    """Yield the heads as ``alembic heads`` prints them."""
    for revision in graph.branch_heads:
        labels = _labels(graph, revision)
        yield revision + (f" ({', '.join(labels)})" if labels else "") + _head_mark(graph, revision)


def table(headings: Sequence[str], rows: Iterable[Sequence[str | Coloured]], *, colour: bool) -> str:
    """Return a table as wide as its content, with colours or as plain text.

    A ``str`` is shown unchanged, but for its control characters.
    """
    cells = [[cell if isinstance(cell, Coloured) else Coloured(escaped(cell)) for cell in row] for row in rows]
    texts = [list(headings), *([cell.text for cell in row] for row in cells)]
    if not colour and all(text.isascii() for row in texts for text in row):
        return _plain_table(texts)
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    output = io.StringIO()
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in headings:
        grid.add_column(heading, no_wrap=True, overflow="ignore")
    for row in cells:
        grid.add_row(*(Text(cell.text, cell.colour) for cell in row))
    Console(file=output, force_terminal=colour, no_color=not colour, width=_WIDTH, markup=False, emoji=False).print(
        grid
    )
    return "".join(line.rstrip() + "\n" for line in output.getvalue().splitlines())


def _plain_table(texts: Sequence[Sequence[str]]) -> str:
    """Return the same without Rich, whose import takes a sixth of a command with nothing to do."""
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = [_GAP.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in texts]
    rule = "\u2500" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    return "".join(f"{line}\n" for line in (lines[0], rule, *lines[1:]))


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
