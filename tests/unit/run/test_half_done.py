"""Which revisions that were stopped in their batches can be finished, and with which command."""

from __future__ import annotations

from pathlib import Path

import pytest

from websauna_migrate.database.batch_places import Stopped
from websauna_migrate.packages.package import History
from websauna_migrate.revisions.graph import build_graph
from websauna_migrate.revisions.scripts import Revision
from websauna_migrate.run.half_done import unfinished

HISTORY = History("shop", ("shop",), Path("alembic"), (Path("alembic/versions"),), "alembic_history_shop")


def rev(id_, *down):
    return Revision(id_, down, (), (), (), (), "", None, Path(f"{id_}.py"))


GRAPH = build_graph({"shop": [rev("s1"), rev("s2", "s1")]})


@pytest.mark.parametrize(
    ("revision", "direction", "rows", "finish", "forget"),
    [
        ("s1", "up", (), "upgrade s1", "stamp base"),
        ("s2", "up", ("s1",), "upgrade s2", "stamp s1"),
        ("s2", "down", ("s2",), "downgrade s1", "stamp s2"),
        ("s1", "down", ("s1",), "downgrade base", "stamp s1"),
    ],
)
def test_it_is_finished_by_the_command_that_began_it(revision, direction, rows, finish, forget):
    stopped = Stopped("alembic_history_shop", revision, direction, "orders", 3)
    (found,) = unfinished(GRAPH, [HISTORY], {"shop": rows}, [stopped])
    assert [" ".join(one.arguments) for one in (found.finish, found.forget)] == [finish, forget]


@pytest.mark.parametrize(
    "stopped",
    [
        Stopped("alembic_history_gone", "s1", "up", "orders", 3),
        Stopped("alembic_history_shop", "gone", "up", "orders", 3),
        Stopped("alembic_history_shop", "s1", "up", "orders", 3),  # another tool wrote its row
        Stopped("alembic_history_shop", "s2", "down", "orders", 3),
    ],
)
def test_what_has_no_script_or_was_finished_elsewhere_is_left(stopped):
    assert not list(unfinished(GRAPH, [HISTORY], {"shop": ("s1",)}, [stopped]))
