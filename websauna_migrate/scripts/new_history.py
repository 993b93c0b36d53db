"""``init``: the script location of a package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import RevisionError, UsageError
from websauna_migrate.packages.errors import installed_history
from websauna_migrate.packages.histories import place_for_revisions
from websauna_migrate.packages.selection import is_installed
from websauna_migrate.scripts.printing import say, tell, warn

if TYPE_CHECKING:
    from argparse import Namespace

    from websauna_migrate.scripts.loading import Loaded


def init(options: Namespace, loaded: Loaded) -> int:
    """Create the script locations of the selected packages."""
    if options.directory and len(loaded.packages) > 1:
        raise UsageError("one folder cannot hold the revisions of several packages", "select one with -x packages=")
    for name in loaded.packages:
        usual = place_for_revisions(name, loaded.app.history(name), loaded.app.ini.path.parent)
        folder = Path(options.directory).absolute() if options.directory else usual
        if is_installed(folder):
            _refuse_installed(options, loaded, installed_history(name, folder))
        else:
            _write(options, name, folder, usual)
    return 0


def _refuse_installed(options: Namespace, loaded: Loaded, error: RevisionError) -> None:
    """Raise ``error``, or warn where there are other packages to go on with."""
    if len(loaded.packages) == 1:
        raise error
    warn(options, error)


def _write(options: Namespace, package: str, folder: Path, usual: Path) -> None:
    from websauna_migrate.packages.histories import write_scaffold

    written = write_scaffold(folder, package, importable=options.package)
    for path in written:
        say(options, f"wrote {path}")
    if not written:
        say(options, f"{package}: nothing to write, {folder} has all files")
    if folder != usual:
        setting = f"websauna_migrate.script_location.{package} = {str(folder).replace('%', '%%')}"
        tell(f"add this line to the [app:...] section of the INI: {setting}")
