"""What ``CONTRIBUTING.rst`` says of the checkout: its commands find what they name, and its drawings show the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
import yaml

from conftest import EXAMPLES
from page_blocks import commands_of, named
from projects import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GUIDE = "CONTRIBUTING.rst"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"][0]


def words(line):
    """Return the variables of a command line, its program, and the arguments."""
    parts = shlex.split(line, comments=True)
    variables = [part for part in parts if re.fullmatch(r"[A-Z_]+=.*", part)]
    program, *arguments = [part for part in parts if part not in variables]
    return dict(one.split("=", 1) for one in variables), program, arguments


def calls_of_pytest():
    """Return the arguments that the guide gives to pytest, by itself or through ``make``."""
    for line in commands_of(GUIDE):
        variables, program, arguments = words(line)
        if program.endswith("pytest"):
            yield arguments
        elif "ARGS" in variables:
            yield shlex.split(variables["ARGS"])


@pytest.mark.parametrize("line", [line for line in commands_of(GUIDE) if not words(line)[1].endswith("pytest")])
def test_a_command_of_make_has_a_target_and_variables_that_there_are(line):
    variables, program, [target] = words(line)
    assert program == "make"
    assert re.search(rf"(?m)^{target}:.*##", MAKEFILE)
    profile = variables.pop("HYPOTHESIS_PROFILE", None)
    assert profile is None or profile in EXAMPLES
    assert [name for name in variables if f"$({name})" not in MAKEFILE and f",{name})" not in MAKEFILE] == []
    *_, version = variables.get("DATABASES", "").rpartition("-")
    assert version in ("", "mysql") or version.isdigit()


def test_the_arguments_of_pytest_select_tests():
    calls = list(calls_of_pytest())
    assert len(calls) >= 5
    files = sorted({one for call in calls for one in call if one.startswith("tests/")})
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--pairs", "150"]
    argv = [sys.executable, "-m", "pytest", *options, *files]
    listed = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    for call in calls:
        paths = [one for one in call if one.startswith("tests/")]
        wanted = call[call.index("-k") + 1].split(" and ") if "-k" in call else []
        fitting = [line for line in listed.splitlines() if line.startswith(tuple(paths) or "tests/")]
        assert any(all(word in line for word in wanted) for line in fitting), call
        assert {one for one in call if one.startswith("-")} <= {"-k", "-x", "--pdb", "--pairs"}


def test_the_hooks_of_git_run_what_the_guide_says():
    assert named(GUIDE, "pre-commit").split("\n")[:2] == ["$ pip install pre-commit", "$ pre-commit install"]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [(hook["entry"], hook.get("stages")) for hook in hooks] == [
        ("make lint", None),
        ("make unit", ["pre-push"]),
    ]


def test_the_wings_are_drawn_in_the_order_that_the_linter_checks():
    rows = [line[:37].replace("/", " ").split() for line in named(GUIDE, "wings").splitlines()]
    shown = [name for row in rows for name in row]
    layers = [layer.split(" | ") for layer in WINGS["layers"]]
    assert sorted(shown) == sorted(name for layer in layers for name in layer)
    places = {name: number for number, layer in enumerate(layers) for name in layer}
    assert [places[name] for name in shown] == sorted(places[name] for name in shown)


def test_the_flow_of_data_goes_through_modules_that_there_are():
    names = set(re.findall(r"\w+(?=[ \n])", named(GUIDE, "flow-of-data").replace("the user's", "")))
    modules = {path.stem.rstrip("s") for path in (ROOT / "websauna_migrate").rglob("*")}
    assert {name for name in names if name.rstrip("s") not in modules} == {"argv", "results", "Alembic"}
