"""How a database spells it: what Alembic gets wrong about types, defaults, indexes and batch mode."""
