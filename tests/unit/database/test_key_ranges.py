"""Rows in the order of a key: ranges that cover each row once, and places that survive a process."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.database.key_ranges import in_range, next_keys, place_as_text, place_from_text, read_keyed_table
from websauna_migrate.exceptions import RunError

PLACES = [
    (1,),
    ("é'\n",),
    (UUID("00000000-0000-4000-8000-000000000001"), 2.5),
    (Decimal("1.10"), date(2026, 1, 2), b"\x00\xff"),
    (datetime(2026, 1, 2, 3, 4, 5, 678, timezone.utc), datetime(2026, 1, 2)),
]


@pytest.mark.parametrize("place", PLACES)
def test_a_place_is_the_same_after_it_was_written(place):
    again = place_from_text(place_as_text(place))
    assert again == place
    assert list(map(type, again)) == list(map(type, place))


def test_a_key_that_cannot_be_written_is_refused():
    with pytest.raises(RunError, match="a key of type bool cannot be kept"):
        place_as_text((True,))


@pytest.fixture(scope="module")
def connection():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE t (a INTEGER NOT NULL, b INTEGER NOT NULL, c TEXT NOT NULL, n INTEGER)"
        )
        yield connection
    engine.dispose()


KEYS = st.sets(st.tuples(*[st.integers(0, 3)] * 2, st.sampled_from(["x", "y", "Z"])), max_size=30)


@given(
    KEYS, st.integers(1, 7), st.sampled_from(["sqlite", "mysql"]), st.sampled_from([("a", "b", "c"), ("c", "a", "b")])
)
def test_ranges_cover_each_row_once(connection, keys, size, dialect, names):
    table = read_keyed_table(connection, "t", None, names)
    connection.exec_driver_sql("DELETE FROM t")
    for key in keys:
        connection.exec_driver_sql("INSERT INTO t VALUES (?, ?, ?, 0)", key)
    place, sizes = None, []
    while found := next_keys(connection, table, place, size):
        rows = sa.table("t", sa.column("n"))
        condition = in_range(table.columns(rows), place, found[-1], dialect)
        changed = connection.execute(sa.update(rows).where(condition).values(n=rows.c.n + 1))
        assert changed.rowcount == len(found) <= size
        place = found[-1]
        sizes.append(len(found))
    assert sum(sizes) == len(keys)
    assert set(connection.exec_driver_sql("SELECT n FROM t").scalars()) <= {1}


def test_a_column_that_may_be_null_is_no_key(connection):
    with pytest.raises(RunError, match="n of t cannot be the key"):
        read_keyed_table(connection, "t", None, ["n"])


def test_mysql_gets_a_condition_that_can_use_an_index():
    columns = (sa.column("a"), sa.column("b"))
    condition = in_range(columns, (1, 2), (3, 4), "mysql").compile(compile_kwargs={"literal_binds": True})
    assert str(condition) == "a >= 1 AND (a > 1 OR a = 1 AND b > 2) AND a <= 3 AND (a < 3 OR a = 3 AND b <= 4)"
