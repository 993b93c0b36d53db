"""The table of the subcommands."""

from __future__ import annotations

from argparse import Namespace

import pytest

from websauna_migrate.scripts.subcommands import OURS, TABLE, subcommand_of


@pytest.mark.parametrize(
    ("name", "options", "ours"),
    [
        ("current", {"verbose": False}, True),
        ("current", {"verbose": True}, False),
        ("heads", {"verbose": False, "resolve_dependencies": True}, False),
        ("heads", {"verbose": False, "resolve_dependencies": False}, True),
        ("upgrade", {}, True),
        ("history", {}, False),
    ],
)
def test_an_option_may_leave_a_command_to_alembic(name, options, ours):
    assert (TABLE[name].runner(Namespace(**options)) is not None) is ours


@pytest.mark.parametrize(
    ("name", "options", "compares"),
    [
        ("check", {}, True),
        ("revision", {"autogenerate": True}, True),
        ("revision", {"autogenerate": False}, False),
        ("merge", {}, False),
    ],
)
def test_check_and_autogenerate_compare(name, options, compares):
    assert TABLE[name].compares_with(Namespace(**options)) is compares


def test_what_only_a_newer_alembic_has_may_write_into_the_database():
    unknown = subcommand_of("squash")
    assert (unknown.name, unknown.run, unknown.writes_database) == ("squash", None, True)
    assert not any(TABLE[name].writes_database for name in TABLE.keys() - OURS.keys())
