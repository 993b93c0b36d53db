"""The import path from before 0.1; it is removed in 0.2."""

from __future__ import annotations

from websauna_migrate.packages.selection import Selected, select

__all__ = ["Selected", "select"]
