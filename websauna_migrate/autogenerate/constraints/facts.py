"""What a comparison knows of CHECK and EXCLUDE constraints: as the database shows them, and as it makes of the models.

PostgreSQL is asked once in a comparison, about all tables; MariaDB and MySQL about one table after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.engine import Inspector
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.autogenerate.constraints.changes import Changes, Wanted, changes
from websauna_migrate.autogenerate.tables.renamed import Renames
from websauna_migrate.database.connection import connection_of
from websauna_migrate.dialects.checks import checks_of_columns, checks_of_sqlite, made_by_mysql, without_nesting
from websauna_migrate.dialects.constraints import (
    Question,
    Shown,
    condition_sql,
    exclusion_sql,
    made_of,
    plainly,
    read_constraints,
)
from websauna_migrate.dialects.indexes import RENAMES
from websauna_migrate.dialects.spelling import check_constraints, stored_name
from websauna_migrate.packages.ownership import table_name
from websauna_migrate.packages.package import TableName
from websauna_migrate.private import is_of_type

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy.engine import Connection, Dialect

    Tables: TypeAlias = Mapping[TableName, sa.Table]
    Constraints: TypeAlias = Mapping[TableName, Sequence[Shown]]

# What the database makes of constraints of the models, by their ``id()``; None where it cannot be asked.
Made: TypeAlias = "dict[int, str | None]"


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read in one comparison, by the names of the tables after the renames; ``made`` if asked at once."""

    shown: dict[TableName, list[Shown]]
    made: Made | None


_READ: WeakKeyDictionary[Inspector, _Read] = WeakKeyDictionary()


def constraint_changes(context: AutogenContext, table: TableName, wanted: sa.Table, kind: str) -> Changes:
    """Return how the constraints of ``kind``, as in ``pg_constraint``, of ``table`` become those of ``wanted``.

    The user's hook is asked about the names of those in the database.

    :raises NotImplementedError: the dialect does not read them
    """
    dialect = connection_of(context).dialect
    read = _read(context)
    found = _shown(context, table, wanted, read)
    made = read.made if read.made is not None else _answers(context, {table: wanted}, {table: found})
    parents: Any = {"table_name": table.name, "schema_name": table.schema}
    shown = [one for one in found if context.run_name_filters(one.name, "check_constraint", parents)]
    ours = [_wanted(one, made, dialect) for one in _of_models(wanted) if _kind(one) == kind]
    return changes([one for one in shown if one.kind == kind], ours)


def stored_constraints(context: AutogenContext, table: TableName) -> list[Shown]:
    """Return the constraints of ``table`` that were read, by their names after the renames."""
    return _read(context).shown.get(table, [])


def has_constraints(table: sa.Table) -> bool:
    """Tell whether the models give ``table`` a CHECK or EXCLUDE constraint."""
    return bool(_of_models(table))


def _wanted(constraint: Any, made: Made, dialect: Dialect) -> Wanted:
    of_type, name = is_of_type(constraint), _name(constraint, dialect)
    return Wanted(constraint, name, None if of_type and name else made.get(id(constraint), ""), of_type)


def _name(constraint: Any, dialect: Dialect) -> str | None:
    return stored_name(constraint, dialect) if isinstance(constraint.name, str) else None


def _of_models(table: sa.Table) -> list[sa.Constraint]:
    return [*check_constraints(table), *(one for one in table.constraints if _kind(one) == "x")]


def _kind(constraint: sa.Constraint) -> str:
    return "x" if constraint.__visit_name__ == "exclude_constraint" else "c"


# --- as the database shows them --------------------------------------------------------------------------------


def _read(context: AutogenContext) -> _Read:
    inspector = context.inspector
    if inspector not in _READ:
        tables = dict(_considered(context))
        shown = _read_all(context, tables)
        is_asked_at_once = connection_of(context).dialect.name == "postgresql"
        _READ[inspector] = _Read(shown, _answers(context, tables, shown) if is_asked_at_once else None)
    return _READ[inspector]


def _considered(context: AutogenContext) -> Iterator[tuple[TableName, sa.Table]]:
    """Yield the tables of the models that are compared."""
    default = connection_of(context).dialect.default_schema_name
    for table in context.sorted_tables:
        name = table_name(table).shown(default)
        if context.run_name_filters(name.name, "table", {"schema_name": name.schema}):
            yield name, table


def _shown(context: AutogenContext, table: TableName, wanted: sa.Table, read: _Read) -> list[Shown]:
    found = read.shown.get(table, [])
    if all(isinstance(check.name, str) for check in check_constraints(wanted)):
        return found
    return [*found, *checks_of_columns(connection_of(context), table)]


def _read_all(context: AutogenContext, tables: Collection[TableName]) -> dict[TableName, list[Shown]]:
    connection = connection_of(context)
    schemas = sorted({table.schema for table in tables}, key=str)
    if connection.dialect.name == "postgresql":
        return _after_renames(read_constraints(connection), context)
    if connection.dialect.name == "sqlite":
        return _after_renames({k: v for schema in schemas for k, v in checks_of_sqlite(connection, schema)}, context)
    return {k: v for schema in schemas for k, v in _by_inspector(context, schema, tables)}


def _after_renames(shown: Constraints, context: AutogenContext) -> dict[TableName, list[Shown]]:
    renames, dialect = _renames(context), connection_of(context).dialect
    return {
        renames.table(stored): [_renamed(one, stored, renames, dialect) for one in of] for stored, of in shown.items()
    }


def _renamed(one: Shown, stored: TableName, renames: Renames, dialect: Dialect) -> Shown:
    table = renames.table(stored)
    if not renames.touch(table):
        return one
    name = renames.names.get(table, {}).get(one.name or "", one.name)
    return replace(one, name=name, sql=renames.sql(stored, one.sql, dialect))


def _renames(context: AutogenContext) -> Renames:
    return context.opts.get(RENAMES) or Renames()


def _by_inspector(
    context: AutogenContext, schema: str | None, tables: Collection[TableName]
) -> Iterator[tuple[TableName, list[Shown]]]:
    """Yield the named constraints of the tables in ``schema``."""
    names = [table.name for table in tables if table.schema == schema]
    found: Any = context.inspector.get_multi_check_constraints(schema=schema, filter_names=names)
    for (_, name), checks in found.items():
        named = (check for check in checks or () if check["name"])
        yield (
            TableName(schema, name),
            [Shown(check["name"], without_nesting(check["sqltext"], context.dialect)) for check in named],
        )


# --- as it makes those of the models ---------------------------------------------------------------------------


def _answers(context: AutogenContext, tables: Tables, shown: Constraints) -> Made:
    """Return what the database makes of the constraints of ``tables`` that it has candidates for."""
    connection, renames = connection_of(context), _renames(context)
    made: Made = {}
    questions: list[tuple[Question, list[int]]] = []
    for name, table in tables.items():
        asked = dict(_definitions(table, shown.get(name, ()), made, connection.dialect))
        if asked:
            question = Question(renames.stored(name), tuple(asked.values()), renames.columns.get(name, {}))
            questions.append((question, list(asked)))
    answers = _asked([question for question, _ in questions], connection)
    for (_, ids), answer in zip(questions, answers, strict=True):
        made.update(dict.fromkeys(ids) if answer is None else zip(ids, answer, strict=True))
    return made


def _definitions(table: sa.Table, shown: Sequence[Shown], made: Made, dialect: Dialect) -> Iterator[tuple[int, str]]:
    """Yield the definitions to ask about; what is written as the database shows it goes into ``made``."""
    for constraint in _of_models(table) if shown else ():
        candidates = _candidates(constraint, shown, dialect)
        if not candidates:
            continue
        try:
            definition = _definition(constraint, dialect)
        except SQLAlchemyError:  # a value in it cannot be written as SQL
            made[id(constraint)] = None
            continue
        plain = plainly(definition.condition, dialect.name)
        same = next((one.sql for one in candidates if plainly(one.condition, dialect.name) == plain), None)
        if same is not None:
            made[id(constraint)] = same
        else:
            yield id(constraint), definition.sql


def _candidates(constraint: sa.Constraint, shown: Sequence[Shown], dialect: Dialect) -> list[Shown]:
    name = _name(constraint, dialect)
    if name is not None and is_of_type(constraint):
        return []
    return [one for one in shown if one.kind == _kind(constraint) and name in (None, one.name)]


def _definition(constraint: Any, dialect: Dialect) -> Shown:
    if _kind(constraint) == "x":
        return Shown(None, exclusion_sql(constraint, dialect), kind="x")
    return Shown(None, f"CHECK ({condition_sql(constraint.sqltext, dialect)})")


def _asked(questions: Sequence[Question], connection: Connection) -> Sequence[tuple[str, ...] | None]:
    if not questions or connection.dialect.name == "postgresql":
        return made_of(questions, connection) if questions else ()
    if connection.dialect.name in ("mysql", "mariadb"):
        return [made_by_mysql(question, connection) for question in questions]
    # SQLite keeps the text: where it differs, the constraint does. Others are compared by their names.
    is_sqlite = connection.dialect.name == "sqlite"
    return [("",) * len(one.definitions) if is_sqlite else None for one in questions]
