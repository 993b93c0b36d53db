"""Moving a revision that is not applied after another one, by rewriting one value of its script.

The line ``Revises:`` of its docstring, which Alembic writes, follows. All other text stays as it is, byte by byte, and
the file is replaced in one go.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import Remedy, RevisionError, command
from websauna_migrate.files import replaced
from websauna_migrate.ordering import closure
from websauna_migrate.revisions.history import HistoryGraph, applied
from websauna_migrate.revisions.plan import known_rows
from websauna_migrate.revisions.symbols import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websauna_migrate.revisions.scripts import Revision


def decide(history: HistoryGraph, revision: str, onto: str, rows: Sequence[str]) -> tuple[Revision, str | None]:
    """Return the script to rewrite and its new ``down_revision``, None for base.

    ``rows`` are those of the history table in the database of the settings.

    :raises RevisionError: there is no such revision, or it cannot go there
    """
    script = history.revisions[_one(history, revision, revision)]
    target = None if onto == "base" else _one(history, onto, revision)
    if script.id in applied(history, known_rows(history, rows)):
        # Without the branch it would undo what else follows the same revision.
        back = command(history.package, "downgrade", f"{script.id}@{script.down[0] if script.down else 'base'}")
        merge = command(history.package, "merge", "-m", "Merge heads", "heads")
        keep = ("keep it and join the heads with: ", merge, "; or ") if len(history.heads) > 1 else ()
        raise _refused(history, script.id, "this database has applied it", (*keep, "undo it there first: ", back))
    if len(script.down) > 1:
        anew = command(history.package, "merge", "heads")
        raise _refused(history, script.id, "it is a merge", ("write a new one with: ", anew))
    if target in closure([script.id], history.after.__getitem__):
        reason = f"{target} is a descendant of it" if target != script.id else "it cannot follow itself"
        raise _refused(history, script.id, reason, "name another revision")
    return script, target


def with_down_revision(source: bytes, value: str | None) -> bytes | None:
    """Return the text of a script with ``value`` as its ``down_revision``; None where it is not one plain value."""
    module = ast.parse(source)
    values = [found for statement in module.body if (found := _value(statement)) is not None]
    node = values[0] if len(values) == 1 else None
    if not isinstance(node, ast.Constant) or node.end_lineno != node.lineno:
        return None
    lines = source.splitlines(keepends=True)
    line = lines[node.lineno - 1]
    old = line[node.col_offset : node.end_col_offset].decode()
    if ast.literal_eval(old) != node.value:  # in an encoding where a column is no byte
        return None
    quote = "'" if old.startswith("'") else '"'
    new = "None" if value is None else f"{quote}{value}{quote}"
    lines[node.lineno - 1] = line[: node.col_offset] + new.encode() + line[node.end_col_offset :]
    old_line = re.compile(rf"Revises: *{re.escape(str(node.value or ''))}(?=\s*$)".encode())
    for number in _lines_of_docstring(module):
        if old_line.match(lines[number]):
            lines[number] = old_line.sub(f"Revises: {value or ''}".encode(), lines[number])
    return b"".join(lines)


def _lines_of_docstring(module: ast.Module) -> range:
    match module.body:
        case [ast.Expr(value=ast.Constant(value=str())) as text, *_]:
            return range(text.lineno - 1, text.end_lineno or text.lineno)
    return range(0)


def rebase(history: HistoryGraph, revision: str, onto: str, rows: Sequence[str]) -> tuple[Revision, str | None]:
    """Rewrite the script of ``revision`` so that it follows ``onto``; return it as it was and what it follows now.

    :raises RevisionError: it cannot be
    """
    script, target = decide(history, revision, onto, rows)
    content = with_down_revision(script.source, target)
    if content is None:
        raise _refused(history, script.id, "down_revision is not one plain value", f"change it in {script.path}")
    with replaced(script.path) as file:
        file.write(content)
    return script, target


def _refused(history: HistoryGraph, revision: str, reason: str, remedy: Remedy) -> RevisionError:
    return RevisionError(f"{history.package} {revision} was not rebased: {reason}", remedy)


def _one(history: HistoryGraph, text: str, revision: str) -> str:
    found = resolve(history, text)
    if len(found) != 1:
        raise _refused(history, revision, f"{text} is not one revision", "name one")
    return found[0]


def _value(statement: ast.stmt) -> ast.expr | None:
    """Return what ``statement`` sets ``down_revision`` to, None where it does not."""
    match statement:
        case ast.Assign(targets=[ast.Name(id="down_revision")], value=value):
            return value
        case ast.AnnAssign(target=ast.Name(id="down_revision"), value=value):
            return value
    return None
