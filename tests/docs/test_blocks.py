"""Each block of each page is run or compared by some test, and what each test takes for granted of it holds.

A block that is neither has to get a test: let it be run with its page (see ``test_pages``), or give it a ``:name:`` and
get it by ``page_blocks.named`` where what it shows can be made.
"""

from __future__ import annotations

import configparser
import io
import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

import plaster
import pytest
import sqlalchemy
import sqlalchemy.orm
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from pyramid.config import Configurator

from page_blocks import DOCS, FOLLOWED, Block, blocks, joined, named, page
from projects import ROOT, Workspace, write
from websauna_migrate import get_migration_packages
from websauna_migrate.scripts import ws_alembic, ws_create_table, ws_db_shell, ws_dump_db
from websauna_migrate.scripts.parser import parse

PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.rst") if "_build" not in path.parts)
SETTINGS = "reference/settings.rst"
ALL = [*PAGES, "README.rst", "CONTRIBUTING.rst"]
TESTS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}


class Runner(NamedTuple):
    """The test that does what the pages of this name, or in this folder, say: what it does with a block."""

    pages: str
    languages: set[str]
    test: str


#: The first one counts.
RUNNERS = [
    Runner("how-to/production.rst", {"console"}, "test_production.py"),
    Runner("troubleshooting/index.rst", {"console"}, "test_pages.py"),
    Runner("troubleshooting/error-messages.rst", {*FOLLOWED, "none"}, "test_error_messages.py"),
    Runner("troubleshooting/", FOLLOWED, "test_troubleshooting.py"),
    Runner("CONTRIBUTING.rst", {"console"}, "test_contributing.py"),
    Runner("", {"console", "diff", "ini", "py", "pycon", "python"}, "test_pages.py"),
]
#: What this file runs or looks up, unless the block names the file that it is in.
EXCERPTS = {"ini", "py"}
#: The files of a deployment, by the language of their block.
DEPLOYED = {"docker", "sh", "yaml"}


def looking_at(name: str, block: Block) -> list[str]:
    """Return the tests that run or compare a block of a page."""
    if block.is_labelled:
        return [test for test, text in TESTS.items() if f'"{block.name}"' in text]
    if block.language in DEPLOYED:
        return ["test_deployment.py"] if f'"{block.name}"' in TESTS["test_deployment.py"] else []
    if block.language in EXCERPTS and not block.name:
        return ["test_blocks.py"]
    runner = next(runner for runner in RUNNERS if name.startswith(runner.pages))
    return [runner.test] if block.language in runner.languages else []


@pytest.mark.parametrize("name", ALL)
def test_each_block_is_run_or_compared(name: str) -> None:
    untested = [block for block in blocks(page(name)) if not looking_at(name, block)]
    assert untested == []


@pytest.mark.parametrize("name", ALL)
def test_no_block_is_overlooked(name: str) -> None:
    text = page(name)
    assert len(re.findall(r"(?m)^ *\.\. code-block::", text)) == len(
        [block for block in blocks(text) if block.language and not block.is_hidden]
    )
    assert not re.search(
        r"(?m)^ *\.\. (code|sourcecode|parsed-literal|literalinclude|highlight|doctest|testcode)::", text
    )


# --- excerpts --------------------------------------------------------------------------------------------------


def excerpts(language: str) -> list[Block]:
    """Return the blocks of a language that no other test looks at."""
    return [
        pytest.param(block.text, id=f"{name}:{block.line}")
        for name in ALL
        for block in blocks(page(name))
        if block.language == language and not block.name
    ]


@pytest.mark.parametrize("text", excerpts("py"))
def test_an_excerpt_of_python_runs_in_a_revision_or_where_an_application_is_configured(text: str) -> None:
    """What it does to a database is written as SQL of PostgreSQL."""
    sql = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": sql})
    config = Configurator()
    config.include("websauna_migrate")
    names = {**vars(sqlalchemy), **vars(sqlalchemy.orm), "sa": sqlalchemy, "config": config}
    with Operations.context(context) as op:
        for last in ("", *re.findall(r"(?m)^def ((?:up|down)grade\(\))", text)):
            exec(compile(f"{text}\n{last}", "excerpt", "exec"), {**names, "op": op})
    assert ("op." in text) == bool(sql.getvalue()) or text.lstrip().startswith("#"), sql.getvalue()


def test_tables_of_a_package_that_knows_nothing_of_migrations_are_registered(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path / "kotti.py", "import sqlalchemy\n\nmetadata = sqlalchemy.MetaData()\n")
    write(tmp_path / "shop" / "__init__.py", "")
    monkeypatch.syspath_prepend(tmp_path)
    config = Configurator()
    config.include("websauna_migrate")
    exec(named("troubleshooting/from-kotti-migrate.rst", "kotti-registered"), {"config": config})
    config.commit()
    assert list(get_migration_packages(config.registry)) == ["kotti"]


def test_each_name_of_a_settings_file_is_that_of_the_same_file(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, sqlalchemy.make_url("sqlite://"))
    workspace.add_app("shop", history=True)
    names = named(SETTINGS, "same-files").split()
    assert len(names) == 4
    said = {workspace.ok("status", ini=name.replace("/srv/app", str(workspace.app))) for name in names}
    assert len(said) == 1


def test_the_scripts_of_pyramid_read_the_settings_as_the_reference_shows(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path / "development.ini", "[app:main]\nname = it\n[server:main]\nlisten = *:%(http_port)s\n")
    monkeypatch.chdir(tmp_path)
    scripts = {script.name for script in entry_points(group="console_scripts")}
    lines = [
        shlex.split(line)
        for label in ("scripts-of-pyramid", "variable-of-pserve")
        for line in named(SETTINGS, label).splitlines()
    ]
    assert {program for program, _ in lines} <= scripts
    loaders = [plaster.get_loader(uri.replace("/srv/app", str(tmp_path)), ["wsgi"]) for _, uri in lines]
    assert [loader.get_settings("app:main")["name"] for loader in loaders] == ["it"] * 4
    assert loaders[-1].get_settings("server:main")["listen"] == "*:8080"


@pytest.mark.parametrize("text", excerpts("ini"))
def test_the_settings_of_an_excerpt_are_in_the_reference(text: str) -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    keys = {key for section in parser.sections() for key in parser.options(section) if key.startswith("websauna")}
    known = {re.sub("(script_location).*", r"\1.NAME", key) for key in keys}
    assert {key for key in known if f"``{key}``" not in page(SETTINGS)} == set()


# --- commands in blocks and in sentences -----------------------------------------------------------------------


PARSERS = {
    "ws-create-table": ws_create_table.build_parser,
    "ws-db-shell": ws_db_shell.build_parser,
    "ws-dump-db": ws_dump_db.build_parser,
}
SCRIPT_LINE = re.compile(r"^ *(?:\$ )?(?:\S*/)?(ws-[a-z-]+) ([^`\n]*)$", re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_a_line_that_runs_a_script_is_one_that_the_script_understands(name: str) -> None:
    text = re.sub(r"(?ms)^ *\.\. code-block:: none\n.*?(?=^\S)", "", joined(page(name)))
    for script, arguments in SCRIPT_LINE.findall(text):
        argv = shlex.split(re.split(r" [|>&<] ?", arguments)[0], comments=True)
        if script != "ws-alembic":
            PARSERS[script]().parse_intermixed_args(argv[: argv.index("--")] if "--" in argv else argv)
        else:
            parse(ws_alembic.build_parser(), argv)
