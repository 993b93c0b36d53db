"""What ``lint`` found, as values, as text and as JSON."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import escaped, escaped_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from websauna_migrate.packages.package import TableName

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a statement of a revision does to an application that is running.

    ``path`` and ``line`` are where the script says it. ``rows`` and ``bytes`` are the size of the ``table``, None where
    that is not known. ``why`` is a sentence, ``remedy`` the safe form: lines for the script, or a sentence.
    """

    package: str
    revision: str
    rule: str
    path: Path
    line: int
    statement: str
    why: str
    remedy: str
    table: TableName | None = None
    rows: int | None = None
    bytes: int | None = None

    @property
    def place(self) -> str:
        """The file, from the working directory where it is in it, and the line."""
        return f"{_seen_from(Path.cwd(), self.path)}:{self.line}"

    @property
    def size(self) -> str:
        """The table with its size as far as it is known."""
        if self.table is None:
            return ""
        parts = [] if self.rows is None else [f"{self.rows:,} {'row' if self.rows == 1 else 'rows'}"]
        parts += [] if self.bytes is None else [_shown_bytes(self.bytes)]
        return f"{self.table} ({', '.join(parts)})" if parts else str(self.table)


def findings_json(findings: Iterable[Finding]) -> list[dict[str, object]]:
    """Return findings as plain values."""
    return [
        {
            "package": finding.package,
            "revision": finding.revision,
            "rule": finding.rule,
            "table": None if finding.table is None else str(finding.table),
            "rows": finding.rows,
            "detail": f"{finding.place}: {finding.statement}: {_why(finding)}",
            "remedy": finding.remedy,
        }
        for finding in findings
    ]


def findings_rows(findings: Iterable[Finding]) -> list[tuple[str, ...]]:
    """Return a row for each finding: where, which rule, and the table with its size."""
    return [(one.package, one.revision, one.place, one.rule, one.size) for one in findings]


def findings_text(findings: Sequence[Finding]) -> str:
    """Return findings as blocks of lines: where, what it does to which table, why it matters and the safe form."""
    if not findings:
        return "No problems found.\n"
    return "\n".join(map(_block, findings))


def findings_github(findings: Iterable[Finding]) -> str:
    """Return findings as the commands that make annotations of them in a workflow of GitHub."""
    root = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd())
    return "".join(_annotation(finding, root) for finding in findings)


def _annotation(finding: Finding, root: Path) -> str:
    text = f"{finding.rule}: {finding.statement}: {_why(finding)}\n{finding.remedy}"
    file = _data(str(_seen_from(root, finding.path))).replace(":", "%3A").replace(",", "%2C")
    return f"::warning file={file},line={finding.line}::{_data(text)}\n"


def _block(finding: Finding) -> str:
    remedy = escaped_lines(finding.remedy).splitlines()
    lines = [
        f"{finding.rule} in {finding.package} {finding.revision}, {finding.place}",
        f"  what: {escaped(finding.statement)}",
        *([f"  size: {escaped(finding.size)}"] if finding.size else []),
        f"  why:  {finding.why}",
        *(f"  {'safe: ' if not number else '      '}{line}" for number, line in enumerate(remedy)),
    ]
    return "".join(f"{line}\n" for line in lines)


def _why(finding: Finding) -> str:
    return f"{finding.why}; {finding.size}" if finding.size else finding.why


def _seen_from(folder: Path, path: Path) -> Path:
    folder = folder.resolve()
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def _shown_bytes(count: int) -> str:
    size, unit = float(count), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.0f} {_UNITS[unit]}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
