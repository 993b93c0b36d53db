"""Where revisions that work in batches keep their place."""

from __future__ import annotations

import sqlalchemy as sa

from websauna_migrate.database.batch_places import Call, Place, begin_call, forget_calls, move


def tables(connection):
    return sa.inspect(connection).get_table_names()


CALL = Call("alembic_history_shop", "a1", "up", 1)
OTHER = Call("alembic_history_blog", "a1", "up", 1)


def test_a_call_goes_on_at_the_place_that_was_written(connection):
    assert begin_call(connection, CALL, "orders") == Place("orders")
    move(connection, CALL, Place("orders", "[7]", 3))
    assert begin_call(connection, Call("alembic_history_shop", "a1", "down", 1), "orders") == Place("orders")
    assert begin_call(connection, CALL, "other") == Place("orders", "[7]", 3, is_done=False)


def test_a_revision_that_is_done_leaves_nothing_and_others_keep_their_place(connection):
    forget_calls(connection, ["alembic_history_shop"], "a1")
    begin_call(connection, CALL, "orders")
    begin_call(connection, OTHER, "posts")
    move(connection, OTHER, Place("posts", "[1]", 1))
    forget_calls(connection, ["alembic_history_shop"], "a1")
    assert begin_call(connection, OTHER, "posts").rows == 1
    forget_calls(connection, ["alembic_history_blog"], "zzz")
    assert tables(connection) == ["alembic_batches"]
    forget_calls(connection, ["alembic_history_blog"])
    assert tables(connection) == []
