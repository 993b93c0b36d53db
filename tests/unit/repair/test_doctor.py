"""Which revision a schema looks like, decided from facts alone; and the words for what was found."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.packages.package import TableName
from websauna_migrate.repair.doctor import REASONS, Finding, Problem
from websauna_migrate.repair.facts import differences
from websauna_migrate.repair.replay import Replay, Snapshot, ranked
from websauna_migrate.scripts.report import findings_json, findings_text

THING, NOTE = TableName(None, "thing"), TableName("crm", "note")
SCHEMAS = st.dictionaries(
    st.sampled_from([THING, NOTE]), st.frozensets(st.sampled_from(["column a", "column b", "index (a)"]))
)


def facts(**tables):
    return {TableName(None, name): frozenset(texts) for name, texts in tables.items()}


def test_differences_say_what_is_there_besides_and_what_is_not():
    here = facts(thing=["column id", "column more"], extra=["column id"])
    there = facts(thing=["column id", "index (id)"], note=["column id"])
    texts, distance = differences(here, there)
    assert texts == ("table extra besides", "no table note", "thing: column more besides", "thing: no index (id)")
    assert distance == 6


@given(SCHEMAS, SCHEMAS)
def test_only_equal_schemas_have_no_distance_and_it_is_the_same_both_ways(here, there):
    assert (differences(here, there)[1] == 0) == (here == there) == (not differences(here, there)[0])
    assert differences(here, there)[1] == differences(there, here)[1]


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


def test_findings_are_told_as_text_and_as_json():
    findings = [
        Finding("ownerless-table", None, "table 'x' is nobody's", "Register it."),
        Finding("unstamped", "shop", "no row", "ws-alembic stamp head"),
    ]
    assert findings_json(findings)[1] == {
        "problem": "unstamped",
        "package": "shop",
        "detail": "no row",
        "remedy": "ws-alembic stamp head",
    }
    assert findings_text([]) == "No problems found.\n"
    assert findings_text(findings).startswith("ownerless-table\n  what: table 'x' is nobody's\n  why:  no package")
    assert "unstamped in shop\n" in findings_text(findings)


def test_each_problem_has_its_reason_and_its_place_in_the_reference():
    reference = (Path(__file__).parents[3] / "docs" / "reference" / "json.rst").read_text()
    assert set(REASONS) == set(get_args(Problem))
    assert all(f"    ``{problem}``\n" in reference for problem in REASONS)
