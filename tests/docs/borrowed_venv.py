"""``python borrowed_venv.py -m venv FOLDER``: a virtual environment that needs no network.

It sees the packages of the environment that runs the tests and has scripts of its own for them, so what is installed
into it can be used by all of them.
"""

from __future__ import annotations

import sys
import sysconfig
import venv
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

SCRIPT = """\
#!{python}
import sys
from {module} import {name}
sys.exit({function}())
"""


def create(folder: Path) -> None:
    """Make the environment in ``folder``."""
    venv.create(folder, symlinks=True)
    [site_packages] = folder.glob("lib/python*/site-packages")
    lenders = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    lines = [f"import site; site.addsitedir({lender!r})\n" for lender in lenders]
    (site_packages / "borrowed.pth").write_text("".join(lines))
    for script in entry_points(group="console_scripts"):
        add_script(folder / "bin", script)


def add_script(folder: Path, script: EntryPoint) -> None:
    """Write the console script ``script`` into ``folder``."""
    path = folder / script.name
    name = script.attr.partition(".")[0]
    path.write_text(
        SCRIPT.format(python=folder.resolve() / "python", module=script.module, name=name, function=script.attr)
    )
    path.chmod(0o755)


if __name__ == "__main__":
    [*_, name] = sys.argv
    create(Path(name))
