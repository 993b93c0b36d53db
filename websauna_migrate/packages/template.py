"""The files that a new project starts from: the cookiecutter template, and a script location of Alembic.

Imports nothing of the project. The template is found in a checkout, an editable install and a wheel alike.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_SCAFFOLD = _PACKAGE / "scaffold"

_ENV_PY = '''\
"""Alembic runs this file; websauna_migrate does the work."""

from websauna_migrate.env import run_alembic

run_alembic(package="{package}")
'''


def template_path() -> Path:
    """Return the absolute folder of the cookiecutter template; in a checkout the link to it is followed."""
    return (_PACKAGE / "cookiecutter-template").resolve()


def script_location_files(package: str) -> dict[str, str]:
    """Return the files of a new script location of ``package``: texts by their paths, relative and with slashes.

    The template bakes the same files. ``versions/`` holds one that keeps the folder in version control and in an sdist.
    """
    return {
        "env.py": _ENV_PY.format(package=package),
        "script.py.mako": _read("script.py.mako"),
        "versions/README.rst": _read("versions/README.rst"),
    }


def _read(name: str) -> str:
    return (_SCAFFOLD / name).read_text(encoding="utf-8")
