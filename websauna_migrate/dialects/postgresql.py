"""Alembic's implementation of PostgreSQL, comparing defaults as the server shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.engine import Inspector

from websauna_migrate.database.connection import connection_of
from websauna_migrate.dialects.indexes import ComparingIndexes
from websauna_migrate.dialects.spelling import foreign_key_spec

if TYPE_CHECKING:
    from sqlalchemy import ForeignKeyConstraint, Table


_DEFAULT_THAT_COUNTS = sa.text(
    "SELECT pg_get_expr(d.adbin, d.adrelid), EXISTS (SELECT FROM pg_depend AS used JOIN pg_depend AS owned"
    " ON owned.classid = 'pg_class'::regclass AND owned.objid = used.refobjid"
    " AND owned.refobjid = d.adrelid AND owned.refobjsubid = d.adnum"
    " WHERE used.classid = 'pg_attrdef'::regclass AND used.objid = d.oid AND used.refclassid = 'pg_class'::regclass)"
    " FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
    " JOIN pg_class AS c ON c.oid = d.adrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE a.attname = :column AND c.relname = :table"
    " AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = :schema END"
)


_OWN_PARTS = sa.text(
    "SELECT NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute AS a"
    " JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE a.attname = :column AND c.relname = :table"
    " AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = :schema END"
)


class ReadingPostgresqlImpl(ComparingIndexes, PostgresqlImpl):
    """Alembic's operations on PostgreSQL, which read a default that calls a sequence as the server shows it.

    SQLAlchemy puts the schema of the table before the name of any sequence, and Alembic looks for a sequence there.
    """

    def autogen_column_reflect(self, inspector: Inspector, table: Table, column_info: Any) -> None:
        """Correct the default of a column that was read: leave out that of a ``SERIAL``, and what a domain has."""
        self._leave_out_of_domain(table, column_info)
        if "nextval(" not in (column_info.get("default") or ""):
            return
        names = {"schema": table.schema, "table": table.name, "column": column_info["name"]}
        found = connection_of(self).execute(_DEFAULT_THAT_COUNTS, names).first()
        if found is None:  # it was read before, and a renamed inspector shows it under another name
            return
        column_info["default"], is_owned = found
        if is_owned and isinstance(column_info["type"], sa.Integer):
            del column_info["default"]

    def _leave_out_of_domain(self, table: Table, column_info: Any) -> None:
        """Leave out what SQLAlchemy takes for parts of the column, and are those of its domain."""
        type_ = column_info["type"]
        if isinstance(type_, DOMAIN) and (type_.default is not None or type_.not_null):
            names = {"schema": table.schema, "table": table.name, "column": column_info["name"]}
            found = connection_of(self).execute(_OWN_PARTS, names).first()
            if found is not None:
                column_info["nullable"], column_info["default"] = found

    def correct_for_autogen_foreignkeys(
        self, conn_fks: set[ForeignKeyConstraint], metadata_fks: set[ForeignKeyConstraint]
    ) -> None:
        """Leave out the foreign keys that are the same, whether the models name the default schema or not."""
        default = self.dialect.default_schema_name
        found, wanted = ({key: foreign_key_spec(key, default) for key in keys} for keys in (conn_fks, metadata_fks))
        conn_fks -= {key for key, spec in found.items() if spec in wanted.values()}
        metadata_fks -= {key for key, spec in wanted.items() if spec in found.values()}
