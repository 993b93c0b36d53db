"""Operations that Alembic does not have, as values, and how each is written into a script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.operations.ops import ExecuteSQLOp

from websauna_migrate.database.sql import escape_colons
from websauna_migrate.packages.package import ColumnName, TableName

if TYPE_CHECKING:
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Dialect


class Sql(ExecuteSQLOp):
    """``op.execute(sql)``, and ``op.execute(undo)`` on the way back."""

    def __init__(self, sql: str, undo: str) -> None:
        super().__init__(sql)
        self.undo = undo

    def reverse(self) -> MigrateOperation:
        """Return the operation of the other direction."""
        return Sql(self.undo, str(self.sqltext))


class SqlOfPostgresql(Sql):
    """``op.execute(sql)``, which a script skips on another database."""

    def reverse(self) -> MigrateOperation:
        """Return the operation of the other direction."""
        return SqlOfPostgresql(self.undo, str(self.sqltext))


class RenameColumn(Sql):
    """The SQL that renames ``column`` to ``new``."""

    def __init__(self, sql: str, undo: str, column: ColumnName, new: str) -> None:
        super().__init__(sql, undo)
        self.column, self.new = column, new

    def reverse(self) -> RenameColumn:
        """Return the operation of the other direction."""
        renamed = ColumnName(self.column.table, self.new)
        return RenameColumn(self.undo, str(self.sqltext), renamed, self.column.name)


class RenameTable(ops.RenameTableOp):
    """``op.rename_table(old, new)``, which Alembic can neither render nor reverse."""

    def reverse(self) -> RenameTable:
        """Return the operation of the other direction."""
        return RenameTable(self.new_table_name, self.table_name, schema=self.schema)

    def to_diff_tuple(self) -> tuple[object, ...]:
        """Return the change as Alembic's commands show it."""
        return ("rename_table", self.schema, self.table_name, self.new_table_name)


class RecreateColumn(ops.AddColumnOp):
    """``op.drop_column()`` and ``op.add_column()``: the column ``old`` is made anew as ``column``."""

    def __init__(
        self, table_name: str, column: sa.Column[Any], old: sa.Column[Any], *, schema: str | None = None
    ) -> None:
        super().__init__(table_name, column, schema=schema)
        self.old = old

    def reverse(self) -> RecreateColumn:  # type: ignore[override]
        """Return the operation of the other direction."""
        return RecreateColumn(self.table_name, self.old, self.column, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return the change as Alembic's commands show it."""
        before, after = (_shown_expression(column) for column in (self.old, self.column))
        return ("modify_computed", self.schema, self.table_name, self.column.name, {}, before, after)


def _shown_expression(column: sa.Column[Any]) -> str | None:
    if column.computed is None:
        return None
    kept = {None: "", True: " STORED", False: " VIRTUAL"}[column.computed.persisted]
    return f"{column.computed.sqltext}{kept}"


def render_recreation(context: AutogenContext, op: RecreateColumn) -> list[str]:
    """Return the calls that drop the column and add it again."""
    drop = ops.DropColumnOp(op.table_name, op.column.name, schema=op.schema)
    add = ops.AddColumnOp(op.table_name, op.column, schema=op.schema)
    return [str(renderers.dispatch(one)(context, one)) for one in (drop, add)]


class ConvertColumn(ops.AlterColumnOp):
    """``op.alter_column()`` with ``postgresql_using``, which Alembic does not write."""

    using: str

    @classmethod
    def of(cls, op: ops.AlterColumnOp, using: str) -> ConvertColumn:
        """Return ``op`` with an expression for the values of the new type."""
        converted = cls(op.table_name, op.column_name)
        vars(converted).update(vars(op))
        converted.using = using
        return converted


def render_conversion(context: AutogenContext, op: ConvertColumn) -> str:
    """Return the call that alters the column."""
    plain = ops.AlterColumnOp(op.table_name, op.column_name)
    vars(plain).update(vars(op))
    text = str(renderers.dispatch(plain)(context, plain))
    return f"{text[:-1]},\n{' ' * 11}postgresql_using={op.using!r})" if op.modify_type is not None else text


class Comment(ops.MigrateOperation):
    """A line for the reader of the script."""

    def __init__(self, text: str) -> None:
        self.text = text

    def reverse(self) -> Comment:
        """Return the same for the way back."""
        return Comment(self.text)


def render_rename(context: AutogenContext, op: RenameTable) -> str:
    """Return the call of ``op.rename_table()``."""
    schema = f", schema={op.schema!r}" if op.schema else ""
    prefix = context.opts["alembic_module_prefix"] or ""
    return f"{prefix}rename_table({str(op.table_name)!r}, {str(op.new_table_name)!r}{schema})"


def render_sql_of_postgresql(context: AutogenContext, op: SqlOfPostgresql) -> list[str]:
    """Return the call of ``op.execute()`` on PostgreSQL."""
    prefix = context.opts["alembic_module_prefix"] or ""
    is_postgresql = f"{prefix}get_context().dialect.name == 'postgresql'"
    return [f"if {is_postgresql}:\n    {prefix}execute({str(op.sqltext)!r})"]


def render_comment(context: AutogenContext, op: Comment) -> str:
    """Return the line of the comment."""
    return f"# {op.text}"


@dataclass(frozen=True, slots=True)
class Do:
    """A statement of SQL."""

    sql: str


@dataclass(frozen=True, slots=True)
class Retype(Do):
    """A statement that converts ``columns`` to another type: nothing may read them meanwhile."""

    columns: tuple[ColumnName, ...]


@dataclass(frozen=True, slots=True)
class DoAlone:
    """Statements that are committed before the rest of the script runs, for the ``reason``."""

    reason: str
    sql: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A comment."""

    text: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Fail, with their number, while rows of ``column`` hold a value that is removed.

    ``count`` is the SQL that counts them, ``example`` a statement that gives them another value.
    """

    column: ColumnName
    values: tuple[str, ...]
    count: str
    example: str


Statement: TypeAlias = "Do | DoAlone | Note | Refuse"


_BY_HAND = "Write by hand: "


class StatementsOp(ops.MigrateOperation):
    """A change that is written in SQL: the statements of this direction, and those of the other.

    ``diff`` is what ``check`` reports.
    """

    def __init__(
        self,
        diff: tuple[Any, ...],
        statements: Sequence[Statement],
        undo: Sequence[Statement] = (),
    ) -> None:
        self.diff = diff
        self.statements = tuple(statements)
        self.undo = tuple(undo)

    def reverse(self) -> StatementsOp:
        """Return the operation of the other direction."""
        return StatementsOp(("undo", *self.diff), self.undo, self.statements)

    def to_diff_tuple(self) -> tuple[object, ...]:
        """Return the change as Alembic's commands show it."""
        return self.diff


def by_hand(diff: tuple[Any, ...], text: str) -> StatementsOp:
    """Return what stands for a change that cannot be written safely: ``text`` as a comment, which is warned of too."""
    return StatementsOp(diff, [note_by_hand(text)], [Note(f"Write the way back by hand: {text}")])


def note_by_hand(text: str) -> Note:
    """Return the comment that the user has to do what ``text`` says, which is warned of too."""
    return Note(_BY_HAND + text)


def warnings_of(operations: Iterable[MigrateOperation]) -> Iterator[str]:
    """Yield what to warn of: the comments of changes that are left to the user."""
    for op in walk_ops(operations):
        notes = op.statements if isinstance(op, StatementsOp) else ()
        yield from (note.text for note in notes if isinstance(note, Note) and note.text.startswith(_BY_HAND))


def render_statements(context: AutogenContext, op: StatementsOp) -> list[str]:
    """Return the statements of this direction as code."""
    prefix = context.opts["alembic_module_prefix"] or ""
    sqlalchemy = context.opts["sqlalchemy_module_prefix"] or ""
    lines = [rendered_statement(statement, prefix, sqlalchemy) for statement in op.statements]
    # A function of comments alone is none.
    return [*lines, *(["pass"] if lines and all(isinstance(one, Note) for one in op.statements) else [])]


def rendered_statement(statement: Statement, op: str, sa: str) -> str:
    """Return the lines of a script that do ``statement``; ``op`` and ``sa`` are the prefixes of the modules."""
    match statement:
        case Do(sql):
            return f"{op}execute({escape_colons(sql)!r})"
        case DoAlone(reason, statements):
            lines = [f"# {reason}", f"with {op}get_context().autocommit_block():"]
            return "\n".join([*lines, *(f"    {op}execute({escape_colons(sql)!r})" for sql in statements)])
        case Note(text):
            return f"# {text}"
        case Refuse(column, values, count, example):
            gone = ", ".join(map(repr, values))
            message = f" rows of {column} hold {gone}, which is removed; convert them in the script before this line"
            # One line of a comment, whatever the values are.
            comment = f"{op}execute({escape_colons(example)!r})"
            return "\n".join(
                [
                    f"# The script fails here while a row holds {gone}. To convert such rows, run before:",
                    f"# {comment}",
                    f"if not {op}get_context().as_sql:",
                    f"    rows = {op}get_bind().scalar({sa}text({escape_colons(count)!r}))",
                    "    if rows:",
                    f"        raise ValueError(str(rows) + {message!r})",
                ]
            )


def commits(op: ops.MigrateOperation) -> bool:
    """Tell whether ``op`` is a change that is committed before the rest of the script runs."""
    return isinstance(op, StatementsOp) and any(isinstance(statement, DoAlone) for statement in op.statements)


class OnTable(Protocol):
    """An operation on one table."""

    @property
    def schema(self) -> str | None:
        """The schema of the table, None for the default one."""

    @property
    def table_name(self) -> str:
        """The name of the table."""


class OnColumn(OnTable, Protocol):
    """An operation on one column."""

    @property
    def column_name(self) -> str:
        """The name of the column."""


def table_of(op: OnTable) -> TableName:
    """Return the table that ``op`` is about, as the operation names it."""
    return TableName(op.schema, op.table_name)


def column_of(op: OnColumn, dialect: Dialect) -> ColumnName:
    """Return the column that ``op`` is about, as the database shows it."""
    return ColumnName(table_of(op).shown(dialect.default_schema_name), op.column_name)


def walk_ops(operations: Iterable[MigrateOperation]) -> Iterator[MigrateOperation]:
    """Yield ``operations``, each before those inside it."""
    for op in operations:
        yield op
        if isinstance(op, ops.OpContainer):
            yield from walk_ops(op.ops)


def alterations(container: ops.OpContainer) -> Iterator[ops.AlterColumnOp]:
    """Yield the changes of columns in ``container``, however deep."""
    return (op for op in walk_ops(container.ops) if isinstance(op, ops.AlterColumnOp))


def made_columns(container: ops.OpContainer) -> Iterator[tuple[TableName, sa.Column[Any]]]:
    """Yield the columns that ``container`` makes, with the tables that get them."""
    for op in walk_ops(container.ops):
        if isinstance(op, ops.CreateTableOp):
            yield from ((table_of(op), item) for item in op.columns if isinstance(item, sa.Column))
        elif isinstance(op, ops.AddColumnOp):
            yield table_of(op), op.column


class Refusal(ops.MigrateOperation):
    """A statement that stops a script until somebody writes the type of the ``columns`` into it."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)


def render_refusal(context: AutogenContext, op: Refusal) -> list[str]:
    """Return the statement that stops the script."""
    reason = f"SQLAlchemy does not know the type of {', '.join(op.columns)}"
    remedy = "replace NullType below by the type, and remove this line"
    return [f"raise NotImplementedError({f'{reason}: {remedy}'!r})"]
