"""What an sdist and a wheel carry, beside the code."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from installing import from_pip

ROOT = Path(__file__).parents[2]


def files_of(folder):
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def dists(distributions):
    """The names of the files in the sdist, and in the wheel."""
    with tarfile.open(distributions.sdist) as sdist, zipfile.ZipFile(distributions.wheel) as wheel:
        return {name.split("/", 1)[-1] for name in sdist.getnames()}, set(wheel.namelist())


def test_the_sdist_carries_docs_tests_and_template(dists):
    sdist, _ = dists
    assert {
        "CHANGES.rst",
        "CONTRIBUTING.rst",
        "LICENSE",
        "Makefile",
        "README.rst",
        "pyproject.toml",
        "setup.py",
    } <= sdist
    for folder in ("docs", "tests", "cookiecutter-template"):
        assert {name for name in files_of(folder) if not name.startswith("docs/_build/")} - sdist == set()


def test_the_wheel_carries_the_template_and_the_scaffold(dists):
    _, wheel = dists
    template = {f"websauna_migrate/{name}" for name in files_of("cookiecutter-template")}
    assert any(name.endswith("/.gitignore") for name in template)
    assert any("/versions/" in name for name in template)
    assert template | files_of("websauna_migrate/scaffold") <= wheel


def test_the_wheel_carries_nothing_else(dists):
    _, wheel = dists
    assert {name.split("/")[0].split("-")[0] for name in wheel} == {"websauna_migrate"}
    assert [name for name in wheel if name.endswith(".pyc")] == []


def test_what_is_installed_for_tests_comes_from_where_pip_would_get_it():
    listed = """
:env:.index-url='https://mirror/simple'
global.extra-index-url='\\nhttps://one/simple\\nhttps://two/simple'
global.index-url='https://other/simple'
global.timeout='60'
install.find-links='/wheels /more'
"""
    assert from_pip(listed) == {
        "UV_DEFAULT_INDEX": "https://mirror/simple",
        "UV_INDEX": "https://one/simple https://two/simple",
        "UV_FIND_LINKS": "/wheels,/more",
    }
