"""What a database holds of some tables, as texts that can be compared with those of another database.

Reads, and changes nothing. Both sides of a comparison are read from databases of one kind, so that equal
tables have equal texts; what is only a name (of an index, of a constraint) is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, text
from sqlalchemy.exc import CompileError
from sqlalchemy.sql import ClauseElement

from websauna_migrate.database.reflection import know_types, quiet_reflection, table_names
from websauna_migrate.exceptions import one_line
from websauna_migrate.packages.package import TABLE_PREFIX, TableName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy.engine import Connection, Dialect
    from sqlalchemy.engine.interfaces import ReflectedColumn, ReflectedForeignKeyConstraint, ReflectedIndex
    from sqlalchemy.types import TypeEngine

Facts = frozenset[str]


def read_facts(connection: Connection, tables: Collection[TableName]) -> dict[TableName, Facts]:
    """Return the facts of those of ``tables`` that exist."""
    know_types(connection.dialect)
    existing = table_names(connection, {name.schema for name in tables}).intersection(tables)
    facts: dict[TableName, set[str]] = {name: set() for name in existing}
    with quiet_reflection():
        for schema in {name.schema for name in existing}:
            names = [name.name for name in existing if name.schema == schema]
            for name, texts in _facts(connection, schema, names):
                facts[TableName(schema, name)] |= set(texts)
    return {name: frozenset(texts) for name, texts in facts.items()}


def signatures(connection: Connection, schemas: Collection[str | None]) -> dict[TableName, object] | None:
    """Return for each table something that changes when the table does; None where the database has nothing of it.

    It costs much less than the facts. A table is also to be read again when one that it refers to has changed.
    """
    query = _SIGNATURES.get(connection.dialect.name)
    if query is None or (set(schemas) != {None} and connection.dialect.name != "postgresql"):
        return None
    rows = [tuple(row) for row in connection.execute(query)]
    return {TableName(schema, name): signature for schema, name, signature in rows if schema in {*schemas}}


@dataclass(slots=True)
class Watch:
    """Follows the tables in ``schemas`` while revisions change them: what stays as it was is not read again."""

    schemas: frozenset[str | None]
    facts: Mapping[TableName, Facts] = field(default_factory=dict)
    _signatures: Mapping[TableName, object] = field(default_factory=dict)

    def names(self, connection: Connection) -> set[TableName]:
        """Return the tables that are no history tables."""
        return _of_models(table_names(connection, self.schemas))

    def read(self, connection: Connection, foreign: Collection[TableName] = ()) -> Mapping[TableName, Facts]:
        """Return the facts of all tables but the ``foreign`` ones and history tables."""
        now = signatures(connection, self.schemas)
        names = _of_models(table_names(connection, self.schemas) if now is None else now).difference(foreign)
        changed = self._changed(names, now)
        kept = {name: facts for name, facts in self.facts.items() if name in names and name not in changed}
        self.facts = {**kept, **read_facts(connection, changed)} if changed else kept
        self._signatures = now or {}
        return self.facts

    def _changed(self, names: set[TableName], now: Mapping[TableName, object] | None) -> set[TableName]:
        """Return those of ``names`` that are not as they were when they were read last."""
        if now is None:
            return names
        last = self.facts
        other = {name for name in {*now, *self._signatures} if now.get(name) != self._signatures.get(name)}
        return {name for name in names if name in other or name not in last or refers_to(last[name], other)}


# A row of a catalogue that is changed is another one, at another place and by another command. Values of enums are
# columns' facts too: they count for every table.
_SIGNATURES = {
    "sqlite": text(
        "SELECT NULL, tbl_name, group_concat(type || ' ' || sql, '; ') FROM"
        " (SELECT tbl_name, type, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name) GROUP BY tbl_name"
    ),
    "postgresql": text(
        "SELECT nullif(nspname, current_schema()), relname, md5(string_agg(part, ' ' ORDER BY part) || (SELECT"
        " coalesce(string_agg(ctid || '/' || cmin, ' ' ORDER BY ctid), '') FROM pg_enum)) FROM ("
        " SELECT oid AS rel, 'c' || ctid || cmin AS part FROM pg_class WHERE relkind IN ('r', 'p')"
        " UNION ALL SELECT attrelid, 'a' || ctid || cmin FROM pg_attribute WHERE attnum > 0"
        " UNION ALL SELECT adrelid, 'd' || ctid || cmin FROM pg_attrdef"
        " UNION ALL SELECT conrelid, 'k' || ctid || cmin FROM pg_constraint"
        " UNION ALL SELECT indrelid, 'i' || ctid || cmin FROM pg_index"
        ") AS parts JOIN pg_class ON pg_class.oid = rel JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE relkind IN ('r', 'p') AND nspname !~ '^(pg_|information_schema$)' GROUP BY 1, 2"
    ),
    **dict.fromkeys(
        ("mysql", "mariadb"),
        text(
            "SELECT NULL, name, sum(crc32(part)) FROM ("
            " SELECT table_name AS name, concat_ws('|', column_name, ordinal_position, column_type, is_nullable,"
            " coalesce(column_default, '-'), extra, collation_name) AS part"
            " FROM information_schema.columns WHERE table_schema = database()"
            " UNION ALL SELECT table_name, concat_ws('|', index_name, non_unique, seq_in_index, column_name, sub_part)"
            " FROM information_schema.statistics WHERE table_schema = database()"
            " UNION ALL SELECT table_name, concat_ws('|', constraint_name, column_name, referenced_table_name,"
            " referenced_column_name) FROM information_schema.key_column_usage WHERE table_schema = database()"
            " UNION ALL SELECT table_name, concat_ws('|', constraint_name, update_rule, delete_rule)"
            " FROM information_schema.referential_constraints WHERE constraint_schema = database()"
            " UNION ALL SELECT table_name, concat_ws('|', constraint_name, constraint_type)"
            " FROM information_schema.table_constraints WHERE table_schema = database()"
            ") AS parts GROUP BY name"
        ),
    ),
}


def refers_to(facts: Facts, tables: Collection[TableName]) -> bool:
    """Return whether a foreign key among ``facts`` leads to one of ``tables``."""
    return any(f" to {table} (" in fact for fact in facts if fact.startswith("foreign key") for table in tables)


def _of_models(names: Iterable[TableName]) -> set[TableName]:
    return {name for name in names if not name.name.startswith(TABLE_PREFIX)}


def differences(here: Mapping[TableName, Facts], there: Mapping[TableName, Facts]) -> tuple[tuple[str, ...], int]:
    """Return what differs between ``here`` and the expected ``there``, one text each, and how far apart they are."""
    texts: list[str] = []
    distance = 0
    for name in sorted({*here, *there}, key=str):
        mine, theirs = here.get(name), there.get(name)
        distance += len((mine or frozenset()) ^ (theirs or frozenset())) + ((mine is None) != (theirs is None))
        if theirs is None:
            texts.append(f"extra table {name}")
        elif mine is None:
            texts.append(f"missing table {name}")
        else:
            texts += (f"{name}: {text}" for text in _differences_in_table(mine - theirs, theirs - mine))
    return tuple(texts), distance


def _differences_in_table(extra: Facts, missing: Facts) -> Iterator[str]:
    """Yield the ``extra`` and the ``missing`` facts of a table; a column that is only of another kind is one text."""
    found, expected = _by_column(extra), _by_column(missing)
    changed = sorted(found.keys() & expected.keys())
    yield from (f"extra {fact}" for fact in sorted(extra - {found[name] for name in changed}))
    yield from (f"missing {fact}" for fact in sorted(missing - {expected[name] for name in changed}))
    for name in changed:
        yield f"{found[name].replace(name, f'{name} is', 1)}, expected {expected[name].removeprefix(name).strip()}"


def _by_column(facts: Facts) -> dict[str, str]:
    """Return the facts about columns by their start, ``column id``."""
    return {" ".join(fact.split()[:2]): fact for fact in facts if fact.startswith("column ")}


def _facts(connection: Connection, schema: str | None, names: list[str]) -> Iterator[tuple[str, Iterator[str]]]:
    inspector, dialect = inspect(connection), connection.dialect
    for (_, name), columns in inspector.get_multi_columns(schema, names).items():
        yield str(name), (_column(column, dialect) for column in columns)
    for (_, name), key in inspector.get_multi_pk_constraint(schema, names).items():
        yield str(name), (f"primary key ({', '.join(k['constrained_columns'])})" for k in [key] if k)
    for (_, name), keys in inspector.get_multi_foreign_keys(schema, names).items():
        yield str(name), (_foreign_key(key) for key in keys)
    for (_, name), constraints in inspector.get_multi_unique_constraints(schema, names).items():
        yield str(name), (f"unique ({', '.join(c['column_names'])})" for c in constraints)
    for (_, name), indexes in inspector.get_multi_indexes(schema, names).items():
        yield str(name), (_index(index) for index in indexes if not index.get("duplicates_constraint"))
    for (_, name), checks in inspector.get_multi_check_constraints(schema, names).items():
        yield str(name), (f"check {one_line(check['sqltext'])}" for check in checks)


def _column(column: ReflectedColumn, dialect: Dialect) -> str:
    parts = [f"column {column['name']} {_type(column['type'], dialect)}"]
    if not column["nullable"]:
        parts.append("NOT NULL")
    default = column.get("default")
    if default is not None:
        # The name of a sequence follows that of the table, which may have been renamed since.
        parts.append("from a sequence" if re.match(r"nextval\(", default) else f"default {one_line(default)}")
    parts += (f"{what} {column[what]}" for what in ("identity", "computed") if column.get(what))
    return " ".join(parts)


def _type(type_: TypeEngine[Any], dialect: Dialect) -> str:
    try:
        spelled = str(type_.compile(dialect=dialect))
    except CompileError:  # a type of an extension that SQLAlchemy does not know
        spelled = repr(type_)
    values = getattr(type_, "enums", None)
    return f"{spelled} of {', '.join(values)}" if values and dialect.name == "postgresql" else spelled


def _foreign_key(key: ReflectedForeignKeyConstraint) -> str:
    target = TableName(key["referred_schema"], key["referred_table"])
    rules = "".join(f" {name} {rule}" for name, rule in sorted(key["options"].items()) if rule)
    here, there = (", ".join(key[columns]) for columns in ("constrained_columns", "referred_columns"))
    return f"foreign key ({here}) to {target} ({there}){rules}"


def _index(index: ReflectedIndex) -> str:
    columns = index.get("expressions") or index["column_names"]
    given = sorted(index.get("dialect_options", {}).items())
    # On SQLite a condition is SQL, which has no truth value.
    options = "".join(f" {name} {value}" for name, value in given if isinstance(value, ClauseElement) or value)
    return f"{'unique ' if index['unique'] else ''}index ({', '.join(map(str, columns))}){options}"
