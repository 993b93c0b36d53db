"""Indexes of MySQL and MariaDB that are more than columns."""

from __future__ import annotations

import pytest

from websauna_migrate.dialects.mysql_index_parts import decoded, is_more_than_columns


@pytest.mark.parametrize(
    ("parts", "is_more"),
    [
        ([("a", None, "A", None), ("b", None, "A", None)], False),
        ([("a", None, "A", None), ("b", None, "D", None)], True),
        ([(None, None, "A", "lower(`a`)")], True),
        ([("a", 10, "D", None)], False),  # a prefix is told by columns
        ([("a", None, None, None)], False),  # FULLTEXT
        ([], False),
    ],
)
def test_an_order_or_an_expression_is_more_than_columns(parts, is_more):
    assert is_more_than_columns(parts) is is_more


@pytest.mark.parametrize("shown", ["lower(`grÃ¶Ã\x9fe`)", "lower(`größe`)"])
def test_letters_of_an_expression_are_read_as_they_were_written(shown):
    assert decoded(shown) == "lower(`größe`)"
    assert decoded("lower(`名`)") == "lower(`名`)"
