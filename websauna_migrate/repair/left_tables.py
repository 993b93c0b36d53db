"""Findings about version tables that other tools left, and histories of packages that are not registered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import Remedy, command, summed
from websauna_migrate.packages.histories import FOREIGN
from websauna_migrate.packages.package import TABLE_PREFIX, TableName
from websauna_migrate.repair.findings import Finding, by_sql, sentence
from websauna_migrate.run.errors import NO_TABLE, PLAIN

if TYPE_CHECKING:
    from websauna_migrate.exceptions import MigrateError
    from websauna_migrate.repair.adoption import Adoption


@dataclass(frozen=True, slots=True)
class PlainTable(Finding):
    """The version table ``plain`` of plain Alembic is not taken over into ``table``, or was changed since.

    ``adoption`` is what adopting it would write, or the error that says why it cannot be adopted.
    """

    problem = "plain-alembic-version"
    reason = "this table is not read, so the revisions in it do not count as applied"

    package: str
    plain: str
    plain_rows: tuple[str, ...]
    table: str
    rows: tuple[str, ...]
    adoption: Adoption | MigrateError

    @property
    def detail(self) -> str:
        """What was found."""
        found = f"the table {self.plain} of plain Alembic is at {', '.join(self.plain_rows) or 'nothing'}; "
        found += f"{self.table} is at {', '.join(self.rows) or 'nothing'}"
        if isinstance(self.adoption, Exception):
            return f"{found}; {self.adoption.what}"
        if self.adoption.is_left_over:
            return f"{found}; {NO_TABLE}"
        is_taken_on = set(self.adoption.rows) != set(self.plain_rows)
        return f"{found}; {self.adoption.why}" if self.adoption.changes and is_taken_on else found

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        if isinstance(self.adoption, Exception):
            return sentence(self.adoption.remedy)
        if self.adoption.changes:
            drop = ("--drop-old",) if self.adoption.is_left_over else ()
            return command(self.package, "adopt", *self._source, *drop, "--yes")
        return (
            f"Find out who still writes to {self.plain}. If {self.table} is right, drop it with ",
            command(self.package, "adopt", *self._source, "--drop-old"),
            "; if not, write what it holds with ",
            command(self.package, "stamp", "--purge", *self.plain_rows),
        )

    @property
    def _source(self) -> tuple[str, ...]:
        return () if self.plain == PLAIN else ("--from", self.plain)


@dataclass(frozen=True, slots=True)
class PlainTableOfNobody(Finding):
    """The version table ``plain`` holds revisions that no registered package has; ``app`` is the application."""

    problem = "plain-alembic-version"
    reason = PlainTable.reason

    plain: str
    rows: tuple[str, ...]
    app: str

    @property
    def detail(self) -> str:
        """What was found."""
        return f"the table {self.plain} of plain Alembic is at {', '.join(self.rows)}, which no registered package has"

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        drop = command(self.app, "adopt", "--drop-old")
        return (f"{_foreign(self.plain)} If there is no other program, drop it with ", drop)


@dataclass(frozen=True, slots=True)
class Orphan(Finding):
    """``table`` is the history table of a package without a history.

    ``left`` are tables with their numbers of rows; ``is_certain`` tells that they are those of the package.
    ``drop_left`` and ``drop_table`` are the statements that drop them, and ``table``.
    """

    problem = "orphan-history"
    reason = "nothing upgrades or removes the tables of a package that is not registered"

    table: TableName
    rows: tuple[str, ...]
    is_registered: bool
    left: tuple[tuple[TableName, int], ...]
    is_certain: bool
    drop_all: tuple[str, ...]
    drop_table: tuple[str, ...]

    @property
    def detail(self) -> str:
        """What was found."""
        counted = summed(tuple(f"{table} ({count} rows)" for table, count in self.left))
        kind = "its tables" if self.is_certain else "tables of no registered package"
        where = "registered without revisions of its own" if self.is_registered else "not registered"
        here = ", ".join(self.rows) or "nothing"
        return f"{self.table} is at {here}, the history of {self._whose}, which is {where}; {kind}: {counted}"

    @property
    def remedy(self) -> Remedy:
        """What to do."""
        foreign = "" if self.is_registered else f"{_foreign(str(self.table))} "
        if not self.rows and not (self.is_certain and self.left):
            left = "Otherwise nothing is left" if foreign else "Nothing is left"
            return f"{foreign}{left} but the table; {by_sql(self.drop_table)}"
        registered = self.is_registered
        back = "say where its revisions are (script_location)" if registered else "install and register it again"
        drop = f"drop those that were its own, then {by_sql(self.drop_table)}"
        return (
            f"{foreign}To keep {self._whose}, {back}. To remove it, do the same, and take it out after ",
            command(self.package, "downgrade", "base") if self.package else "its 'downgrade base'",
            f"; or, if its data is not needed, {by_sql(self.drop_all) if self.is_certain else drop}",
        )

    @property
    def _whose(self) -> str:
        return self.package or f"a package like {self.table.name.removeprefix(TABLE_PREFIX).replace('_', '.')}"


def _foreign(table: str) -> str:
    return f"If another program in this database uses {table}, add it to {FOREIGN} in the settings."
