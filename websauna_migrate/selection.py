"""The path of before 0.1 of what ``websauna_migrate`` exports; goes away in 0.2."""

from __future__ import annotations

from websauna_migrate.packages.selection import Selected, select

__all__ = ["Selected", "select"]
