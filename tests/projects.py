"""Projects as developers have them: written into a folder, and the scripts run in them.

A script runs in a process of its own, so the next run sees the models as they are then; see ``forked``.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from sqlalchemy import URL, inspect

from forked import Program
from looking import execute, looking
from worker import Worker, run_alone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from worker import Ended

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PACKAGES = TESTS / "packages"
WS_ALEMBIC = "websauna_migrate.scripts.ws_alembic:main"
ALEMBIC = "alembic.config:main"

INITIALIZER = """\
import websauna_migrate


class Initializer(websauna_migrate.Initializer):
    def include_addons(self):
        for addon in {addons!r}:
            self.config.include(addon)

    def configure_models(self):
        self.config.add_migration_package("{name}", "{name}.models:Base")

    def configure_views(self):
        raise RuntimeError("the scripts configure no views")


def main(global_config, **settings):
    return Initializer(global_config, settings).make_wsgi_app()
"""
INCLUDEME = """\
def includeme(config):
    config.include("websauna_migrate")
    config.add_migration_package("{name}", "{name}.models:{bases}")
"""
MODELS = """\
from sqlalchemy import *
from sqlalchemy.orm import *

class Base(DeclarativeBase):
    pass
"""
REVISION = """\
'''{message}'''
import sqlalchemy as sa
from alembic import op

revision = {id!r}
down_revision = {down!r}
{header}

def upgrade():
    {upgrade}


def downgrade():
    {downgrade}
"""


@dataclass
class Workspace:
    """A folder of projects, one of which is the application whose INI is in use, and a database.

    ``path`` are the folders that packages are imported from. ``app`` is the folder of the application. Scripts are
    tried on the server of the database, unless ``throw_away``: to start one for each command takes long.
    ``environment`` is added to that of each command. With ``alone`` each command runs in a process of its own, because
    a package that is installed is changed by it, as one with models for all applications.
    """

    folder: Path
    url: URL
    path: list[Path] = field(default_factory=list)
    app: Path = Path()
    throw_away: bool = False
    alone: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    _start: str = ""

    @property
    def ini(self) -> Path:
        """The INI file of the application."""
        return self.app / "development.ini"

    def add(
        self,
        name: str,
        models: str = "",
        *,
        init: str = INCLUDEME,
        bases: str = "Base",
        history: bool = False,
        installed: bool = False,
    ) -> Path:
        """Write an add-on and return the folder of its package; with ``history`` it has its own revisions.

        ``models`` follow after a declarative base, :data:`MODELS`. One that is ``installed`` lies in site-packages.
        """
        project = self.folder / "site-packages" if installed else self.folder / name
        package = project.joinpath(*name.split("."))
        if not installed:
            write(project / "pyproject.toml", f'[project]\nname = "{name}"\nversion = "1"\n')
        write(package / "__init__.py", init.format(name=name, bases=bases))
        write(package / "models.py", models if " import Base" in models else MODELS + dedent(models))
        if history:
            write(package / "alembic" / "versions" / ".keep", "")
        if project not in self.path:
            self.path.append(project)
        return package

    def add_app(
        self, name: str, models: str = "", addons: Sequence[str] = (), settings: str = "", **how: object
    ) -> Path:
        """Write the application that includes ``addons``, with its INI, and return the folder of its package."""
        init = INITIALIZER.replace("{addons!r}", repr(tuple(addons)))
        package = self.add(name, models, **{"init": init, **how})  # type: ignore[arg-type]
        self.app = self.folder / name
        self._start = f"use = call:{name}:main\nwebsauna.init = {name}.Initializer\n"
        self.write_ini(dedent(settings))
        return package

    def write_ini(self, settings: str = "", url: str | URL | None = None, start: str | None = None) -> None:
        """Write the INI file of the application; ``settings`` may go on with further sections.

        ``start`` are the settings that name its factory and its Initializer.
        """
        text = url if isinstance(url, str) else (url or self.url).render_as_string(hide_password=False)
        escaped = text.replace("%", "%%")
        lines = [self._start if start is None else start, f"sqlalchemy.url = {escaped}\n"]
        if not self.throw_away and self.url.get_backend_name() != "sqlite":
            trials = self.url.render_as_string(hide_password=False).replace("%", "%%")
            lines.append(f"websauna_migrate.scratch_url = {trials}\n")
        write(self.ini, "".join(["[app:main]\n", *lines, settings]))

    def copy(self, *names: str) -> None:
        """Copy projects of ``tests/packages`` here; the last one is the application."""
        for name in names:
            self.path.append(Path(shutil.copytree(PACKAGES / name, self.folder / name)))
        self.app = self.path[-1]

    def models(self, package: Path, models: str) -> None:
        """Replace the models of ``package``."""
        write(package / "models.py", MODELS + dedent(models))

    # --- running ---------------------------------------------------------------------------------------------

    def run(
        self,
        *argv: object,
        script: str = WS_ALEMBIC,
        cwd: Path | None = None,
        ini: object = None,
        env: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run ``script -c development.ini *argv``, by default in the folder of the application."""
        arguments = ["-c", str(ini or self.ini), *map(str, argv)]
        return self.call(script, arguments, cwd=cwd, env=env)

    def call(
        self, script: str, argv: Iterable[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Ended:
        """Run the function ``script``, ``module:name``, as the program of a process with ``argv``."""
        program = self.program(script, argv, cwd=cwd, env=env)
        is_module = ":" not in script  # as pytest, which changes too much
        return run_alone(program) if self.alone or is_module else Worker.shared().run(program)

    def program(
        self, script: str, argv: Iterable[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Program:
        """Return the program that :meth:`call` runs."""
        address = {"DATABASE_URL": self.url.render_as_string(hide_password=False)}
        variables = {**os.environ, **address, **self.environment, **(env or {})}
        path = [*map(str, self.path), str(TESTS)]
        return Program(script, [script, *argv], variables, str(cwd or self.app), path, strict=True)

    def ok(self, *argv: object, **how: object) -> str:
        """Run ``ws-alembic`` and return what it says on stdout; it has to succeed."""
        ran = self.run(*argv, **how)  # type: ignore[arg-type]
        assert ran.code == 0, f"{argv}\n{ran.out}\n{ran.err}"
        return ran.out

    def fails(self, *argv: object, code: int = 1, **how: object) -> str:
        """Run ``ws-alembic`` and return its one line of an error; it has to end with ``code`` and say nothing else."""
        ran = self.run(*argv, **how)  # type: ignore[arg-type]
        assert (ran.code, ran.out) == (code, ""), ran
        assert ran.err.startswith("FAILED: "), ran.err
        assert ran.err.count("\n") == 1, ran.err
        return ran.err[len("FAILED: ") : -1]

    def autogenerate(self, *argv: object, **how: object) -> list[Path]:
        """Run ``revision --autogenerate``, upgrade, and return the files that were written."""
        before = self.scripts()
        self.ok(*argv, "revision", "--autogenerate", "-m", "autogenerated", **how)
        self.ok(*argv, "upgrade", **how)
        return sorted(self.scripts() - before)

    def goes_both_ways(self, script: Path, before: str) -> None:
        """Go down from the last ``script`` of the package ``shop`` to the models from ``before`` it, and up again.

        It was upgraded to. The way up is not compared once more: it begins where nothing differs from before it.
        """
        models = self.app / "shop" / "models.py"
        after, text = models.read_text(), script.read_text()
        self.ok("check")
        self.ok("downgrade", "-1")
        self.models(models.parent, before)
        script.unlink()
        self.ok("check")
        script.write_text(text)
        models.write_text(after)
        self.ok("upgrade")

    # --- looking ---------------------------------------------------------------------------------------------

    def scripts(self) -> set[Path]:
        """Return the revision scripts below the folder."""
        return set(self.folder.glob("**/versions/*.py"))

    def files(self) -> dict[Path, bytes]:
        """Return all that the projects consist of, to see that nothing was written."""
        return {
            path: path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and path.suffix not in (".pyc", ".db", ".db-journal", ".lock") and path.name[0] != "."
        }

    def tables(self, schema: str | None = None) -> set[str]:
        """Return the names of the tables in the database."""
        with looking(self.url) as connection:
            return set(inspect(connection).get_table_names(schema))

    def execute(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements in the database and return the rows of the last one."""
        return execute(self.url, *statements)


def write(path: Path, text: str) -> Path:
    """Write ``text`` to ``path``, with the folders above it, and return ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def revise(
    folder: Path,
    id: str,
    down: object = None,
    upgrade: str = "pass",
    downgrade: str = "pass",
    header: str = "",
    message: str = "",
) -> Path:
    """Write a revision script into the script location ``folder``."""
    parts = {"down": down, "upgrade": upgrade, "downgrade": downgrade, "header": header, "message": message}
    return write(folder / "versions" / f"{id}.py", REVISION.format(id=id, **parts))
