"""What tests install in environments of their own: by uv, which needs a quarter of pip's time, from where pip would."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

#: How uv calls what pip is told in its files and in its environment variables.
SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


def uv(*arguments: object) -> None:
    """Run uv, which has to succeed."""
    argv = [Path(sysconfig.get_path("scripts"), "uv"), "--quiet", *arguments]
    done = subprocess.run(argv, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def environment() -> dict[str, str]:
    """Return environment variables with which uv looks for packages where pip does, and as it does."""
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **_of_pip(), **os.environ}


@cache
def _of_pip() -> dict[str, str]:
    argv = [sys.executable, "-m", "pip", "config", "list"]
    return from_pip(subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout)


def from_pip(listed: str) -> dict[str, str]:
    """Return the variables of uv for what ``pip config list`` shows. Variables of pip come before its files."""
    found: dict[str, str] = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        if variable := SETTINGS.get(name.rpartition(".")[2]):
            separator = "," if variable == "UV_FIND_LINKS" else " "
            found[variable] = separator.join(str(ast.literal_eval(value)).split())
    return found
