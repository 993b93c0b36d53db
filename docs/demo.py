"""The script behind ``make demo``: an application with an add-on, from nothing to their second revisions.

``python docs/demo.py FOLDER`` runs ordinary shell commands and prints each before it runs it. Typed by hand, from the
same folder and in the same order, they do the same.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree
from sqlalchemy import create_engine, inspect, text

from websauna_migrate.packages.package import TABLE_PREFIX
from websauna_migrate.packages.template import template_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

# Wide enough for the table; a pipe has no width of its own.
WIDTH = 100
MARKER = ".websauna_migrate_demo"
PLACEHOLDER = '# self.config.include("acme.newsletter")'
NEW_COLUMN = "    author: Mapped[str | None] = mapped_column(String(100))"

console = Console(highlight=False, soft_wrap=True, width=WIDTH)


def main() -> None:
    """Run the demo in the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="made new; an older demo in it is replaced")
    folder = parser.parse_args().folder
    refusal = refuse(folder)
    if refusal:
        sys.exit(f"FAILED: {refusal}")
    make_room(folder)
    for title, commands in chapters(folder):
        console.print(f"\n[bold green]{title}")
        for command in commands:
            run(command)
    engine = create_engine(f"sqlite:///{folder / 'shop' / 'shop.sqlite'}")
    show_database(engine)
    engine.dispose()
    show_files(folder)
    show_next_steps(folder)


def refuse(folder: Path) -> str | None:
    """Return why the demo cannot run in ``folder``, or None."""
    if sys.prefix == sys.base_prefix:
        return "the demo installs two packages; run it in a virtual environment (make demo has one)"
    if not Path(script("cookiecutter")).exists():
        return f"cookiecutter is missing; run: {python()} -m pip install 'websauna_migrate[scaffold]'"
    if folder.exists() and not (folder / MARKER).exists():
        return f"{folder} exists and holds no demo; name another folder"
    return None


def make_room(folder: Path) -> None:
    """Make an empty ``folder`` in place of an older demo."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARKER).touch()


def chapters(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield titles, and the commands of each."""
    shop, newsletter = folder / "shop", folder / "newsletter"
    module = shop / "demo_shop" / "__init__.py"
    include = f's/{PLACEHOLDER}/self.config.include("demo_newsletter")/'
    alembic = [script("ws-alembic"), "-c", str(shop / "development.ini")]
    everything = [*alembic, "-x", "packages=all"]
    bake = [script("cookiecutter"), "--default-config", "--no-input", "-o", str(folder), near(template_path())]

    yield (
        "Bake an application and an add-on, and install them",
        [
            quoted(*bake, "project_name=Demo Shop", "repo_name=shop", "package_name=demo_shop"),
            quoted(
                *bake,
                "kind=addon",
                "project_name=Demo Newsletter",
                "repo_name=newsletter",
                "package_name=demo_newsletter",
            ),
            quoted(python(), "-m", "pip", "install", "--quiet", "-e", f"{shop}[dev]", "-e", str(newsletter)),
        ],
    )
    yield (
        "Let the application include the add-on",
        [
            f"{quoted('sed', '-i.bak', include, str(module))} && {quoted('rm', f'{module}.bak')}",
        ],
    )
    yield (
        "Write the first revisions of both, and create their tables",
        [
            quoted(*everything, "revision", "--autogenerate", "-m", "Create the first tables"),
            quoted(*everything, "upgrade", "head"),
        ],
    )
    yield (
        "Change a model of the application, and upgrade again",
        [
            f"{quoted('echo', NEW_COLUMN)} >> {quoted(str(shop / 'demo_shop' / 'models.py'))}",
            quoted(*alembic, "revision", "--autogenerate", "-m", "Add the author of a note"),
            quoted(*everything, "upgrade", "head"),
            quoted(*everything, "current"),
        ],
    )


def run(command: str) -> None:
    """Print ``command`` and run it in a shell; end the demo when it fails."""
    console.print(Text(f"$ {command}", style="bold"))
    code = subprocess.run(command, shell=True, check=False).returncode
    if code:
        sys.exit(f"FAILED: the command above ended with exit code {code}")


def show_database(engine: Engine) -> None:
    """Print the tables, and the rows of those that hold a history."""
    console.print("\n[bold green]What is in the database")
    table = Table("Table", "Columns", "Revision", box=SIMPLE)
    inspector = inspect(engine)
    with engine.connect() as connection:
        for name in inspector.get_table_names():
            columns = ", ".join(column["name"] for column in inspector.get_columns(name))
            rows = connection.scalars(text(f"SELECT version_num FROM {name}")) if name.startswith(TABLE_PREFIX) else ()
            table.add_row(name, columns, ", ".join(rows))
    console.print(table)


def show_files(folder: Path) -> None:
    """Print the files of the demo as a tree."""
    console.print("\n[bold green]Where the files are")
    tree = Tree(str(folder))
    grow(tree, folder)
    console.print(tree)


def grow(tree: Tree, folder: Path) -> None:
    """Add what lies in ``folder`` to ``tree``, without what Python and pip leave there."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__" or path.suffix == ".egg-info":
            continue
        is_revision = path.parent.name == "versions" and path.suffix == ".py"
        branch = tree.add(Text(path.name, style="bold" if is_revision else ""))
        if path.is_dir():
            grow(branch, path)


def show_next_steps(folder: Path) -> None:
    """Print how to go on, and how to take the demo away."""
    uri = f"ws://{folder / 'shop' / 'development.ini'}"
    steps = {
        "Open http://localhost:6543/ and http://localhost:6543/demo_newsletter after": quoted(
            script("pserve"), uri, "--reload"
        ),
        "Look around in Python": quoted(script("pshell"), uri),
        "Take the demo away": f"{quoted(python(), '-m', 'pip', 'uninstall', '--yes', 'demo_shop', 'demo_newsletter')}"
        f" && {quoted('rm', '-r', str(folder))}",
    }
    console.print("\n[bold green]How to go on")
    for title, command in steps.items():
        console.print(f"{title}:")
        console.print(Text(f"$ {command}", style="bold"))


def quoted(*arguments: str) -> str:
    """Return ``arguments`` as a line for a shell."""
    return shlex.join(arguments)


def python() -> str:
    """Return the interpreter of this environment, as one would type it."""
    return near(Path(sys.executable))


def script(name: str) -> str:
    """Return the installed script ``name`` of this environment, as one would type it."""
    return near(Path(sysconfig.get_path("scripts")) / name)


def near(path: Path) -> str:
    """Return ``path`` relative to the working directory where it lies in it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    main()
