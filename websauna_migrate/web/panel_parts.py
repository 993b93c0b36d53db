"""The parts of the panel of the toolbar as HTML. Pure.

The toolbar is a light page of Bootstrap. The panel has colours of its own, for light and dark, and touches nothing
outside of itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.drawing.svg import STYLE
from websauna_migrate.web.html import paragraph, text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from websauna_migrate.packages.package import History
    from websauna_migrate.revisions.graph import Graph
    from websauna_migrate.revisions.plan import HistoryState

_KINDS = {"up to date": "applied", "no revisions": "none", "pending": "pending", "pending (contract)": "pending"}
_FEW = 20  # tables that are shown at once
_STYLE = (
    """\
.ws-migrations { color-scheme: light dark; --paper: #fff; --ink: #1f2937; --line: #d1d5db; --quiet: #4b5563;
  --code: #f3f4f6; --applied: #047857; --pending: #b45309; --wrong: #b91c1c;
  --p0: #0369a1; --p1: #a21caf; --p2: #4d7c0f; --p3: #4338ca; --p4: #be123c; --p5: #475569;
  background: var(--paper); border-radius: 6px; color: var(--ink); font-size: 14px; line-height: 1.5;
  padding: 8px 16px }
@media (prefers-color-scheme: dark) { .ws-migrations { --paper: #111827; --ink: #e5e7eb; --line: #374151;
  --quiet: #9ca3af; --code: #1f2937; --applied: #34d399; --pending: #fbbf24; --wrong: #f87171;
  --p0: #38bdf8; --p1: #e879f9; --p2: #a3e635; --p3: #a5b4fc; --p4: #fb7185; --p5: #94a3b8 } }
.ws-migrations h4 { color: inherit; font-size: 16px; font-weight: 600; margin: 24px 0 8px }
.ws-migrations ul { margin: 8px 0 16px; padding-left: 20px }
.ws-migrations table { background: none; border-collapse: collapse; width: 100% }
.ws-migrations th, .ws-migrations td { border-bottom: 1px solid var(--line); padding: 5px 16px 5px 0;
  text-align: left; vertical-align: top }
.ws-migrations th, .ws-migrations .quiet, .ws-migrations time { color: var(--quiet); font-weight: normal }
.ws-migrations code, .ws-migrations pre { background: none; color: inherit; font-size: 12.5px; padding: 0 }
.ws-migrations pre { background: var(--code); border: 0; border-radius: 6px; margin: 8px 0; padding: 10px 12px;
  white-space: pre-wrap; overflow-wrap: anywhere }
.ws-migrations summary { cursor: pointer; display: list-item; padding: 3px 0 }
.ws-migrations details details { margin-left: 20px }
.ws-migrations .state { font-weight: 600 }
.ws-migrations .state.applied { color: var(--applied) }
.ws-migrations .state.pending { color: var(--pending) }
.ws-migrations .state.wrong { color: var(--wrong) }
.ws-migrations .state.none { color: var(--quiet) }
.ws-migrations .scrolled { max-height: 36rem; overflow: auto }
"""
    + STYLE
)
_COLUMNS = ("package", "state", "pending", "current", "heads", "history table", "adopted packages")


def panel(content: str) -> str:
    """Return the panel with its style."""
    return f'<style>\n{_STYLE}</style>\n<div class="ws-migrations">\n{content}</div>\n'


def heading(title: str) -> str:
    """Return the heading of a part."""
    return f"<h4>{text(title)}</h4>\n"


def all_is_well(states: Iterable[HistoryState]) -> str:
    """Return what is said where the code has what it needs."""
    if any(state.state == "pending (contract)" for state in states):
        return paragraph("Only contract revisions are pending: they are for after the new code runs everywhere.")
    return paragraph("All revisions are applied.")


def scrolled(content: str) -> str:
    """Return HTML that may be long, or wide, in a frame that scrolls."""
    return f'<div class="scrolled">\n{content}</div>\n'


def legend(*, is_known: bool) -> str:
    """Return what the dots and lines of the graph mean."""
    dots = "A filled dot is applied, a ring is pending." if is_known else "The database does not say what is applied."
    return f'<p class="quiet">Newest first. {dots} A dashed line leads to what a revision requires.</p>\n'


def status_table(histories: Iterable[History], states: Mapping[str, HistoryState], graph: Graph) -> str:
    """Return a row for each history; without its state the heads of its scripts."""
    histories = list(histories)
    columns = _COLUMNS if any(len(history.packages) > 1 for history in histories) else _COLUMNS[:-1]
    head = "".join(f"<th>{column}</th>" for column in columns)
    rows = (_status_row(history, states.get(history.package), graph, len(columns)) for history in histories)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table>\n"


def table_list(owned: Mapping[str, Sequence[tuple[str, Collection[str], str]]]) -> str:
    """Return the tables of each package: the name, the tables of others that it refers to, and its SQL."""
    is_open = sum(map(len, owned.values())) <= _FEW
    return "".join(_tables_of(package, tables, is_open=is_open) for package, tables in owned.items())


def _tables_of(package: str, tables: Sequence[tuple[str, Collection[str], str]], *, is_open: bool) -> str:
    count = "1 table" if len(tables) == 1 else f"{len(tables)} tables"
    summary = f'<summary>{text(package)} <span class="quiet">{count}</span></summary>'
    inner = "".join(_table(*table) for table in tables)
    return f"<details{' open' if is_open and tables else ''}>{summary}\n{inner}</details>\n"


def _status_row(history: History, state: HistoryState | None, graph: Graph, columns: int) -> str:
    heads = state.heads if state is not None else graph.histories[history.package].heads
    shown = "unknown" if state is None else state.state
    cells = (
        text(history.package),
        f'<span class="state {"none" if state is None else _KINDS.get(shown, "wrong")}">{shown}</span>',
        "-" if state is None else str(state.pending),
        _ids(state.current if state is not None else ()),
        _ids(heads),
        _ids((history.history_table,)),
        text(", ".join(history.packages[1:]) or "-"),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells[:columns])}</tr>\n"


def _ids(ids: Iterable[str]) -> str:
    return ", ".join(f"<code>{text(id_)}</code>" for id_ in ids) or "-"


def _table(name: str, others: Collection[str], ddl: str) -> str:
    refers = f' <span class="quiet">refers to {text(", ".join(others))}</span>' if others else ""
    return f"<details><summary><code>{text(name)}</code>{refers}</summary><pre>{text(ddl)}</pre></details>\n"
