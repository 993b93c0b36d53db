"""Operations that Alembic does not have, as values, and how each is written into a script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.operations.ops import ExecuteSQLOp

from websauna_migrate.database.sql import escape_colons
from websauna_migrate.packages.package import ColumnName, TableName

if TYPE_CHECKING:
    from collections.abc import Collection

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


class RenameTable(ops.RenameTableOp):
    """``op.rename_table(old, new)``, which Alembic cannot write and not turn round."""

    def reverse(self) -> RenameTable:
        """Return the operation of the other direction."""
        return RenameTable(self.new_table_name, self.table_name, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return the change as Alembic's commands show it."""
        return ("rename_table", self.schema, self.table_name, self.new_table_name)


class Comment(ops.MigrateOperation):
    """A line for who reads the script."""

    def __init__(self, text: str) -> None:
        self.text = text


def render_rename(context: AutogenContext, op: RenameTable) -> str:
    """Return the call of ``op.rename_table()``."""
    schema = f", schema={op.schema!r}" if op.schema else ""
    prefix = context.opts["alembic_module_prefix"] or ""
    return f"{prefix}rename_table({str(op.table_name)!r}, {str(op.new_table_name)!r}{schema})"


def render_comment(context: AutogenContext, op: Comment) -> str:
    """Return the line of the comment."""
    return f"# {op.text}"


@dataclass(frozen=True, slots=True)
class Do:
    """A statement of SQL."""

    sql: str


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
    """Stop, with their number, when rows of ``column`` hold a value that goes away.

    ``count`` is the SQL that counts them, ``example`` a statement that gives them another value.
    """

    column: ColumnName
    values: tuple[str, ...]
    count: str
    example: str


Statement: TypeAlias = "Do | DoAlone | Note | Refuse"


class EnumOp(ops.MigrateOperation):
    """A change of an enum: the statements of this direction, and those of the other.

    ``diff`` is what ``check`` reports. Both directions set the defaults of the columns ``with_defaults``.
    """

    def __init__(
        self,
        diff: tuple[Any, ...],
        statements: Sequence[Statement],
        undo: Sequence[Statement] = (),
        with_defaults: Collection[ColumnName] = (),
    ) -> None:
        self.diff = diff
        self.statements = tuple(statements)
        self.undo = tuple(undo)
        self.with_defaults = frozenset(with_defaults)

    def reverse(self) -> EnumOp:
        """Return the operation of the other direction."""
        return EnumOp(("undo", *self.diff), self.undo, self.statements)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return the change as Alembic's commands show it."""
        return self.diff


def render_enum_change(context: AutogenContext, op: EnumOp) -> list[str]:
    """Return the statements of this direction as code."""
    prefix = context.opts["alembic_module_prefix"] or ""
    sqlalchemy = context.opts["sqlalchemy_module_prefix"] or ""
    return [rendered_statement(statement, prefix, sqlalchemy) for statement in op.statements]


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
            message = f" rows of {column} hold {gone}, which goes away; say in the script what they become"
            # One line of a comment, whatever the values are.
            comment = f"{op}execute({escape_colons(example)!r})"
            return "\n".join(
                [
                    f"# A row with {gone} stops here. To keep it, say before what it becomes:",
                    f"# {comment}",
                    f"if not {op}get_context().as_sql:",
                    f"    rows = {op}get_bind().scalar({sa}text({escape_colons(count)!r}))",
                    "    if rows:",
                    f"        raise ValueError(str(rows) + {message!r})",
                ]
            )


def commits(op: ops.MigrateOperation) -> bool:
    """Tell whether ``op`` is a change of an enum that is committed before the rest of the script runs."""
    return isinstance(op, EnumOp) and any(isinstance(statement, DoAlone) for statement in op.statements)


def column_of(op: Any, dialect: Dialect) -> ColumnName:
    """Return the column that ``op`` is about."""
    return ColumnName(TableName(op.schema, op.table_name).shown(dialect.default_schema_name), op.column_name)


def alterations(container: Any) -> Iterator[ops.AlterColumnOp]:
    """Yield the changes of columns in ``container``, however deep."""
    return (op for op in walk_ops(container) if isinstance(op, ops.AlterColumnOp))


def walk_ops(container: Any) -> Iterator[Any]:
    """Yield the operations in ``container``, each before those inside it."""
    for op in container.ops:
        yield op
        yield from getattr(op, "ops", ())


class Refusal(ops.MigrateOperation):
    """A statement that stops a script which cannot run before somebody says of which type the ``columns`` are."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)


def render_refusal(context: AutogenContext, op: Refusal) -> list[str]:
    """Return the statement that stops the script."""
    reason = f"SQLAlchemy does not know the type of {', '.join(op.columns)}"
    remedy = "write it below in place of NullType, and take this line away"
    return [f"raise NotImplementedError({f'{reason}: {remedy}'!r})"]
