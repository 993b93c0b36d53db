"""Expand and contract over several packages: what ``--expand`` runs, and what is left."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.revisions.contract import contract_left, held_back
from websauna_migrate.revisions.graph import Node, build_graph
from websauna_migrate.revisions.plan import make_plan
from websauna_migrate.revisions.scripts import Requirement, Revision

PACKAGES = ("blog", "shop", "user")


def rev(id_, down=(), requires=(), before=(), contract=False):
    asked = tuple(Requirement(*node) for node in requires)
    earlier = tuple(Requirement(*node) for node in before)
    return Revision(id_, down, (), (), asked, earlier, "", None, Path(f"{id_}.py"), contract=contract)


@st.composite
def histories(draw):
    """Three packages with two revisions each, in one order over all, along which any requires or precedes any."""
    line = draw(st.permutations([package for package in PACKAGES for _ in range(2)]))
    nodes = [Node(package, f"{package[0]}{line[:place].count(package) + 1}") for place, package in enumerate(line)]
    made = {package: [] for package in PACKAGES}
    for place, (package, id_) in enumerate(nodes):
        others = [node for node in nodes[:place] if node.package != package]
        later = [node for node in nodes[place + 1 :] if node.package != package]
        made[package].append(
            rev(
                id_,
                tuple(revision.id for revision in made[package][-1:]),
                draw(st.sets(st.sampled_from(others))) if others else (),
                draw(st.sets(st.sampled_from(later), max_size=1)) if later else (),
                draw(st.booleans()),
            )
        )
    return made


def nodes_of(plan):
    return [Node(step.package, step.revision.id) for step in plan.steps]


@given(histories(), st.sets(st.sampled_from(PACKAGES), min_size=1))
def test_what_expands_has_no_contract_revision_and_nothing_that_waits_for_one(made, selected):
    graph = build_graph(made)
    everything = nodes_of(make_plan(graph, {}, sorted(selected)))
    expanded = make_plan(graph, {}, sorted(selected), expand=True)
    ran = nodes_of(expanded)
    for node in ran:
        assert not graph.revision(node).contract
        assert all(edge.before in ran for edge in graph.before[node] if edge.before in everything)
    first = [node for node in everything if node not in ran]
    assert set(first) == set(expanded.held_back)
    if first:
        before_first = {edge.before for edge in graph.before[first[0]]} - set(ran)
        assert graph.revision(first[0]).contract or not before_first.isdisjoint(first)


@given(histories(), st.permutations(PACKAGES))
def test_it_and_an_upgrade_after_it_keep_the_order_of_one_run_of_all(made, ties):
    graph, groups = build_graph(made), [(package,) for package in ties]
    whole = make_plan(graph, {}, PACKAGES, ties=lambda: groups)
    expanded = make_plan(graph, {}, PACKAGES, ties=lambda: groups, expand=True)
    rest = make_plan(graph, expanded.heads_after, PACKAGES, ties=lambda: groups)
    both = nodes_of(expanded) + nodes_of(rest)
    assert nodes_of(expanded) == [node for node in nodes_of(whole) if node not in expanded.held_back]
    assert nodes_of(rest) == [node for node in nodes_of(whole) if node in expanded.held_back]
    assert {**expanded.heads_after, **rest.heads_after} == whole.heads_after
    assert rest.reports == whole.reports == ()
    assert all(both.index(edge.before) < both.index(node) for node in both for edge in graph.before[node])


@given(histories())
def test_after_it_nothing_but_contract_revisions_is_left(made):
    graph = build_graph(made)
    expanded = make_plan(graph, {}, PACKAGES, expand=True)
    rows = {package: expanded.heads_after.get(package, ()) for package in PACKAGES}
    assert contract_left(graph, rows) == {node.package for node in expanded.held_back}
    assert make_plan(graph, rows, PACKAGES, expand=True).steps == ()


def test_a_contract_revision_that_is_applied_holds_nothing_back():
    graph = build_graph({"shop": [rev("s1", contract=True), rev("s2", ("s1",))]})
    assert held_back(graph, {Node("shop", "s2")}) == set()
    assert contract_left(graph, {"shop": ("s1",)}) == frozenset()
    assert contract_left(graph, {"shop": ()}) == {"shop"}


def test_a_downgrade_leaves_nothing():
    graph = build_graph({"shop": [rev("s1", contract=True)]})
    plan = make_plan(graph, {"shop": ("s1",)}, ["shop"], "base", direction="down", expand=True)
    assert (nodes_of(plan), plan.held_back) == ([Node("shop", "s1")], ())
