"""A password with all that URLs, INI files and shells trip over works, and is never shown."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from projects import Workspace, revise, write
from servers import PASSWORD, free_port

THING = "class Thing(Base):\n    __tablename__ = 'thing'\n    id = Column(Integer, primary_key=True)\n"
#: The password, and how it stands in URLs and INI files.
SPELLINGS = {PASSWORD, quote(PASSWORD, safe=""), quote_plus(PASSWORD), quote(PASSWORD, safe="").replace("%", "%%")}
COMMANDS = [
    ("revision", "--autogenerate", "-m", "first"),
    ("upgrade",),
    ("current", "-v"),
    ("status",),
    ("plan",),
    ("check",),
    ("history", "-i"),
    ("stamp", "head"),
    ("upgrade", "--sql"),
    ("downgrade", "base"),
]


@pytest.fixture(params=["postgresql", "mariadb"])
def shop(request, tmp_path):
    """An application whose INI has the password."""
    backend = request.getfixturevalue(request.param)
    workspace = Workspace(tmp_path, backend.new_database(password=True))
    workspace.add_app("shop", THING)
    (workspace.app / "alembic").mkdir()
    assert PASSWORD not in workspace.ini.read_text()
    return workspace


def hides_it(*texts: str) -> bool:
    return not any(spelling in text for spelling in SPELLINGS for text in texts)


def test_every_command_works_and_shows_no_password(shop):
    for command in COMMANDS:
        ran = shop.run("--raiseerr", *command)
        assert ran.code == 0, ran
        assert hides_it(ran.out, ran.err), command
    for script in shop.scripts():
        assert hides_it(script.read_text())


def test_the_password_may_come_from_the_environment(shop):
    shop.write_ini(url="${SHOP_URL}")
    url = shop.url.render_as_string(hide_password=False)
    ran = shop.run("current", env={"SHOP_URL": url})
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    parts = shop.url.set(password="PLACE").render_as_string(hide_password=False)
    shop.write_ini(url=parts.replace("PLACE", "${SHOP_PASSWORD}"))
    ran = shop.run("current", env={"SHOP_PASSWORD": quote(PASSWORD, safe="")})
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_the_password_may_stand_among_the_options_of_the_url(shop):
    shop.write_ini(url="${SHOP_URL}")
    url = shop.url.set(password="").update_query_dict({"password": PASSWORD}).render_as_string(hide_password=False)
    for command in COMMANDS:
        ran = shop.run("--raiseerr", *command, env={"SHOP_URL": url})
        assert ran.code == 0, ran
        assert hides_it(ran.out, ran.err), command


def test_no_error_shows_the_password(shop):
    write(shop.app / "alembic" / "script.py.mako", "")
    revise(shop.app / "alembic", "aaa1", upgrade='op.execute("SELECT nonsense FROM nowhere")')
    down = shop.url.set(port=free_port())
    wrong = shop.url.set(username="nobody")
    gone = shop.url.set(database="nowhere")
    for url in (shop.url, down, wrong, gone):
        shop.write_ini(url=url)
        for command in (("upgrade",), ("check",), ("current",)):
            ran = shop.run("--raiseerr", *command)
            if url != shop.url or command == ("upgrade",):
                assert ran.code == 1, ran
                assert "Traceback" in ran.err
            assert hides_it(ran.out, ran.err), (url, command)


def test_an_unusable_url_shows_no_password_even_with_a_trace(shop):
    for url in (f"nonsense://u:{PASSWORD}@h/d", f"postgresql://u:{PASSWORD}@h:port/d", f"nonsense {PASSWORD}"):
        shop.write_ini(url=url)
        ran = shop.run("--raiseerr", "current")
        assert ran.code == 1
        assert hides_it(ran.out, ran.err), ran.err


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="argv of other processes is read from /proc")
def test_no_process_has_the_password_in_its_argv(shop, start):
    revise(shop.app / "alembic", "aaa1", upgrade="import time; print('sleeps', flush=True); time.sleep(0.3)")
    process = start("ws-alembic", "-c", shop.ini, "upgrade", env={"PYTHONPATH": str(shop.app)}, forked=False)
    seen = ""
    while process.poll() is None:
        seen += "\n".join(map(_cmdline, Path("/proc").glob("[0-9]*")))
        time.sleep(0.1)
    assert process.returncode == 0, process.communicate()
    assert "ws-alembic" in seen
    assert hides_it(seen)


def _cmdline(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
