"""The names that ``revision`` and ``merge`` give to a new script, checked before anything is written."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.script import ScriptDirectory
from alembic.util import rev_id as new_id

from websauna_migrate.database.history_table import ID_WIDTH, require_room
from websauna_migrate.exceptions import RevisionError, SettingsError, UsageError, listed
from websauna_migrate.private import new_script_path
from websauna_migrate.revisions.symbols import SYMBOLS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from alembic.config import Config
    from sqlalchemy.engine import Connection

    from websauna_migrate.packages.package import History
    from websauna_migrate.scripts.loading import Loaded

# Alembic's own rule refuses '-' in ids; a file that begins otherwise is hidden, or is none of its scripts.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]*")
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def require_new_names(options: Namespace, loaded: Loaded, connect: Callable[[], Connection]) -> None:
    """Refuse an id, a branch label or a message that a new script cannot have.

    :raises UsageError: one of them is not valid, or is taken
    :raises IdTooLong: the id does not fit into the history table
    """
    id_, label, message = (vars(options).get(name) for name in ("rev_id", "branch_label", "message"))
    if id_ is not None:
        _require_name("--rev-id", id_, _ID, "use letters, digits, _ and ., with a letter or a digit first")
        _require_new("--rev-id", id_, loaded)
        if len(id_) > ID_WIDTH:
            require_room(connect(), {one.history.history_table: [id_] for one in loaded.selected})
    if label is not None:
        _require_name("--branch-label", label, _LABEL, "use letters, digits, _, . and -")
        _require_new("--branch-label", label, loaded)
    if message is not None and not _is_text(message):
        raise UsageError("-m is not text in the encoding of this terminal", "write it in that encoding")


def require_new_path(config: Config, history: History, options: Namespace) -> None:
    """Refuse a ``file_template`` that makes a file which Alembic would not read, or which exists.

    :raises UsageError: ``--version-path`` is none of the folders of ``history``
    :raises SettingsError: the template is not valid
    :raises RevisionError: a script has that name
    """
    scripts = ScriptDirectory.from_config(config)
    named = vars(options).get("version_path")
    if named and Path(named).absolute() not in history.version_locations:
        places = listed(tuple(map(str, history.version_locations)))
        raise UsageError(f"--version-path: {history.package} has no folder {named}", f"name one of: {places}")
    folders = [Path(named)] if named else history.version_locations
    for folder in folders:
        try:
            path = new_script_path(scripts, folder, options.rev_id or new_id(), options.message)
        except (KeyError, TypeError, ValueError) as error:
            raise _bad_template(config, f"it cannot be filled in: {type(error).__name__}: {error}") from error
        reason = _unusable(os.path.relpath(path, folder), recursive=history.recursive)
        if reason:
            raise _bad_template(config, reason)
        if os.path.lexists(path):
            raise RevisionError(f"{path} exists; no revision was written", "put %(rev)s into file_template")


def _require_name(option: str, name: str, pattern: re.Pattern[str], remedy: str) -> None:
    if not pattern.fullmatch(name):
        raise UsageError(f"{option} {name!r} is not valid", remedy)
    if name in SYMBOLS:
        raise UsageError(f"{option} {name!r} is not valid: it is a symbol that stands for other revisions", remedy)


def _require_new(option: str, name: str, loaded: Loaded) -> None:
    graph = loaded.app.graph()
    for one in loaded.selected:
        found = graph.histories[one.history.package].names.get(name)
        if found is not None:
            path = graph.histories[one.history.package].revisions[found].path
            raise UsageError(f"{option} {name!r} is taken in {one.history.package} by {path}", "choose another one")


def _is_text(message: str) -> bool:
    try:
        message.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unusable(path: str, *, recursive: bool) -> str | None:
    """Return why no script can have the ``path``, relative to the folder of the revisions; None where it can."""
    folder, name = os.path.split(path)
    if path.startswith(os.pardir):
        return "it leads out of the folder of the revisions"
    if not path.isprintable() or name.startswith((".", "__init__")):
        return f"it makes the file name {name!r}"
    if folder and not recursive:
        return f"it makes the folder {folder}, which is read only with recursive_version_locations = true"
    return None


def _bad_template(config: Config, reason: str) -> SettingsError:
    return SettingsError(
        f"{config.config_file_name}: file_template is not valid: {reason}",
        "write it as in %(rev)s_%(slug)s, with each % doubled in the INI",
    )
