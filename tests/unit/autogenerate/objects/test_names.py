"""The names in SQL, and the order that follows from them."""

from __future__ import annotations

import pytest
from alembic_utils.pg_extension import PGExtension
from alembic_utils.pg_function import PGFunction
from alembic_utils.pg_grant_table import PGGrantTable
from alembic_utils.pg_policy import PGPolicy
from alembic_utils.pg_trigger import PGTrigger
from alembic_utils.pg_view import PGView
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.autogenerate.objects.names import in_order, names_in, names_of, object_name, on_relation, shown
from websauna_migrate.packages.package import TableName

ITEM = TableName("public", "item")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM item",
        "SELECT i.id FROM ITEM AS i",
        'SELECT id FROM "item"',
        "SELECT id FROM public.item WHERE id > 1",
        "SELECT id FROM note n, item i",
        "SELECT id FROM note JOIN LATERAL (SELECT 1 FROM ONLY item) q ON true",
        "WITH found AS (SELECT * FROM item) SELECT * FROM found",
        "RETURNS SETOF item LANGUAGE sql AS $$ SELECT 1 $$",
        "RETURNS int LANGUAGE plpgsql AS $body$ BEGIN INSERT INTO item (id) VALUES (1); END $body$",
        "RETURNS int LANGUAGE plpgsql AS $$ DECLARE one public.item%ROWTYPE; BEGIN END $$",
        "BEFORE UPDATE ON public.item FOR EACH ROW EXECUTE FUNCTION stamp()",
    ],
)
def test_a_relation_is_found_where_sql_names_it(sql):
    assert names_in(sql).has_relation(ITEM, "public")
    assert not names_in(sql).has_relation(TableName("crm", "item"), "public")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT item FROM note",
        "SELECT 1 -- FROM item",
        "SELECT /* FROM item */ 1",
        "SELECT 'FROM item'",
        'SELECT id FROM "Item"',
        "SELECT id FROM items",
        "SELECT id FROM crm.item",
        "SELECT a, item FROM note WHERE a = 1",
        "SELECT id FROM note WHERE a IN (1, item)",
        "SELECT item(1)",
    ],
)
def test_a_word_that_names_no_relation_is_not_taken_for_one(sql):
    assert not names_in(sql).has_relation(ITEM, "public")


def test_a_function_is_what_stands_before_a_parenthesis():
    names = names_in("SELECT public.spent(1), first_number () FROM item WHERE spent_on > 1")
    assert names.has_function(TableName("public", "spent"), "public")
    assert names.has_function(TableName("public", "first_number"), "public")
    assert not names.has_function(TableName("public", "spent_on"), "public")
    assert not names.has_function(TableName("crm", "spent"), "public")


@given(st.text(alphabet="a.\"'$-/*( ,\n\\", max_size=30))
def test_any_text_is_read(sql):
    names_in(sql)


VIEW = PGView("shop", "cheap", "SELECT 1 FROM costs")
BELOW = PGView("public", "costs", "SELECT spent(1) FROM item")
FUNCTION = PGFunction("public", "spent(below int)", "RETURNS int LANGUAGE sql AS $$ SELECT 1 $$")
TRIGGER = PGTrigger("public", "stamp", "INSTEAD OF INSERT ON public.costs EXECUTE FUNCTION spent()", "public.costs")
POLICY = PGPolicy("public", "named", "USING (id > spent(1))", "item")
GRANT = PGGrantTable("shop", "cheap", "reader", "SELECT", ["id"])
EXTENSION = PGExtension("public", "citext")


@given(st.permutations([VIEW, BELOW, FUNCTION, TRIGGER, POLICY, GRANT, EXTENSION]))
def test_each_comes_after_what_it_needs(entities):
    order = [entity.identity for entity in in_order(entities, "public")]
    for first, then in [
        (EXTENSION, FUNCTION),
        (FUNCTION, BELOW),
        (FUNCTION, POLICY),
        (BELOW, VIEW),
        (BELOW, TRIGGER),
        (VIEW, GRANT),
    ]:
        assert order.index(first.identity) < order.index(then.identity)


def test_a_circle_keeps_its_order():
    one, two = PGView("public", "a", "SELECT 1 FROM b"), PGView("public", "b", "SELECT 1 FROM a")
    assert in_order([two, one], "public") == [two, one]
    assert in_order([one, two], "public") == [one, two]


def test_the_names_for_people():
    assert [shown(one) for one in (VIEW, FUNCTION, TRIGGER, POLICY, GRANT, EXTENSION)] == [
        "view shop.cheap",
        "function public.spent(below int)",
        "trigger stamp on public.costs",
        "policy named on public.item",
        "grant table SELECT on shop.cheap to reader",
        "extension citext",
    ]
    assert object_name(FUNCTION) == TableName("public", "spent")
    assert [on_relation(one) for one in (POLICY, GRANT, VIEW)] == [ITEM, TableName("shop", "cheap"), None]


def test_the_table_of_a_policy_is_read_too():
    assert names_of(POLICY).has_relation(ITEM, "public")
    assert not names_of(EXTENSION).relations
