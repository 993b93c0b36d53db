"""The options of sequences and identities, with what a database makes of those that are not given."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from websauna_migrate.dialects.numbering import altered, numbering, statements

USUAL = numbering(sa.Identity(), "integer", "postgresql")


def counted(dialect="postgresql", width="integer", **options):
    return numbering(sa.Sequence("s", **options), width, dialect)


@pytest.mark.parametrize(
    ("options", "clauses"),
    [
        ({}, []),
        ({"start": 1, "increment": 1, "minvalue": 1, "maxvalue": 2147483647, "cache": 1, "cycle": False}, []),
        ({"nominvalue": True, "nomaxvalue": True}, []),
        ({"start": 7, "cycle": True}, ["START WITH 7", "CYCLE"]),
        ({"minvalue": 0}, ["MINVALUE 0", "START WITH 0"]),
        ({"increment": -1}, ["INCREMENT BY -1", "MINVALUE -2147483648", "MAXVALUE -1", "START WITH -1"]),
    ],
)
def test_only_what_is_not_the_default_is_altered(options, clauses):
    assert list(altered(USUAL, counted(**options))) == clauses


def test_what_is_given_no_longer_is_the_default_again():
    there = counted(start=7, cache=3, cycle=True)
    assert list(altered(there, USUAL)) == ["START WITH 1", "CACHE 1", "NO CYCLE"]


def test_the_limits_are_those_of_the_type_and_of_the_database():
    assert (counted(width="smallint").maxvalue, counted(width="bigint").maxvalue) == (2**15 - 1, 2**63 - 1)
    assert (counted("mariadb", "bigint").maxvalue, counted("mariadb").cache) == (2**63 - 2, 1000)


def test_a_sequence_goes_on_where_it_may_before_no_lower_number_is_allowed():
    used = "pg_sequence_last_value('s'::regclass)"
    before, after = counted(), counted(minvalue=100, cache=2)
    assert statements("ALTER", list(altered(before, after)), "'s'", before, after) == [
        "ALTER START WITH 100 CACHE 2",
        f"SELECT setval('s', 100, false) WHERE coalesce({used}, 99) < 100",
        "ALTER MINVALUE 100",
    ]
    assert statements("ALTER", list(altered(after, before)), "'s'", after, before) == [
        "ALTER MINVALUE 1 START WITH 1 CACHE 1"
    ]
    after = counted(minvalue=100, start=500)
    _, move, _ = statements("ALTER", list(altered(before, after)), "'s'", before, after)
    assert f"CASE WHEN {used} IS NULL THEN 500 ELSE 100 END" in move
