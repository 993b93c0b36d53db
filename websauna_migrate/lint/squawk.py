"""What ``squawk`` finds in the SQL of revisions: one process for all of them. It knows PostgreSQL only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import ClientError, one_line
from websauna_migrate.lint.remedies import IN_CONTRACT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websauna_migrate.lint.statements import Statement

#: Rules of squawk that are not used. Ours say the same with the size of the table, and know which revision contracts
#: and which table is new. A run has its own transactions, and does not wait long for a lock. Code that is running knows
#: no name of an index or a constraint, and no type that no column has. Which types new columns should have is not about
#: an application that is running.
NOT_USED = frozenset(
    {
        "adding-field-with-default",
        "adding-foreign-key-constraint",
        "adding-not-nullable-field",
        "adding-required-field",
        "adding-serial-primary-key-field",
        "ban-drop-column",
        "ban-drop-constraint",
        "ban-drop-index",
        "ban-drop-not-null",
        "ban-drop-table",
        "ban-drop-type",
        "changing-column-type",
        "constraint-missing-not-valid",
        "disallowed-unique-constraint",
        "renaming-column",
        "renaming-object",
        "renaming-table",
        "require-concurrent-index-creation",
        "require-lock-timeout",
        "require-statement-timeout",
        "require-timeout-settings",
        "prefer-robust-stmts",
        "transaction-nesting",
        "ban-uncommitted-transaction",
        "prefer-bigint-over-int",
        "prefer-bigint-over-smallint",
        "prefer-big-int",
        "prefer-identity",
        "prefer-text-field",
        "prefer-timestamp-tz",
        "prefer-timestamptz",
    }
)

# The other rules about what breaks code that is running.
_BREAKS = "ban-drop-"

_PAGE = "see https://squawkhq.com/docs/"

MISSING = ClientError(
    "squawk is not installed, so its rules for PostgreSQL were left out",
    "run: pip install 'websauna_migrate[lint]', or write websauna_migrate.lint.ignore = squawk into the INI",
)


@dataclass(frozen=True, slots=True)
class Remark:
    """What squawk says about ``statement``, by the name of its rule."""

    statement: Statement
    rule: str
    why: str
    remedy: str


def program() -> str | None:
    """Return the path of squawk, None where it is not installed: that of this environment, else that of ``PATH``."""
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", "")))
    return shutil.which("squawk", path=path)


def remarks(squawk: str, statements: Sequence[Statement], version: Sequence[int] | None) -> Iterator[Remark]:
    """Yield what ``squawk``, the path of the program, says about ``statements`` for a ``version`` of the server.

    :raises ClientError: it fails
    """
    steps: dict[tuple[str, str], list[Statement]] = {}
    for statement in statements:
        steps.setdefault((statement.step.package, statement.step.revision.id), []).append(statement)
    if not steps:
        return
    with tempfile.TemporaryDirectory(prefix="ws-alembic-") as folder:
        files = {f"{number}.sql": of_step for number, of_step in enumerate(steps.values())}
        for name, of_step in files.items():
            Path(folder, name).write_text(_text(of_step), encoding="utf-8")
        found = _run(squawk, [str(Path(folder, name)) for name in files], version)
    for one in found:
        found_at = _statement_at(files[Path(one["file"]).name], int(one["line"]))
        if found_at is not None and _is_used(one["rule_name"], found_at):
            rule = one["rule_name"]
            remedy = IN_CONTRACT if rule.startswith(_BREAKS) else one_line(one.get("help") or _PAGE + rule)
            yield Remark(found_at, rule, one_line(one["message"]), remedy)


def _is_used(rule: str, statement: Statement) -> bool:
    return rule not in NOT_USED and not (rule.startswith(_BREAKS) and statement.step.revision.contract)


def _text(statements: Sequence[Statement]) -> str:
    """Return ``statements`` with an empty line before each of them."""
    return "".join(f"\n{statement.sql}\n" for statement in statements)


def _statement_at(statements: Sequence[Statement], line: int) -> Statement | None:
    """Return the statement at ``line`` of :func:`_text`; one that begins a line too early is meant too.

    squawk counts lines from 0 in JSON. A release that counts from 1 leads to the same statement.
    """
    end = 0
    for statement in statements:
        end += statement.sql.count("\n") + 2
        if line < end:
            return statement if statement.line is not None else None
    return statements[-1] if statements and statements[-1].line is not None else None


def _run(squawk: str, files: Sequence[str], version: Sequence[int] | None) -> list[dict[str, str]]:
    asked = [f"--pg-version={version[0]}.0"] if version else []
    done = subprocess.run(
        [squawk, "--reporter=json", *asked, *files], capture_output=True, encoding="utf-8", check=False
    )
    try:
        found = json.loads(done.stdout or "null")
    except ValueError:
        found = None
    if isinstance(found, list):
        return found
    raise ClientError(
        f"squawk failed with exit code {done.returncode}: {one_line(done.stderr or done.stdout)}",
        "look into .squawk.toml, or leave it out with websauna_migrate.lint.ignore = squawk in the INI",
    )
