"""Alembic runs this file for a history whose script location has no ``env.py``."""

from alembic import context

from websauna_migrate.env import run_alembic
from websauna_migrate.run.context import ATTRIBUTE

run_alembic(package=context.config.attributes[ATTRIBUTE].history.package)
