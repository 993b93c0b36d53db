"""The warnings of a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from websauna_migrate.revisions.history import build_history
from websauna_migrate.revisions.reports import late_branch, several_heads
from websauna_migrate.revisions.scripts import Revision


def revision(id_, *down):
    return Revision(id_, down, (), (), (), (), "", None, Path(f"{id_}.py"))


@pytest.fixture
def history():
    return build_history("shop", [revision("a1"), revision("b1", "a1"), revision("c1", "a1"), revision("c2", "c1")])


def test_several_heads_are_named_with_the_command_that_joins_them(history):
    (report,) = several_heads(history)
    assert "b1, c2" in report.detail
    assert "-x packages=shop merge" in report.text(("ws-alembic",))
    assert list(several_heads(build_history("shop", [revision("a1")]))) == []


def test_what_does_not_follow_what_is_applied_comes_late(history):
    (report,) = late_branch(history, ["b1"], ["c1", "c2"])
    assert report.revision == "c1"
    assert "rebase c1 b1" in report.text()


@pytest.mark.parametrize(("rows", "to_run"), [(["a1"], ["b1"]), ([], ["a1"]), (["gone"], ["a1"])])
def test_what_follows_or_is_not_known_is_not_late(history, rows, to_run):
    assert list(late_branch(history, rows, to_run)) == []
