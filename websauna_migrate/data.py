"""For revision scripts that change rows."""

from __future__ import annotations

from websauna_migrate.run.batches import in_batches
from websauna_migrate.run.data import data_session

__all__ = ["data_session", "in_batches"]
