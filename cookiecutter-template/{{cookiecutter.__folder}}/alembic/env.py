"""Alembic runs this file; websauna_migrate does the work."""

from websauna_migrate.env import run_alembic

run_alembic(package="{{ cookiecutter.package_name }}")
