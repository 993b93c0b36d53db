"""How a database writes it: what Alembic gets wrong about types, defaults, indexes and batch mode."""
