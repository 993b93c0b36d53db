"""What doctor says of what it found, and what to do about it. It is run in tests/integration/test_doctor.py."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from websauna_migrate.exceptions import OwnershipError, remedy_text
from websauna_migrate.packages.package import TableName
from websauna_migrate.repair.findings import Finding, NoRevisionFiles, Overlapping, Ownerless, Problem, Unstamped
from websauna_migrate.repair.left_tables import Orphan
from websauna_migrate.repair.misrecorded import Inserted
from websauna_migrate.repair.replay import Match, Replay
from websauna_migrate.scripts.report import findings_json, findings_text

THING, NOTE = TableName(None, "thing"), TableName("crm", "note")


def test_findings_are_told_as_text_and_as_json():
    nobodys = Ownerless(None, OwnershipError("table 'x' has no owner"))
    overlapping = Overlapping("shop", "alembic_history_shop", ("a1", "b2"), ("b2",))

    assert findings_json([nobodys, overlapping])[1] == {
        "problem": "overlapping-revisions",
        "package": "shop",
        "detail": overlapping.detail,
        "remedy": "ws-alembic -x packages=shop stamp --purge b2",
    }
    assert findings_text([]) == "No problems found.\n"
    text = findings_text([nobodys, overlapping])
    assert text.startswith("ownerless-table\n  what: table 'x' has no owner\n  why:  no package")
    assert f"overlapping-revisions in shop\n  what: {overlapping.detail}\n  why:  {overlapping.reason}\n" in text
    assert text.endswith("  fix:  ws-alembic -x packages=shop stamp --purge b2\n")


def test_many_tables_are_told_by_the_first_the_last_and_their_number():
    tables = tuple(TableName(None, f"t{number:03}") for number in range(200))
    assert "are the tables t000, t001, t002, ..., t199 (200 in all); " in Unstamped("shop", "h", tables, None).detail
    missing = NoRevisionFiles("shop", tables, ("versions",), is_installed=False, has_folder=True)
    assert "models of the tables t000, t001, t002, ..., t199 (200 in all), but" in missing.detail
    left = tuple((table, 1) for table in tables)
    orphan = Orphan("shop", TableName(None, "h"), (), False, left, True, (), ())
    assert orphan.detail.endswith(
        "its tables: t000 (1 rows), t001 (1 rows), t002 (1 rows), ..., t199 (1 rows) (200 in all)"
    )


def replay(*revisions, distance=0):
    return Replay(tuple(Match((id_,), (), distance) for id_ in revisions))


@pytest.mark.parametrize(
    ("found", "remedy"),
    [
        (replay("a1", "b2"), "ws-alembic -x packages=shop stamp a1"),
        (replay("a1", distance=3), "ws-alembic -x packages=shop stamp a1"),
        (None, "revision --autogenerate"),
        (Replay((), "no place for them"), "choose the revision yourself"),
    ],
)
def test_what_to_do_about_an_unstamped_database_follows_from_what_it_matches(found, remedy):
    finding = Unstamped("shop", "alembic_history_shop", (THING, NOTE), found)

    assert "crm.note" in finding.detail
    assert remedy in remedy_text(finding.remedy)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Replay((), "no place for them"), "was not determined which revision the tables match: no place for them"),
        (replace(replay("a1", distance=1), lacks=("extension x",)), "; the scratch database lacks extension x"),
        (replace(replay("a1"), stopped="b2 fails", lacks=("extension x",)), "b2 fails; the scratch database lacks"),
    ],
)
def test_what_limits_an_answer_is_told(found, said):
    assert said in Unstamped("shop", "alembic_history_shop", (THING,), found).detail


def test_what_the_scratch_database_lacks_does_not_matter_where_all_is_equal():
    found = replace(replay("a1"), lacks=("extension x",))
    assert "extension x" not in Unstamped("shop", "alembic_history_shop", (THING,), found).detail


def test_an_orphan_is_dropped_with_its_tables_only_where_they_are_known_to_be_its_own():
    facts = {"table": TableName(None, "alembic_history_old_shop"), "rows": ("a1",), "is_registered": False}
    orphan = partial(Orphan, None, **facts, left=((THING, 3),), drop_all=("DROP both;",), drop_table=("DROP one;",))
    certain, uncertain = orphan(is_certain=True), orphan(is_certain=False)

    assert "thing (3 rows)" in certain.detail
    assert "old.shop" in certain.detail
    assert "DROP both;" in remedy_text(certain.remedy)
    assert "DROP both;" not in remedy_text(uncertain.remedy)


def test_each_problem_has_its_reason_and_its_place_in_the_reference():
    reference = (Path(__file__).parents[3] / "docs" / "reference" / "json.rst").read_text()
    assert {Inserted, Orphan} <= set(Finding.__subclasses__())  # of all modules
    problems = {kind.problem for kind in Finding.__subclasses__()}
    assert problems == set(get_args(Problem))
    assert all(f"    ``{problem}``\n" in reference for problem in problems)
