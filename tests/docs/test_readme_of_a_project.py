"""The README of a project from the template shows commands that the pages of the documentation run."""

from __future__ import annotations

import re

import jinja2
import pytest

from page_blocks import DOCS, blocks, commands_of
from projects import ROOT
from websauna_migrate.packages.template import template_path

[README] = template_path().glob("*/README.rst")
[PYPROJECT] = template_path().glob("*/pyproject.toml")
SHELL = (ROOT / "tests" / "template" / "test_template.py").read_text(encoding="utf-8")
#: What no page runs, and why that is so.
NOT_RUN = {
    r"createdb shop": "makes a database of the server of the machine",
    r"mariadb -e 'CREATE DATABASE `shop` CHARACTER SET utf8mb4'": "makes a database of the server of the machine",
    r"export DATABASE_URL='\S+'": "names a server that is not there",
    r"docker (build|run) .*": "Docker; its files are compared by test_deployment",
}


def readme(kind, database):
    """Return the README of a project of this kind with this database."""
    names = {"project_name": "Shop", "repo_name": "shop", "package_name": "shop", "__package_path": "shop"}
    template = jinja2.Template(README.read_text(encoding="utf-8"), trim_blocks=True, lstrip_blocks=True)
    return template.render(cookiecutter={**names, "__alembic_path": "alembic", "kind": kind, "database": database})


def plain(line):
    """Return a command without what makes no difference between the README and a page."""
    line = re.sub(r"^\S*/bin/| --quiet| --reload", "", line).replace(" -e ", " --editable ")
    return re.sub(r' -m ".*"', " -m MESSAGE", line).replace("ws://production.ini", "ws://development.ini")


@pytest.fixture(scope="module")
def known():
    pages = [path.relative_to(DOCS).as_posix() for path in (DOCS / "tutorial.rst", *DOCS.glob("how-to/*.rst"))]
    return {plain(line) for name in pages for line in commands_of(name)}


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mysql"])
@pytest.mark.parametrize("kind", ["app", "addon"])
def test_each_command_is_run_with_a_page_or_says_why_not(kind, database, known):
    found = [block for block in blocks(readme(kind, database)) if not block.language]
    lines = [line for block in found for line in block.text.splitlines() if line]
    installs = 'pip install --editable ".[dev,test]"'
    python = 'config.include("shop")'
    assert {installs, python if kind == "addon" else installs} <= {plain(line) for line in lines}
    looked_at = known | {installs, python}
    untested = [line for line in lines if plain(line) not in looked_at]
    assert [line for line in untested if not any(re.fullmatch(one, line) for one in NOT_RUN)] == []


def test_what_it_installs_is_there():
    assert re.findall(r"(?m)^(dev|test) = \[", PYPROJECT.read_text(encoding="utf-8")) == ["dev", "test"]


def test_what_it_types_into_the_shell_is_typed_there_by_a_test():
    [session] = [block.text for block in blocks(readme("app", "sqlite")) if block.language == "pycon"]
    assert [line for line in re.findall(r"(?m)^>>> (.*)$", session) if line not in SHELL] == []
