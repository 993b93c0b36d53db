"""Who follows a run: an object, functions, or both."""

from __future__ import annotations

import pytest

from websauna_migrate.run.observer import Observer, observer_of


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


def test_an_unknown_name_is_an_error():
    with pytest.raises(TypeError, match="on_end"):
        observer_of({"on_end": print})
