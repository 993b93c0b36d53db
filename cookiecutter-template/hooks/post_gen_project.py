"""Adapt the project folder to the chosen kind of project."""

from __future__ import annotations

import shutil
from pathlib import Path

PACKAGE = Path("{{ cookiecutter.__package_path }}")


# What deploys an application; an add-on is deployed with one.
DEPLOYMENT = ("Dockerfile", ".dockerignore", "docker-entrypoint.sh", "container.ini", "MANIFEST.in", "production.ini")


def shape_app() -> None:
    (PACKAGE / "development.py").unlink()


def shape_addon() -> None:
    """Move the revisions into the package, so that they are installed with it."""
    shutil.move("alembic", PACKAGE / "alembic")
    shutil.rmtree(PACKAGE / "conf")
    for name in DEPLOYMENT:
        Path(name).unlink()


# pip compiles Python files of the installed template.
for compiled in list(Path().rglob("__pycache__")):
    shutil.rmtree(compiled)
shape_{{ cookiecutter.kind }}()
