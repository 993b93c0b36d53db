"""What the last upgrade said that a page started and that failed: told by all processes of the application.

It is kept in a file in the cache folder of this user, never in the database, with what the history tables held then.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from websauna_migrate.files import replaced
from websauna_migrate.scratch.account import cache_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Rows = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Failure:
    """What a run ``said`` when it failed, and when that was: ISO 8601 with a time zone."""

    said: str
    at: str


class LastFailure:
    """The last failure of the application that ``name`` stands for, until an upgrade succeeds.

    Where no file can be written, this process alone knows it.
    """

    def __init__(self, name: str) -> None:
        folder = cache_folder()
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        self._path: Path | None = folder / f"failed-upgrade-{digest}.json" if folder is not None else None
        self._kept: bytes | None = None

    def keep(self, failure: Failure, rows: Rows | None) -> None:
        """Keep a failure; ``rows`` are what the history tables hold now, None where they cannot be read."""
        self._kept = json.dumps({**asdict(failure), "rows": _plain(rows)}).encode()
        if self._path is not None:
            try:
                with replaced(self._path) as file:
                    file.write(self._kept)
            except OSError:
                self._path = None

    def forget(self) -> None:
        """Forget it: an upgrade succeeded."""
        self._kept = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def read(self, rows: Rows | None) -> Failure | None:
        """Return the failure; None where there is none, or the history tables changed since then."""
        try:
            kept = json.loads(self._content() or b"null")
            if kept is None or kept["rows"] != _plain(rows):
                return None
            return Failure(str(kept["said"]), str(kept["at"]))
        except (ValueError, KeyError, TypeError):  # of another version, or cut off
            return None

    def _content(self) -> bytes | None:
        if self._path is None:
            return self._kept
        try:
            return self._path.read_bytes()
        except OSError:
            return None


def _plain(rows: Rows | None) -> dict[str, list[str]] | None:
    return None if rows is None else {package: list(ids) for package, ids in rows.items()}
