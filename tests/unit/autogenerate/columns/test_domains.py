"""How a domain becomes that of the models."""

from __future__ import annotations

import pytest
from sqlalchemy.dialects import postgresql

from websauna_migrate.autogenerate.columns.domains import domain_changes
from websauna_migrate.dialects.domains import Domain
from websauna_migrate.packages.package import TypeName

DIALECT = postgresql.dialect()
NAME = TypeName(None, "Size")


def domain(default=None, not_null=False, base="integer", **checks):
    return Domain(base, default, not_null, checks)


@pytest.mark.parametrize(
    ("found", "made", "check_name", "there"),
    [
        (domain(), domain(), None, []),
        (domain(by_hand="CHECK (a)"), domain(made="CHECK (a)"), None, []),
        (domain(by_hand="CHECK (a)"), domain(made="CHECK (a)"), "by_hand", []),
        (domain("1"), domain(), None, ["DROP DEFAULT"]),
        (domain(), domain("1", not_null=True), None, ["SET DEFAULT 1", "SET NOT NULL"]),
        (domain(not_null=True), domain(), None, ["DROP NOT NULL"]),
        (domain(), domain(made="CHECK (b)"), None, ['ADD CONSTRAINT "Size_check" CHECK (b)']),
        (domain(one="CHECK (a)"), domain(), None, ["DROP CONSTRAINT one"]),
        (
            domain(one="CHECK (a)"),
            domain(made="CHECK (a)"),
            "two",
            ["DROP CONSTRAINT one", "ADD CONSTRAINT two CHECK (a)"],
        ),
        (
            domain(one="CHECK (a)"),
            domain(made="CHECK (b)"),
            "one",
            ["DROP CONSTRAINT one", "ADD CONSTRAINT one CHECK (b)"],
        ),
    ],
)
def test_only_what_differs_is_altered(found, made, check_name, there):
    changes = list(domain_changes(NAME, found, made, check_name, DIALECT))
    assert [do.sql.removeprefix('ALTER DOMAIN "Size" ') for op in changes for do in op.statements] == there
    assert all(len(op.undo) == len(there) for op in changes)


def test_another_base_type_is_left_to_the_user():
    (change,) = domain_changes(NAME, domain(), domain(base="bigint"), None, DIALECT)
    assert "domain Size is integer, and the models have bigint" in change.statements[0].text
