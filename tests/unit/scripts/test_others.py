"""Packages that a command leaves out."""

from __future__ import annotations

from argparse import Namespace
from types import SimpleNamespace

import pytest

from websauna_migrate.scripts.others import histories_to_read, say_elsewhere

OPTIONS = Namespace(config=["a.ini"], quiet=False)


def loaded(packages):
    app = SimpleNamespace(histories=("shop", "blog"))
    return SimpleNamespace(app=app, x=SimpleNamespace(packages=packages), selected=(SimpleNamespace(history="shop"),))


@pytest.mark.parametrize(("packages", "read"), [(None, ("shop", "blog")), (("shop",), ("shop",))])
def test_all_histories_are_read_where_nobody_chose(packages, read):
    assert histories_to_read(loaded(packages)) == read


def test_what_is_pending_elsewhere_is_named_with_the_command_for_all(capsys):
    say_elsewhere(OPTIONS, loaded(None), {"blog": 2})
    err = capsys.readouterr().err
    assert "blog (2)" in err
    assert "ws-alembic -c a.ini -x packages=all upgrade" in err


@pytest.mark.parametrize(("packages", "elsewhere"), [(("shop",), {"blog": 2}), (None, {})])
def test_nothing_is_said_where_it_was_meant_or_nothing_is_pending(packages, elsewhere, capsys):
    say_elsewhere(OPTIONS, loaded(packages), elsewhere)
    assert capsys.readouterr().err == ""
