"""What has to change about the enum types of PostgreSQL, decided without a database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.autogenerate.enums.changes import Add, Create, Drop, Remake, aside, drops, matched, value_changes
from websauna_migrate.autogenerate.enums.facts import ModelEnum, StoredEnum, User
from websauna_migrate.exceptions import OwnershipError
from websauna_migrate.packages.package import ColumnName, TableName

MOOD = TableName(None, "mood")
FACE, HAT = (User(ColumnName(TableName(None, "t"), name)) for name in ("face", "hat"))
VALUES = st.lists(st.sampled_from("abcde"), min_size=1, unique=True).map(tuple)


def model(*values, users=(FACE,), owner="mine"):
    return ModelEnum(values, owner, users)


def decided(stored, wanted, going=(), used=()):
    types = matched(stored, wanted, ["mine"])
    return types, [*value_changes(types, going, lambda enum: used), *drops(types, going)]


@given(VALUES, VALUES)
def test_values_are_added_only_where_all_others_stay_in_their_order(old, new):
    _, changes = decided({MOOD: StoredEnum(old, (FACE,))}, {MOOD: model(*new)})
    kept = tuple(value for value in new if value in old)
    expected = [] if old == new else [Add if kept == old else Remake]
    assert [type(change) for change in changes] == expected


def test_a_type_that_is_missing_is_created_and_one_without_users_dropped():
    old = TableName(None, "old")
    stored = {old: StoredEnum(("x",), (HAT,))}
    _, changes = decided(stored, {MOOD: model("a")}, going={HAT.column})
    assert changes == [Create(MOOD, ("a",)), Drop(old, ("x",))]
    assert decided(stored, {}, going=())[1] == []


def test_a_type_with_the_same_columns_was_renamed_and_its_new_values_cannot_be_committed_alone():
    old = TableName(None, "old")
    types, (change,) = decided({old: StoredEnum(("a",), (FACE,))}, {MOOD: model("a", "b")})
    assert types.renamed == {old: MOOD}
    assert isinstance(change, Remake)


def test_a_value_that_the_script_uses_is_needed_at_once():
    (change,) = decided({MOOD: StoredEnum(("a",), (FACE,))}, {MOOD: model("a", "b", "c")}, used={"a", "c"})[1]
    assert (change.added, change.needed) == (("b", "c"), ("c",))


def test_columns_that_go_are_not_converted():
    stored = {MOOD: StoredEnum(("a", "b"), (FACE, HAT))}
    (change,) = decided(stored, {MOOD: model("b", users=(FACE, HAT))}, going={HAT.column})[1]
    assert (change.staying, change.leaving) == ((FACE,), (HAT,))


def test_values_that_others_use_stay():
    stored = {MOOD: StoredEnum(("a", "b"), (FACE,), ("t.other",))}
    with pytest.raises(OwnershipError, match=r"lose 'b'.*t\.other"):
        decided(stored, {MOOD: model("a")})
    assert decided(stored, {MOOD: model("a", "b", "c")})[1][0].shared


def test_a_function_of_the_type_is_named_with_the_way_to_drop_it():
    stored = {MOOD: StoredEnum(("a", "b"), (FACE,), ("function f(mood)",))}
    with pytest.raises(OwnershipError, match=r"lose 'b' while .* function f\(mood\); .*drop that in a revision before"):
        decided(stored, {MOOD: model("a")})


def test_a_type_of_others_is_not_taken():
    with pytest.raises(OwnershipError, match=r"'mood'.*'x'.*t\.other"):
        decided({MOOD: StoredEnum(("x",), (), ("t.other",))}, {MOOD: model("a")})


def test_an_enum_of_another_package_is_left_alone():
    assert decided({MOOD: StoredEnum(("x",), (FACE,))}, {MOOD: model("a", owner="other")})[1] == []


def test_a_type_that_is_put_aside_takes_the_name_of_no_other_one():
    name, taken = TableName("s", "x" * 60), [TableName("s", f"{'x' * 55}_old{number}") for number in ("", 2)]
    assert [aside(name, taken[:size]).name[55:] for size in range(3)] == ["_old", "_old2", "_old3"]
