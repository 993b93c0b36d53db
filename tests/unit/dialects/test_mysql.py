"""MySQL and MariaDB have an implementation each, and compare indexes in the same way."""

from __future__ import annotations

from io import StringIO

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations

from websauna_migrate.dialects.indexes import ComparingIndexes
from websauna_migrate.dialects.install import install_implementations
from websauna_migrate.dialects.mysql import ComparingMariaDBImpl, ComparingMySQLImpl


@pytest.mark.parametrize(("impl", "dialect"), [(ComparingMySQLImpl, "mysql"), (ComparingMariaDBImpl, "mariadb")])
def test_each_is_for_its_dialect(impl, dialect):
    assert impl.__dialect__ == dialect
    assert issubclass(impl, ComparingIndexes)
    assert impl.transactional_ddl is False


@pytest.mark.parametrize(("dialect", "condition"), [("mysql", ""), ("mariadb", "IF NOT EXISTS ")])
def test_only_mariadb_is_asked_whether_an_index_is_there(dialect, condition):
    install_implementations()
    sql = StringIO()
    migration = MigrationContext.configure(dialect_name=dialect, opts={"as_sql": True, "output_buffer": sql})
    Operations(migration).create_index("ix", "t", ["a"], if_not_exists=True)
    Operations(migration).drop_index("ix", "t", if_exists=True)
    assert sql.getvalue().split("\n\n")[:2] == [
        f"CREATE INDEX {condition}ix ON t (a);",
        f"DROP INDEX {condition.replace('NOT ', '')}ix ON t;",
    ]
