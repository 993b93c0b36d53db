"""The reference has everything: it is built, and what the code offers is looked for in the text that a reader sees."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import sys
from argparse import ArgumentParser
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

import pytest

import websauna_migrate
from forked import Process, Program
from websauna_migrate import exceptions
from websauna_migrate.packages import package, selection
from websauna_migrate.scripts import ws_alembic
from websauna_migrate.scripts.help_text import HELP

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "websauna_migrate"

# Where the registry of an application keeps something: no settings.
REGISTRY_KEYS = {
    f"websauna_migrate.{name}"
    for name in (
        "application",
        "engine",
        "global_config",
        "health",
        "initializer",
        "packages",
        "subscribers",
        "table_ddl",
        "watch",
    )
}
SETTING = re.compile(r"websauna(_migrate)?\.[a-z_]+\.?")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pages of the reference as text, by their names. ``make docs`` is what builds all pages strictly."""
    folder = tmp_path_factory.mktemp("text")
    argv = ["sphinx-build", "-q", "-b", "text", "-D", "include_patterns=index.rst,reference/*", str(ROOT / "docs")]
    program = Program("sphinx.cmd.build:main", [*argv, str(folder)], {**os.environ, "LANG": "C.UTF-8"}, str(ROOT))
    with Process(program, DEVNULL, PIPE, STDOUT) as process:
        said, _ = process.communicate()
    assert process.returncode == 0, said
    return {path.relative_to(folder).with_suffix("").as_posix(): path.read_text() for path in folder.rglob("*.txt")}


def modules() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if "cookiecutter-template" not in path.parts]


def settings_in_the_code() -> set[str]:
    """Return the strings of the package that are neither a module nor a key of the registry."""
    texts = (text for path in modules() if re.search("[\"']websauna", text := path.read_text()))
    nodes = (node for text in texts for node in ast.walk(ast.parse(text)))
    strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    named = {string for string in strings if SETTING.fullmatch(string)} - REGISTRY_KEYS
    return {name for name in named if name.startswith("websauna.") or not is_module(name)}


def is_module(name: str) -> bool:
    return not name.endswith(".") and importlib.util.find_spec(name) is not None


def scripts() -> dict[str, str]:
    """Return the modules of the installed scripts by the scripts' names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {name: target.partition(":")[0] for name, target in project["scripts"].items()}


def options(parser: ArgumentParser) -> set[str]:
    return {name for action in parser._actions for name in action.option_strings} - {"-h", "--help"}


def documented(text: str) -> set[str]:
    """Return the options that ``text`` has an entry for."""
    entries = re.findall(r"^(-.*)$", text, re.MULTILINE)
    return {word for entry in entries for word in re.findall(r"(?<!\S)--?[a-z][\w-]*", entry)}


def section(text: str, title: str) -> str:
    """Return the part of ``text`` under ``title``."""
    found = re.search(rf"^{title}\n[-=]+\n(.*?)(?=^\S+\n[-=]+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {title}"
    return found[1]


def test_the_code_has_settings_for_the_test_to_find() -> None:
    assert {"websauna.init", "websauna_migrate.app", "websauna_migrate.script_location."} <= settings_in_the_code()


@pytest.mark.parametrize("setting", sorted(settings_in_the_code()))
def test_each_setting_is_documented(text: dict[str, str], setting: str) -> None:
    assert f'"{setting}' in text["reference/settings"]


@pytest.mark.parametrize("option", selection.OPTIONS)
def test_each_x_option_is_documented(text: dict[str, str], option: str) -> None:
    assert re.search(f'(?m)^"-x {option}="\n===', text["reference/selection"])


@pytest.mark.parametrize("command", sorted(ws_alembic.build_parser().subcommands))
def test_each_subcommand_and_each_of_its_options_is_documented(text: dict[str, str], command: str) -> None:
    parser = ws_alembic.build_parser().subcommands[command]
    shown = section(text["reference/ws-alembic"], command)
    assert documented(shown) >= options(parser) - options(ws_alembic.build_parser())
    assert all(example.line in shown for example in HELP[command].examples)


def test_each_option_that_stands_before_a_subcommand_is_documented(text: dict[str, str]) -> None:
    wanted = options(ws_alembic.build_parser())
    assert documented(section(text["reference/ws-alembic"], "Usage")) >= wanted


@pytest.mark.parametrize(("script", "module"), sorted(scripts().items()))
def test_each_script_and_each_of_its_options_is_documented(text: dict[str, str], script: str, module: str) -> None:
    pages = "\n".join(page for name, page in text.items() if name in ("reference/ws-alembic", "reference/scripts"))
    assert f"   {script} " in pages
    assert documented(pages) >= options(importlib.import_module(module).build_parser())


@pytest.mark.parametrize("name", sorted([*websauna_migrate.__all__, "run_alembic"]))
def test_each_public_name_is_documented(text: dict[str, str], name: str) -> None:
    pages = text["reference/api"] + text["reference/registration"]
    assert re.search(rf"(?m)^(class |exception |)([\w.]+\.)?{name}\b", pages)


def errors() -> list[type[Exception]]:
    exceptions.load_all()
    found, waiting = [], [exceptions.MigrateError]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].__subclasses__()
    return [error for error in found if error.__module__.startswith("websauna_migrate.")]


def test_each_error_is_documented(text: dict[str, str]) -> None:
    names = set(re.findall(r"(?m)^ *exception (?:[\w.]+\.)?(\w+)", text["reference/errors"] + text["reference/api"]))
    assert {error.__name__ for error in errors()} <= names


@pytest.mark.parametrize(
    "line",
    [
        'Message: "-x packages: no package ... is registered; registered are: ..."',
        'Message: "the settings file ... does not exist"',
        'Message: "...: not valid Python: ..." Remedy: "correct the script"',
        'Remedy: "ws-alembic -x packages=... stamp --purge ..."',
    ],
)
def test_an_error_is_shown_with_its_message_and_its_remedy(text: dict[str, str], line: str) -> None:
    assert line in " ".join(text["reference/errors"].split())


def test_the_rule_for_long_names_of_history_tables_is_the_one_described(text: dict[str, str]) -> None:
    assert f"more than {package.MAX_TABLE_NAME} bytes" in text["reference/files"]


def test_each_key_and_state_of_the_json_formats_is_documented(text: dict[str, str]) -> None:
    from typing import get_args

    from websauna_migrate.revisions import plan

    for state in get_args(plan.State):
        assert f'"{state}"\n' in text["reference/json"]
