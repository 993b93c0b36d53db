"""The second process that owns servers and their folder. Servers are started in tests/integration/test_scratch.py."""

from __future__ import annotations

import os
import sys

import pytest

from websauna_migrate.scratch.account import place_for_folders
from websauna_migrate.scratch.keeper import Keeper


@pytest.fixture
def started():
    started = Keeper(place_for_folders(), None)
    yield started
    started.close()


def test_a_program_is_run_to_its_end(started):
    done = started.run([sys.executable, "-c", "print('out'); raise SystemExit(3)"])
    assert (done.returncode, done.output.strip()) == (3, "out")


def test_a_program_that_is_not_there_is_an_error_of_the_caller(started):
    with pytest.raises(FileNotFoundError, match="nosuchprogram"):
        started.run(["/nosuchprogram"])


def test_a_process_and_the_folder_end_with_the_keeper():
    keeper = Keeper(place_for_folders(), None)
    folder = keeper.new_folder("x-")
    number = keeper.start([sys.executable, "-c", "input()"], folder / "log")
    stopped = keeper.start([sys.executable, "-c", "import time; time.sleep(600)"], folder / "log")
    keeper.stop(stopped)
    assert keeper.has_ended(stopped)
    keeper.close()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
