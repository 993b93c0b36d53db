"""The progress of a run, and who is waited for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from websauna_migrate.database.lock_base import LockHolder
from websauna_migrate.revisions.plan import PlanStep
from websauna_migrate.revisions.scripts import Revision
from websauna_migrate.run.observer import Progress, TableWait
from websauna_migrate.scripts.progress import Waiting, shown_progress

STEP = PlanStep("shop", Revision("s1", (), (), (), (), (), "adds\x1b a", None, Path("s1.py")), "up", (), ())


@pytest.mark.parametrize(("quiet", "err"), [(False, "[1/2] shop s1 up: adds\\x1b a\n"), (True, "")])
def test_a_step_is_a_line_when_it_begins(capsys, quiet, err):
    with shown_progress(quiet=quiet) as show:
        show(Progress(STEP, 1, 2, "begins"))
        show(Progress(STEP, 1, 2, "done", 0.5))
    assert capsys.readouterr() == ("", err)


def test_each_holder_of_the_lock_is_told_once(capsys):
    waiting = Waiting(Namespace(quiet=False))
    for process in (7, 7, None, 8, 7):
        waiting.on_wait(process and LockHolder(process, "db1"), 1.0)
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == [
        "process 7, host db1",
        "unknown process",
        "process 8, host db1",
    ]


def test_each_wait_for_a_table_is_told(capsys):
    for quiet in (False, True):
        Waiting(Namespace(quiet=quiet)).on_table_wait(TableWait(STEP, "thing", None, 2, 20, 5.0, 1.25))
    assert capsys.readouterr().err == (
        "shop s1 waits for the table thing, which is in use by an unknown session; "
        "rolled back after try 2 of 20, next try in 1.2 s\n"
    )
