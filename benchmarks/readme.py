"""The table of figures in ``README.rst``, between two comments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cases import BARE, BOOTS, FULL, OURS, PLAIN
from measure import Result

README = Path(__file__).parents[1] / "README.rst"
BEGIN, END = (f".. The table {word} here; make benchmark writes it.\n" for word in ("begins", "ends"))

_COLUMNS = {
    "Alembic, app": BOOTS,
    "Alembic": PLAIN,
    "stillhead": "stillhead",
    "Django": "django",
    "driver": BARE,
}
_COLUMNS_EXPLAINED = """\
In the column *driver*, a process only sends the same SQL with the driver of the database. The last two columns are the
memory of ``ws-alembic`` and of Alembic in MiB."""
_ROWS = {
    "no-op upgrade, one package": "no pending revisions, one package, SQLite",
    f"no-op upgrade, {FULL.many}, PostgreSQL": "no pending revisions, 20 packages with 20 revisions each, PostgreSQL",
    f"upgrade from base, {FULL.many}, PostgreSQL": "all of these revisions on an empty database",
    "current, 1000 revisions, SQLite": "``current`` with 1,000 revisions, SQLite",
    "current, 5000 revisions, SQLite": "``current`` with 5,000 revisions, SQLite",
    "upgrade by one, 5000 revisions, SQLite": "upgrade by one revision after 5,000, SQLite",
    "upgrade from base, 1000 revisions, sqlite": "1,000 revisions on an empty database, SQLite",
    "upgrade from base, 1000 revisions, postgresql": "1,000 revisions on an empty database, PostgreSQL",
    "check, 1000 tables, PostgreSQL": "``check`` of 1,000 tables, PostgreSQL",
    "check, 1000 tables, 10 schemas, PostgreSQL": "``check`` of 1,000 tables in ten schemas, PostgreSQL",
}


def write(results: Mapping[str, Mapping[str, Result]], at_once: Mapping[str, tuple[int, int]]) -> None:
    """Replace the table in the README by one of ``results``, by case and side."""
    text = README.read_text(encoding="utf-8")
    before, after = text.index(BEGIN) + len(BEGIN), text.index(END)
    new = f"\n{_table(results)}\n{_COLUMNS_EXPLAINED}\n\n{_sentence(at_once)}\n\n"
    README.write_text(text[:before] + new + text[after:], encoding="utf-8")


def _table(results: Mapping[str, Mapping[str, Result]]) -> str:
    rows = [["Work", *_COLUMNS, "MiB", "MiB of Alembic"]]
    rows += [_row(title, results[case]) for case, title in _ROWS.items()]
    lines = [f"   {'-' if number else '* -'} {cell}".rstrip() for row in rows for number, cell in enumerate(row)]
    lines = [line if line.startswith("   *") else f"  {line}" for line in lines]
    return "\n".join([".. list-table::", "   :header-rows: 1", "", *lines, ""])


def _row(title: str, results: Mapping[str, Result]) -> list[str]:
    ours = results[OURS]
    ratios = [f"{ours.seconds / results[side].seconds:.2f}" if side in results else "" for side in _COLUMNS.values()]
    return [title, *ratios, f"{ours.mebibytes:.0f}", f"{results[PLAIN].mebibytes:.0f}"]


def _sentence(at_once: Mapping[str, tuple[int, int]]) -> str:
    (ours, all_ours), (theirs, all_theirs) = at_once[OURS], at_once[PLAIN]
    return (
        f"When eight processes upgrade one empty PostgreSQL database at the same time, {ours} of {all_ours} processes\n"
        f"succeed. With Alembic, {theirs} of {all_theirs} succeed."
    )
