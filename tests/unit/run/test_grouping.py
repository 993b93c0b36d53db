from __future__ import annotations

import pytest

from websauna_migrate.run.grouping import stays_inside

PLAIN = b'''"""Create the shop: a first table."""

from __future__ import annotations

from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql


def upgrade():
    op.create_table("shop", sa.Column("id", sa.Integer, primary_key=True), mysql_engine="InnoDB")
'''


def test_a_script_as_autogenerate_writes_it_stays_inside():
    assert stays_inside(PLAIN)


@pytest.mark.parametrize(
    "line",
    [
        b"op.get_bind().commit()",
        b'op.execute("ROLLBACK")',
        b"op.get_bind().engine.connect()",
        b"with op.get_context().autocommit_block(): pass",
        b"import sqlite3",
        b"import acme.shop.types",
        b"from acme import shop",
        b"from .. import shop",
        b"import re, sqlite3",
        b'__import__("acme")',
    ],
)
def test_a_script_that_may_do_more_does_not(line):
    assert not stays_inside(PLAIN + b"    " + line + b"\n")


def test_a_script_without_text_does_not():
    assert not stays_inside(b"")
