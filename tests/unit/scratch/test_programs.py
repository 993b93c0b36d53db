from __future__ import annotations

from pathlib import Path

import pytest

from websauna_migrate.scratch.programs import Mysql, Postgresql, best_mysql, best_postgresql, version_in
from websauna_migrate.scratch.wanted import Described, Extension

WHEEL = Postgresql(Path("wheel"), "18.6", frozenset({"citext"}))
DEBIAN = Postgresql(Path("debian"), "15.18", frozenset({"citext", "pgcrypto"}))
MARIADB = Mysql(Path("mariadbd"), "mariadbd  Ver 10.11.19-MariaDB for debian-linux-gnu", Path("mariadb-install-db"))
MYSQL = Mysql(Path("mysqld"), "mysqld  Ver 9.7.0 for Linux on x86_64", None)


def described(version, *extensions):
    return Described(version, extensions=frozenset(map(Extension, extensions)))


@pytest.mark.parametrize(
    ("wanted", "best"),
    [
        (None, WHEEL),
        (described("18.1"), WHEEL),
        (described("14.2 (Debian 14.2-1)"), DEBIAN),
        (described("18.1", "citext"), WHEEL),
        (described("18.1", "pgcrypto"), DEBIAN),
        (described("18.1", "postgis"), WHEEL),
    ],
)
def test_extensions_count_more_than_versions(wanted, best):
    assert best_postgresql([WHEEL, DEBIAN], wanted) == best


@pytest.mark.parametrize(
    ("wanted", "dialect", "best"),
    [
        (None, "mariadb", MARIADB),
        (None, "mysql", MYSQL),
        (Described("10.6.1-MariaDB"), "mysql", MARIADB),
        (Described("8.4.0"), "mariadb", MYSQL),
    ],
)
def test_the_server_says_more_than_the_url(wanted, dialect, best):
    assert best_mysql([MARIADB, MYSQL], wanted, dialect) == best
    assert best_mysql([MARIADB], wanted, dialect) == MARIADB


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18"),
        ("postgres (PostgreSQL) 19beta1", "19"),
        (MARIADB.version, "10.11.19"),
        ("", ""),
    ],
)
def test_the_version_is_found_in_what_programs_say(text, version):
    assert version_in(text) == version
