"""Order, closures and circles of things that wait for each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.ordering import (
    CycleFound,
    circles,
    closure,
    dependency_groups,
    ordered,
    ordered_from_end,
    reach,
)

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


def test_a_node_comes_right_before_the_first_one_that_waits_for_it():
    assert ordered_from_end("abcd", {"a": "", "b": "d", "c": "", "d": ""}) == ("a", "d", "b", "c")


def test_an_order_from_the_end_tells_the_path_of_a_circle_too():
    with pytest.raises(CycleFound) as caught:
        ordered_from_end("abcd", {"a": "b", "b": "c", "c": "b", "d": ""})
    assert caught.value.path == ("b", "c", "b")


@given(st.permutations(NAMES), st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES))), st.data())
def test_what_is_left_after_the_start_of_an_order_keeps_its_order(line, needs, data):
    before = {name: sorted(other for other in needs.get(name, ()) if other < name) for name in line}
    whole = ordered_from_end(line, before)
    assert all(whole.index(other) < whole.index(name) for name in line for other in before[name])
    done = closure(data.draw(st.sets(st.sampled_from(NAMES))), before.__getitem__)
    rest = [name for name in line if name not in done]
    left = {name: [other for other in before[name] if other in rest] for name in rest}
    assert ordered_from_end(rest, left) == tuple(name for name in whole if name in rest)


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
