"""A search_path is read as PostgreSQL reads it."""

from __future__ import annotations

import pytest

from websauna_migrate.database.search_path import schemas_in


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
