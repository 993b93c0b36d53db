"""The parser of ``ws-alembic``."""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentParser

import pytest

from websauna_migrate.private import option_names
from websauna_migrate.scripts.command_line import CommandLine
from websauna_migrate.scripts.parser import build_parser, build_parser_of, command_of, parse
from websauna_migrate.scripts.subcommands import TABLE
from websauna_migrate.scripts.ws_alembic import run


def parsed(*argv):
    return parse(build_parser(), argv)


def refused(capsys, *argv):
    with pytest.raises(SystemExit) as caught:
        parsed(*argv)
    assert caught.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_every_subcommand_and_option_of_alembic_is_known_and_in_our_own_words():
    parser = build_parser()
    assert parser.subcommands.keys() == TABLE.keys()
    for name, theirs in CommandLine().parsers.items():
        assert set(option_names(theirs)) <= set(option_names(parser.subcommands[name])), name


def test_one_subcommand_of_alembic_is_made_as_among_all():
    every = CommandLine().parsers
    for name in every:
        [(only, parser)] = CommandLine(name).parsers.items()
        assert (only, option_names(parser)) == (name, option_names(every[name]))
        assert parser.get_default("cmd") == every[name].get_default("cmd")


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["revision", "--help"], ["upgrade", "--help"]])
def test_help_needs_neither_alembic_nor_sqlalchemy(argv):
    code = (
        "import sys\n"
        "from websauna_migrate.scripts.ws_alembic import run\n"
        "try:\n"
        f"    run({argv!r})\n"
        "finally:\n"
        "    sys.stderr.write(str([name for name in ('alembic', 'sqlalchemy') if name in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]"


@pytest.mark.parametrize("name", sorted(TABLE))
def test_global_options_are_accepted_after_each_subcommand(name):
    arguments = {"downgrade": ["-1"], "stamp": ["head"], "rebase": ["a", "b"], "merge": ["heads"]}.get(name, [])
    arguments = arguments or (["head"] if name in ("edit", "show") else [])
    options = parsed("-x", "a=1", name, *arguments, "--config", "b.ini", "-x", "b=2", "-n", "other", "--raiseerr", "-q")
    assert (options.config, options.x, options.name) == (["b.ini"], ["a=1", "b=2"], "other")
    assert (options.raiseerr, options.quiet) == (True, True)


def test_what_is_given_before_the_subcommand_holds_where_nothing_follows():
    options = parsed("-c", "a.ini", "-n", "other", "-q", "upgrade", "--", "-1")
    assert (options.config, options.x, options.name, options.quiet) == (["a.ini"], None, "other", True)
    assert options.revision == "-1"


def test_a_subcommand_keeps_the_meaning_of_its_own_options():
    options = parsed("-c", "a.ini", "current", "-c")
    assert (options.check_heads, options.config) == (True, ["a.ini"])
    assert parsed("upgrade", "-c", "a.ini").config == ["a.ini"]


def test_what_follows_two_dashes_is_no_option():
    options = parsed("-x", "a=1", "stamp", "--", "-x", "b=2")
    assert (options.x, options.revisions) == (["a=1"], ["-x", "b=2"])


def test_a_mistyped_subcommand_is_refused_with_the_closest_one(capsys):
    assert refused(capsys, "-c", "a.ini", "upgrad") == (
        "ws-alembic: error: there is no command 'upgrad' (did you mean upgrade?)"
    )
    assert refused(capsys, "frobnicate").endswith("there is no command 'frobnicate'")


def test_a_settings_file_without_its_option_is_refused_with_the_option(capsys):
    assert refused(capsys, "a.ini", "upgrade").endswith("there is no command 'a.ini' (pass --config a.ini)")
    assert refused(capsys, "current", "-c", "a.ini").endswith("unrecognized arguments: a.ini (pass --config a.ini)")


def test_a_mistyped_option_is_refused_with_the_closest_one(capsys):
    assert refused(capsys, "revision", "--autogenrate", "zzz") == (
        "ws-alembic revision: error: unrecognized arguments: --autogenrate (did you mean --autogenerate?), zzz"
    )


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_parser_of_one_subcommand_has_its_options_and_its_help(name, capsys):
    one = build_parser_of(TABLE[name])
    assert set(option_names(one.subcommands[name])) == set(option_names(build_parser().subcommands[name]))
    with pytest.raises(SystemExit):
        parse(one, [name, "--help"])
    assert capsys.readouterr().out == build_parser().subcommands[name].format_help()


@pytest.mark.parametrize("name", ["upgrade", "check"])
def test_help_before_a_subcommand_lists_all_of_them(name, capsys):
    with pytest.raises(SystemExit):
        run(["--help", name])
    assert capsys.readouterr().out == build_parser().format_help()


def test_what_only_a_newer_alembic_has_is_taken_over():
    theirs = dict(CommandLine().parsers)
    theirs["history"].add_argument("--graph", action="store_true")
    assert parse(build_parser_of(TABLE["history"], theirs["history"]), ["history", "--graph"]).graph
    theirs["squash"] = ArgumentParser()
    theirs["squash"].add_argument("where")
    parser = build_parser(theirs)
    assert parse(parser, ["history", "--graph", "-c", "a.ini"]).graph
    options = parse(parser, ["-c", "a.ini", "squash", "here", "-x", "packages=all"])
    assert (options.subcommand, options.where, options.x) == ("squash", "here", ["packages=all"])


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["-c", "a.ini", "upgrade", "-h"], "upgrade"),
        (["-x", "upgrade", "check"], "check"),
        (["--help"], None),
        (["--help", "upgrade"], None),
        (["-c"], None),
    ],
)
def test_the_subcommand_is_found_behind_the_global_options(argv, name):
    assert command_of(argv) == name
