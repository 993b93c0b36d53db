"""The house: every wing has its line, no wing is too large, and the linter that runs beside the tests sees a breach."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]


LAYERS, CIRCLES = LINTER["contracts"]
PACKAGE = ROOT / "websauna_migrate"
LINES = 400
WINGS = [wing for line in LAYERS["layers"] for wing in line.split(" | ")]


#: Modules that do nothing without a server, a process or a whole application, and the tests that run them.
TESTED_AS_A_WHOLE = {
    "autogenerate/constraints/checks": "integration/test_constraints",
    "autogenerate/constraints/facts": "integration/test_constraints",
    "autogenerate/contract/items": "integration/test_split_contract",
    "autogenerate/contract/split": "integration/test_split_contract",
    "autogenerate/columns/conversions": "integration/test_postgresql_models",
    "autogenerate/enums/apart": "integration/test_enum_dependents",
    "autogenerate/enums/dependents": "integration/test_enum_dependents",
    "autogenerate/columns/identities": "integration/test_postgresql_models",
    "autogenerate/constraints/invalid_indexes": "integration/test_doctor_neighbours",
    "autogenerate/constraints/key_ops": "integration/test_constraints",
    "autogenerate/constraints/keys": "integration/test_constraints",
    "autogenerate/tables/partitions": "integration/test_postgresql_models",
    "autogenerate/constraints/primary_keys": "integration/test_constraints",
    **dict.fromkeys(
        (
            f"autogenerate/objects/{name}"
            for name in (
                "change",
                "changes",
                "dependents",
                "found",
                "operations",
                "recreated",
                "script",
                "stored",
                "uses",
            )
        ),
        "integration/test_objects",
    ),
    "autogenerate/objects/kept": "integration/test_undeclared_objects",
    "autogenerate/objects/undeclared": "integration/test_undeclared_objects",
    "autogenerate/columns/sequences": "integration/test_postgresql_models",
    "autogenerate/tables/rename_checks": "integration/test_mysql_server",
    "autogenerate/columns/serials": "integration/test_postgresql_models",
    "autogenerate/tables/options": "integration/test_column_changes",
    "autogenerate/enums/script": "integration/test_enums",
    "autogenerate/constraints/stored_indexes": "integration/test_constraints",
    "bootstrap": "integration/test_boot",
    "database/deferred": "integration/test_dry_run",
    "database/lag": "integration/test_batches",
    "database/table_sizes": "integration/test_lint",
    "database/lock_server": "integration/test_lock",
    "dialects/domains": "integration/test_postgresql_models",
    "env": "integration/test_env",
    "guard": "unit/web/test_guard",
    "lint/examining": "integration/test_lint",
    "lint/facts": "integration/test_lint",
    "lint/recording": "integration/test_lint",
    "repair/ahead": "integration/test_doctor_misrecorded",
    "repair/case": "integration/test_doctor",
    "repair/doctor": "integration/test_doctor",
    "repair/left_tables": "unit/repair/test_findings",
    "repair/models": "integration/test_doctor_misrecorded",
    "run/alone": "integration/test_lock",
    "run/batches": "integration/test_batches",
    "run/context": "integration/test_env",
    "run/dry_run": "integration/test_dry_run",
    "run/entities": "integration/test_objects",
    "run/environment": "integration/test_runs",
    "run/offline": "integration/test_runs",
    "run/plain_alembic": "integration/test_env",
    "run/stamp": "integration/test_histories",
    "run/steps": "integration/test_execute",
    "run/telling": "integration/test_events",
    "run/transactions": "integration/test_dry_run",
    "run/unadopted": "integration/test_adopt",
    "run/under_way": "integration/test_batches",
    "scratch/copies": "integration/test_pytest_plugin",
    "scratch/mysql": "integration/test_scratch",
    "scratch/postgresql": "integration/test_scratch",
    "scratch/servers": "integration/test_scratch",
    "scripts/ahead": "integration/test_ahead",
    "scripts/backup": "integration/test_backup",
    "scripts/command_line": "cli/test_ws_alembic",
    "scripts/comparing": "integration/test_check",
    "scripts/graphing": "integration/test_graph",
    "scripts/linting": "integration/test_lint",
    "scripts/migrating": "integration/test_runs",
    "scripts/new_history": "integration/test_histories",
    "scripts/repairing": "integration/test_adopt",
    "scripts/showing": "integration/test_status",
    "scripts/ws_alembic": "cli/test_ws_alembic",
    "scripts/ws_create_table": "cli/test_ws_create_table",
    "scripts/ws_db_shell": "cli/test_ws_db_shell",
    "scripts/ws_dump_db": "cli/test_ws_dump_db",
    "testing/assertions": "integration/test_testing",
    **dict.fromkeys(
        (f"testing/{name}" for name in ("databases", "items", "plugin", "session")), "integration/test_pytest_plugin"
    ),
    "web/ahead": "integration/test_ahead",
    "web/toolbar_panel": "unit/test_toolbar",
}


def modules():
    return [path for path in PACKAGE.rglob("*.py") if not {"cookiecutter-template", "scaffold"} & set(path.parts)]


def test_alembic_utils_is_imported_only_where_there_are_objects():
    program = "import sys; from websauna_migrate import env; from websauna_migrate.autogenerate import passes; "
    program += "assert 'alembic_utils' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_wing_has_its_line():
    named = re.findall(r"\w+", " ".join(LAYERS["layers"] + LAYERS["exhaustive_ignores"]))
    wings = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert len(named) == len(set(named))
    assert set(named) == wings - {"__init__"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_is_short_enough_to_be_read_at_once(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < LINES


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_nothing_private_of_another_one(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ours = [
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and "websauna_migrate" in str(node.module)
    ]
    assert not [name.name for node in ours for name in node.names if re.match(r"_(?!_|version$)", name.name)]


def test_each_module_has_its_tests_where_one_looks_for_them():
    names = {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in modules()}
    missing = {name for name, path in names.items() if _does_something(path) and not _unit_tests(name).is_file()}
    assert missing == TESTED_AS_A_WHOLE.keys()
    assert [name for name in TESTED_AS_A_WHOLE.values() if not (ROOT / f"tests/{name}.py").is_file()] == []


def _unit_tests(name):
    path = ROOT / "tests" / "unit" / name
    return path.with_name(f"test_{path.name}.py")


def _does_something(path):
    """Tell whether a module is more than errors, a version, or other names for what is elsewhere."""
    if path.name in ("__init__.py", "errors.py"):
        return False
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.parse(path.read_text()).body)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (
            "packages/owner",
            "from websauna_migrate import scripts",
            "websauna_migrate.packages is not allowed to import",
        ),
        ("hidden", "", "websauna_migrate.hidden"),
        ("packages/owner", "from websauna_migrate.packages import package", "No circle inside a wing BROKEN"),
    ],
)
def test_the_linter_sees_a_breach(name, text, complaint, tmp_path):
    package = tmp_path / "websauna_migrate"
    for module in ("__init__", *(f"{wing}/__init__" for wing in WINGS), "packages/package", name):
        path = package / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if module == name else "")
    (package / "packages/package.py").write_text("from websauna_migrate.packages import owner")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    program = Path(sysconfig.get_path("scripts"), "lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert complaint in done.stdout
