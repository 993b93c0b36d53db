"""The floors: every module has one, and the linter that runs beside the tests sees a breach."""

from __future__ import annotations

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]


def test_every_module_has_its_floor():
    (contract,) = LINTER["contracts"]
    named = re.findall(r"\w+", " ".join(contract["layers"] + contract["exhaustive_ignores"]))
    package = ROOT / "websauna_migrate"
    modules = {path.stem for path in package.glob("*.py")} | {
        path.parent.name for path in package.glob("*/__init__.py")
    }
    assert len(named) == len(set(named))
    assert modules - {"__init__"} <= set(named)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (
            "package",
            "from websauna_migrate import scripts",
            "websauna_migrate.packages.package is not allowed to import",
        ),
        ("hidden", "", "websauna_migrate.hidden"),
    ],
)
def test_the_linter_sees_a_breach(name, text, complaint, tmp_path):
    package = tmp_path / "websauna_migrate"
    for module in ("__init__", "scripts/__init__", "package", "exceptions", name):
        path = package / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if module == name else "")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    program = Path(sysconfig.get_path("scripts"), "lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert complaint in done.stdout
