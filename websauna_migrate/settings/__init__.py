"""What the INI says: the application's own file with its includes, as settings and as a plaster loader."""

#: The section of the INI with Alembic's options, unless another one is named.
ALEMBIC_SECTION = "alembic"
