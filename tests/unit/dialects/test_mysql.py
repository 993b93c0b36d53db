"""MySQL and MariaDB have an implementation each, and compare indexes in the same way."""

from __future__ import annotations

import pytest

from websauna_migrate.dialects.indexes import ComparingIndexes
from websauna_migrate.dialects.mysql import ComparingMariaDBImpl, ComparingMySQLImpl


@pytest.mark.parametrize(("impl", "dialect"), [(ComparingMySQLImpl, "mysql"), (ComparingMariaDBImpl, "mariadb")])
def test_each_is_for_its_dialect(impl, dialect):
    assert impl.__dialect__ == dialect
    assert issubclass(impl, ComparingIndexes)
    assert impl.transactional_ddl is False
