"""Order, closures and circles of things that wait for each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.ordering import CycleFound, circles, closure, dependency_groups, ordered, reach

NAMES = "abcdef"
NEEDS = st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES)))


def needs_of(needs):
    return lambda name: sorted(needs.get(name, ()))


def test_each_node_comes_right_after_what_it_waits_for():
    assert ordered("abc", needs_of({"a": {"c"}})) == ("c", "a", "b")


def test_a_circle_has_no_order_and_its_path_is_told():
    with pytest.raises(CycleFound) as caught:
        ordered("abc", needs_of({"a": {"b"}, "b": {"c"}, "c": {"b"}}))
    assert caught.value.path == ("b", "c", "b")


@given(NEEDS)
def test_a_closure_is_complete_and_needs_no_second_one(needs):
    found = closure({"a"}, needs_of(needs))
    assert closure(found, needs_of(needs)) == found
    assert all(found.issuperset(needs.get(name, ())) for name in found)


@given(NEEDS)
def test_names_are_in_one_circle_when_they_reach_each_other(needs):
    reached = reach(NAMES, needs)
    circle = circles(NAMES, reached)
    for one in NAMES:
        for other in NAMES:
            together = one == other or (other in reached[one] and one in reached[other])
            assert (circle[one] == circle[other]) == together


@given(NEEDS)
def test_groups_hold_each_name_once_and_come_after_what_they_need(needs):
    groups = dependency_groups(NAMES, needs)
    place = {name: number for number, group in enumerate(groups) for name in group}
    assert sorted(place) == list(NAMES)
    assert sum(map(len, groups)) == len(NAMES)
    assert all(place[other] <= place[name] for name in NAMES for other in needs.get(name, ()))
