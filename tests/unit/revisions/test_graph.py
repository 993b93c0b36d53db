"""What the names of revisions mean, held against Alembic's own map of revisions; and the order over histories."""

from __future__ import annotations

import random
import warnings
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from alembic.script.revision import Revision as AlembicRevision
from alembic.script.revision import RevisionError as AlembicError
from alembic.script.revision import RevisionMap
from hypothesis import assume, given
from hypothesis import strategies as st

from costs import calls
from websauna_migrate.exceptions import MigrateError, PlanError, RevisionError
from websauna_migrate.ordering import closure
from websauna_migrate.revisions.errors import AmbiguousRevision, RequirementCycle, RequirementError, UnknownRevision
from websauna_migrate.revisions.graph import Node, build_graph, cycle_edges, order, required_packages
from websauna_migrate.revisions.history import applied, build_history, heads_of
from websauna_migrate.revisions.scripts import Requirement, Revision
from websauna_migrate.revisions.symbols import parse_symbol, resolve, undone_by


def rev(id, down=(), *, depends=(), labels=(), requires=(), before=()) -> Revision:
    down = (down,) if isinstance(down, str) else down
    asked = tuple(Requirement(*pair) for pair in requires)
    earlier = tuple(Requirement(*pair) for pair in before)
    return Revision(id, down, depends, labels, asked, earlier, f"makes {id}", None, Path(f"{id}.py"))


# a --- b --- c --- m --- t        x is a branch of its own that depends on b and has the label "extra"
#    `- d (label "side") -'
HISTORY = (
    rev("aaaa"),
    rev("bbbb", "aaaa"),
    rev("cccc", "bbbb"),
    rev("dddd", "aaaa", labels=("side",)),
    rev("mmmm", ("cccc", "dddd")),
    rev("tttt1", "mmmm"),
    rev("xxxx", depends=("bbbb",), labels=("extra",)),
    rev("yyyy", "xxxx"),
)


@pytest.fixture
def history():
    return build_history("acme.shop", HISTORY)


# --- held against Alembic -------------------------------------------------------------------------------------


@st.composite
def histories(draw) -> list[Revision]:
    """Histories with branches, merges, labels and dependencies, in any order of input."""
    count = draw(st.integers(1, 9))
    revisions: list[Revision] = []
    for number in range(count):
        ids = [revision.id for revision in revisions]
        names = [*ids, *(label for revision in revisions for label in revision.branch_labels)]
        down = draw(st.lists(st.sampled_from(ids), max_size=2, unique=True)) if ids else []
        if ids and draw(st.booleans()):
            down = [ids[-1]]
        depends = draw(st.lists(st.sampled_from(names), max_size=1)) if ids and draw(st.integers(0, 3)) == 0 else []
        labels = (f"label{number}",) if draw(st.integers(0, 3)) == 0 else ()
        id_ = draw(st.sampled_from(["rrr", "aab", "ab11", "abb1"])) + f"{number}"
        revisions.append(rev(id_, tuple(down), depends=tuple(depends), labels=labels))
    return draw(st.permutations(revisions))


@st.composite
def symbols(draw, revisions: list[Revision]) -> str:
    ids = [revision.id for revision in revisions]
    labels = [label for revision in revisions for label in revision.branch_labels]
    branch = draw(st.sampled_from(["", "", "", *(f"{name}@" for name in (*labels, ids[0]))]))
    start = draw(st.sampled_from([*ids, *(id_[:-1] for id_ in ids), *labels]))
    fixed = [start, "head", "heads", "base"]
    relative = ["+1", "-1", "+2", "-2", "-9", start + "+1", start + "-1", "head-1", start + "+2"]
    return branch + draw(st.sampled_from(fixed + relative))


def alembic_map(revisions: list[Revision]) -> RevisionMap:
    return RevisionMap(
        lambda: [
            AlembicRevision(each.id, each.down or None, each.depends_on or None, each.branch_labels or None)
            for each in revisions
        ]
    )


def alembic_says(map_: RevisionMap, upper, lower, **options) -> set[str] | str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Alembic will refuse one day
        try:
            return {revision.revision for revision in map_.iterate_revisions(upper, lower, **options)}
        except AlembicError as error:
            return f"{type(error).__name__}: {error}"
        except (AssertionError, AttributeError) as error:
            return f"breaks: {error!r}"


def we_say(compute) -> set[str] | str:
    try:
        return set(compute())
    except MigrateError as error:
        return type(error).__name__


@given(st.data())
def test_heads_and_applied_revisions_are_alembics(data) -> None:
    revisions = data.draw(histories())
    ours, theirs = build_history("p", revisions), alembic_map(revisions)
    assert set(ours.heads) == set(theirs._real_heads)
    assert set(ours.branch_heads) == set(theirs.heads)
    assert set(ours.bases) == set(theirs.bases)
    some = data.draw(st.sets(st.sampled_from([revision.id for revision in revisions])))
    nodes = theirs._get_ancestor_nodes([theirs.get_revision(id_) for id_ in sorted(some)])
    assert applied(ours, some) == {revision.revision for revision in nodes}


@given(st.data())
def test_a_symbol_asks_for_the_upgrade_that_it_asks_of_alembic(data) -> None:
    revisions = data.draw(histories())
    symbol = data.draw(symbols(revisions))
    ours, theirs = build_history("p", revisions), alembic_map(revisions)
    done = applied(ours, data.draw(st.sets(st.sampled_from([revision.id for revision in revisions]))))
    rows = heads_of(ours, done)
    said = alembic_says(theirs, symbol, rows, implicit_base=True)
    found = we_say(lambda: closure(resolve(ours, symbol, rows), ours.before.__getitem__) - done)
    # Alembic counts down from the heads when it is asked to count down from base.
    assume("base-" not in symbol)
    if isinstance(said, set):
        assert found == said
    elif not said.startswith("breaks") and "overlaps" not in said:
        assert isinstance(found, str)


@given(st.data())
def test_a_symbol_asks_for_the_downgrade_that_it_asks_of_alembic(data) -> None:
    revisions = data.draw(histories())
    symbol = data.draw(symbols(revisions))
    ours, theirs = build_history("p", revisions), alembic_map(revisions)
    done = applied(ours, data.draw(st.sets(st.sampled_from([revision.id for revision in revisions]))))
    rows = heads_of(ours, done)
    said = alembic_says(theirs, rows, symbol, select_for_downgrade=True)
    found = we_say(lambda: undone_by(ours, symbol, rows))
    assume("base-" not in symbol)
    if isinstance(said, set):
        # Alembic takes any one of several rows for "-1", and warns that it will not any more.
        assert found == said or (found == "AmbiguousRevision" and symbol.startswith("-"))
    elif found != set():
        # Where Alembic refuses to do nothing, we do nothing.
        assert isinstance(found, str)


# --- names of revisions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rows", "meant"),
    [
        ("tttt1", (), ("tttt1",)),
        ("tt", (), ("tttt1",)),
        ("side", (), ("dddd",)),
        ("heads", (), ("tttt1", "yyyy")),
        ("base", ("tttt1",), ()),
        ("current", ("cccc",), ("cccc",)),
        ("extra@head", (), ("yyyy",)),
        ("extra@heads", (), ("yyyy",)),
        ("side@head", (), ("tttt1",)),
        ("cccc+1", (), ("mmmm",)),
        ("cccc-2", (), ("aaaa",)),
        ("cccc-3", (), ()),
        ("+1", ("bbbb",), ("cccc",)),
        ("extra@+1", ("bbbb",), ("xxxx",)),
        ("side@+1", ("bbbb",), ("dddd",)),
        ("side@aaaa+1", (), ("dddd",)),
        ("extra@head-1", (), ("xxxx",)),
    ],
)
def test_a_symbol_stands_for_revisions(history, text: str, rows: tuple[str, ...], meant: tuple[str, ...]) -> None:
    assert set(resolve(history, text, rows)) == set(meant)


@pytest.mark.parametrize(
    ("text", "rows", "error", "said"),
    [
        ("nope", (), UnknownRevision, "no revision 'nope' in acme.shop"),
        ("", (), UnknownRevision, "''"),
        ("nope@head", (), UnknownRevision, "nope@head"),
        ("head", (), AmbiguousRevision, "tttt1 or yyyy"),
        ("aaaa+1", (), AmbiguousRevision, "bbbb or dddd"),
        ("mmmm-1", (), AmbiguousRevision, "cccc or dddd"),
        ("+1", ("cccc", "dddd"), AmbiguousRevision, "cccc or dddd"),
        ("+9", ("mmmm",), RevisionError, "+9"),
        ("-1", ("mmmm",), RevisionError, "-1"),
        ("aaaa-2", (), RevisionError, "aaaa-2"),
        ("extra@aaaa", (), RevisionError, "not on the branch 'extra'"),
    ],
)
def test_a_symbol_that_stands_for_nothing_clear_is_an_error(history, text, rows, error, said: str) -> None:
    with pytest.raises(error) as caught:
        resolve(history, text, rows)
    assert said in str(caught.value)


def test_the_head_of_a_branch_that_another_depends_on_is_a_head_of_that_branch_only() -> None:
    history = build_history("p", [rev("aaaa", labels=("one",)), rev("bbbb", depends=("aaaa",), labels=("two",))])
    assert resolve(history, "heads") == ("bbbb",)
    assert resolve(history, "one@heads") == resolve(history, "one@head") == ("aaaa",)


def test_the_start_of_several_ids_is_ambiguous_unless_it_is_an_id_itself() -> None:
    history = build_history("p", [rev("1a2b"), rev("1a2bff", "1a2b"), rev("1a3c", "1a2bff")])
    assert resolve(history, "1a2b") == ("1a2b",)
    assert resolve(history, "1a3") == ("1a3c",)
    with pytest.raises(AmbiguousRevision, match="1a2b or 1a2bff"):
        resolve(history, "1a2")


@pytest.mark.parametrize(
    ("text", "rows", "undone"),
    [
        ("bbbb", ("tttt1",), {"cccc", "mmmm", "tttt1"}),
        ("bbbb", ("tttt1", "yyyy"), {"cccc", "mmmm", "tttt1"}),
        ("aaaa", ("cccc", "xxxx"), {"bbbb", "cccc", "xxxx"}),
        ("base", ("tttt1", "yyyy"), {revision.id for revision in HISTORY}),
        ("extra@base", ("tttt1", "yyyy"), {"xxxx", "yyyy"}),
        ("-1", ("bbbb",), {"bbbb"}),
        ("extra@-2", ("tttt1", "yyyy"), {"xxxx", "yyyy"}),
        ("side@aaaa", ("cccc", "dddd"), {"dddd"}),
        ("heads", ("tttt1", "yyyy"), set()),
    ],
)
def test_a_downgrade_undoes_what_comes_after_its_target(history, text, rows, undone) -> None:
    assert undone_by(history, text, rows) == undone


@pytest.mark.parametrize(
    ("text", "rows", "error"),
    [
        ("tttt1", ("bbbb",), PlanError),
        ("-1", (), RevisionError),
        ("-3", ("bbbb",), RevisionError),
        ("-1", ("cccc", "dddd"), AmbiguousRevision),
        ("+1", ("bbbb",), RevisionError),
        ("extra@-1", ("bbbb",), RevisionError),
        ("side@-1", ("bbbb",), RevisionError),
        ("extra@current", ("bbbb",), UnknownRevision),
        ("extra@aaaa", ("mmmm",), PlanError),
    ],
)
def test_a_downgrade_that_cannot_be_is_an_error(history, text, rows, error) -> None:
    with pytest.raises(error):
        undone_by(history, text, rows)


def test_only_steps_from_where_a_history_stands_are_relative() -> None:
    assert [text for text in ("+1", "head-1", "1a+1", "x@-1", "head") if parse_symbol(text).is_relative] == [
        "+1",
        "head-1",
    ]


# --- over histories -------------------------------------------------------------------------------------------


def test_requirements_are_edges_and_may_name_a_prefix_or_a_branch_label() -> None:
    graph = build_graph(
        {
            "blog": [rev("b1", requires=[("user", "37e1"), ("user", "roles")], before=[("user", "99ff")])],
            "user": [rev("37e1cb6d"), rev("55aa", "37e1cb6d", labels=("roles",)), rev("99ff", "55aa")],
        }
    )
    assert {
        (edge.before.revision, edge.after.revision, edge.reason) for edges in graph.before.values() for edge in edges
    } == {
        ("37e1cb6d", "b1", "requires"),
        ("55aa", "b1", "requires"),
        ("b1", "99ff", "run_before"),
        ("37e1cb6d", "55aa", "down_revision"),
        ("55aa", "99ff", "down_revision"),
    }
    assert graph.broken == {}
    assert graph.revision(Node("blog", "b1")).message == "makes b1"


def test_dependencies_inside_a_history_are_edges(history) -> None:
    graph = build_graph({"acme.shop": HISTORY})
    (edge,) = graph.before[Node("acme.shop", "xxxx")]
    assert (edge.before.revision, edge.reason) == ("bbbb", "depends_on")


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        (("gone", "1a"), RequirementError, "blog b1 requires gone 1a, but that package is not registered"),
        (("user", "77"), RequirementError, "blog b1 requires user 77, but that package does not have"),
        (("user", "head"), RequirementError, "user head"),
        (("user", ""), RequirementError, "user "),
        (("user", "37"), RequirementError, "user 37, but several revisions there begin with"),
    ],
)
def test_a_requirement_that_leads_nowhere_is_kept_with_the_revision_that_asks(asked, error, said) -> None:
    graph = build_graph({"blog": [rev("b1", requires=[asked])], "user": [rev("37aa"), rev("37bb", "37aa")]})
    ((broken,),) = graph.broken.values()
    assert type(broken) is error
    assert said in str(broken)
    assert "b1.py" in str(broken)
    assert (broken.asking, broken.header, broken.asked) == (Node("blog", "b1"), "requires", asked)


def everything(graph) -> set[Node]:
    return set(graph.before)


def ids(nodes) -> list[str]:
    return [node.revision for node in nodes]


def test_packages_go_one_after_another_in_the_order_of_ties() -> None:
    graph = build_graph({"a": [rev("a1"), rev("a2", "a1")], "b": [rev("b1"), rev("b2", "b1")], "c": [rev("c1")]})
    assert ids(order(graph, everything(graph), ["b", "a"])) == ["b1", "b2", "a1", "a2", "c1"]


def test_a_package_that_waits_for_another_comes_after_the_whole_of_it() -> None:
    graph = build_graph(
        {
            "blog": [rev("b1", requires=[("user", "u1")]), rev("b2", "b1", requires=[("user", "u2")])],
            "user": [rev("u1"), rev("u2", "u1"), rev("u3", "u2")],
        }
    )
    assert ids(order(graph, everything(graph), ["blog", "user"])) == ["u1", "u2", "u3", "b1", "b2"]


def test_packages_that_wait_for_each_other_alternate_only_where_they_must() -> None:
    graph = build_graph(
        {
            "blog": [rev("b1", requires=[("user", "u2")]), rev("b2", "b1"), rev("b3", "b2")],
            "other": [rev("o1")],
            "user": [rev("u1"), rev("u2", "u1"), rev("u3", "u2", requires=[("blog", "b1")]), rev("u4", "u3")],
        }
    )
    found = ids(order(graph, everything(graph), ["user", "other", "blog"]))
    assert found == ["u1", "u2", "b1", "u3", "u4", "b2", "b3", "o1"]


def test_what_is_pulled_forward_keeps_the_order_of_ties() -> None:
    graph = build_graph(
        {
            "a": [rev("a1", requires=[("c", "c1"), ("b", "b1")]), rev("a2", "a1")],
            "b": [rev("b1"), rev("b2", "b1", requires=[("a", "a1")])],
            "c": [rev("c1"), rev("c2", "c1", requires=[("a", "a1")])],
        }
    )
    assert ids(order(graph, everything(graph), ["a", "c", "b"])) == ["c1", "b1", "a1", "a2", "c2", "b2"]


def test_a_revision_runs_before_the_one_it_asks_to() -> None:
    graph = build_graph({"a": [rev("a1"), rev("a2", "a1")], "z": [rev("z1", before=[("a", "a2")])]})
    assert ids(order(graph, everything(graph), ["a", "z"])) == ["z1", "a1", "a2"]


def test_a_cycle_of_requirements_is_an_error_that_shows_the_path() -> None:
    graph = build_graph(
        {
            "blog": [rev("b1", requires=[("user", "u2")])],
            "user": [rev("u1", requires=[("blog", "b1")]), rev("u2", "u1")],
        }
    )
    with pytest.raises(RequirementCycle) as caught:
        order(graph, everything(graph), [])
    assert "blog b1 requires user u2, which follows user u1, which requires blog b1" in str(caught.value)
    assert caught.value.path == ("blog b1", "user u2", "user u1", "blog b1")


def test_a_cycle_can_be_cut_where_packages_meet() -> None:
    graph = build_graph(
        {
            "blog": [rev("b1", requires=[("user", "u2")])],
            "user": [rev("u1", requires=[("blog", "b1")]), rev("u2", "u1")],
        }
    )
    cut = cycle_edges(graph, everything(graph))
    assert {edge.reason for edge in cut} == {"requires"}
    found = ids(order(graph, everything(graph), [], cut))
    assert found.index("u1") < found.index("u2")


def woven(packages: int, length: int) -> dict[str, list[Revision]]:
    """Return histories where each revision waits for one of the package before, which waits for the one before it."""
    revisions = {
        f"p{number:03}": [
            rev(
                f"{number:03}x{step:05}",
                (f"{number:03}x{step - 1:05}",) if step else (),
                requires=[(f"p{number - 1:03}", f"{number - 1:03}x{step:05}")] if number else (),
                before=[(f"p{number - 1:03}", f"{number - 1:03}x{step + 1:05}")]
                if number and step < length - 1
                else (),
            )
            for step in range(length)
        ]
        for number in range(packages)
    }
    random.Random(3).shuffle(revisions["p000"])
    return revisions


@pytest.mark.parametrize(("packages", "length"), [(1, 5000), (20, 20), (300, 3)])
def test_big_graphs_are_ordered_without_a_limit_of_recursion(packages: int, length: int) -> None:
    revisions = woven(packages, length)
    graph = build_graph(revisions)
    found = order(graph, everything(graph), sorted(revisions))
    assert len(found) == packages * length
    assert all(graph.before[node] or node.revision.endswith("00000") for node in found)
    if packages == 1:
        assert all(before < after for before, after in pairwise(found))


@pytest.mark.parametrize(("packages", "length"), [(1, 250), (10, 10)])
def test_the_work_grows_with_the_number_of_revisions_and_not_faster(packages: int, length: int) -> None:
    def work(revisions: dict[str, list[Revision]]) -> None:
        graph = build_graph(revisions)
        order(graph, everything(graph), sorted(revisions))

    assert calls(partial(work, woven(packages, 4 * length))) < 5 * calls(partial(work, woven(packages, length)))


def test_packages_require_what_their_scripts_require():
    graph = build_graph(
        {
            "a": [rev("a1"), rev("a2", "a1", requires=[("b", "b1"), ("nowhere", "x")])],
            "b": [rev("b1", before=[("c", "c1")])],
            "c": [rev("c1", requires=[("b", "b1")])],
        }
    )
    assert required_packages(graph) == {"a": {"b"}, "c": {"b"}}
