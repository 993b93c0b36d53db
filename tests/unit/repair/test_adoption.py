"""What an adoption would change. It is carried out in tests/integration/test_adopt.py."""

from __future__ import annotations

from pathlib import Path

from websauna_migrate.packages.package import History, TableName
from websauna_migrate.repair.adoption import Adoption

SHOP = History("shop", ("shop",), Path(), (), "alembic_history_shop")


def test_each_change_is_one_line():
    drop = TableName("crm", "alembic_version")
    adoption = Adoption(SHOP, None, (), ("a1", "b1"), "it was named", drop)
    assert adoption.changes == ("alembic_history_shop: empty -> a1, b1", "crm.alembic_version: dropped")


def test_rows_in_another_order_are_no_change():
    assert Adoption(SHOP, None, ("b1", "a1"), ("a1", "b1"), "").changes == ()
