"""Shape the folder for the kind of project that was asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

PACKAGE = Path("{{ cookiecutter.__package_path }}")


def shape_app() -> None:
    (PACKAGE / "development.py").unlink()


def shape_addon() -> None:
    """The revisions of an add-on lie in its package, so that they are installed with it."""
    shutil.move("alembic", PACKAGE / "alembic")
    shutil.rmtree(PACKAGE / "conf")
    Path("production.ini").unlink()


# pip compiles the template where it is installed.
for compiled in list(Path().rglob("__pycache__")):
    shutil.rmtree(compiled)
shape_{{ cookiecutter.kind }}()
