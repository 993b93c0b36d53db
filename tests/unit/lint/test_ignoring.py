"""The rules that a script or the INI ignores."""

from __future__ import annotations

from pathlib import Path

import pytest

from websauna_migrate.lint.ignoring import IGNORE, ignored_by_script, ignored_by_settings
from websauna_migrate.revisions.errors import InvalidRevision
from websauna_migrate.revisions.scripts import Revision


def script(header):
    return Revision("a1", (), (), (), (), (), "", None, Path("a1.py"), header.encode())


@pytest.mark.parametrize("text", ["drop-column squawk", "drop-column,squawk", "\n drop-column\n squawk\n"])
def test_the_ini_has_a_list_of_rules(text):
    assert ignored_by_settings({IGNORE: text}) == {"drop-column", "squawk"}
    assert ignored_by_settings({}) == frozenset()


def test_a_script_has_rules_with_reasons():
    assert ignored_by_script(script('revision = "a1"\n')) == {}
    assert ignored_by_script(script('lint_ignore = {"drop-column": "never released"}')) == {
        "drop-column": "never released"
    }


@pytest.mark.parametrize("said", ['["drop-column"]', '{"drop-column": ""}', "{1: 'why'}", "reasons()", "None"])
def test_anything_else_is_refused_with_an_example(said):
    with pytest.raises(InvalidRevision, match=r"a1.py: lint_ignore is not valid; write the rules with the reasons"):
        ignored_by_script(script(f"lint_ignore = {said}"))
