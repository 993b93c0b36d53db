from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import make_url

from websauna_migrate.database.client import (
    OPTION_FILE,
    ClientCall,
    choose,
    dump_calls,
    option_file,
    shell_calls,
    sqlite_file,
)
from websauna_migrate.database.errors import ClientMissing, DatabaseFileMissing
from websauna_migrate.exceptions import ClientError, UsageError

SECRET = "p%40ss@:/'\" \\#"


def secret(url: str):
    return make_url(url).set(password=SECRET)


def shell(url, program: str, *arguments: str) -> ClientCall:
    return next(call for call in shell_calls(url, arguments) if call.program == program)


def uri_options(call: ClientCall) -> dict[str, str]:
    """What libpq reads in the URI among the arguments."""
    uri = next(part for part in call.arguments if "postgresql:///?" in part).removeprefix("--dbname=")
    assert "+" not in uri, "libpq takes a plus sign for itself"
    return {name: value for name, (value,) in parse_qs(urlsplit(uri).query).items()}


# --- PostgreSQL ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", ["", "+psycopg2", "+psycopg", "+asyncpg", "+pg8000"])
@pytest.mark.parametrize("program", ["pg_dump", "psql", "pgcli"])
def test_the_url_goes_to_postgresql_s_programs_without_driver_and_password(driver, program):
    # SQLAlchemy 2.0 does not unquote the name of a database, 2.1 does.
    url = secret(f"postgresql{driver}://me@db.example:5433").set(database="my shop")
    calls = {call.program: call for call in (*dump_calls(url), *shell_calls(url))}
    assert uri_options(calls[program]) == {"host": "db.example", "port": "5433", "user": "me", "dbname": "my shop"}
    assert calls[program].environment == {"PGPASSWORD": SECRET}


def test_without_a_password_the_environment_stays_as_it_is():
    assert shell(make_url("postgresql://me@h/d"), "psql").environment == {}


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("postgresql:///d?host=/run/postgresql", {"host": "/run/postgresql", "dbname": "d"}),
        ("postgresql://h/d?sslmode=require&sslrootcert=/a b", {"sslmode": "require", "sslrootcert": "/a b"}),
        ("postgresql://h/d?options=-c%20search_path%3Da,b", {"options": "-c search_path=a,b"}),
        ("postgresql://h/d?sslpassword=secret", {"host": "h", "dbname": "d"}),
        ("postgresql:///d?host=a:1&host=b:2", {"host": "a,b", "port": "1,2"}),
        ("postgresql+asyncpg://h/d?ssl=require&prepared_statement_cache_size=0", {"sslmode": "require"}),
        ("postgresql+pg8000://u@/d?unix_sock=/run/pg/.s.PGSQL.5433", {"host": "/run/pg", "port": "5433"}),
        ("postgresql+psycopg://h/d?async_fallback=true", {"host": "h", "dbname": "d"}),
    ],
)  # fmt: skip
def test_options_of_the_url_are_those_of_libpq(url, options):
    call = shell(make_url(url), "psql")
    assert options.items() <= uri_options(call).items()
    assert not {"sslpassword", "async_fallback", "ssl", "prepared_statement_cache_size"} & uri_options(call).keys()


def test_pg_dump_never_asks_for_a_password():
    assert "--no-password" in dump_calls(make_url("postgresql://h/d"))[0].arguments


# --- MySQL and MariaDB -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["mysql+pymysql://me@h:3307/shop", "mariadb+mariadbconnector://me@h:3307/shop"])
def test_the_url_goes_to_mysql_s_programs_in_a_file(url):
    for call in (*dump_calls(secret(url)), shell(secret(url), "mysql"), shell(secret(url), "mariadb")):
        assert call.arguments[0] == f"--defaults-file={OPTION_FILE}"
        assert "shop" in call.arguments
        assert call.environment == {}
        lines = call.option_file.splitlines()
        assert lines[0] == "[client]"
        assert {'host="h"', 'port="3307"', 'user="me"', 'protocol="tcp"'} <= set(lines)
        assert 'password="p%40ss@:/\'\\" \\\\#"' in lines


def test_the_program_that_fits_the_dialect_comes_first():
    assert [call.program for call in dump_calls(make_url("mariadb://h/d"))] == ["mariadb-dump", "mysqldump"]
    assert [call.program for call in dump_calls(make_url("mysql://h/d"))] == ["mysqldump", "mariadb-dump"]
    assert [call.program for call in shell_calls(make_url("mariadb://h/d"))] == ["mycli", "mariadb", "mysql"]
    assert [call.program for call in shell_calls(make_url("mysql://h/d"))] == ["mycli", "mysql", "mariadb"]


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("unix_socket=/run/my.sock", 'socket="/run/my.sock"'),
        ("charset=utf8mb4", 'default-character-set="utf8mb4"'),
        ("ssl_ca=/ca.pem", 'ssl-ca="/ca.pem"'),
        ("ssl_check_hostname=true", "loose-ssl-verify-server-cert"),
        ("ssl_mode=VERIFY_IDENTITY", "loose-ssl-mode=VERIFY_IDENTITY"),
    ],
)
def test_options_of_the_url_are_those_of_mysql(query, line):
    lines = shell(make_url(f"mysql+pymysql://h/d?{query}"), "mysql").option_file.splitlines()
    assert line in lines
    assert ('protocol="tcp"' in lines) == ("socket" not in query)
    assert ("loose-ssl-mode=VERIFY_IDENTITY" in lines) == ("=true" in query or "VERIFY" in query)


def test_localhost_is_a_socket_for_the_driver_that_thinks_so_too():
    assert "protocol" not in shell(make_url("mysql+mysqldb://localhost/d"), "mysql").option_file


def test_mycli_gets_its_password_by_the_environment():
    call = shell(secret("mysql+pymysql://me@h:3307/shop?charset=utf8mb4&ssl_ca=/ca.pem"), "mycli", "--table")
    assert set(call.arguments) == {
        *(
            "--host=h",
            "--port=3307",
            "--user=me",
            "--database=shop",
            "--charset=utf8mb4",
            "--ssl-ca=/ca.pem",
            "--table",
        ),
    }
    assert call.environment == {"MYSQL_PWD": SECRET}
    assert call.option_file is None


def test_mysql_s_dump_has_to_be_told_which_database():
    with pytest.raises(ClientError):
        dump_calls(make_url("mysql://h"))


# --- SQLite ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        make_url("sqlite:///my app.db"),
        make_url("sqlite://?mode=ro&uri=true").set(database="file:my%20app.db"),
        make_url("sqlite+aiosqlite:///./my app.db"),
    ],
    ids=str,
)
def test_the_sqlite_file_is_found_by_every_way_to_name_it(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my app.db").touch()
    assert sqlite_file(url) == tmp_path / "my app.db"
    assert [(call.program, call.arguments) for call in shell_calls(url, ["-csv"])] == [
        ("litecli", (str(tmp_path / "my app.db"), "-csv")),
        ("sqlite3", (str(tmp_path / "my app.db"), "-csv")),
    ]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file::memory:?cache=shared&uri=true",
        "sqlite:///none.db",
        "sqlite:///",
    ],
)
def test_a_sqlite_database_that_is_no_file_is_an_error(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatabaseFileMissing):
        shell_calls(make_url(url))
    assert list(tmp_path.iterdir()) == []


# --- all -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["postgresql://me@h/d", "mysql://me@h/d", "mariadb://me@h/d"])
def test_no_argument_ever_holds_the_password(url):
    for call in (*dump_calls(secret(url)), *shell_calls(secret(url))):
        for spelling in (SECRET, "p%40ss", "p%2540ss", "\\#"):
            assert not any(spelling in part for part in call.arguments)


@pytest.mark.parametrize("url", ["postgresql://h/d", "mysql://h/d"])
def test_arguments_come_last(url):
    for call in (*dump_calls(make_url(url), ["-a", "b c"]), *shell_calls(make_url(url), ["-a", "b c"])):
        assert call.arguments[-2:] == ("-a", "b c")


def test_other_databases_have_no_client():
    for calls in (dump_calls, shell_calls):
        with pytest.raises(ClientError, match="oracle"):
            calls(make_url("oracle://h/d"))


CALLS = (ClientCall("pgcli"), ClientCall("psql"))


def installed(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch(mode=0o755)


def test_the_first_client_that_is_installed_is_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    installed(tmp_path, "psql")
    assert choose(CALLS).program == "psql"
    installed(tmp_path, "pgcli")
    assert choose(CALLS).program == "pgcli"
    assert choose(CALLS, "psql").program == "psql"


def test_a_client_that_is_not_installed_is_an_error_that_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClientMissing, match=r"pgcli or psql .* pip install pgcli, postgresql-client"):
        choose(CALLS)
    installed(tmp_path, "pgcli")
    with pytest.raises(ClientMissing, match=r"^psql is not installed"):
        choose(CALLS, "psql")


def test_a_client_of_another_database_is_an_error_that_lists_those_of_this_one():
    with pytest.raises(UsageError, match=r"mycli.*pgcli, psql") as caught:
        choose(CALLS, "mycli")
    assert caught.value.exit_code == 2


def test_the_option_file_is_private_has_no_name_and_can_be_read_twice():
    call = ClientCall("mysql", (f"--defaults-file={OPTION_FILE}", "shop"), option_file="[client]\n")
    with option_file(call) as (argv, (descriptor,)):
        assert argv == ["mysql", f"--defaults-file=/dev/fd/{descriptor}", "shop"]
        assert [Path(argv[1].partition("=")[2]).read_text() for _ in range(2)] == ["[client]\n"] * 2
        status = os.fstat(descriptor)
        assert (stat.S_IMODE(status.st_mode), status.st_nlink) == (0o600, 0)
        assert os.get_inheritable(descriptor)


def test_without_an_option_file_nothing_is_inherited():
    with option_file(ClientCall("psql", ("-c", "x"))) as (argv, descriptors):
        assert (argv, descriptors) == (["psql", "-c", "x"], ())


@pytest.mark.parametrize(("program", "is_told"), [("mysqldump", True), ("mariadb-dump", False)])
def test_only_the_dump_of_mysql_itself_is_told_to_leave_transactions_out(tmp_path, monkeypatch, program, is_told):
    tool = tmp_path / program
    tool.write_text("")
    tool.chmod(0o755)
    if program != "mysqldump":
        (tmp_path / "mysqldump").symlink_to(tool)
    monkeypatch.setenv("PATH", str(tmp_path))
    for url in ("mysql://h/d", "mariadb://h/d"):
        told = {call.program for call in dump_calls(make_url(url)) if "--set-gtid-purged=OFF" in call.arguments}
        assert told == ({"mysqldump"} if is_told else set())
