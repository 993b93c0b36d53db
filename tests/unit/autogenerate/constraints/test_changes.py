"""How the constraints of a database become those of the models."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from websauna_migrate.autogenerate.constraints.changes import Wanted, changes
from websauna_migrate.dialects.constraints import Shown


def wanted(name, made, **how):
    return Wanted(sa.CheckConstraint("a > 0"), name, made, **how)


def names_of(found):
    return [one.name or one.sql for one in found.gone], [one.name or one.made for one in found.new]


SHOWN = [Shown("one", "a > 0"), Shown("auto", "b > 0"), Shown(None, "c > 0")]


@pytest.mark.parametrize(
    ("models", "gone", "new"),
    [
        ([wanted("one", "a > 0"), wanted(None, "b > 0"), wanted(None, "c > 0")], [], []),
        ([wanted("one", "a > 1"), wanted(None, "b > 0"), wanted(None, "c > 0")], ["one"], ["one"]),
        ([wanted("one", "a > 0"), wanted(None, "b > 1"), wanted(None, "c > 0")], ["auto"], ["b > 1"]),
        ([wanted(None, "a > 0"), wanted(None, "b > 0"), wanted("new", "c > 0")], ["c > 0"], ["new"]),
        ([wanted("one", ""), wanted(None, "b > 0"), wanted(None, "c > 0")], ["one"], ["one"]),
        ([], ["c > 0", "auto", "one"], []),
    ],
)
def test_one_with_a_name_is_found_by_it_and_others_by_what_they_say(models, gone, new):
    assert names_of(changes(SHOWN, models)) == (gone, new)


def test_each_of_equal_constraints_counts():
    same = Shown("t_check", "a > 0")
    assert names_of(changes([same], [wanted(None, "a > 0"), wanted(None, "a > 0")])) == ([], ["a > 0"])
    assert names_of(changes([same, Shown("t_check1", "a > 0")], [wanted(None, "a > 0")])) == (["t_check1"], [])


def test_where_the_database_cannot_be_asked_names_count():
    assert names_of(changes(SHOWN, [wanted("one", None), wanted("new", None), wanted(None, None)])) == ([], ["new"])


def test_that_of_a_type_without_a_name_keeps_the_others_from_counting_as_removed():
    assert names_of(changes(SHOWN, [wanted(None, "", of_type=True)])) == ([], [])
    assert names_of(changes(SHOWN, [wanted(None, "c > 0", of_type=True)])) == (["auto", "one"], [])
