"""Every revision goes up and down, and the last one leaves the tables of the models."""

from __future__ import annotations

from pathlib import Path

import pytest
from websauna_migrate.testing import assert_migrations

PROJECT = Path(__file__).parents[1]
REVISIONS = PROJECT / "{{ cookiecutter.__alembic_path }}" / "versions"


@pytest.mark.skipif(
    not any(REVISIONS.glob("*.py")),
    reason="no revision yet; run: ws-alembic -c development.ini revision --autogenerate",
)
def test_the_revisions_create_what_the_models_say() -> None:
    assert_migrations(str(PROJECT / "development.ini"))
