"""A search_path is read as PostgreSQL reads it."""

from __future__ import annotations

import pytest

from websauna_migrate.database.search_path import may_be_missing, schemas_in


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ('"$user", public', ["$user", "public"]),
        ("Tenant,public", ["tenant", "public"]),
        ('"Tenant, ""one"""', ['Tenant, "one"']),
        ("  $user ,a", ["$user", "a"]),
        ('""', [""]),
        ("", []),
    ],
)
def test_the_names_in_it_are_folded_unless_they_are_quoted(path, names):
    assert list(schemas_in(path)) == names


@pytest.mark.parametrize(
    ("path", "current", "may_be"),
    [
        ('"$user", public', "public", False),
        ('"$user", public', "shop", True),  # the schema of the user, which may well be there
        ("tenant, public", "tenant", False),
        ("tenant, public", "public", True),
        ('"$user", tenant, public', "public", True),
        ("tenant", None, True),
    ],
)
def test_a_schema_that_is_the_current_one_is_not_missing(path, current, may_be):
    assert may_be_missing(path, current) is may_be
