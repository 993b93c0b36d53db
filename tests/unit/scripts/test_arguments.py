"""The arguments of the subcommands."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import pytest

from websauna_migrate.scripts import arguments


def parse(add, *argv):
    parser = ArgumentParser()
    add(parser)
    return parser.parse_args(argv)


def test_an_upgrade_goes_to_the_heads_unless_a_revision_is_named():
    assert parse(arguments.add_upgrade_arguments).revision == "heads"
    assert parse(arguments.add_upgrade_arguments, "a1", "--backup", "x.sql").backup == Path("x.sql")


def test_a_downgrade_has_to_name_where_it_goes(capsys):
    with pytest.raises(SystemExit):
        parse(arguments.add_downgrade_arguments)
    assert "REVISION" in capsys.readouterr().err
    options = parse(arguments.add_downgrade_arguments, "base", "--yes")
    assert (options.revision, options.yes, options.backup) == ("base", True, None)


def test_global_options_may_be_given_more_than_once():
    options = parse(arguments.add_global_options, "-c", "a.ini", "-c", "b.ini", "-x", "packages=a", "-x", "packages=b")
    assert (options.config, options.x, options.name) == (["a.ini", "b.ini"], ["packages=a", "packages=b"], "alembic")
    assert not options.quiet


def test_stamp_takes_several_revisions():
    options = parse(arguments.add_stamp_arguments, "a1", "b1", "--purge")
    assert (options.revisions, options.purge, options.sql) == (["a1", "b1"], True, False)


def test_an_adoption_says_where_from():
    options = parse(arguments.add_adopt_arguments, "--from", "old", "--drop-old")
    assert (options.source, options.drop_old, options.yes) == ("old", True, False)


def test_a_format_is_one_of_two(capsys):
    assert parse(arguments.add_format, "--format", "json").format == "json"
    with pytest.raises(SystemExit):
        parse(arguments.add_format, "--format", "xml")
    assert "xml" in capsys.readouterr().err
