"""Errors of SQLite's batch mode."""

from __future__ import annotations

from websauna_migrate.exceptions import RunError, one_line


class LostInBatch(RunError):
    """Recreating a SQLite table would lose a part of it. ``lost`` are keywords of its SQL, and statements."""

    def __init__(self, table: str, lost: tuple[str, ...]) -> None:
        self.table = table
        self.lost = lost
        what = ", ".join(one_line(part) for part in lost)
        super().__init__(
            f"table {table!r} cannot be recreated without losing {what}",
            "drop that in this revision first and create it again afterwards, or write the new table by hand",
        )
