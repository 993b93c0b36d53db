"""The files of a new project are where the package lies."""

from __future__ import annotations

import ast

from websauna_migrate.packages.template import script_location_files, template_path


def test_the_template_is_a_folder_that_cookiecutter_can_use():
    assert template_path().is_absolute()
    assert (template_path() / "cookiecutter.json").is_file()


def test_a_script_location_has_an_env_py_that_names_its_package():
    files = script_location_files("acme.shop")
    assert set(files) == {"env.py", "script.py.mako", "versions/README.rst"}
    assert 'run_alembic(package="acme.shop")' in files["env.py"]
    ast.parse(files["env.py"])
