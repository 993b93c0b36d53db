"""The rules: what a statement does to an application that is running, on its database. Pure.

Each rule looks at one action and at what is known of its table, and says what is wrong in a :class:`Problem`. What
earlier statements of a run did is in :class:`Schema`: a table that the run itself makes has no rows, and no code uses
it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from websauna_migrate.database.table_sizes import Size
from websauna_migrate.dialects.widths import keeps_rows, removed_values, widens
from websauna_migrate.lint.facts import ColumnFacts, Facts
from websauna_migrate.lint.remedies import (
    IN_CONTRACT,
    NO_REWRITE,
    changed_in_batches,
    column_beside,
    concurrent_index,
    constraint_of_index,
    default_later,
    not_null_by_check,
    nullable_first,
    validated_alone,
    validated_later,
    waiting_longer,
)
from websauna_migrate.lint.row_changes import MANY, changes_few, lock_waits
from websauna_migrate.packages.package import ColumnName, TableName, TypeName
from websauna_migrate.revisions.breaking import BREAKS, Break

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from websauna_migrate.lint.actions import Action

#: The rules of this package, beside those of what breaks running code.
RULES: dict[str, str] = {
    **{str(rule): why for rule, why in BREAKS.items()},
    "not-null-without-default": "the rows that are there have no value for the column",
    "index-without-concurrently": "the table cannot be written to until the index is built",
    "rewrites-table": "all rows are written again, and the table can be neither read nor written to meanwhile",
    "changes-many-rows": "the rows stay locked until the revision is committed, and their old versions are kept",
    "long-lock-timeout": "a statement may wait for a table longer than websauna_migrate.lock_wait, and all who use the "
    "table wait behind it",
    "scans-table": "all rows are read, and the table cannot be written to meanwhile",
}

_VOLATILE = re.compile(
    r"\b(nextval|random|gen_random_uuid|uuid_generate_v\w+|uuidv7|clock_timestamp|timeofday)\s*\(", re.I
)
_DEFAULT = re.compile(
    r"\bDEFAULT\s+(.+?)(?:\s+(?:NOT\s+NULL|NULL|CONSTRAINT|CHECK|REFERENCES|UNIQUE)\b.*)?$", re.I | re.S
)
_HAS_VALUE = ("DEFAULT", "GENERATED", "IDENTITY", "AUTO_INCREMENT", "AS")
_IS_NOT_NULL = re.compile(r'CHECK\s*\(\(?"?([^"()]+?)"?\s+IS\s+NOT\s+NULL\)?\)', re.I)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one action, by the name of its rule."""

    rule: str
    why: str
    remedy: str


@dataclass(slots=True)
class Schema:
    """What is known where a statement begins: the database, changed by the statements before it.

    ``made`` are the tables that the run makes, ``checked`` the columns in which a constraint forbids ``NULL``,
    ``added`` the constraints that are to be validated, with the column in which one forbids ``NULL``; those of the
    transaction that goes on are in ``open``. ``enums`` are the values of types that the run makes. ``longest_wait`` are
    the seconds that a statement may wait for a table.
    """

    facts: Facts
    dialect: Dialect
    longest_wait: float = math.inf
    made: set[TableName] = field(default_factory=set)
    columns: dict[ColumnName, ColumnFacts] = field(default_factory=dict)
    checked: set[ColumnName] = field(default_factory=set)
    added: dict[tuple[TableName, str], ColumnName | None] = field(default_factory=dict)
    open: set[tuple[TableName, str]] = field(default_factory=set)
    enums: dict[TypeName, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_postgresql(self) -> bool:
        """Whether locks and rewrites are those of PostgreSQL."""
        return self.dialect.name == "postgresql"

    def size(self, table: TableName) -> Size:
        """Return the size of ``table`` as far as it is known."""
        return self.facts.sizes.get(table, Size(None, None))

    def column(self, action: Action) -> ColumnFacts | None:
        """Return what is known of the column of ``action`` before it."""
        names = [ColumnName(action.table, name) for name in (action.name, action.old)]
        known = (found.get(name) for found in (self.columns, self.facts.columns) for name in names)
        return next((facts for facts in known if facts is not None), None)

    def has_check(self, action: Action) -> bool:
        """Tell whether a constraint already forbids ``NULL`` in the column of ``action``."""
        column = ColumnName(action.table, action.name)
        return column in self.checked or column in self.facts.checked

    def commit(self) -> None:
        """End the transaction."""
        self.open.clear()

    def after(self, action: Action) -> None:
        """Note what ``action`` changes."""
        table, column = action.table, ColumnName(action.table, action.name)
        match action.kind:
            case "create table":
                self.made.add(table)
            case "rename table" if table in self.made:
                self.made.add(TableName(table.schema, action.name))
            case "create enum":
                self.enums[table] = action.values
            case "add column":
                self.columns[column] = ColumnFacts(action.type, not action.says("NOT NULL"))
            case "change type":
                known = self.column(action)
                self.columns[column] = ColumnFacts(action.type, known.nullable if known else None)
            case "set not null":
                known = self.column(action)
                self.columns[column] = replace(known, nullable=False) if known else ColumnFacts(None, False)
            case "add check" | "add foreign key" if action.says("NOT VALID"):
                found = _IS_NOT_NULL.search(action.rest)
                self.added[table, action.name] = ColumnName(table, found[1]) if found else None
                self.open.add((table, action.name))
            case "validate":
                checked = self.added.get((table, action.name))
                self.checked |= {checked} if checked else set()


Rule: TypeAlias = "Callable[[Action, Schema], Problem | None]"


def problems(action: Action, schema: Schema, *, in_contract: bool) -> Iterator[Problem]:
    """Yield what is wrong with ``action`` where the database is ``schema``.

    In a contract revision no running code is broken.
    """
    if action.table in schema.made:
        return
    for rule in _BREAKING.get(action.kind, ()) if not in_contract else ():
        problem = rule(action, schema)
        if problem is not None:
            yield problem
    for rule in _OTHERS.get(action.kind, ()):
        problem = rule(action, schema)
        if problem is not None:
            yield problem


def problems_of_session(sql: str, schema: Schema) -> Iterator[Problem]:
    """Yield what is wrong with a statement that is about no table."""
    for seconds in lock_waits(sql, schema.dialect.name):
        if seconds > schema.longest_wait:
            yield _problem("long-lock-timeout", waiting_longer(seconds))
            return


# --- what breaks running code ----------------------------------------------------------------------------------


def _breaks(rule: Break, remedy: str = IN_CONTRACT, detail: str = "") -> Problem:
    return Problem(rule, BREAKS[rule] + (f": {detail}" if detail else ""), remedy)


def _drop_table(action: Action, schema: Schema) -> Problem | None:
    return _breaks("drop-table")


def _drop_column(action: Action, schema: Schema) -> Problem | None:
    return _breaks("drop-column")


def _rename_table(action: Action, schema: Schema) -> Problem | None:
    return _breaks("rename-table")


def _rename_column(action: Action, schema: Schema) -> Problem | None:
    return _breaks("rename-column")


def _rename_value(action: Action, schema: Schema) -> Problem | None:
    return _breaks("remove-enum-value", detail=f"{action.old!r} of {action.table}")


def _narrow_type(action: Action, schema: Schema) -> Problem | None:
    before = schema.column(action)
    old = before.type if before is not None else None
    removed = _removed_values(action, old, schema)
    if removed:
        return _breaks("remove-enum-value", detail=", ".join(map(repr, removed)))
    if old is None:
        return _breaks("narrow-type", detail="the type before is not known without the database")
    return None if widens(old, action.type) else _breaks("narrow-type", detail=f"{old} becomes {action.type}")


def _removed_values(action: Action, old: str | None, schema: Schema) -> tuple[str, ...]:
    name = action.type.removesuffix("[]").replace('"', "").rpartition(".")
    enum = TypeName(name[0] or None, name[2])
    if enum in schema.enums:
        return tuple(value for value in schema.facts.enums.get(enum, ()) if value not in schema.enums[enum])
    return removed_values(old or "", action.type)


def _new_not_null(action: Action, schema: Schema) -> Problem | None:
    nullable = _was_nullable(action, schema)
    # MariaDB says all of a column again, also what does not change.
    is_said_again = bool(action.type) and nullable is None
    return None if is_said_again or nullable is False else _breaks("new-not-null")


def _was_nullable(action: Action, schema: Schema) -> bool | None:
    before = schema.column(action)
    return before.nullable if before is not None else None


def _new_column(action: Action, schema: Schema) -> Problem | None:
    return _breaks("new-not-null", nullable_first(action, schema.dialect)) if _needs_value(action) else None


# --- what fails, locks, scans and rewrites ---------------------------------------------------------------------


def _problem(rule: str, remedy: str) -> Problem:
    return Problem(rule, RULES[rule], remedy)


def _column_without_value(action: Action, schema: Schema) -> Problem | None:
    if not _needs_value(action) or schema.size(action.table).rows == 0:
        return None
    return _problem("not-null-without-default", nullable_first(action, schema.dialect))


def _needs_value(action: Action) -> bool:
    has_value = action.says(*_HAS_VALUE) or "serial" in action.type.lower()
    return action.says("NOT NULL", "PRIMARY KEY") and not has_value


def _value_for_each_row(action: Action, schema: Schema) -> Problem | None:
    if not schema.is_postgresql:
        return None
    default = _DEFAULT.search(action.rest)
    if default and _VOLATILE.search(default[1]):
        return _problem("rewrites-table", default_later(action, default[1], schema.dialect))
    if "serial" in action.type.lower() or action.says("STORED", "IDENTITY"):
        return _problem("rewrites-table", nullable_first(replace(action, type=_plain(action.type)), schema.dialect))
    return None


def _plain(type_: str) -> str:
    return {"SERIAL": "INTEGER", "BIGSERIAL": "BIGINT", "SMALLSERIAL": "SMALLINT"}.get(type_.upper(), type_)


def _rewritten_by_type(action: Action, schema: Schema) -> Problem | None:
    before = schema.column(action)
    if schema.dialect.name == "sqlite" or before is None or before.type is None:
        return None
    is_enum = TypeName(None, action.type.removesuffix("[]")) in schema.enums
    if schema.is_postgresql:
        stays = keeps_rows(before.type, action.type) and not is_enum
    else:
        stays = before.type == action.type or (
            widens(before.type, action.type) and action.type.upper().startswith(("VARCHAR", "ENUM"))
        )
    return None if stays else _problem("rewrites-table", column_beside(action, schema.dialect))


def _rewrites(action: Action, schema: Schema) -> Problem | None:
    return _problem("rewrites-table", NO_REWRITE)


def _changed_rows(action: Action, schema: Schema) -> Problem | None:
    rows = schema.size(action.table).rows
    key = schema.facts.keys.get(action.table)
    if (rows is not None and rows < MANY) or changes_few(action, key or (None if schema.facts.is_known else "id")):
        return None
    return _problem("changes-many-rows", changed_in_batches(action, key, schema.dialect))


def _scanned_for_null(action: Action, schema: Schema) -> Problem | None:
    if not schema.is_postgresql or schema.has_check(action) or _was_nullable(action, schema) is False:
        return None
    return _problem("scans-table", not_null_by_check(action, schema.dialect))


def _scanned_for_constraint(action: Action, schema: Schema) -> Problem | None:
    if not schema.is_postgresql or action.says("NOT VALID"):
        return None
    return _problem("scans-table", validated_later(action, schema.dialect))


def _validated_at_once(action: Action, schema: Schema) -> Problem | None:
    if (action.table, action.name) not in schema.open:
        return None
    return _problem("scans-table", validated_alone(action.table, action.name, schema.dialect))


def _index(action: Action, schema: Schema) -> Problem | None:
    if not schema.is_postgresql or {"CONCURRENTLY", "ONLY"} & set(action.marks):
        return None
    is_partitioned = schema.size(action.table).is_partitioned
    remedy = concurrent_index(action, schema.dialect, is_partitioned=is_partitioned)
    return _problem("index-without-concurrently", remedy)


def _index_of_constraint(action: Action, schema: Schema) -> Problem | None:
    if not schema.is_postgresql or action.says("USING INDEX"):
        return None
    return _problem("index-without-concurrently", constraint_of_index(action, schema.dialect))


_BREAKING: dict[str, tuple[Rule, ...]] = {
    "drop table": (_drop_table,),
    "drop column": (_drop_column,),
    "rename table": (_rename_table,),
    "rename column": (_rename_column,),
    "rename enum value": (_rename_value,),
    "change type": (_narrow_type,),
    "set not null": (_new_not_null,),
    "add column": (_new_column,),
}
_OTHERS: dict[str, tuple[Rule, ...]] = {
    "add column": (_column_without_value, _value_for_each_row),
    "change type": (_rewritten_by_type,),
    "rewrite": (_rewrites,),
    "update rows": (_changed_rows,),
    "delete rows": (_changed_rows,),
    "set not null": (_scanned_for_null,),
    "add check": (_scanned_for_constraint,),
    "add foreign key": (_scanned_for_constraint,),
    "validate": (_validated_at_once,),
    "create index": (_index,),
    "add unique": (_index_of_constraint,),
    "add primary key": (_index_of_constraint,),
}
