"""Which files the result of a command must not replace."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url

from websauna_migrate.exceptions import UsageError
from websauna_migrate.scripts.outputs import refuse_database


@pytest.mark.parametrize(
    "name", ["shop.db", "link.db", "hard.db", "x/../shop.db", "shop.db-wal", "shop.db-migrate-lock"]
)
def test_a_file_of_the_database_is_refused(tmp_path, name):
    database = tmp_path / "shop.db"
    database.touch()
    (tmp_path / "x").mkdir()
    (tmp_path / "link.db").symlink_to(database)
    (tmp_path / "hard.db").hardlink_to(database)
    with pytest.raises(UsageError, match=r"database.*; name another file with --output"):
        refuse_database(tmp_path / name, make_url(f"sqlite:///{database}"), "--output")


@pytest.mark.parametrize("url", ["sqlite:///{}/shop.db", "sqlite://", "postgresql+psycopg2://h/shop.sql"])
def test_other_files_are_not(tmp_path, url):
    (tmp_path / "shop.sql").touch()
    refuse_database(tmp_path / "shop.sql", make_url(url.format(tmp_path)), "--output")
