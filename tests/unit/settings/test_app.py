"""INI files, includes, environment values, and what PasteDeploy makes of them; see also test_ini.py for the files."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

import plaster
import plaster_pastedeploy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from websauna_migrate.exceptions import SettingsError
from websauna_migrate.settings.app import app_factory_module, load_app, parse_config_uri, read_app
from websauna_migrate.settings.errors import (
    InvalidPasteSection,
    SectionMissing,
    SettingsFileMissing,
    SettingsFileUnreadable,
)
from websauna_migrate.settings.loader import Loader

PACKAGES = Path(__file__).parents[2] / "packages"

APP = """
[app:main]
use = call:acme_conf:main
greeting = hello
"""


@pytest.fixture(autouse=True)
def _acme_conf(monkeypatch):
    monkeypatch.syspath_prepend(str(PACKAGES))


@pytest.fixture
def ini(tmp_path):
    """Write an INI file and return its path as text."""

    def write(text, name="dev.ini"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Install a distribution with entry points, and return its name."""
    folder = tmp_path / "site" / "acme_dist-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme_dist\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[paste.app_factory]\nmain = acme_conf:main\nlost = acme_lost.sub:main\n"
        "[paste.filter_factory]\nmain = acme_conf:greeting_filter\nfilter = acme_conf:greeting_filter\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return "acme_dist"


def ws(path):
    """Return what plaster finds for the URI; to find it reads all that is installed."""
    return Loader(plaster.parse_uri(f"ws://{path}"))


def of_pastedeploy(path):
    """Return what plaster finds for a path."""
    return plaster_pastedeploy.Loader(plaster.parse_uri(path))


# --- config_uri


@pytest.mark.parametrize(
    ("config_uri", "name", "options"),
    [
        ("dev.ini", "main", {}),
        ("dev.ini#other", "other", {}),
        ("ws://dev.ini", "main", {}),
        ("WS://dev.ini#other", "other", {}),
        ("ini://dev.ini", "main", {}),
        ("file+ini://dev.ini", "main", {}),
        ("pastedeploy+ini://dev.ini?http_port=8080&x=a%2Fb#other", "other", {"http_port": "8080", "x": "a/b"}),
    ],
)
def test_all_forms_of_a_config_uri_name_the_same_file(ini, tmp_path, monkeypatch, config_uri, name, options):
    ini(APP)
    monkeypatch.chdir(tmp_path)
    uri = parse_config_uri(config_uri)
    assert (uri.path, uri.name, uri.options) == (tmp_path / "dev.ini", name, options)


@pytest.mark.parametrize("folder", ["with space", "a[1]", "50%", "semi;colon", "grüße"])
def test_a_folder_may_have_any_name(ini, folder):
    path = ini(APP + "where = %(here)s\nself = %(__file__)s\n", f"{folder}/dev.ini")
    for config_uri in (path, f"ws://{path}"):
        app = read_app(config_uri)
        assert app.path == Path(path)
        assert app.settings["where"] == app.global_config["here"] == str(Path(path).parent)
        assert app.settings["self"] == app.global_config["__file__"] == path


def test_a_missing_file_is_an_error_that_shows_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsFileMissing) as caught:
        parse_config_uri("conf/dev.ini")
    assert caught.value.path == str(tmp_path / "conf" / "dev.ini")
    assert str(tmp_path / "conf" / "dev.ini") in str(caught.value)


def test_a_foreign_scheme_is_an_error():
    with pytest.raises(SettingsError, match="'egg://'"):
        parse_config_uri("egg://acme")


def test_a_folder_for_a_file_is_an_error(tmp_path):
    with pytest.raises(SettingsFileUnreadable, match="directory"):
        read_app(str(tmp_path))


# --- an application's settings


def test_plain_and_ws_uris_give_the_same_settings(ini):
    ini("[app:main]\nb = from other\ngreeting = not this\n", "other.ini")
    path = ini("[includes]\ninclude_ini_files = other.ini\n" + APP)
    plain, prefixed = read_app(path), read_app(f"ws://{path}")
    assert plain.settings == prefixed.settings == {"greeting": "hello", "b": "from other"}
    assert plain.config_uri == path


def test_settings_are_what_the_factory_of_the_application_gets(ini):
    path = ini(APP + "url = postgresql://u:p%%40x@h/db\n[DEFAULT]\nglobal = 1\n")
    app = read_app(path)
    registry = load_app(path).registry
    assert {key: registry.settings[key] for key in app.settings} == app.settings
    assert app.settings["url"] == "postgresql://u:p%40x@h/db"
    assert app.global_config["global"] == "1"


def test_reading_settings_imports_no_application(ini):
    path = ini("[app:main]\npaste.app_factory = acme_absent.wsgi:main\nx = 1\n")
    assert read_app(path).settings == {"x": "1"}
    assert app_factory_module(path) == "acme_absent.wsgi"


def test_the_other_sections_come_without_the_defaults(ini):
    path = ini(
        "[DEFAULT]\nd = 1\n" + APP + "[alembic]\nfile_template = %%(rev)s_%(d)s\nscript_location = %(here)s/alembic\n"
        "[alembic:other]\nx = 2\n[formatter_generic]\nformat = %(asctime)s %(levelname)-5.5s\nclass = x\n"
    )
    sections = read_app(path).sections
    here = str(Path(path).parent)
    assert dict(sections["alembic"]) == {"file_template": "%(rev)s_1", "script_location": f"{here}/alembic"}
    assert dict(sections["alembic:other"]) == {"x": "2"}
    assert "DEFAULT" not in sections
    assert set(sections) == {"app:main", "alembic", "alembic:other", "formatter_generic"}
    assert len(list(sections.items())) == len(sections) == 4
    assert sections["formatter_generic"]["class"] == "x"
    assert sections.get("absent", {}) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[pipeline:main]\npipeline = f a\n[filter:f]\nuse = call:m:f\nx = no\n", {"greeting": "hi"}),
        ("[filter-app:main]\nuse = call:m:f\nnext = a\nx = no\n", {"greeting": "hi"}),
        ("[app:main]\nuse = a\nx = 1\n", {"greeting": "hi", "x": "1"}),
        ("[app:main]\nuse = a\nfilter-with = f\n[filter:f]\nuse = call:m:f\n", {"greeting": "hi"}),
        ("[app:main]\nuse = config:other.ini#b\nx = 1\n", {"greeting": "from b", "x": "1", "where": "OTHER"}),
        ("[pipeline:main]\npipeline = config:other.ini#b\n", {"greeting": "from b", "where": "OTHER"}),
        ("[app:main]\nuse = a\nset g = new\nget h = g\n[DEFAULT]\ng = old\n", {"greeting": "hi", "h": "new"}),
        ("[application:main]\nuse = egg:NotInstalled#x\nrequire =\nx = 1\n", {"x": "1"}),
    ],
)
def test_the_application_is_followed_wherever_use_leads(ini, text, expected):
    path = ini(text + "[app:a]\nuse = call:acme_conf:main\ngreeting = hi\n", "conf/dev.ini")
    ini(
        "[includes]\ninclude_ini_files = deep/more.ini\n[app:b]\ngreeting = from b\nwhere = %(here)s\n",
        "conf/other.ini",
    )
    ini("[app:b]\npaste.app_factory = acme_conf:main\n", "conf/deep/more.ini")
    here = str(Path(path).parent)
    assert read_app(path).settings == {key: here if value == "OTHER" else value for key, value in expected.items()}


def test_a_relative_config_of_an_included_file_is_beside_that_file(ini):
    path = ini("[includes]\ninclude_ini_files = 50%%/base.ini\n")
    ini("[app:main]\nuse = config:other.ini\n[pipeline:p]\npipeline = config:other.ini\n", "50%/base.ini")
    ini(APP, "50%/other.ini")
    assert read_app(path).settings == read_app(f"{path}#p").settings == {"greeting": "hello"}
    assert load_app(path).registry.settings["greeting"] == "hello"


def test_a_composite_is_an_error_that_lists_its_applications(ini):
    path = ini(APP.replace("main]", "blog]") + "[composite:main]\nuse = call:acme_conf:urlmap\n/ = blog\n")
    with pytest.raises(SettingsError) as caught:
        read_app(path)
    assert ": blog;" in str(caught.value)
    assert f"{path}#blog" in str(caught.value)
    assert read_app(f"{path}#blog").settings == {"greeting": "hello"}


def test_a_missing_section_is_an_error_that_lists_the_applications(ini):
    path = ini(APP + "[pipeline:piped]\npipeline = main\n[filter:f]\n[alembic]\n")
    with pytest.raises(SectionMissing) as caught:
        read_app(f"{path}#absent")
    assert caught.value.available == ("main", "piped")
    with pytest.raises(LookupError):
        ws(path).get_wsgi_app("absent")


@pytest.mark.parametrize(
    ("text", "trail"),
    [
        ("[app:main]\nuse = b\n[app:b]\nuse = main\n", ["app:main", "app:b", "app:main"]),
        ("[app:main]\nuse = main\n", ["app:main", "app:main"]),
        ("[app:main]\nuse = config:dev.ini#b\n[app:b]\nuse = main\n", ["app:main", "app:b", "app:main"]),
        ("[pipeline:main]\npipeline = main\n", ["pipeline:main", "pipeline:main"]),
    ],
)
def test_sections_that_use_each_other_in_a_circle_are_an_error_that_shows_the_path(ini, text, trail):
    with pytest.raises(SettingsError) as caught:
        read_app(ini(text))
    assert re.findall(r"\[([\w:]+)\] of ", str(caught.value)) == trail


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[app:main]\nx = 1\n", "no 'use'"),
        ("[app:main]\nuse = mailto:x\n", "mailto"),
        ("[app:main]\npaste.app_factory = a:b\npaste.composite_factory = a:b\n", "several"),
        ("[pipeline:main]\nx = 1\n", "pipeline"),
        ("[pipeline:main]\npipeline =\n", "empty"),
        ("[filter-app:main]\nuse = call:a:b\n", "next"),
        ("[app:main]\nuse = call:a:b\nget x = nowhere\n", "'nowhere'"),
        ("[app:main]\nuse = call:a:b\n[composite:main]\nuse = call:a:b\n", "Ambiguous"),
    ],
)
def test_a_section_that_pastedeploy_cannot_use_is_an_error(ini, text, reason):
    path = ini(text)
    for read in (read_app, load_app, app_factory_module):
        with pytest.raises(InvalidPasteSection, match=reason) as caught:
            read(path)
        assert caught.value.path == path


def test_a_required_distribution_that_is_missing_is_an_error(ini):
    with pytest.raises(InvalidPasteSection, match="acme-absent"):
        load_app(ini(APP + "require = acme-absent\n"))


# --- loading


def test_an_application_is_loaded_from_an_entry_point(ini, distribution):
    path = ini("[app:main]\nuse = egg:acme_dist\ngreeting = hello\n")
    assert load_app(path).registry.settings["greeting"] == "hello"
    assert app_factory_module(path) == "acme_conf"


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("[app:main]\nuse = call:acme_conf:main\n", "acme_conf"),
        ("[app:main]\npaste.app_factory = acme_conf.sub:main\n", "acme_conf.sub"),
        (
            "[pipeline:main]\npipeline = f a\n[filter:f]\nuse = call:m:f\n[app:a]\nuse = call:acme_conf:main\n",
            "acme_conf",
        ),
    ],
)
def test_the_module_of_the_factory_is_known(ini, text, module):
    assert app_factory_module(ini(text)) == module


@pytest.mark.parametrize("distribution", ["acme-absent", ""])
def test_a_missing_distribution_is_an_error(ini, distribution):
    path = ini(f"[app:main]\nuse = egg:{distribution}#main\n")
    for call in (load_app, app_factory_module):
        with pytest.raises(InvalidPasteSection) as caught:
            call(path)
        assert f"the distribution {distribution!r} is not installed" in str(caught.value)


@pytest.mark.parametrize("name", ["absent", "filter"])
def test_a_missing_entry_point_is_an_error(ini, distribution, name):
    path = ini(f"[app:main]\nuse = egg:acme_dist#{name}\n")
    for call in (load_app, app_factory_module):
        with pytest.raises(InvalidPasteSection, match=f"egg:acme_dist#{name}"):
            call(path)


@pytest.mark.parametrize("use", ["egg:acme_dist#lost", "call:acme_conf.absent:main", "call:acme_conf:absent"])
def test_a_factory_that_is_not_there_is_an_error(ini, distribution, use):
    with pytest.raises(InvalidPasteSection) as caught:
        load_app(ini(f"[app:main]\nuse = {use}\n"))
    assert repr(use) in str(caught.value)


@pytest.mark.parametrize("factory", ["acme_conf.absent:main", "acme_conf:absent"])
def test_an_explicit_factory_that_is_not_there_is_an_error(ini, factory):
    with pytest.raises(InvalidPasteSection, match=factory):
        load_app(ini(f"[app:main]\npaste.app_factory = {factory}\n"))


@pytest.mark.parametrize(
    "code", ["import acme_absent", "raise LookupError('mine')", "raise KeyError('mine')", "int.nope"]
)
def test_what_the_application_raises_comes_out_as_it_is(ini, tmp_path, monkeypatch, code):
    monkeypatch.syspath_prepend(str(tmp_path))
    for number, text in enumerate((f"{code}\n", f"def main(global_config, **settings):\n    {code}\n")):
        (tmp_path / f"acme_broken{number}.py").write_text(text)
        with pytest.raises((ImportError, LookupError, AttributeError)) as caught:
            load_app(ini(f"[app:main]\nuse = call:acme_broken{number}:main\n"))
        assert not isinstance(caught.value, SettingsError)
        sys.modules.pop(f"acme_broken{number}", None)


def test_filters_pipelines_and_composites_are_loaded_across_includes(ini, distribution):
    ini(
        "[pipeline:main]\npipeline = f a\n[filter:f]\nuse = egg:acme_dist\n"
        "[composite:map]\nuse = call:acme_conf:urlmap\n/x = a\n",
        "base.ini",
    )
    path = ini("[includes]\ninclude_ini_files = base.ini\n" + APP.replace("main]", "a]"))
    loader = ws(path)
    for app in (loader.get_wsgi_app(), loader.get_wsgi_filter("f")(loader.get_wsgi_app("a"))):
        body = app({"REQUEST_METHOD": "GET", "PATH_INFO": "/nowhere"}, lambda status, headers: None)
        assert b"".join(body) == b"hello"
    assert loader.get_wsgi_app("map")["/x"].registry.settings["greeting"] == "hello"


def test_a_missing_filter_or_server_is_an_error(ini):
    loader = ws(ini(APP))
    with pytest.raises(SectionMissing, match="no filter 'f'"):
        loader.get_wsgi_filter("f")
    with pytest.raises(SectionMissing, match="no server 'main'"):
        loader.get_wsgi_server()


# --- the loader beside plaster_pastedeploy's

RICH = """
[DEFAULT]
g = global %(here)s
pw = p%%40x
port = 6543

[app:main]
use = call:acme_conf:main
Greeting = hello %(g)s
url = postgresql://u:%(pw)s@h/db
set fresh = %(port)s
get g2 = g
port = ignored as global

[app:second]
use = main
extra = %(opt)s

[pipeline:piped]
pipeline = main

[pserve]
watch_files = %(here)s/a
    %(__file__)s
set s = 1
get p = port

[server:main]
use = egg:waitress#main
listen = *:%(port)s
"""


@pytest.mark.parametrize("suffix", ["?opt=1", "?opt=1&port=8080", "?opt=1#second", "?opt=1&g=mine#piped"])
def test_a_file_without_includes_means_the_same_as_with_plaster_pastedeploy(ini, suffix):
    path = ini(RICH)
    ours, theirs = ws(path + suffix), of_pastedeploy(path + suffix)
    given_ = {"__script__": "pserve"}
    assert ours.get_sections() == theirs.get_sections()
    for section in (None, *theirs.get_sections(), "absent"):
        mine, other = ours.get_settings(section, given_), theirs.get_settings(section, given_)
        assert list(mine.items()) == list(other.items())
        assert getattr(mine, "global_conf", None) == getattr(other, "global_conf", None)
    for name in (None, "main", "second", "piped"):
        mine, other = ours.get_wsgi_app_settings(name, given_), theirs.get_wsgi_app_settings(name, given_)
        assert list(mine.items()) == list(other.items())
        assert mine.global_conf == other.global_conf
        assert mine.loader is ours


def test_the_use_of_another_file_means_the_same_as_with_plaster_pastedeploy(ini):
    ini(
        "[DEFAULT]\ng = other\no = %(here)s\n[app:b]\nuse = call:acme_conf:main\nx = %(g)s %(opt)s\nset s = %(o)s\n",
        "b/b.ini",
    )
    path = ini("[DEFAULT]\ng = mine %(here)s\n[app:main]\nuse = config:b/b.ini#b\nset s = 1\nget t = g\ny = %(g)s\n")
    ours, theirs = ws(f"{path}?opt=1"), of_pastedeploy(f"{path}?opt=1")
    mine, other = ours.get_wsgi_app_settings(), theirs.get_wsgi_app_settings()
    assert list(mine.items()) == list(other.items())
    assert mine.global_conf == other.global_conf == read_app(f"{path}?opt=1").global_config


words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)
values = st.lists(
    st.sampled_from(["%%", "%(here)s", "%(g)s", "=", "#", "$", "x ", "[", "@:/'\""])
    | words.map(lambda word: word.replace("%", "%%").replace("${", "{"))
).map(lambda parts: "v" + "".join(parts))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(values, values)
def test_any_value_reads_as_with_plaster_pastedeploy(ini, value, default):
    path = ini(f"[DEFAULT]\ng = {default.replace('%(g)s', '')}\n[app:main]\nuse = call:acme_conf:main\nx = {value}\n")
    theirs = of_pastedeploy(path)
    assert ws(path).get_settings("app:main") == theirs.get_settings("app:main")
    assert read_app(path).settings == theirs.get_wsgi_app_settings()


def test_options_are_defaults_of_the_interpolation_and_taken_as_they_are(ini):
    path = ini(APP + "url = x://%(pw)s@h\n")
    assert ws(f"{path}?pw=p%2540%28").get_settings("app:main")["url"] == "x://p%40(@h"
    assert read_app(f"{path}?pw=p%2540%28").settings["url"] == "x://p%40(@h"


def test_a_loader_is_found_for_ws_only(ini):
    ours, theirs = (plaster.get_loader(f"{scheme}{ini(APP)}", protocols=["wsgi"]) for scheme in ("ws://", ""))
    assert (type(ours), type(theirs)) == (Loader, plaster_pastedeploy.Loader)


def test_the_loader_keeps_its_file_when_the_working_directory_changes(ini, tmp_path, monkeypatch):
    ini(APP)
    monkeypatch.chdir(tmp_path)
    loader = ws("dev.ini")
    monkeypatch.chdir("/")
    assert loader.get_wsgi_app_settings()["greeting"] == "hello"


def test_get_of_an_absent_global_is_an_error_in_any_section(ini):
    with pytest.raises(InvalidPasteSection, match="nowhere"):
        ws(ini("[pserve]\nget x = nowhere\n")).get_settings("pserve")


# --- logging

LOGGING = """
[loggers]
keys = root
[logger_root]
level = INFO
handlers = file
[handlers]
keys = file
[handler_file]
class = FileHandler
args = (r'${LOG_FOLDER}/%(name)s.log', 'a')
formatter = generic
[formatters]
keys = generic
[formatter_generic]
format = %(levelname)-5.5s [%(name)s] ${LOG_FOLDER} %(message)s
"""


def run_python(code, **env):
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True, check=True, timeout=60
    )


def test_logging_is_set_up_from_included_files_and_the_environment(ini, tmp_path):
    ini(LOGGING, "logging.ini")
    path = ini("[includes]\ninclude_ini_files = logging.ini\n" + APP)
    run_python(
        f"import plaster, logging; plaster.setup_logging('ws://{path}?name=web'); logging.getLogger('a').info('hi')",
        LOG_FOLDER=str(tmp_path),
    )
    assert (tmp_path / "web.log").read_text() == "INFO  [a] ${LOG_FOLDER} hi\n"


def test_without_loggers_logging_is_basic(ini):
    path = ini(APP)
    done = run_python(f"import plaster, logging; plaster.setup_logging('ws://{path}'); logging.warning('hi')")
    assert done.stderr == "WARNING:root:hi\n"


# --- pyramid's own scripts

SCRIPTS = Path(sysconfig.get_path("scripts"))
WITH_BASE = "[includes]\ninclude_ini_files = resource://acme_conf/conf/base.ini\n[app:main]\ngreeting = ${GREETING}\n"


@pytest.fixture
def environment():
    paths = [str(PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "GREETING": "hello 50% ${HOME}",
        "PYTHONWARNINGS": "ignore",
    }


def test_pserve_serves_a_merged_file(ini, environment):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = ini(WITH_BASE)
    server = subprocess.Popen(
        [SCRIPTS / "pserve", f"ws://{path}?http_port={port}"], env=environment, stderr=subprocess.PIPE
    )
    try:
        assert fetch(f"http://127.0.0.1:{port}/greeting", server) == "hello 50% ${HOME}"
    finally:
        server.terminate()
        server.communicate(timeout=30)


def fetch(url, server):
    for _ in range(300):
        if server.poll() is not None:
            pytest.fail(server.stderr.read().decode())
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return response.read().decode()
        except OSError:
            time.sleep(0.1)
    return pytest.fail("the server did not answer")


def test_proutes_and_pshell_read_a_merged_file(ini, environment, tmp_path):
    ini(WITH_BASE)
    run = {"env": environment, "cwd": tmp_path, "capture_output": True, "text": True, "timeout": 120}
    routes = subprocess.run([SCRIPTS / "proutes", "ws://dev.ini#main"], **run)
    assert "/greeting" in routes.stdout, routes.stderr
    shell = subprocess.run(
        [SCRIPTS / "pshell", "ws://dev.ini"],
        **run,
        input="import json; print(json.dumps(dict(registry.settings)))\n",
    )
    line = next(line for line in shell.stdout.splitlines() if "{" in line)
    seen = json.loads(line[line.index("{") :])
    assert seen["greeting"] == "hello 50% ${HOME}"
    assert seen["base_here"] == str(PACKAGES / "acme_conf" / "conf")
    assert seen["shared_file"] == str(PACKAGES / "acme_conf" / "shared.ini")


def test_what_a_trace_shows_of_the_settings_has_no_value_in_it(tmp_path):
    ini = tmp_path / "app.ini"
    ini.write_text("[DEFAULT]\nkey = secret\n[app:main]\nuse = egg:x\nsqlalchemy.url = postgresql://u:secret@h/d\n")
    assert "secret" in read_app(str(ini)).settings["sqlalchemy.url"]
    assert "secret" not in repr(read_app(str(ini)))
