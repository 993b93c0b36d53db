"""Alembic's implementations of MySQL and MariaDB, comparing types and defaults as the server stores them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.ddl.mysql import MariaDBImpl, MySQLImpl

from websauna_migrate.database.connection import connection_of
from websauna_migrate.dialects.indexes import RENAMES, ComparingIndexes
from websauna_migrate.dialects.mysql_index_parts import complete_indexes
from websauna_migrate.dialects.mysql_on_update import ReadingOnUpdate

if TYPE_CHECKING:
    from sqlalchemy import Index
    from sqlalchemy.engine import Connection


class CompletingIndexes:
    """What operations of Alembic need to know the order and the expressions of indexes: a class to mix in."""

    connection: Connection | None
    context_opts: dict[str, Any]

    def correct_for_autogen_constraints(
        self,
        conn_unique_constraints: set[sa.UniqueConstraint],
        conn_indexes: set[Index],
        metadata_unique_constraints: set[sa.UniqueConstraint],
        metadata_indexes: set[Index],
    ) -> None:
        """Complete what SQLAlchemy reads of indexes."""
        found = (conn_unique_constraints, conn_indexes, metadata_unique_constraints, metadata_indexes)
        super().correct_for_autogen_constraints(*found)  # type: ignore[misc]
        complete_indexes(conn_indexes, connection_of(self), self.context_opts.get(RENAMES))


class ComparingMySQLImpl(ComparingIndexes, CompletingIndexes, ReadingOnUpdate, MySQLImpl):
    """Alembic's operations on MySQL, with the server as the judge of indexes.

    MySQL itself knows no ``IF EXISTS`` of an index, MariaDB does: the same script runs on both.
    """

    def create_index(self, index: Index, **options: object) -> None:
        """Create an index, with ``if_not_exists`` unless it is there."""
        if self._is_asked("if_not_exists", options) and self._is_there(index):
            return
        super().create_index(index, **options)

    def drop_index(self, index: Index, **options: object) -> None:
        """Drop an index, with ``if_exists`` only if it is there."""
        if self._is_asked("if_exists", options) and self._is_there(index) is False:
            return
        super().drop_index(index, **options)

    def _is_asked(self, option: str, options: dict[str, object]) -> bool:
        """Take ``option`` out of ``options`` where the server does not know it, and tell whether it was given."""
        is_mariadb = bool(getattr(self.dialect, "is_mariadb", False))
        return not is_mariadb and bool(options.pop(option, False))

    def _is_there(self, index: Index) -> bool | None:
        """Tell whether the database has ``index``, None offline."""
        if self.as_sql or self.connection is None or index.table is None:
            return None
        found = sa.inspect(self.connection).get_indexes(index.table.name, index.table.schema)
        return str(index.name) in {one["name"] for one in found}


class ComparingMariaDBImpl(ComparingIndexes, CompletingIndexes, ReadingOnUpdate, MariaDBImpl):
    """The same on MariaDB."""
