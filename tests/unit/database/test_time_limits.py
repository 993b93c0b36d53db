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


def test_sqlite_gets_no_limit_and_has_what_a_script_set_until_it_is_committed():
    engine = sa.create_engine("sqlite://")
    shown = "PRAGMA busy_timeout"
    with engine.connect() as connection, limited(connection) as limits:
        before = connection.exec_driver_sql(shown).scalar_one()
        limits.use(TimeLimits(3))
        assert connection.exec_driver_sql(shown).scalar_one() == before
        sa.event.listen(connection, "before_cursor_execute", lambda *args: limits.hear(args[2]))
        connection.exec_driver_sql(f"{shown} = 70")
        limits.end_step()
        assert connection.exec_driver_sql(shown).scalar_one() == 70  # while it is committed
        connection.rollback()
        limits.begin_step()
        assert connection.exec_driver_sql(shown).scalar_one() == before
        connection.exec_driver_sql(f"{shown} = 80")
        connection.rollback()
    with engine.connect() as connection:
        assert connection.exec_driver_sql(shown).scalar_one() == before
    engine.dispose()
