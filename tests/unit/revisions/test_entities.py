"""What the text of scripts tells of views, functions and the like."""

from __future__ import annotations

from pathlib import Path

import pytest

from websauna_migrate.revisions.entities import made_entities
from websauna_migrate.revisions.scripts import Revision

VIEW = "PGView(schema='public', signature='costs', definition='SELECT 1')"


def revision(id_, up, *, after=(), rest=""):
    source = f"{rest}\ndef upgrade():\n    {up}\ndef downgrade():\n    op.create_entity({VIEW})\n".encode()
    return Revision(id_, after, (), (), (), (), "", None, Path(f"{id_}.py"), source)


def made(*revisions):
    """Return the kind, the name and the revision of each."""
    found = made_entities(revisions).values()
    return [(one.kind, one.arguments.get("signature"), one.revision.id) for one in found]


def test_an_object_is_of_the_last_revision_that_made_it():
    first = revision("a1", f"costs = {VIEW}; op.create_entity(costs)")
    second = revision("a2", f"costs = {VIEW.replace('1', '2')}; op.replace_entity(costs)", after=("a1",))
    assert made(second, first) == [("PGView", "costs", "a2")]
    (one,) = made_entities([first, second]).values()
    assert one.arguments["definition"] == "SELECT 2"
    assert made(first, revision("a3", f"op.drop_entity({VIEW})", after=("a1",))) == []


def test_two_triggers_of_one_name_are_two():
    trigger = "PGTrigger(schema='public', signature='stamp', on_entity='public.{}', definition='')"
    one = revision("a1", f"op.create_entity({trigger.format('item')}); op.create_entity({trigger.format('note')})")
    assert len(made(one)) == 2
    other = trigger.format("note")[:-1] + ", is_constraint=False)"
    assert len(made(one, revision("a2", f"op.drop_entity({other})", after=("a1",)))) == 1


@pytest.mark.parametrize(
    ("up", "rest"),
    [
        ("op.create_entity(costs)", f"costs = {VIEW}"),
        ("make()", f"def make():\n    op.create_entity({VIEW})"),
        ("op.create_entity(pg_view.PGView('public', NAME, body()))", "NAME = 'costs'"),
    ],
)
def test_functions_constants_and_positions_are_followed(up, rest):
    assert made(revision("a1", up, rest=rest)) == [("PGView", "costs", "a1")]


@pytest.mark.parametrize("call", ["PGView.from_sql(SQL)", "PGView('public', name(), '')", "COSTS", "a.b"])
def test_an_object_whose_name_only_a_run_knows_is_passed_over(call):
    assert made(revision("a1", f"op.create_entity({call})")) == []
