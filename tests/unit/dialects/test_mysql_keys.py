"""Foreign keys as values."""

from __future__ import annotations

from websauna_migrate.dialects.mysql_keys import ForeignKey
from websauna_migrate.packages.package import TableName

TREE = TableName(None, "tree")


def test_a_key_has_columns_on_both_of_its_sides():
    key = ForeignKey("fk", TREE, ("parent_id",), TREE, ("id",))
    assert key.columns_in(TREE) == {"parent_id", "id"}
    assert key.columns_in(TableName(None, "other")) == set()
