"""What a replay says: matches, and what limits them. Scripts are run in tests/integration/test_doctor.py."""

from __future__ import annotations

from websauna_migrate.packages.package import TableName
from websauna_migrate.repair.replay import Match, Replay, Snapshot, ranked

NOTE = TableName(None, "note")


def facts(**tables):
    return {TableName(None, name): frozenset(texts) for name, texts in tables.items()}


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


def test_the_best_match_comes_first_and_of_equal_ones_the_latest():
    one, two = facts(thing=["column id"]), facts(thing=["column id", "column more"])
    snapshots = [Snapshot((), {}), Snapshot(("a",), one), Snapshot(("b",), two), Snapshot(("c",), two)]
    matches = ranked(two, snapshots)
    assert [str(match) for match in matches] == ["c", "b", "a", "base"]
    assert [str(match) for match in Replay(matches).exact] == ["c", "b"]


def test_a_table_that_is_missing_weighs_more_than_a_column_that_is():
    here = facts(thing=["column id", "column a"])
    snapshots = [
        Snapshot(("with note",), {**here, **facts(note=["column id"])}),
        Snapshot(("less",), facts(thing=["column id"])),
    ]
    assert ranked(here, snapshots)[0].revisions == ("less",)


def test_several_states_at_the_same_revision_are_one_match():
    one, two = facts(thing=["column id"]), facts(thing=["column id", "column more"])
    matches = ranked(one, [Snapshot((), {}), Snapshot(("a",), one), Snapshot(("a",), two)])
    assert [(str(match), match.distance) for match in matches] == [("a", 0), ("base", 2)]
