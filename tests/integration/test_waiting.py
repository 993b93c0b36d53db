"""``--wait``: a server that does not answer yet is asked again, one that refuses is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from projects import Workspace, write
from servers import free_port
from troubles import shop
from websauna_migrate.database.connection import Database
from websauna_migrate.database.errors import DatabaseUnreachable
from websauna_migrate.database.waiting import wait_for_server


def test_a_server_that_answers_later_is_waited_for(own_postgresql):
    database = Database(own_postgresql.create_database(), "app.ini")
    own_postgresql.stop()
    waits = []

    def on_wait(error, seconds):
        waits.append(seconds)
        if len(waits) == 1:
            own_postgresql.start()

    wait_for_server(database, 60, on_wait)
    assert waits


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"password": "wrong"}, "check the user and the password"), ({"database": "nowhere"}, "create the database")],
)
def test_a_server_that_refuses_is_not_asked_again(request, name, wrong, told):
    url = request.getfixturevalue(name).new_database(password=True).set(**wrong)
    with pytest.raises(DatabaseUnreachable, match=told):
        wait_for_server(Database(url, "app.ini"), 60, lambda error, _seconds: pytest.fail(str(error)))


def test_nothing_is_waited_for_where_there_is_no_server(tmp_path):
    database = Database(make_url(f"sqlite:///{tmp_path}/missing/x.db"), "app.ini")
    wait_for_server(database, 60, lambda error, _seconds: pytest.fail(str(error)))


@pytest.fixture
def nobody(tmp_path: Path, sqlite) -> Workspace:
    """An application whose server nobody started."""
    workspace = shop(tmp_path, sqlite.new_database())
    workspace.write_ini(url=f"postgresql+psycopg2://127.0.0.1:{free_port()}/x")
    return workspace


@pytest.mark.parametrize("command", ["upgrade", "status"])
def test_when_the_time_is_over_the_error_is_that_of_the_connection(nobody, command):
    ran = nobody.run(command, "--wait", "0.1")
    assert ran.code == 1
    waiting, failed = ran.err.splitlines()
    assert waiting.startswith("waiting for the database server: cannot connect to postgresql")
    assert failed.startswith("FAILED: cannot connect to postgresql")
    assert "waiting" not in nobody.fails(command)


def test_the_server_is_waited_for_before_the_application_starts(nobody):
    write(nobody.app / "shop" / "models.py", "raise RuntimeError('it asks the server')")
    assert nobody.run("upgrade", "--wait", "0.1").err.startswith("waiting for the database server: ")
    assert "it asks the server" in nobody.run("upgrade", "--wait", "0.1", "--sql").err


@pytest.mark.parametrize("seconds", ["soon", "-1", "inf", "nan"])
def test_a_time_to_wait_that_is_none_is_a_usage_error(nobody, seconds):
    assert nobody.run("upgrade", f"--wait={seconds}").code == 2
