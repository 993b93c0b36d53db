"""``python borrowed_venv.py -m venv FOLDER``: a virtual environment that needs no network.

It sees the packages of the environment that runs the tests and has scripts of its own for them, so what is installed
into it can be used by all of them. Our scripts, and ``run-module NAME``, are run by the process that ``PROGRAMS``
names, see ``shells``. What pip is to install for editing is installed by uv, which takes the same arguments and starts
the build once, pip three times.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import venv
from importlib.metadata import entry_points
from pathlib import Path

SCRIPT = """\
#!{python}
import sys
from {module} import {name}
sys.exit({function}())
"""
ASKING = """\
#!{interpreter} -SIB
import json, os, socket, sys
program = {{
    "function": {function!r} or sys.argv.pop(1),
    "argv": sys.argv,
    "environment": dict(os.environ),
    "cwd": os.getcwd(),
    "site_packages": {site_packages!r},
}}
body = json.dumps(program).encode()
with socket.socket(socket.AF_UNIX) as asking:
    asking.connect({server!r})
    socket.send_fds(asking, [len(body).to_bytes(4, "big")], [0, 1, 2])
    asking.sendall(body)
    sys.exit(int(asking.recv(16)))
"""

PIP = """\
#!/bin/sh
case "$*" in
    "install "*--editable*)
        shift
        exec {uv} pip install --python {python} --no-deps --no-build-isolation --offline "$@"
        ;;
    *) exec {python} -m pip "$@" ;;
esac
"""

#: What else is run by the other process than our scripts.
ASKED = {
    "alembic": "alembic.config:main",
    "cookiecutter": "cookiecutter.__main__:main",
    "pshell": "pyramid.scripts.pshell",
    "pytest": "pytest:main",
}


def create(folder: Path) -> None:
    """Make the environment in ``folder``."""
    venv.create(folder, symlinks=True)
    [site_packages] = folder.resolve().glob("lib/python*/site-packages")
    lenders = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    lines = [f"import site; site.addsitedir({lender!r})\n" for lender in lenders]
    (site_packages / "borrowed.pth").write_text("".join(lines))
    python = folder.resolve() / "bin" / "python"
    for script in entry_points(group="console_scripts"):
        path = folder / "bin" / script.name
        if script.name.startswith("ws-") or script.name in ASKED:
            write(path, asking(ASKED.get(script.name, script.value), site_packages))
        else:
            parts = {"module": script.module, "name": script.attr.partition(".")[0], "function": script.attr}
            write(path, SCRIPT.format(python=python, **parts))
    write(folder / "bin" / "pip", PIP.format(python=python, uv=Path(sysconfig.get_path("scripts"), "uv")))
    write(folder / "bin" / "run-module", asking("", site_packages))


def asking(function: str, site_packages: Path) -> str:
    """Return a script that lets ``function``, or the module that is its first argument, run in another process."""
    server = os.environ["PROGRAMS"]
    return ASKING.format(interpreter=sys.executable, function=function, site_packages=str(site_packages), server=server)


def write(path: Path, text: str) -> None:
    """Write an executable file."""
    path.write_text(text)
    path.chmod(0o755)


if __name__ == "__main__":
    [*_, name] = sys.argv
    create(Path(name))
