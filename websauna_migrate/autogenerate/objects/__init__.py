"""Views, functions, triggers and the like of PostgreSQL, which packages declare with alembic-utils."""
