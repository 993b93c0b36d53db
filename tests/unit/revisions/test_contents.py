"""What the text of a script tells of its operations: tables that it creates, transactions that it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from websauna_migrate.packages.package import TableName
from websauna_migrate.revisions.contents import (
    commits_by_itself,
    computed_tables,
    created_tables,
    last_type_change,
    uses_autocommit_block,
    works_in_batches,
)
from websauna_migrate.revisions.scripts import Revision


def revision(id_="a1", up="pass", down="pass", *, after=(), rest=""):
    source = f"{rest}\ndef upgrade():\n    {up}\ndef downgrade():\n    {down}\n".encode()
    return Revision(id_, after, (), (), (), (), "", None, Path(f"{id_}.py"), source)


def test_a_table_belongs_to_the_revision_that_gave_it_its_name():
    first = revision("a1", "op.create_table('a'); op.create_table('b', schema='crm'); op.create_table('c')")
    second = revision("a2", "op.rename_table('a', 'z'); op.drop_table('c')", after=("a1",))
    assert created_tables([second, first]) == {TableName("crm", "b"): first, TableName(None, "z"): second}


def test_functions_and_constants_of_the_script_are_followed():
    one = revision(up="make()", rest="NAME = 'a'\ndef make():\n    op.create_table(NAME)\ndef unused():\n    make()")
    assert created_tables([one]) == {TableName(None, "a"): one}


def test_the_last_change_of_a_type_is_found():
    first = revision("a1", "op.create_table('t')")
    second = revision("a2", "op.alter_column('t', 'id', type_=BigInteger())", after=("a1",))
    third = revision("a3", "op.alter_column('t', 'id', nullable=False); op.alter_column('u', 'id', type_=Text())")
    revisions = [third, first, second]
    assert last_type_change(revisions, TableName(None, "t"), {"id"}) is second
    assert last_type_change(revisions, TableName(None, "t"), {"name"}) is None
    assert last_type_change(revisions, TableName("crm", "t"), {"id"}) is None


def test_a_name_that_only_a_run_knows_is_passed_over():
    assert created_tables([revision(up="op.create_table(name())")]) == {}


@pytest.mark.parametrize(
    ("up", "rest", "may_be", "cannot_be"),
    [
        ("op.create_table(f'log_{year}')", "", "log_2020", "log_"),
        ("for name in NAMES: op.create_table(name)", "NAMES = ['left', 'right']", "right", "other"),
        ("op.create_table('thing', schema=schema())", "", "thing", "things"),
        ("op.create_table(f'{one}{two}')", "NAMES = ['a.b']", "a.b", "axb"),
    ],
)
def test_a_computed_name_is_one_of_those_that_the_script_can_make(up, rest, may_be, cannot_be):
    ((id_, names),) = computed_tables([revision(up=up, rest=rest)])
    assert id_ == "a1"
    assert names.fullmatch(may_be)
    assert not names.fullmatch(cannot_be)


def test_a_literal_name_is_not_computed():
    assert not list(computed_tables([revision(up="op.create_table('a', schema='b')"), revision(up="f'log_{1}'")]))


def test_only_the_way_that_is_asked_for_counts():
    one = revision(down="op.get_context().autocommit_block()")
    assert [uses_autocommit_block(one, way) for way in ("up", "down", None)] == [False, True, True]


@pytest.mark.parametrize(
    ("text", "batched"), [("in_batches('a', 'b')", True), ("data.in_batches('a', 'b')", True), ("in_batch = 1", False)]
)
def test_a_revision_that_works_in_batches_calls_the_function(text, batched):
    assert works_in_batches(revision(up=text), "up") is batched
    assert not works_in_batches(revision(up=text), "down")


@pytest.mark.parametrize(
    ("text", "commits"),
    [
        ("op.get_bind().commit()", True),
        ("bind = op.get_bind(); bind.commit()", True),
        ("op.execute('COMMIT')", True),
        ("op.execute(sa.text(' commit; '))", True),
        ("session.commit()", False),
        ("op.execute('COMMIT PREPARED 1')", False),
        ("note = 'commit'", False),
    ],
)
def test_a_commit_is_one_on_the_connection_of_the_run(text, commits):
    assert commits_by_itself(revision(up=text), "up") is commits
