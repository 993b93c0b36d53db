"""Errors of SQLite's batch mode."""

from __future__ import annotations

from websauna_migrate.exceptions import RunError


class LostInBatch(RunError):
    """Building a SQLite table anew would lose a part of it. ``lost`` are keywords of its SQL, and statements."""

    def __init__(self, table: str, lost: tuple[str, ...]) -> None:
        self.table = table
        self.lost = lost
        what = ", ".join(" ".join(part.split()) for part in lost)
        super().__init__(
            f"table {table!r} cannot be built anew without losing {what}; drop that in this revision first and "
            f"create it again after, or write the new table by hand"
        )
