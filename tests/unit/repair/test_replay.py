"""What a replay says: matches, and what limits them. Scripts are run in tests/integration/test_doctor.py."""

from __future__ import annotations

from websauna_migrate.packages.package import TableName
from websauna_migrate.repair.replay import Match, Replay, Snapshot, ranked

NOTE = TableName(None, "note")


def test_a_match_is_named_by_its_revisions():
    assert str(Match((), (), 0)) == "base"
    assert str(Match(("a1", "b1"), (), 0)) == "a1, b1"


def test_only_a_match_without_distance_is_exact():
    near, exact = Match(("a1",), ("table note",), 3), Match(("b1",), (), 0)
    assert Replay((exact, near)).exact == (exact,)


def test_what_limits_an_answer_is_told_as_the_end_of_a_sentence():
    assert Replay(()).limits == ""
    limits = Replay((), "b1 fails", lacks=("extension citext",)).limits
    assert limits.startswith("; ")
    assert "b1 fails" in limits
    assert "extension citext" in limits


def test_each_revision_has_its_best_match_once():
    empty, full = Snapshot(("a1",), {}), Snapshot(("a1",), {NOTE: frozenset({"column id"})})
    (match,) = ranked({NOTE: frozenset({"column id"})}, [full, empty])
    assert not match.distance
