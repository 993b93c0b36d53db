"""The sdist and the wheel of this checkout, built once for all processes of a test run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock

from installing import environment
from projects import ROOT

if TYPE_CHECKING:
    from pathlib import Path


class Distributions(NamedTuple):
    """The two files: the wheel is built from the sdist."""

    sdist: Path
    wheel: Path


def built(folder: Path) -> Distributions:
    """Return what is built in ``folder``; the first process that asks builds it."""
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            _build(folder)
    return Distributions(next(folder.glob("*.tar.gz")), next(folder.glob("*.whl")))


def _build(folder: Path) -> None:
    # Of a copy: building writes into the source, and beside the tests the docs are built there.
    source = folder.with_suffix(".source")
    ignored = shutil.ignore_patterns(".git", ".venv", ".servers", ".*_cache", "*.egg-info", "__pycache__", "_build")
    shutil.copytree(ROOT, source, symlinks=True, ignore=ignored)
    argv = [sys.executable, "-m", "build", "--installer", "uv", "--outdir", folder.with_suffix(".unchecked"), source]
    done = subprocess.run(argv, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    folder.with_suffix(".unchecked").rename(folder)
    shutil.rmtree(source)
