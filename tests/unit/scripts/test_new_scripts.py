"""The files that a command writes: all of them, or none."""

from __future__ import annotations

import os
from argparse import Namespace

import pytest

from websauna_migrate.autogenerate.errors import UnusableScript
from websauna_migrate.exceptions import RevisionError
from websauna_migrate.packages.package import History
from websauna_migrate.packages.selection import Selected
from websauna_migrate.scripts.new_scripts import all_or_none, may_write


@pytest.fixture
def selected(tmp_path):
    folder = tmp_path / "versions"
    folder.mkdir()
    (folder / "old.py").write_text("revision = 'old'\n")
    return Selected(History("shop", ("shop",), tmp_path, (folder,), "h"), ("shop",))


def names(selected):
    return sorted(path.name for path in selected.history.version_locations[0].iterdir())


def test_what_was_written_stays(selected):
    with all_or_none([selected]):
        (selected.history.version_locations[0] / "new.py").write_text("revision = 'new'\n")
    assert names(selected) == ["new.py", "old.py"]


@pytest.mark.parametrize(("text", "error"), [("x =", UnusableScript), ("x = 1", ZeroDivisionError)])
def test_what_was_written_goes_when_it_is_broken_or_something_else_fails(selected, text, error):
    with pytest.raises(error), all_or_none([selected]):
        (selected.history.version_locations[0] / "new.py").write_text(text)
        if error is ZeroDivisionError:
            raise error
    assert names(selected) == ["old.py"]


def test_a_folder_that_is_missing_or_not_whole_is_an_error_that_says_how_to_make_it(selected, tmp_path):
    assert may_write(selected, Namespace())
    (tmp_path / "env.py").touch()
    with pytest.raises(RevisionError, match=r"script\.py\.mako.*init"):
        may_write(selected, Namespace())
    missing = History("shop", ("shop",), tmp_path / "no", (tmp_path / "no",), "h")
    with pytest.raises(RevisionError, match=r"does not exist.*init"):
        may_write(Selected(missing, ("shop",)), Namespace())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_an_error(selected, tmp_path):
    selected.history.version_locations[0].chmod(0o555)
    with pytest.raises(RevisionError, match="versions"):
        may_write(selected, Namespace())
