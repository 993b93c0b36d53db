"""Who holds a table, where no server is needed."""

from __future__ import annotations

import threading
from datetime import datetime, timezone

import pytest
import sqlalchemy as sa

from websauna_migrate.database.table_holders import HolderWatch, TableHolder, find_holder, table_named_in, watched


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("ALTER TABLE thing ADD more INTEGER", "thing"),
        ('alter table only "s p"."Thing" ADD more INTEGER', "s p.Thing"),
        ("DROP TABLE IF EXISTS `thing`", "thing"),
        ("CREATE UNIQUE INDEX i ON thing (id)", "thing"),
        ("INSERT INTO x.thing VALUES (1)", "x.thing"),
        ("SELECT 1", None),
    ],
)
def test_the_table_of_a_statement_is_the_first_that_it_names(statement, table):
    assert table_named_in(statement) == table


def test_a_holder_is_told_with_what_is_known_of_it():
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    holder = TableHolder("thing", 7, "ann", None, "idle in transaction", since, 2, "KILL 7")
    assert str(holder) == "process 7, user ann, state idle in transaction, since 2026-01-02 03:04:05 UTC and 2 more"
    assert str(TableHolder(None, 7, None, None, None, None, 0, "")) == "process 7"


def test_a_database_of_another_kind_tells_nothing():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        assert find_holder(connection, 1) is None
    engine.dispose()


def test_nobody_is_asked_about_a_statement_that_has_ended_or_is_new():
    watch, over, rounds = HolderWatch(), threading.Event(), []

    class Rounds:
        """An event that another statement begins at each time."""

        def wait(self, seconds):
            rounds.append(seconds)
            watch.begin(f"DROP TABLE t{len(rounds)}", 1)
            if len(rounds) == 3:
                watch.end()
            return len(rounds) == 5

    watch.look(Rounds(), 0.0, None)  # without an engine, to ask would be an error
    assert (watch.found, watch.table, over.is_set()) == (None, "t5", False)


def test_a_watch_ends_with_its_block():
    before = threading.active_count()
    with watched(sa.create_engine("sqlite://"), HolderWatch(), 60):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
