"""The texts of ``--help``."""

from __future__ import annotations

import pytest

from websauna_migrate.packages.selection import OPTIONS
from websauna_migrate.scripts.help_text import FIRST_STEPS, HELP, X_OPTIONS, Example, HelpText
from websauna_migrate.scripts.subcommands import TABLE


def test_each_subcommand_has_its_text():
    assert HELP.keys() == TABLE.keys()


@pytest.mark.parametrize("name", sorted(HELP))
def test_a_subcommand_says_what_it_does_in_one_sentence_and_has_two_examples_of_its_own(name):
    assert HELP[name].summary.endswith(".")
    assert HELP[name].details.endswith(".")
    assert len(HELP[name].examples) == 2
    assert all(name in example.arguments.split() for example in HELP[name].examples)


def test_each_x_option_is_explained():
    assert X_OPTIONS.keys() == set(OPTIONS)
    assert all(f"  -x {name}=" in FIRST_STEPS for name in OPTIONS)


def test_what_stands_below_the_options_names_the_x_options_and_whole_commands():
    examples = (Example("check", "compare"),)
    assert HelpText("Check.", "Now.", examples, ("cascade",)).epilog == (
        "-x options:\n"
        "  -x cascade=yes\n"
        "      also undo revisions of other packages that require what is undone; default: no\n"
        "\n"
        "examples:\n"
        "  ws-alembic -c development.ini check\n"
        "      compare"
    )
    assert HelpText("List.", "Now.", examples, ()).epilog.startswith("examples:\n")
