"""The files of a new project: the cookiecutter template, and the script location of Alembic.

Imports nothing else of websauna_migrate. Works in a checkout, an editable install and a wheel.
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
    """Return the absolute folder of the cookiecutter template; in a checkout, the target of the link to it."""
    return (_PACKAGE / "cookiecutter-template").resolve()


def script_location_files(package: str) -> dict[str, str]:
    """Return the files of a new script location of ``package``: texts by their relative paths with slashes.

    The template creates the same files. The file in ``versions/`` keeps the folder in version control and in an sdist.
    """
    return {
        "env.py": _ENV_PY.format(package=package),
        "script.py.mako": _read("script.py.mako"),
        "versions/README.rst": _read("versions/README.rst"),
    }


def _read(name: str) -> str:
    return (_SCAFFOLD / name).read_text(encoding="utf-8")
