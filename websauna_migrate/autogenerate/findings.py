"""The differences that ``check`` reports, as values, as text and as JSON."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Constraint, ForeignKeyConstraint, Index, Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeEngine

from websauna_migrate.exceptions import one_line
from websauna_migrate.packages.ownership import table_name
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Dialect


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

    ``diffs`` are as :func:`alembic.autogenerate.compare_metadata` returns them.
    """
    for diff in diffs:
        for one in diff if isinstance(diff, list) else [diff]:
            table, detail = _table_and_detail(one, dialect)
            yield Difference(_owner(table, owners, dialect) or package, str(one[0]), table, detail)


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


def _shown(value: object, dialect: Dialect) -> str:
    """Return a part of a difference on one line, a type as its SQL."""
    if isinstance(value, Column):
        return str(value.name)
    if isinstance(value, TypeEngine):
        with suppress(SQLAlchemyError):  # some are of another database
            value = value.compile(dialect=dialect)
    return one_line(getattr(value, "arg", value))
