"""The order in which tables are dropped, decided without a database."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.database.drop_order import drop_order
from websauna_migrate.packages.package import TableName

TABLES = [TableName(None, name) for name in "abcdef"]
REFERENCES = st.dictionaries(st.sampled_from(TABLES), st.sets(st.sampled_from(TABLES)))


def table(name):
    return TableName(None, name)


def references(**targets):
    return {table(name): {table(target) for target in found} for name, found in targets.items()}


def test_a_table_is_dropped_before_those_it_refers_to():
    assert drop_order(references(a="b", b="c", c="")) == ([table("a"), table("b"), table("c")], set())
    assert drop_order(references(a="", b="a", c="ab")) == ([table("c"), table("b"), table("a")], set())


def test_what_stays_and_the_table_itself_count_for_nothing():
    assert drop_order(references(a="az", b="")) == ([table("a"), table("b")], set())


def test_a_circle_is_cut_where_it_is_and_nowhere_else():
    order, cut = drop_order(references(a="", b="ac", c="ab"))
    assert cut in ({(table("b"), table("c"))}, {(table("c"), table("b"))})
    assert order[-1] == table("a")


@given(REFERENCES)
def test_every_reference_is_cut_or_kept_by_the_order(references):
    order, cut = drop_order(references)
    assert sorted(order) == sorted(references)
    for source, targets in references.items():
        for target in targets & references.keys() - {source}:
            assert (source, target) in cut or order.index(source) < order.index(target)


@given(REFERENCES, st.randoms(use_true_random=False))
def test_the_order_is_the_same_for_any_order_of_input(references, random):
    items = list(references.items())
    random.shuffle(items)
    assert drop_order(dict(items)) == drop_order(references)
