"""The differences that ``check`` reports, as values, as text and as JSON."""

from __future__ import annotations

import textwrap
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    Constraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import ClauseElement
from sqlalchemy.types import TypeEngine

from websauna_migrate.database.sql import plain_dialect
from websauna_migrate.exceptions import one_line
from websauna_migrate.packages.ownership import table_name
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Dialect

_WIDTH = 120
# What may differ between two constraints or indexes of one name, beside their columns.
_RULES = ("ondelete", "onupdate", "deferrable", "initially", "match", "unique")


class OwnedName(NamedTuple):
    """In a difference that Alembic reports: the name of what is no table, and the package that it belongs to."""

    package: str
    name: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs between the models of ``package`` and the database.

    ``operation`` is what would make it equal, by Alembic's name for it. ``table`` is None where it is about no table.
    """

    package: str
    operation: str
    table: TableName | None
    detail: str


def differences(
    diffs: Iterable[Sequence[object]], package: str, owners: Mapping[TableName, str], dialect: Dialect
) -> Iterator[Difference]:
    """Yield what ``alembic check`` found, each under the owner of its table, or under ``package`` where it has none.

    What is dropped and made again is one difference. ``diffs`` are as :func:`alembic.autogenerate.compare_metadata`
    returns them.
    """
    flat = [one for diff in diffs for one in (diff if isinstance(diff, list) else [diff])]
    for one in _with_changes(flat, dialect):
        table, detail = _table_and_detail(one, dialect)
        owner = one[1].package if isinstance(one[1], OwnedName) else _owner(table, owners, dialect)
        yield Difference(owner or package, str(one[0]), table, detail)


def differences_json(found: Iterable[Difference]) -> list[dict[str, object]]:
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
    """Return differences as lines below the packages they belong to; what is too long for one goes on in the next."""
    lines = []
    for package in dict.fromkeys(one.package for one in found):
        lines.append(f"{package}:")
        for one in found:
            if one.package == package:
                place = "" if one.table is None else f" {one.table}"
                detail = f": {one.detail}" if one.detail else ""
                lines += _lines(f"{one.operation.replace('_', ' ')}{place}{detail}")
    return "".join(f"{line}\n" for line in lines)


def _lines(text: str) -> list[str]:
    indents = {"initial_indent": "  ", "subsequent_indent": "      "}
    return textwrap.wrap(text, _WIDTH, **indents, break_long_words=False, break_on_hyphens=False)  # type: ignore[arg-type]


def _owner(table: TableName | None, owners: Mapping[TableName, str], dialect: Dialect) -> str | None:
    if table is None:
        return None
    return owners.get(table) or owners.get(table._replace(schema=table.schema or dialect.default_schema_name))


# --- what is dropped and made again ----------------------------------------------------------------------------


def _with_changes(diffs: Sequence[Any], dialect: Dialect) -> Iterator[Any]:
    """Yield ``diffs`` with one that says what changed in place of two that drop a thing and make it again."""
    added = {place: item for place, one in enumerate(diffs) if (item := _item(one, "add_")) is not None}
    changed: dict[int, Constraint | Index] = {}
    for is_same in (_has_same_name, _has_same_columns):
        for place, one in enumerate(diffs):
            before = _item(one, "remove_")
            if before is None or place in changed:
                continue
            alike = [number for number, item in added.items() if _is_alike(before, item, dialect)]
            made = next((number for number in alike if is_same(before, added[number])), None)
            if made is not None:
                changed[place] = added.pop(made)
    for place, one in enumerate(diffs):
        if place in changed:
            after = changed[place]
            yield f"modify_{_kind(after)}", table_name(_table(after)), _changed(one[1], after, dialect)
        elif place in added or _item(one, "add_") is None:
            yield one


def _item(diff: Any, prefix: str) -> Constraint | Index | None:
    """Return the constraint or index that ``diff`` drops or makes, None where it is about none."""
    match diff:
        case (str(operation), (Constraint() | Index()) as item) if operation.startswith(prefix):
            return item if isinstance(item.table, Table) else None
    return None


def _is_alike(before: Constraint | Index, after: Constraint | Index, dialect: Dialect) -> bool:
    """Tell whether the two are of one kind and one table."""
    tables = (table_name(_table(item)).shown(dialect.default_schema_name) for item in (before, after))
    return _kind(before) == _kind(after) and len(set(tables)) == 1


def _has_same_name(before: Constraint | Index, after: Constraint | Index) -> bool:
    return isinstance(after, PrimaryKeyConstraint) or (isinstance(after.name, str) and before.name == after.name)


def _has_same_columns(before: Constraint | Index, after: Constraint | Index) -> bool:
    """Tell whether both are over the same columns: the models may give the one no name that the database names."""
    return type(before) is type(after) and sorted(_columns(before)) == sorted(_columns(after)) != []


def _table(item: Constraint | Index) -> Table:
    assert isinstance(item.table, Table)
    return item.table


def _kind(item: Constraint | Index) -> str:
    if isinstance(item, Index):
        return "index"
    return {"foreign_key_constraint": "fk", "primary_key_constraint": "primary_key"}.get(
        item.__visit_name__, "constraint"
    )


def _changed(before: Any, after: Any, dialect: Dialect) -> str:
    old, new = _facts(before, dialect), _facts(after, dialect)
    changes = [
        f"{name}: {_fact(old.get(name))} -> {_fact(new.get(name))}"
        for name in dict.fromkeys((*old, *new))
        if _fact(old.get(name)) != _fact(new.get(name))
    ]
    if not changes and before.name != after.name:
        changes = [f"name: {before.name} -> {after.name}"]
    name = after.name if isinstance(after.name, str) else before.name
    shown = f"{name or ''} ({', '.join(_columns(after))})" if _columns(after) else str(name or "")
    return f"{shown.strip()}, {', '.join(changes)}" if changes else shown.strip()


def _facts(item: Any, dialect: Dialect) -> dict[str, object]:
    facts: dict[str, object] = {"columns": f"({', '.join(_columns(item))})"}
    if isinstance(item, CheckConstraint):
        return {"condition": _shown(item.sqltext, dialect)}
    if isinstance(item, Index):
        facts["columns"] = f"({', '.join(_shown(part, dialect) for part in item.expressions)})"
    if isinstance(item, ForeignKeyConstraint):
        facts["to"] = ", ".join(_target(element, dialect) for element in item.elements)
    facts |= {rule: getattr(item, rule, None) for rule in _RULES}
    options = {name.partition("_")[2]: value for name, value in item.dialect_kwargs.items()}
    return facts | {name: _shown(value, dialect) for name, value in options.items() if _is_said(value)}


def _target(key: ForeignKey, dialect: Dialect) -> str:
    return key.target_fullname.removeprefix(f"{dialect.default_schema_name}.")


def _is_said(value: object) -> bool:
    return isinstance(value, ClauseElement) or bool(value)


def _fact(value: object) -> str:
    return str(None if value is False else value)


def _columns(item: Constraint | Index) -> list[str]:
    if isinstance(item, ForeignKeyConstraint):
        return list(item.column_keys)
    parts = item.expressions if isinstance(item, Index) else getattr(item, "columns", ())
    return [str(part.name) for part in parts if isinstance(part, Column)]


# --- one difference as a text ----------------------------------------------------------------------------------


def _table_and_detail(diff: Sequence[Any], dialect: Dialect) -> tuple[TableName | None, str]:
    match diff:
        case (_, TableName() as name, str(detail)):
            return name, detail
        case (_, OwnedName(name=name)):
            return None, one_line(name)
        case (_, Table() as table, *_):
            return table_name(table), ""
        case (_, ForeignKeyConstraint() as key):
            columns = ", ".join(key.column_keys)
            return table_name(key.table), f"({columns}) to {', '.join(e.target_fullname for e in key.elements)}"
        case (_, CheckConstraint(table=Table() as table) as check):
            name = check.name if isinstance(check.name, str) else ""
            return table_name(table), f"{name} ({_shown(check.sqltext, dialect)})".strip()
        case (_, Index(table=Table() as table) | Constraint(table=Table() as table) as item):
            parts = item.expressions if isinstance(item, Index) else getattr(item, "columns", ())
            columns = ", ".join(_shown(part, dialect) for part in parts)
            return table_name(table), f"{item.name or ''} ({columns})".strip()
        case ("modify_enum", str(name), tuple(before), tuple(after)):
            return None, f"{name} {_values_changed(before, after)}"
        case (_, schema, str(table), Column() as column):
            return TableName(schema, table), f"{column.name} {_shown(column.type, dialect)}"
        case (_, schema, str(table), str(detail)):
            return TableName(schema, table), detail
        case (_, schema, str(table), str(column), dict(), before, after):
            return TableName(schema, table), f"{column} from {_shown(before, dialect)} to {_shown(after, dialect)}"
    return None, " ".join(_shown(part, dialect) for part in diff[1:])


def _values_changed(before: Sequence[str], after: Sequence[str]) -> str:
    """Return which values of an enum come and go: an enum may have very many."""
    added = ", ".join(repr(value) for value in after if value not in before)
    removed = ", ".join(repr(value) for value in before if value not in after)
    said = [f"{what} {values}" for what, values in (("adds", added), ("removes", removed)) if values]
    return ", ".join(said) or f"from the order {', '.join(map(repr, before))} to {', '.join(map(repr, after))}"


def _shown(value: object, dialect: Dialect) -> str:
    """Return a part of a difference on one line, a type or an expression as its SQL."""
    if isinstance(value, Column):
        return str(value.name)
    if isinstance(value, (TypeEngine, ClauseElement)):
        with suppress(SQLAlchemyError):  # some are of another database
            value = value.compile(dialect=dialect) if isinstance(value, TypeEngine) else _literal(value, dialect)
    return one_line(getattr(value, "arg", value))


def _literal(clause: ClauseElement, dialect: Dialect) -> str:
    """Return ``clause`` as SQL, with the names of columns alone."""
    options = {"include_table": False, "literal_binds": True}
    return str(clause.compile(dialect=plain_dialect(dialect), compile_kwargs=options))
