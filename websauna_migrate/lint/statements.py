"""The statements of revisions, with the line of the script that each comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import one_line
from websauna_migrate.lint.actions import actions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from websauna_migrate.lint.actions import Action
    from websauna_migrate.packages.package import TableName
    from websauna_migrate.revisions.plan import PlanStep

_OF_BATCH = "_alembic_tmp_"


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL that the script of ``step`` makes at ``line``; that of its transaction, in no line, does nothing."""

    step: PlanStep
    line: int | None
    sql: str
    actions: tuple[Action, ...] = ()

    @property
    def shown(self) -> str:
        """The statement in one line."""
        return one_line(self.sql).removesuffix(";")

    @property
    def table(self) -> TableName | None:
        """The table that it changes, the first of several."""
        return self.actions[0].table if self.actions else None


def read_statement(step: PlanStep, line: int | None, sql: str, dialect: str) -> Statement:
    """Return the statement ``sql`` of ``step`` with what it does."""
    return Statement(step, line, sql, actions(sql, dialect) if line is not None else ())


def without_batches(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Yield the statements of one step, without what Alembic's batch mode does to make a table anew on SQLite.

    It drops the table and renames another one, and none is lost.
    """
    statements = list(statements)
    made = {
        action.name
        for statement in statements
        for action in statement.actions
        if action.kind == "rename table" and action.table.name == _OF_BATCH + action.name
    }
    for statement in statements:
        kept = tuple(one for one in statement.actions if not (made and _is_of_batch(one, made)))
        yield Statement(statement.step, statement.line, statement.sql, kept)


def _is_of_batch(action: Action, made: set[str]) -> bool:
    name = action.table.name
    return name.removeprefix(_OF_BATCH) in made and (name.startswith(_OF_BATCH) or action.kind == "drop table")
