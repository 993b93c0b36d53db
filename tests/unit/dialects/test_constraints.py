"""Constraints as text. Databases answer in tests/integration/test_constraints.py."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from websauna_migrate.dialects.constraints import Shown, check_name, condition_sql, exclusion_sql, plainly

DIALECT = postgresql.dialect()


@pytest.mark.parametrize(
    ("one", "other", "dialect"),
    [
        ("a > 0", "((A  >\n0))", "postgresql"),
        ("a > 0", "`a` > 0", "mariadb"),
        ("a > 0", '[a] > 0 and "b" = 1', "sqlite"),
        ("word = 'A  b'", "word = 'a b'", "postgresql"),
        ("(a > 0) and (b > 0)", "a > 0) and (b > 0", "postgresql"),
        ('"user" > 0', "user > 0", "postgresql"),
        ('"A" > 0', "a > 0", "sqlite"),
    ],
)
def test_only_spelling_does_not_count(one, other, dialect):
    same = other in ("((A  >\n0))", "`a` > 0")
    assert (plainly(one, dialect) == plainly(other, dialect)) is same


def test_the_condition_of_a_check_is_what_is_between_the_parentheses():
    assert Shown("c", "CHECK ((a > 0))").condition == "(a > 0)"
    assert Shown("c", "CHECK ((a > 0)) NO INHERIT").condition == "(a > 0)"
    assert Shown("c", "a > 0").condition == "a > 0"


def test_a_check_without_a_name_gets_one_that_follows_from_what_it_says():
    name = check_name("thing", "a > 0", "postgresql")
    assert name.startswith("ck_thing_")
    assert name == check_name("thing", "(A>0)", "postgresql") != check_name("thing", "a > 1", "postgresql")


def test_definitions_name_no_table_and_have_their_values_in_them():
    columns = sa.Column("a", sa.Integer), sa.Column("b", sa.Text)
    exclude = postgresql.ExcludeConstraint(("b", "="), name="ex", where=columns[0] > 5, ops={"b": "text_ops"})
    sa.Table("t", sa.MetaData(), *columns, exclude)
    assert condition_sql(columns[1] == "5%", DIALECT) == "b = '5%'"
    assert exclusion_sql(exclude, DIALECT).startswith("EXCLUDE USING gist (b text_ops WITH =) WHERE (")
