{% if cookiecutter.kind == "app" %}
"""Puts the revisions into the wheel: alembic/ becomes {{ cookiecutter.__package_path }}/alembic/."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithRevisions(build_py):
    """Copies the script location into the package, where an installed one is found."""

    def run(self) -> None:
        """Build the package, then replace its revisions by those of the checkout."""
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib) / "{{ cookiecutter.__package_path }}" / "alembic"
        rmtree(folder, ignore_errors=True)
        copytree("alembic", folder, ignore=ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithRevisions})
{% else %}
from setuptools import setup

setup()
{% endif %}
