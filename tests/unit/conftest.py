"""What several unit tests need."""

from __future__ import annotations

import pytest
import sqlalchemy as sa


@pytest.fixture
def connection():
    """A connection to an empty SQLite database in memory."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        yield connection
    engine.dispose()
