"""Metadata by a dotted name: imported when it is asked for, and once."""

from __future__ import annotations

import pytest
from sqlalchemy import MetaData

from websauna_migrate.exceptions import RegistrationError
from websauna_migrate.packages.named_metadata import NamedMetadata, imported, registered_metadata
from websauna_migrate.packages.package import MigrationPackage

FIRST, SECOND = MetaData(), MetaData()
NAMES = {"first": FIRST, "both": (FIRST, "second"), "second": SECOND, "text": "first", "number": 5}


@pytest.fixture
def asked():
    return []


@pytest.fixture
def import_name(asked):
    def import_name(name):
        asked.append(name)
        if name not in NAMES:
            raise ImportError("there is none")
        return NAMES[name]

    return import_name


def test_a_name_is_imported_when_it_is_asked_for_and_once(asked, import_name):
    package = MigrationPackage("shop", tuple(registered_metadata("shop", ["first", SECOND], import_name)))
    assert (asked, package.is_imported) == ([], False)
    assert package.metadata == package.metadata == (FIRST, SECOND)
    assert (asked, package.is_imported) == (["first"], True)


def test_a_name_may_stand_for_others(asked, import_name):
    assert NamedMetadata("shop", "both", import_name).metadata == (FIRST, SECOND)
    assert asked == ["both", "second"]


def test_metadata_that_is_named_twice_counts_once(import_name):
    given = [FIRST, "both", "second"]
    assert MigrationPackage("shop", tuple(registered_metadata("shop", given, import_name))).metadata == (FIRST, SECOND)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "'missing' cannot be imported: there is none"),
        *((name, f"{name!r} is not one") for name in ("text", "number")),
    ],
)
def test_a_name_of_no_metadata_is_an_error_each_time(import_name, name, reason):
    (named,) = registered_metadata("shop", name, import_name)
    for _ in range(2):
        with pytest.raises(RegistrationError) as caught:
            imported(named)
        assert caught.value.what == f"add_migration_package('shop'): metadata: {reason}"


def test_what_gives_no_metadata_is_an_error_at_once(import_name):
    with pytest.raises(RegistrationError, match="5 is not one"):
        list(registered_metadata("shop", ["first", 5], import_name))
