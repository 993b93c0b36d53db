"""Plans over several histories: what a run does, in which order, and what it refuses."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costs import calls
from websauna_migrate.exceptions import PlanError, RevisionError, UsageError
from websauna_migrate.revisions.errors import (
    AmbiguousRevision,
    DowngradeBreaksOthers,
    OverlappingRevisions,
    RequirementCycle,
    RequirementError,
    UnknownAppliedRevision,
    UnknownRevision,
)
from websauna_migrate.revisions.graph import Node, build_graph
from websauna_migrate.revisions.history import applied, heads_of
from websauna_migrate.revisions.plan import history_state, make_plan, plan_stamp
from websauna_migrate.revisions.scripts import Requirement, Revision

if TYPE_CHECKING:
    from collections.abc import Callable


def rev(id, down=(), *, depends=(), labels=(), requires=(), before=()) -> Revision:
    down = (down,) if isinstance(down, str) else down
    asked = tuple(Requirement(*pair) for pair in requires)
    earlier = tuple(Requirement(*pair) for pair in before)
    return Revision(id, down, depends, labels, asked, earlier, f"makes {id}", None, Path(f"{id}.py"))


# user: u1 - u2 - u3        blog: b1 (needs u1) - b2 (needs u3) - b3        shop: s1 (needs b2)
HISTORIES = {
    "blog": (rev("b1", requires=[("user", "u1")]), rev("b2", "b1", requires=[("user", "u3")]), rev("b3", "b2")),
    "shop": (rev("s1", requires=[("blog", "b2")]),),
    "user": (rev("u1"), rev("u2", "u1"), rev("u3", "u2")),
}
TIES = [("user", "blog"), ("shop",)]
ALL = {"user": ("u3",), "blog": ("b3",), "shop": ("s1",)}


@pytest.fixture
def graph():
    return build_graph(HISTORIES)


def ids(plan) -> list[str]:
    return [step.revision.id for step in plan.steps]


def problems(plan) -> list[tuple[str, str, str]]:
    return [(report.problem, report.package, report.revision) for report in plan.reports]


# --- up -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["head", "heads"])
def test_an_upgrade_of_all_goes_package_by_package(graph, target: str) -> None:
    plan = make_plan(graph, {}, ["shop", "blog", "user"], target, ties=lambda: TIES)
    assert ids(plan) == ["u1", "u2", "u3", "b1", "b2", "b3", "s1"]
    assert {step.package: step.direction for step in plan.steps} == {"user": "up", "blog": "up", "shop": "up"}
    assert plan.heads_after == ALL
    assert plan.reports == ()


def test_an_upgrade_of_one_package_pulls_in_what_it_requires_and_no_more(graph) -> None:
    plan = make_plan(graph, {}, ["shop"], ties=lambda: TIES)
    assert ids(plan) == ["u1", "u2", "u3", "b1", "b2", "s1"]
    assert plan.heads_after == {"user": ("u3",), "blog": ("b2",), "shop": ("s1",)}


def test_what_is_applied_is_not_run_again(graph) -> None:
    plan = make_plan(graph, {"user": ("u2",), "blog": ("b1",)}, ["blog"], ties=lambda: TIES)
    assert ids(plan) == ["u3", "b2", "b3"]


def test_nothing_to_do_is_an_empty_plan(graph) -> None:
    plan = make_plan(graph, ALL, list(HISTORIES))
    assert (plan.steps, plan.reports, plan.heads_after) == ((), (), {})


def test_a_concrete_revision_means_the_history_that_has_it(graph) -> None:
    assert ids(make_plan(graph, {}, list(HISTORIES), "b1")) == ["u1", "b1"]


def test_a_concrete_revision_in_two_selected_histories_is_an_error_that_names_both() -> None:
    graph = build_graph({"a": [rev("same1")], "b": [rev("same1"), rev("same2", "same1")]})
    with pytest.raises(AmbiguousRevision, match="a or b"):
        make_plan(graph, {}, ["a", "b"], "same1")
    assert ids(make_plan(graph, {}, ["b"], "same1")) == ["same1"]
    with pytest.raises(AmbiguousRevision):
        make_plan(graph, {}, ["b"], "same")


def test_a_whole_id_goes_before_the_start_of_another() -> None:
    graph = build_graph({"a": [rev("1a2b")], "b": [rev("1a2b3c")]})
    assert [step.package for step in make_plan(graph, {}, ["b", "a"], "1a2b").steps] == ["a"]


def test_an_unknown_revision_is_an_error_that_tells_who_else_has_it(graph) -> None:
    with pytest.raises(UnknownRevision, match=r"'u2' in blog, shop; .*-x packages=user"):
        make_plan(graph, {}, ["blog", "shop"], "u2")
    with pytest.raises(UnknownRevision, match="history"):
        make_plan(graph, {}, ["blog", "shop"], "zz")


@pytest.mark.parametrize("target", ["+1", "-1", "head-1"])
def test_a_relative_step_is_refused_over_several_histories(graph, target: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(graph, {}, ["user", "blog"], target)
    assert isinstance(caught.value, UsageError)
    assert ids(make_plan(graph, {}, ["user"], "+1")) == ["u1"]
    assert ids(make_plan(graph, {}, ["user", "blog"], "u1+1")) == ["u1", "u2"]


def test_packages_that_require_each_other_alternate() -> None:
    graph = build_graph(
        {
            "a": [rev("a1"), rev("a2", "a1", requires=[("b", "b1")])],
            "b": [rev("b1"), rev("b2", "b1", requires=[("a", "a1")])],
        }
    )
    plan = make_plan(graph, {}, ["b", "a"], ties=lambda: [("a", "b")])
    assert ids(plan) == ["a1", "b1", "a2", "b2"]
    assert plan.heads_after == {"a": ("a2",), "b": ("b2",)}


def test_ties_are_asked_for_only_where_steps_of_several_packages_are_to_be_ordered() -> None:
    graph = build_graph({"a": [rev("a1"), rev("a2", "a1")], "b": [rev("b1")]})
    assert ids(make_plan(graph, {"b": ["b1"]}, ["a", "b"], ties=lambda: pytest.fail())) == ["a1", "a2"]
    assert ids(make_plan(graph, {}, ["a", "b"], ties=lambda: [("b",), ("a",)])) == ["b1", "a1", "a2"]


def test_run_before_orders_and_pulls_nothing_in() -> None:
    graph = build_graph({"a": [rev("a1"), rev("a2", "a1")], "z": [rev("z1", before=[("a", "a2")])]})
    assert ids(make_plan(graph, {}, ["a", "z"], ties=lambda: [("a",), ("z",)])) == ["z1", "a1", "a2"]
    assert ids(make_plan(graph, {}, ["a"])) == ["a1", "a2"]
    assert ids(make_plan(graph, {}, ["z"])) == ["z1"]


def test_run_before_what_is_applied_already_is_reported() -> None:
    graph = build_graph({"a": [rev("a1")], "z": [rev("z1", before=[("a", "a1")])]})
    plan = make_plan(graph, {"a": ("a1",)}, ["z"])
    assert ids(plan) == ["z1"]
    assert problems(plan) == [("run-before-too-late", "z", "z1")]
    assert "a a1, which is already applied" in plan.reports[0].detail


# a1 - a2 - a3, and besides a2 - b1 - b2; m1 joins a3 and b2; z1 is another base
BRANCHED = [rev("a1"), rev("a2", "a1"), rev("a3", "a2"), rev("b1", "a2"), rev("b2", "b1"), rev("z1")]


@pytest.mark.parametrize(
    ("rows", "late"),
    [((), None), (("a2",), "z1"), (("a3",), "b1, b2, z1"), (("a3", "b1"), "z1"), (("a2", "z1"), None)],
)
def test_what_follows_nothing_of_what_is_applied_is_reported_as_a_late_branch(rows, late) -> None:
    reports = make_plan(build_graph({"p": BRANCHED}), {"p": rows}, ["p"]).reports
    assert reports[0].problem == "several-heads"
    assert [report.detail.partition(" do")[0] for report in reports[1:]] == ([f"p: {late}"] if late else [])


def test_a_branch_that_is_merged_is_no_late_one_when_it_is_applied() -> None:
    graph = build_graph({"p": [*BRANCHED[:5], rev("m1", ("a3", "b2"))]})
    assert problems(make_plan(graph, {"p": ("a3", "b2")}, ["p"])) == []
    assert problems(make_plan(graph, {"p": ("a3",)}, ["p"])) == [("late-branch", "p", "b1")]
    assert problems(make_plan(graph, {"p": ("m1",)}, ["p"], "base", direction="down")) == []


def test_what_is_pending_in_others_is_counted_without_what_the_plan_takes_along(graph) -> None:
    assert make_plan(graph, {}, ["blog"]).elsewhere == {"shop": 1}
    assert make_plan(graph, {"user": ("u1",)}, ["blog"], "b1").elsewhere == {"shop": 1, "user": 2}
    assert make_plan(graph, {"blog": ("gone",)}, ["user"]).elsewhere == {"shop": 1}


def test_a_cycle_to_be_run_is_an_error_that_shows_the_path() -> None:
    graph = build_graph({"a": [rev("a1", requires=[("b", "b1")])], "b": [rev("b1", requires=[("a", "a1")])]})
    with pytest.raises(RequirementCycle, match="a a1 requires b b1, which requires a a1"):
        make_plan(graph, {}, ["a"])


def test_a_cycle_that_was_applied_is_reported_and_can_be_undone() -> None:
    graph = build_graph(
        {"a": [rev("a1", requires=[("b", "b1")]), rev("a2", "a1")], "b": [rev("b1", requires=[("a", "a1")])]}
    )
    rows = {"a": ("a1",), "b": ("b1",)}
    plan = make_plan(graph, rows, ["a", "b"])
    assert ids(plan) == ["a2"]
    assert {problem for problem, _, _ in problems(plan)} == {"requirement-cycle"}
    down = make_plan(graph, rows, ["a", "b"], "base", direction="down")
    assert sorted(ids(down)) == ["a1", "b1"]
    assert down.heads_after == {"a": (), "b": ()}


@pytest.mark.parametrize(("asked", "error"), [(("gone", "1a"), RequirementError), (("user", "77"), RequirementError)])
@pytest.mark.parametrize("header", ["requires", "before"])
def test_a_broken_requirement_stops_only_the_run_of_who_asks(asked, error, header: str) -> None:
    blog = [rev("b1", **{header: [asked]}), rev("b2", "b1")]
    graph = build_graph({"blog": blog, "user": [rev("u1")]})
    with pytest.raises(error, match=r"blog b1 .*b1\.py"):
        make_plan(graph, {}, ["blog"])
    plan = make_plan(graph, {}, ["user"])
    assert (ids(plan), problems(plan)) == (["u1"], [])
    plan = make_plan(graph, {"blog": ("b1",)}, ["blog"])
    assert ids(plan) == ["b2"]
    assert problems(plan) == [("unmet-requirement", "blog", "b1")]


def test_what_was_applied_without_its_requirement_is_reported_and_not_made_worse(graph) -> None:
    plan = make_plan(graph, {"user": ("u1",), "blog": ("b2",)}, ["blog"])
    assert ids(plan) == ["b3"]
    assert problems(plan) == [("unmet-requirement", "blog", "b2")]
    assert "blog b2 is applied, but user u3" in plan.reports[0].detail
    assert str(plan.reports[0].remedy) == "ws-alembic -x packages=user upgrade u3"


# --- unknown rows ---------------------------------------------------------------------------------------------


def test_an_unknown_revision_in_a_selected_history_stops_everything(graph) -> None:
    with pytest.raises(UnknownAppliedRevision, match=r"revision beef \(table alembic_history_user\)") as caught:
        make_plan(graph, {"user": ("beef",)}, ["user", "blog"])
    assert (caught.value.package, caught.value.revision) == ("user", "beef")


def test_an_unknown_revision_in_a_history_that_is_pulled_in_stops_everything(graph) -> None:
    with pytest.raises(UnknownAppliedRevision):
        make_plan(graph, {"user": ("beef",)}, ["blog"])


def test_an_unknown_revision_elsewhere_is_reported(graph) -> None:
    plan = make_plan(graph, {"shop": ("beef",)}, ["blog"])
    assert problems(plan) == [("unknown-revision", "shop", "beef")]


def test_nobody_calls_a_requirement_unmet_when_the_database_is_ahead_of_the_code(graph) -> None:
    plan = make_plan(graph, {"user": ("beef",), "blog": ("b3",)}, ["blog"])
    assert problems(plan) == [("unknown-revision", "user", "beef")]


def test_rows_that_come_before_each_other_are_refused_with_the_command_that_mends_them(graph) -> None:
    with pytest.raises(OverlappingRevisions, match="stamp --purge u2"):
        make_plan(graph, {"user": ("u1", "u2")}, ["user"])


# --- down -----------------------------------------------------------------------------------------------------


def test_base_undoes_all_that_is_selected_in_reverse(graph) -> None:
    plan = make_plan(graph, ALL, list(HISTORIES), "base", direction="down", ties=lambda: TIES)
    assert ids(plan) == ["s1", "b3", "b2", "b1", "u3", "u2", "u1"]
    assert {step.direction for step in plan.steps} == {"down"}
    assert plan.heads_after == {"user": (), "blog": (), "shop": ()}


@pytest.mark.parametrize(("selected", "target"), [(["user"], "base"), (["user", "blog", "shop"], "u2")])
def test_a_downgrade_that_breaks_others_is_refused_with_the_list(graph, selected, target: str) -> None:
    with pytest.raises(DowngradeBreaksOthers) as caught:
        make_plan(graph, ALL, selected, target, direction="down")
    assert ("blog b2", "user u3") in caught.value.broken
    assert ("shop s1", "blog b2") in caught.value.broken
    assert "blog b2 requires user u3" in str(caught.value)
    assert "cascade=yes" in str(caught.value)


def test_cascade_undoes_what_breaks_first(graph) -> None:
    plan = make_plan(graph, ALL, ["user"], "u2", direction="down", ties=lambda: TIES, cascade=True)
    assert ids(plan) == ["s1", "b3", "b2", "u3"]
    assert plan.heads_after == {"shop": (), "blog": ("b1",), "user": ("u2",)}


def test_base_of_a_selection_is_refused_for_others_only(graph) -> None:
    with pytest.raises(DowngradeBreaksOthers) as caught:
        make_plan(graph, ALL, ["user", "blog"], "base", direction="down")
    assert caught.value.broken == (("shop s1", "blog b2"),)


def test_a_downgrade_that_nobody_minds_is_not_refused(graph) -> None:
    plan = make_plan(graph, ALL | {"shop": ()}, ["blog"], "b2", direction="down")
    assert (ids(plan), plan.heads_after) == (["b3"], {"blog": ("b2",)})
    assert ids(make_plan(graph, ALL, ["shop"], "-1", direction="down")) == ["s1"]


def test_run_before_does_not_hold_a_downgrade_up() -> None:
    graph = build_graph({"a": [rev("a1")], "z": [rev("z1", before=[("a", "a1")])]})
    rows = {"a": ("a1",), "z": ("z1",)}
    assert ids(make_plan(graph, rows, ["z"], "base", direction="down")) == ["z1"]
    assert ids(make_plan(graph, rows, ["z", "a"], "base", direction="down")) == ["a1", "z1"]


def test_a_downgrade_to_what_is_not_applied_is_an_error(graph) -> None:
    with pytest.raises(PlanError):
        make_plan(graph, {"user": ("u1",)}, ["user"], "u2", direction="down")


# --- stamp ----------------------------------------------------------------------------------------------------


def test_stamp_writes_the_heads_of_each_selected_history(graph) -> None:
    assert plan_stamp(graph, {}, ["user", "blog"], ["heads"]) == {"user": ("u3",), "blog": ("b3",)}
    assert plan_stamp(graph, ALL, ["user", "blog"], ["base"]) == {"user": (), "blog": ()}


def test_stamp_of_a_revision_is_for_its_own_history_and_takes_nothing_along(graph) -> None:
    assert plan_stamp(graph, {"blog": ("b3",)}, list(HISTORIES), ["b2"]) == {"blog": ("b2",)}


@pytest.fixture
def branched():
    return build_graph({"a": [rev("aaaa"), rev("left", "aaaa"), rev("right", "aaaa"), rev("end", "right")]})


def test_stamp_keeps_other_branches(branched) -> None:
    graph = branched
    rows = {"a": ("left", "right")}
    assert set(plan_stamp(graph, rows, ["a"], ["end"])["a"]) == {"left", "end"}
    assert plan_stamp(graph, rows, ["a"], ["aaaa"]) == {"a": ("aaaa",)}
    assert set(plan_stamp(graph, {}, ["a"], ["left", "end"])["a"]) == {"left", "end"}
    assert plan_stamp(graph, rows, ["a"], ["left@base"]) == {"a": ("right",)}


def test_stamp_counts_steps_from_base_and_keeps_other_branches(branched) -> None:
    graph = branched
    rows = {"a": ("left", "right")}
    assert plan_stamp(graph, rows, ["a"], ["base+1"]) == {"a": ("aaaa",)}
    assert plan_stamp(graph, {}, ["a"], ["base+1"]) == {"a": ("aaaa",)}
    assert plan_stamp(graph, rows, ["a"], ["left@base+2"]) == plan_stamp(graph, rows, ["a"], ["left"])
    with pytest.raises(RevisionError, match="goes past the end"):
        plan_stamp(graph, rows, ["a"], ["base-1"])


def test_stamp_over_an_unknown_revision_needs_purge(graph) -> None:
    with pytest.raises(UnknownAppliedRevision):
        plan_stamp(graph, {"user": ("beef",)}, ["user"], ["u1"])
    assert plan_stamp(graph, {"user": ("beef",)}, ["user"], ["u1"], purge=True) == {"user": ("u1",)}


# --- status ---------------------------------------------------------------------------------------------------

FORKED = (rev("aaaa"), rev("left", "aaaa"), rev("right", "aaaa"))


@pytest.mark.parametrize(
    ("revisions", "rows", "state", "pending"),
    [
        ((), (), "no revisions", 0),
        (HISTORIES["user"], ("u3",), "up to date", 0),
        (HISTORIES["user"], ("u1",), "pending", 2),
        (HISTORIES["user"], (), "pending", 3),
        (FORKED, ("aaaa",), "several heads", 2),
        (FORKED, ("left", "right"), "several heads", 0),
        (FORKED, ("beef",), "unknown revision", 3),
        ((), ("beef",), "unknown revision", 0),
        (HISTORIES["user"], ("u1", "u3"), "unknown revision", 0),
    ],
)
def test_the_state_of_a_history_is_the_gravest(revisions, rows, state: str, pending: int) -> None:
    graph = build_graph({"p": revisions})
    found = history_state(graph.histories["p"], rows)
    assert (found.state, found.pending, found.current) == (state, pending, tuple(sorted(rows)))


# --- for any graph --------------------------------------------------------------------------------------------


@st.composite
def many_histories(draw) -> dict[str, list[Revision]]:
    """Histories whose revisions require each other without a circle: each only asks for what was drawn before it."""
    names = ["acme", "blog", "core", "demo"][: draw(st.integers(1, 4))]
    found: dict[str, list[Revision]] = {name: [] for name in names}
    drawn: list[tuple[str, str]] = []
    for number in range(draw(st.integers(0, 14))):
        package = draw(st.sampled_from(names))
        own = [revision.id for revision in found[package]]
        others = [node for node in drawn if node[0] != package]
        down = draw(st.lists(st.sampled_from(own[-3:]), max_size=2, unique=True)) if own else []
        depends = draw(st.lists(st.sampled_from(own), max_size=1)) if own and draw(st.booleans()) else []
        requires = draw(st.lists(st.sampled_from(others), max_size=2, unique=True)) if others else []
        id_ = f"{draw(st.integers(0, 99)):02}x{number:02}"
        found[package].append(rev(id_, tuple(down), depends=tuple(depends), requires=requires))
        drawn.append((package, id_))
    if drawn and draw(st.booleans()):
        _add_run_before(draw, found, drawn)
    return found


def _add_run_before(draw, found: dict[str, list[Revision]], drawn: list[tuple[str, str]]) -> None:
    first, second = sorted(draw(st.lists(st.integers(0, len(drawn) - 1), min_size=2, max_size=2)))
    (package, id_), target = drawn[first], drawn[second]
    if package == target[0]:
        return
    at = next(index for index, revision in enumerate(found[package]) if revision.id == id_)
    old = found[package][at]
    found[package][at] = rev(id_, old.down, depends=old.depends_on, requires=old.requires, before=[target])


def shuffled(histories: dict[str, list[Revision]], seed: int) -> dict[str, list[Revision]]:
    chance = random.Random(seed)
    return {
        name: chance.sample(histories[name], len(histories[name]))
        for name in chance.sample(list(histories), len(histories))
    }


@given(many_histories(), st.data())
def test_a_plan_respects_every_edge_and_runs_each_revision_once(histories, data) -> None:
    graph = build_graph(histories)
    assert graph.broken == {}
    ties = [tuple(data.draw(st.permutations(list(histories))))]
    selected = data.draw(st.lists(st.sampled_from(list(histories)), unique=True))
    plan = make_plan(graph, {}, selected, ties=lambda: ties)
    place = {Node(step.package, step.revision.id): index for index, step in enumerate(plan.steps)}
    assert len(place) == len(plan.steps)
    for node, index in place.items():
        for edge in graph.before[node]:
            assert edge.before in place or edge.reason == "run_before"
            assert place.get(edge.before, -1) < index
    for package in selected:
        assert {id_ for name, id_ in place if name == package} == set(graph.histories[package].revisions)
    for package, heads in plan.heads_after.items():
        assert heads == heads_of(graph.histories[package], {id_ for name, id_ in place if name == package})
        assert applied(graph.histories[package], heads) == {id_ for name, id_ in place if name == package}


@given(many_histories(), st.integers())
def test_a_plan_is_the_same_for_any_order_of_input(histories, seed: int) -> None:
    other = shuffled(histories, seed)
    ties = [tuple(sorted(histories))[:2]]
    first = make_plan(build_graph(histories), {}, sorted(histories), ties=lambda: ties)
    assert make_plan(build_graph(other), {}, list(other), ties=lambda: ties) == first


@given(many_histories())
def test_down_is_the_exact_reverse_of_up(histories) -> None:
    graph = build_graph(histories)
    up = make_plan(graph, {}, list(histories))
    down = make_plan(graph, up.heads_after, list(histories), "base", direction="down")
    assert [(step.package, step.revision) for step in down.steps] == [
        (step.package, step.revision) for step in reversed(up.steps)
    ]
    assert set(down.heads_after.values()) <= {()}


@given(many_histories())
def test_after_each_step_a_history_table_holds_the_heads_of_what_is_applied(histories) -> None:
    graph = build_graph(histories)
    rows: dict[str, set[str]] = {package: set() for package in histories}
    done: dict[str, set[str]] = {package: set() for package in histories}
    up = make_plan(graph, {}, list(histories))
    down = make_plan(graph, up.heads_after, list(histories), "base", direction="down")
    for step in (*up.steps, *down.steps):
        done[step.package] ^= {step.revision.id}
        assert rows[step.package].issuperset(step.old_rows)
        rows[step.package] = rows[step.package].difference(step.old_rows).union(step.new_rows)
        assert rows[step.package] == set(heads_of(graph.histories[step.package], done[step.package]))


@given(many_histories(), st.data())
def test_a_plan_may_stop_anywhere_and_the_next_one_goes_on(histories, data) -> None:
    graph = build_graph(histories)
    plan = make_plan(graph, {}, list(histories))
    done = plan.steps[: data.draw(st.integers(0, len(plan.steps)))]
    ran = {package: {step.revision.id for step in done if step.package == package} for package in histories}
    rows = {package: heads_of(graph.histories[package], ran[package]) for package in histories}
    rest = make_plan(graph, rows, list(histories))
    assert {step.revision.id for step in rest.steps} == {step.revision.id for step in plan.steps[len(done) :]}
    assert {report.problem for report in rest.reports} <= {"run-before-too-late", "several-heads", "late-branch"}


@given(many_histories(), st.data())
def test_a_cascading_downgrade_leaves_nothing_without_what_it_requires(histories, data) -> None:
    graph = build_graph(histories)
    package = data.draw(st.sampled_from(list(histories)))
    up = make_plan(graph, {}, list(histories))
    down = make_plan(graph, up.heads_after, [package], "base", direction="down", cascade=True)
    after = make_plan(graph, {**up.heads_after, **down.heads_after}, [package], "base", direction="down")
    assert (after.steps, after.reports) == ((), ())


def line(length: int) -> dict[str, list[Revision]]:
    """Return one long history."""
    return {"p": [rev("x00000"), *(rev(f"x{n:05}", f"x{n - 1:05}") for n in range(1, length))]}


def grid(length: int, packages: int = 20) -> dict[str, list[Revision]]:
    """Return histories where each revision requires its neighbour in the package before."""
    return {
        f"p{p:02}": [
            rev(
                f"{p:02}x{n:02}",
                f"{p:02}x{n - 1:02}" if n else (),
                requires=[(f"p{p - 1:02}", f"{p - 1:02}x{n:02}")] if p else (),
            )
            for n in range(length)
        ]
        for p in range(packages)
    }


def up_and_down(histories: dict[str, list[Revision]]) -> int:
    """Plan the way to the heads and back, and return how many steps the way back has."""
    graph = build_graph(histories)
    plan = make_plan(graph, {}, list(histories))
    return len(make_plan(graph, plan.heads_after, list(histories), "base", direction="down").steps)


def test_a_plan_has_no_limit_of_recursion() -> None:
    assert up_and_down(line(5000)) == 5000
    assert up_and_down(grid(20)) == 400


@pytest.mark.parametrize(("shape", "length"), [(line, 250), (grid, 5)])
def test_the_work_grows_with_the_number_of_revisions_and_not_faster(
    shape: Callable[[int], dict[str, list[Revision]]], length: int
) -> None:
    small, large = (calls(partial(up_and_down, shape(times * length))) for times in (1, 4))
    assert large < 5 * small
