"""Alembic migrations for Pyramid applications made of several packages."""
