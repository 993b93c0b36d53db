"""The graph of one history: heads, bases, and what is applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from websauna_migrate.revisions.history import applied, build_history, heads_of
from websauna_migrate.revisions.scripts import Revision


def revision(id_, down=(), depends=()):
    return Revision(id_, tuple(down), tuple(depends), (), (), (), "", None, Path(f"{id_}.py"))


@pytest.fixture
def history():
    """``a1`` with the branches ``b1`` and ``c1``; ``d1`` stands alone and ``c1`` depends on it."""
    branches = [revision("c1", ["a1"], ["d1"]), revision("b1", ["a1"])]
    return build_history("shop", [*branches, revision("a1"), revision("d1")])


def test_a_branch_that_another_depends_on_is_a_head_of_itself_only(history):
    assert set(history.heads) == {"b1", "c1"}
    assert set(history.branch_heads) == {"b1", "c1", "d1"}
    assert set(history.bases) == {"a1", "d1"}


def test_a_revision_comes_after_those_that_it_follows(history):
    order = list(history.revisions)
    assert order.index("a1") < order.index("b1")
    assert max(order.index("a1"), order.index("d1")) < order.index("c1")


def test_what_the_rows_stand_on_is_applied(history):
    assert applied(history, ["c1"]) == {"a1", "c1", "d1"}
    assert applied(history, ["b1"]) == {"a1", "b1"}
    assert applied(history, []) == set()


def test_the_heads_of_what_is_applied_are_its_rows(history):
    assert heads_of(history, applied(history, ["c1"])) == ("c1",)
    assert set(heads_of(history, {"a1", "d1"})) == {"a1", "d1"}
