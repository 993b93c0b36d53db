"""Who follows a run: an object, functions, or both."""

from __future__ import annotations

from pathlib import Path

import pytest

from websauna_migrate.revisions.plan import PlanStep
from websauna_migrate.revisions.scripts import Revision
from websauna_migrate.run.observer import BatchProgress, Observer, observer_of


class Watching(Observer):
    def __init__(self):
        self.told = []

    def on_plan(self, plan):
        self.told.append(plan)

    def before_step(self):
        self.told.append("step")


def test_an_observer_is_used_as_it_is():
    watching = Watching()
    assert observer_of({}, watching) is watching
    assert observer_of({"on_wait": None}, watching) is watching


def test_a_function_takes_the_place_of_the_method_of_its_name():
    watching, told = Watching(), []
    both = observer_of({"on_plan": told.append}, watching)
    both.on_plan("plan")
    both.before_step()
    assert (told, watching.told) == (["plan"], ["step"])


def test_without_anybody_nothing_happens():
    nobody = observer_of({})
    nobody.before_step()
    with nobody.interruptible(lambda: None):
        pass


@pytest.mark.parametrize(
    ("rows", "estimate", "reason", "said"),
    [
        (1234, None, None, "shop s1: 1,234 rows of orders are done"),
        (0, 9_000_000, None, "shop s1: 0 of about 9,000,000 rows of orders are done"),
        (
            30,
            20,
            "a replica is slow",
            "shop s1: 30 of about 30 rows of orders are done; pauses, because a replica is slow",
        ),
    ],
)
def test_the_progress_of_batches_is_a_line(rows, estimate, reason, said):
    step = PlanStep("shop", Revision("s1", (), (), (), (), (), "", None, Path("s1.py")), "up", (), ())
    assert str(BatchProgress(step, "orders", rows, estimate, reason)) == said


def test_an_unknown_name_is_an_error():
    with pytest.raises(TypeError, match="on_end"):
        observer_of({"on_end": print})
