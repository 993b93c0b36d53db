"""Sessions that make and drop databases."""

from __future__ import annotations

from sqlalchemy.engine import make_url

from websauna_migrate.scratch.sql import administering


def test_statements_are_committed_one_by_one_and_sent_as_they_are(tmp_path):
    url = make_url(f"sqlite:///{tmp_path}/a.db")
    with administering(url) as connection:
        connection.exec_driver_sql("CREATE TABLE a (b TEXT DEFAULT '100%')")
    with administering(url) as connection:
        assert "'100%'" in connection.exec_driver_sql("SELECT sql FROM sqlite_master").scalar()
