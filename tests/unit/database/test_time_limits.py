"""The time limits of statements, where no server is needed."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from websauna_migrate.database.time_limits import TimeLimits, limited, waited_too_long


class Refused(Exception):
    sqlstate = "55P03"


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (OperationalError("ALTER", {}, Refused("lock timeout")), True),
        (OperationalError("ALTER", {}, Exception(1205, "Lock wait timeout exceeded")), True),
        (OperationalError("ALTER", {}, Exception(1146, "no such table")), False),
        (ValueError(1205), False),
    ],
)
def test_a_lock_timeout_is_told_from_other_errors(error, known):
    assert waited_too_long(error) is known


def test_no_limit_is_longer_than_a_server_takes():
    limits = TimeLimits(float("inf"), 1e12)
    assert limits.lock_wait == limits.statement == 2147483


def test_a_database_that_has_no_limits_gets_none():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection, limited(connection) as limits:
        assert limits is None
    engine.dispose()
