"""The options of sequences that columns of the models use, and sequences that are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.schema import CreateSequence, DropSequence
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import next_value

from websauna_migrate.autogenerate.script_ops import Do, StatementsOp, alterations, made_columns
from websauna_migrate.database.sql import constant_key, plain_dialect, quoted_table, quoted_text
from websauna_migrate.dialects.numbering import Numbering, altered, numbering, statements, width_of
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy.engine import Connection, Dialect

_POSTGRESQL = sa.text(
    "SELECT n.nspname, c.relname, format_type(s.seqtypid, NULL), s.seqincrement, s.seqmin, s.seqmax, s.seqstart,"
    " s.seqcache, s.seqcycle FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
)
_MARIADB = "SELECT increment, minimum_value, maximum_value, start_value, cache_size, cycle_option FROM {}"


def change_options(
    script: ops.MigrationScript, connection: Connection, tables: Iterable[sa.Table], others: Iterable[sa.Table]
) -> None:
    """Add to ``script`` what the sequences of ``tables`` need, both ways; those of ``others`` too are left alone."""
    default = connection.dialect.default_schema_name
    wanted = {_name(sequence).shown(default): sequence for table in tables for sequence in _of_table(table)}
    for sequence in (sequence for table in others if wanted for sequence in _of_table(table)):
        wanted.pop(_name(sequence).shown(default), None)
    if not wanted or not connection.dialect.supports_sequences:
        return
    found = _read(connection, wanted)
    for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        made = {_name(sequence).shown(default) for sequence in used_sequences(upgrade)}
        changes = list(_changes(wanted, found, made, connection.dialect))
        upgrade.ops[:0] = changes
        downgrade.ops += [change.reverse() for change in reversed(changes)]


def used_sequences(operations: ops.OpContainer) -> Iterator[sa.Sequence]:
    """Yield the sequences that columns which ``operations`` make or change take their numbers from."""
    for _, column in made_columns(operations):
        yield from _of_column(column)
    for op in alterations(operations):
        yield from _in_default(op.modify_server_default)


def _of_table(table: sa.Table) -> Iterator[sa.Sequence]:
    for column in table.columns:
        if column.default is not None or column.server_default is not None:
            yield from _of_column(column)


def _of_column(column: sa.Column[Any]) -> Iterator[sa.Sequence]:
    if isinstance(column.default, sa.Sequence) and not column.default.optional:
        yield column.default
    yield from _in_default(column.server_default)


def _in_default(default: object) -> Iterator[sa.Sequence]:
    if not isinstance(default, sa.DefaultClause) or not isinstance(default.arg, sa.ClauseElement):
        return
    if not isinstance(default.arg, sa.TextClause) and constant_key(default.arg) is None:
        parts = visitors.iterate(default.arg)
        yield from (part.sequence for part in parts if isinstance(part, next_value))


def _name(sequence: sa.Sequence) -> TableName:
    return TableName(sequence.schema, sequence.name)


def _read(connection: Connection, wanted: Collection[TableName]) -> dict[TableName, Numbering]:
    """Return those of the sequences ``wanted`` that are there."""
    dialect = connection.dialect
    if dialect.name == "postgresql":
        rows = connection.execute(_POSTGRESQL)
        return {TableName(*row[:2]).shown(dialect.default_schema_name): Numbering(*row[2:]) for row in rows}
    found = {}
    for name in wanted:
        if sa.inspect(connection).has_sequence(name.name, schema=name.schema):
            row = connection.execute(sa.text(_MARIADB.format(quoted_table(name, dialect)))).one()
            found[name] = Numbering("bigint", *row[:5], bool(row[5]))  # type: ignore[call-arg]
    return found


def _changes(
    wanted: Mapping[TableName, sa.Sequence],
    found: Mapping[TableName, Numbering],
    made: Collection[TableName],
    dialect: Dialect,
) -> Iterator[StatementsOp]:
    for name, sequence in sorted(wanted.items(), key=lambda one: str(one[0])):
        if name in found:
            yield from _change(name, found[name], _numbering(sequence, dialect), dialect)
        elif name not in made:  # else it is made with the column
            create, drop = (
                str(statement.compile(dialect=plain_dialect(dialect)))
                for statement in (CreateSequence(sequence), DropSequence(sequence))
            )
            yield StatementsOp(("add_sequence", str(name)), [Do(create)], [Do(drop)])


def _numbering(sequence: sa.Sequence, dialect: Dialect) -> Numbering:
    width = width_of(sequence.data_type, dialect) if sequence.data_type is not None else None
    return numbering(sequence, width or "bigint", dialect.name)


def _change(name: TableName, before: Numbering, after: Numbering, dialect: Dialect) -> Iterator[StatementsOp]:
    there, back = list(altered(before, after)), list(altered(after, before))
    if there:
        diff = ("modify_sequence", str(name), "from", " ".join(back), "to", " ".join(there))
        yield StatementsOp(
            diff, _statements(name, there, before, after, dialect), _statements(name, back, after, before, dialect)
        )


def _statements(name: TableName, clauses: list[str], before: Numbering, after: Numbering, dialect: Dialect) -> list[Do]:
    quoted = quoted_table(name, dialect)
    alter = f"ALTER SEQUENCE {quoted}"
    if dialect.name != "postgresql":
        return [Do(" ".join((alter, *clauses)).replace("NO CYCLE", "NOCYCLE"))]  # as MariaDB spells it
    return [Do(sql) for sql in statements(alter, clauses, quoted_text(quoted, dialect), before, after)]
