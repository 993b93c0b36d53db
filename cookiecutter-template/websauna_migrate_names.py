"""Jinja filters that check the names of a new project before a file is written.

An extension and not a hook: when a hook fails, cookiecutter prints a traceback after it created a folder.
"""

from __future__ import annotations

import keyword
import re
import sys

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

# Top-level names that the new project imports or has as folders.
TAKEN = {
    "alembic",
    "conftest",
    "pyramid",
    "pyramid_retry",
    "pyramid_tm",
    "pytest",
    "setup",
    "sqlalchemy",
    "tests",
    "transaction",
    "waitress",
    "webtest",
    "websauna_migrate",
    "zope",
}


class CheckedNames(Extension):
    """Adds the filters ``checked_title``, ``checked_folder`` and ``checked_package``."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["checked_title"] = checked_title
        environment.filters["checked_folder"] = checked_folder
        environment.filters["checked_package"] = checked_package


def checked_title(name: str) -> str:
    """Return ``name`` if it is valid in a docstring, in TOML and in an INI."""
    if not name.strip() or not name.isprintable() or set(name) & set('"\\'):
        _refuse("project_name", name, "must be one line of text without quotation marks and backslashes")
    return name


def checked_folder(name: str) -> str:
    """Return ``name`` if it is valid as a folder, a database name and a part of a URL."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        _refuse("repo_name", name, "may contain letters, digits, '.', '_' and '-', starting with a letter or digit")
    return name


def checked_package(name: str) -> str:
    """Return ``name`` if it is a dotted name that does not hide another module."""
    parts = name.split(".")
    for part in parts:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", part):
            _refuse("package_name", name, "must be a Python name such as shop or acme.shop")
        if keyword.iskeyword(part):
            _refuse("package_name", name, f"must not use the keyword {part}; choose another name")
    if parts[0] in sys.stdlib_module_names:
        _refuse("package_name", name, f"would hide Python's own module {parts[0]}; choose another name")
    if parts[0] in TAKEN:
        _refuse("package_name", name, f"would clash with {parts[0]}, which the project uses; choose another name")
    return name


def _refuse(variable: str, value: str, reason: str) -> None:
    raise FailedHookException(f"{variable} {value!r} {reason}")
