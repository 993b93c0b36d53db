"""The names that a command line gives to revisions of one history."""

from __future__ import annotations

from pathlib import Path

import pytest

from websauna_migrate.exceptions import PlanError, RevisionError
from websauna_migrate.revisions.errors import AmbiguousRevision, UnknownRevision
from websauna_migrate.revisions.history import build_history
from websauna_migrate.revisions.scripts import Revision
from websauna_migrate.revisions.symbols import Symbol, find, parse_symbol, resolve, undone_by


def revision(id_, *down, labels=()):
    return Revision(id_, down, (), labels, (), (), "", None, Path(f"{id_}.py"))


@pytest.fixture
def history():
    """``aa1`` and ``aa2``, where ``left`` and ``right`` fork off."""
    forks = (revision("b1", "aa2", labels=("left",)), revision("c1", "aa2", labels=("right",)))
    return build_history("shop", [revision("aa1"), revision("aa2", "aa1"), *forks, revision("c2", "c1")])


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("heads", Symbol(None, "heads", 0)),
        ("left@head", Symbol("left", "head", 0)),
        ("+1", Symbol(None, None, 1)),
        ("aa1-2", Symbol(None, "aa1", -2)),
        ("left@aa1+1", Symbol("left", "aa1", 1)),
    ],
)
def test_a_symbol_has_a_branch_a_name_and_a_step(text, symbol):
    assert parse_symbol(text) == symbol


def test_only_a_step_from_where_the_database_stands_is_relative():
    assert parse_symbol("+1").is_relative
    assert parse_symbol("head-1").is_relative
    assert not parse_symbol("aa1+1").is_relative
    assert not parse_symbol("left@+1").is_relative


def test_the_start_of_an_id_or_a_label_is_enough(history):
    assert find(history, "c2") == ("c2",)
    assert find(history, "ri") == ("c1",)
    assert set(find(history, "aa")) == {"aa1", "aa2"}
    assert find(history, "") == find(history, "zz") == ()


@pytest.mark.parametrize(
    ("text", "rows", "expected"),
    [
        ("base", ["aa2"], ()),
        ("heads", [], ("b1", "c2")),
        ("right@head", [], ("c2",)),
        ("current", ["aa2"], ("aa2",)),
        ("+1", ["aa1"], ("aa2",)),
        ("right@+1", ["aa2"], ("c1",)),
        ("c2-1", [], ("c1",)),
        ("aa1-1", [], ()),
    ],
)
def test_an_upgrade_goes_to(history, text, rows, expected):
    assert set(resolve(history, text, rows)) == set(expected)


@pytest.mark.parametrize(
    ("text", "rows", "error", "told"),
    [
        ("aa", [], AmbiguousRevision, ("aa1", "aa2")),
        ("head", [], AmbiguousRevision, ("b1", "c2")),
        ("+1", ["aa2"], AmbiguousRevision, ("b1", "c1")),
        ("zz", [], UnknownRevision, ("zz", "shop")),
        ("+9", ["c1"], RevisionError, ("+9", "shop")),
        ("left@c2", [], RevisionError, ("c2", "left")),
    ],
)
def test_a_name_that_stands_for_none_or_for_several_is_an_error(history, text, rows, error, told):
    with pytest.raises(error) as caught:
        resolve(history, text, rows)
    assert all(word in str(caught.value) for word in told)


def test_a_downgrade_undoes_what_stands_on_its_target(history):
    assert undone_by(history, "aa2", ["b1", "c2"]) == {"b1", "c1", "c2"}
    assert undone_by(history, "base", ["aa2"]) == {"aa1", "aa2"}
    assert undone_by(history, "-1", ["c2"]) == {"c2"}


def test_a_downgrade_to_what_is_not_applied_is_an_error(history):
    with pytest.raises(PlanError, match="c1"):
        undone_by(history, "c1", ["b1"])
