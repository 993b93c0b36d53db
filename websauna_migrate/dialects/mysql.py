"""Alembic's implementations of MySQL and MariaDB, comparing types and defaults as the server stores them."""

from __future__ import annotations

from alembic.ddl.mysql import MariaDBImpl, MySQLImpl

from websauna_migrate.dialects.indexes import ComparingIndexes


class ComparingMySQLImpl(ComparingIndexes, MySQLImpl):
    """Alembic's operations on MySQL, with the server as the judge of indexes."""


class ComparingMariaDBImpl(ComparingIndexes, MariaDBImpl):
    """The same on MariaDB."""
