"""An application whose history goes wrong, for the tests of what corrects it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from troubles import shop

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Workspace
    from servers import Backend


@pytest.fixture
def here(tmp_path: Path, backend: Backend) -> Workspace:
    """An application of two tables and two revisions, with an empty database of each kind."""
    return shop(tmp_path, backend.new_database())


@pytest.fixture
def lite(tmp_path: Path, sqlite: Backend) -> Workspace:
    """The same on SQLite, for what does not depend on the database."""
    return shop(tmp_path, sqlite.new_database())
