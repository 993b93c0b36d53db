"""Jinja filters that check the names of a new project before a file is written.

An extension and not a hook: when a hook fails, cookiecutter prints a traceback after it created a folder.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
from pathlib import Path

import click
from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

DATABASES = ("sqlite", "postgresql", "mysql")
KINDS = ("app", "addon")

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
    """Adds a filter for each variable that has rules, and refuses variables that the template does not have."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["checked_title"] = checked_title
        environment.filters["checked_folder"] = checked_folder
        environment.filters["checked_package"] = checked_package
        environment.filters["checked_database"] = checked_database
        environment.filters["checked_kind"] = checked_kind
        refuse_unknown_variables()


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


def checked_database(name: str) -> str:
    """Return ``name`` if it is a database that the template knows."""
    # Not a list of choices in cookiecutter.json: another value there is a traceback.
    hint = "; for MariaDB, choose mysql" if name.lower() == "mariadb" else ""
    return _one_of("database", name, DATABASES, hint)


def checked_kind(name: str) -> str:
    """Return ``name`` if it is a kind of project."""
    return _one_of("kind", name, KINDS)


def refuse_unknown_variables() -> None:
    """Refuse a variable on the command line that the template does not have; cookiecutter ignores it."""
    context = click.get_current_context(silent=True)
    given = (context and context.params.get("extra_context")) or {}
    text = Path(__file__).with_name("cookiecutter.json").read_text(encoding="utf-8")
    known = [name for name in json.loads(text) if not name.startswith("_")]
    for name in given:
        if name not in known:
            raise FailedHookException(f"{name} is not a variable of this template; it has {', '.join(known)}")


def _one_of(variable: str, value: str, choices: tuple[str, ...], hint: str = "") -> str:
    if value not in choices:
        _refuse(variable, value, f"must be one of {', '.join(choices)}{hint}")
    return value


def _refuse(variable: str, value: str, reason: str) -> None:
    raise FailedHookException(f"{variable} {value!r} {reason}")
