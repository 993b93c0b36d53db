"""alembic-utils compares in each comparison of the process that imports it: not in those of other tests."""

from __future__ import annotations

import alembic_utils.replaceable_entity  # noqa: F401

from websauna_migrate.private import forget_comparators

forget_comparators("alembic_utils")
