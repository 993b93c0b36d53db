"""The blocks in docstrings, of which the reference is made: they run, or show what is there."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from pyramid.config import Configurator

import websauna_migrate
from page_blocks import blocks
from projects import ROOT
from websauna_migrate import env, events, exceptions
from websauna_migrate.events import AfterUpgrade, subscribers_of

PACKAGE = ROOT / "websauna_migrate"
DOCUMENTED = [events, exceptions, websauna_migrate.Initializer, env]


def test_the_docstrings_with_a_block_are_those_that_are_looked_at() -> None:
    texts = {
        text for path in PACKAGE.rglob("*.py") if "cookiecutter-template" not in path.parts for text in docstrings(path)
    }
    assert {text for text in texts if blocks(text)} == {inspect.getdoc(one) for one in DOCUMENTED}


def docstrings(path: Path) -> Iterator[str]:
    """Yield the docstrings of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


def test_the_examples_in_docstrings_run() -> None:
    [subscribed], [initializer], [env_py] = (blocks(inspect.getdoc(one)) for one in (DOCUMENTED[0], *DOCUMENTED[2:]))
    config = Configurator()
    names = {"flush_cache": print, "AfterUpgrade": AfterUpgrade}
    exec(f"{subscribed.text}\nincludeme(config)", {**names, "config": config})
    config.commit()
    assert subscribers_of(config.registry) == {AfterUpgrade: [print]}
    exec(initializer.text, defined := {"websauna_migrate": websauna_migrate})
    assert issubclass(defined["Initializer"], websauna_migrate.Initializer)
    assert env_py.text.splitlines()[-1] == 'run_alembic(package="my.app")'


def test_the_tree_of_the_errors_is_as_it_is_drawn() -> None:
    [tree] = blocks(inspect.getdoc(exceptions))
    drawn = re.findall(r"(?m)^(?:[|`]-- )?(\w+)(?: \((\w+)\))?(?: +exit code (\d))?", tree.text)
    families = {exceptions.MigrateError, *exceptions.MigrateError.__subclasses__()}
    assert {name for name, _, _ in drawn} == {one.__name__ for one in families if one.__module__ == exceptions.__name__}
    for name, builtin, code in drawn:
        error = getattr(exceptions, name)
        assert issubclass(error, (exceptions.MigrateError, getattr(builtins, builtin or "Exception")))
        assert not code or error.exit_code == int(code)
