"""Where a scratch database can be made: SQLite here, servers in tests/integration/test_scratch.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from websauna_migrate.scratch.errors import NoScratchPlace
from websauna_migrate.scratch.places import ScratchPlaces
from websauna_migrate.scratch.wanted import Wanted


def test_a_scratch_database_of_sqlite_is_empty_and_gone_afterwards():
    with ScratchPlaces() as places, places.open(Wanted("sqlite", "sqlite", "", "")) as place:
        path = Path(place.url.database)
        with place.connected() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0
            connection.exec_driver_sql("CREATE TABLE a (id INTEGER)")
        assert path.exists()
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted("oracle", "oracle", "", ""), "oracle"),
        (Wanted("postgresql", "postgresql", "", "", scratch_url=make_url("mysql://db/x")), "mysql"),
    ],
)
def test_where_none_can_be_made_an_error_says_why(wanted, told):
    with ScratchPlaces() as places, pytest.raises(NoScratchPlace, match=told), places.open(wanted):
        pass
