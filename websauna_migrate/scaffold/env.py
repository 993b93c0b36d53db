"""Alembic runs this file for a history whose script location has no ``env.py``."""

from alembic import context

from websauna_migrate.database.connection import ATTRIBUTE
from websauna_migrate.env import run_alembic

run_alembic(package=context.config.attributes[ATTRIBUTE].history.package)
