"""The account that throw-away servers run as, and the folders that it needs."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

from websauna_migrate.scratch.keeper import Account

ORDINARY = "nobody"
_FALLBACK = Path("/tmp")
_SOCKET_ROOM = 40  # bytes that the path of a socket needs below the place; about 100 are allowed in all


def server_account() -> Account | None:
    """Return the account for servers where this process may not run them itself, as root; None otherwise.

    :raises KeyError: root has no ordinary account to give
    """
    if os.geteuid() != 0:
        return None
    found = pwd.getpwnam(ORDINARY)
    return Account(found.pw_uid, found.pw_gid)


def place_for_folders() -> Path:
    """Return where temporary folders go: ``$TMPDIR`` where the servers reach it, and sockets may have such a path."""
    wanted = Path(tempfile.gettempdir()).resolve()
    fits = len(os.fsencode(wanted)) + _SOCKET_ROOM < 100
    return wanted if fits and (os.geteuid() != 0 or _is_open(wanted)) else _FALLBACK


def cache_folder() -> Path | None:
    """Return the folder of this user for what may be kept between commands, None where there is no safe one.

    It belongs to the user of this process, and nobody else may write to it.
    """
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "websauna_migrate"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_own = folder.stat().st_uid == base.stat().st_uid == os.geteuid()  # another one's, under sudo
        return folder if is_own and not folder.stat().st_mode & 0o022 else None
    except (OSError, RuntimeError):  # no home
        return None


def _is_open(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))
