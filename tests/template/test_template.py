"""The cookiecutter template: what it bakes, and that what it bakes runs in a fresh environment."""

from __future__ import annotations

import ast
import compileall
import configparser
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import venv
import zipfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError

import docutils.core
import pytest
from alembic import command
from alembic.config import Config

from forked import Program
from installing import uv
from page_blocks import named
from websauna_migrate.packages.template import script_location_files, template_path
from worker import Worker

ROOT = Path(__file__).parents[2]
KINDS = ("app", "addon")
DATABASES = ("sqlite", "postgresql", "mysql")

BOTH = {
    ".github/workflows/test.yml",
    ".gitignore",
    "README.rst",
    "development.ini",
    "pyproject.toml",
    "setup.py",
    "acme/shop/__init__.py",
    "acme/shop/models.py",
    "acme/shop/pshell.py",
    "acme/shop/views.py",
    "tests/conftest.py",
    "tests/test_migrations.py",
    "tests/test_models.py",
    "tests/test_pshell.py",
    "tests/test_views.py",
}
DEPLOYED = {
    ".dockerignore",
    "Dockerfile",
    "MANIFEST.in",
    "container.ini",
    "docker-entrypoint.sh",
    "production.ini",
    "acme/shop/conf/base.ini",
}
SCRIPT_LOCATION = ("env.py", "script.py.mako", "versions/README.rst")
FILES = {
    "app": BOTH | DEPLOYED | {f"alembic/{name}" for name in SCRIPT_LOCATION},
    "addon": BOTH | {"acme/shop/development.py"} | {f"acme/shop/alembic/{name}" for name in SCRIPT_LOCATION},
}


def cookiecutter(folder, template=None, **context):
    argv = ["cookiecutter", "--default-config", "--no-input", "-o", folder / "baked", template or template_path()]
    argv += [f"{key}={value}" for key, value in context.items()]
    program = Program("cookiecutter.__main__:main", list(map(str, argv)), {"HOME": str(folder)}, str(folder))
    return Worker.shared().run(program)


def bake(folder, template=None, **context):
    done = cookiecutter(folder, template, **context)
    assert done.code == 0, done.out + done.err
    return folder / "baked" / context["repo_name"]


def script_location(kind):
    return "alembic" if kind == "app" else "acme/shop/alembic"


@pytest.fixture(scope="module")
def baked(tmp_path_factory):
    """One project of each kind, all of the package ``acme.shop``."""
    folder = tmp_path_factory.mktemp("baked")
    variables = {"project_name": "Acme's Shop", "package_name": "acme.shop"}
    template = shutil.copytree(template_path(), folder / "template")
    compileall.compile_dir(template, quiet=2)  # as pip does where it is installed
    return {kind: bake(folder, template, kind=kind, repo_name=kind, **variables) for kind in KINDS}


# --- what is baked ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_the_files_that_it_needs_and_no_other(baked, kind):
    files = {path.relative_to(baked[kind]).as_posix() for path in baked[kind].rglob("*") if path.is_file()}
    assert files == FILES[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_no_mark_of_the_template_is_left_over(baked, kind):
    for name in FILES[kind] - {f"{script_location(kind)}/script.py.mako"}:
        assert not re.search(r"\{[{%#]|cookiecutter", (baked[kind] / name).read_text()), name


@pytest.mark.parametrize("kind", KINDS)
def test_baked_code_is_clean_formatted_and_annotated(baked, kind, run):
    for arguments in (["check", "--extend-select", "ANN", "--ignore", "ANN401"], ["format", "--check"]):
        done = run("ruff", *arguments, "--no-cache", ".", cwd=baked[kind])
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_script_location_is_the_one_that_init_writes(baked, kind):
    for name, text in script_location_files("acme.shop").items():
        assert (baked[kind] / script_location(kind) / name).read_text() == text


@pytest.mark.parametrize("kind", KINDS)
def test_the_env_py_is_two_lines(baked, kind):
    tree = ast.parse((baked[kind] / script_location(kind) / "env.py").read_text())
    assert [ast.unparse(statement) for statement in tree.body[1:]] == [
        "from websauna_migrate.env import run_alembic",
        "run_alembic(package='acme.shop')",
    ]


@pytest.fixture(scope="module")
def on_databases(tmp_path_factory):
    """The same project of each kind for each database."""
    return {
        (kind, database): bake(
            tmp_path_factory.mktemp(f"{kind}_{database}"),
            kind=kind,
            database=database,
            repo_name="shop",
            project_name="Zoë's shop",
        )
        for kind in KINDS
        for database in DATABASES
    }


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_database_decides_the_url_and_the_driver(on_databases, kind, database):
    project = on_databases[kind, database]
    ini = configparser.RawConfigParser()
    ini.read(project / "development.ini")
    assert ini["app:main"]["sqlalchemy.url"].startswith(database)
    assert ini["app:main"]["websauna_migrate.guard"] == "page"
    requirement = {"sqlite": '"websauna_migrate"', "postgresql": "[postgresql]", "mysql": "[mysql]"}[database]
    assert requirement in (project / "pyproject.toml").read_text()


@pytest.mark.parametrize("database", ["postgresql", "mysql"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_code_and_the_tests_are_the_same_for_each_database(on_databases, kind, database):
    for path in on_databases[kind, "sqlite"].rglob("*.py"):
        same = on_databases[kind, database] / path.relative_to(on_databases[kind, "sqlite"])
        assert same.read_text() == path.read_text(), path


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_is_valid(on_databases, kind, database):
    readme = on_databases[kind, database] / "README.rst"
    docutils.core.publish_string(readme.read_text(), settings_overrides={"halt_level": 2, "report_level": 5})


def test_the_names_follow_from_the_name_of_the_project(tmp_path):
    done = cookiecutter(tmp_path, project_name="Zoë's Big Shop")
    assert done.code == 0, done
    assert (tmp_path / "baked" / "zoe_s_big_shop" / "zoe_s_big_shop" / "models.py").is_file()


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("package_name", "1shop", "Python name"),
        ("package_name", "my-shop", "Python name"),
        ("package_name", "acme..shop", "Python name"),
        ("package_name", "acme.shöp", "Python name"),
        ("package_name", '"; import os', "Python name"),
        ("package_name", "acme.class", "keyword"),
        ("package_name", "email", "Python's own"),
        ("package_name", "email.shop", "Python's own"),
        ("package_name", "alembic", "clash"),
        ("package_name", "tests", "clash"),
        ("repo_name", "../shop", "letter or digit"),
        ("repo_name", "acme/shop", "letter or digit"),
        ("repo_name", "my shop", "letter or digit"),
        ("project_name", 'The "Shop"', "quotation"),
        ("project_name", "The\\Shop", "backslash"),
        ("project_name", " ", "one line"),
        ("database", "mariadb", "must be one of sqlite, postgresql, mysql; for MariaDB, choose mysql"),
        ("kind", "plugin", "must be one of app, addon"),
        ("databse", "mysql", "is not a variable of this template; it has project_name, repo_name"),
    ],
)
def test_a_name_that_cannot_be_is_one_line_and_leaves_nothing(tmp_path, variable, value, reason):
    done = cookiecutter(tmp_path, **{variable: value})
    assert (done.code, done.err) == (1, "")
    assert re.fullmatch(rf"{variable} .*{re.escape(reason)}.*\n", done.out)
    assert not (tmp_path / "baked").exists()


def test_the_module_prints_where_the_template_is():
    done = subprocess.run(
        [sys.executable, "-m", "websauna_migrate.template"], capture_output=True, text=True, check=True
    )
    assert (Path(done.stdout.rstrip("\n")) / "cookiecutter.json").is_file()


# --- script.py.mako --------------------------------------------------------------------------------------------


@pytest.fixture
def alembic_config(tmp_path):
    """Plain Alembic on the script location of a baked project."""
    for name, text in script_location_files("acme.shop").items():
        path = tmp_path / "alembic" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    config = Config()
    config.set_main_option("script_location", str(tmp_path / "alembic"))
    config.set_main_option("path_separator", "os")
    return config


def header(script):
    """Return the names that a revision script assigns, with their values, which are literals."""
    assignments = [node for node in ast.parse(Path(script.path).read_text()).body if isinstance(node, ast.AnnAssign)]
    return {node.target.id: ast.literal_eval(node.value) for node in assignments}


def test_plain_alembic_writes_a_revision_with_a_literal_header(alembic_config):
    command.revision(alembic_config, "First", rev_id="aaaa", branch_label="shop")
    command.revision(alembic_config, "Left", rev_id="bbbb", head="aaaa")
    command.revision(alembic_config, "Right", rev_id="cccc", head="aaaa", splice=True, depends_on="bbbb")
    merge = command.merge(alembic_config, ["bbbb", "cccc"], "Both", rev_id="dddd")
    assert header(merge) == {
        "revision": "dddd",
        "down_revision": ("bbbb", "cccc"),
        "branch_labels": None,
        "depends_on": None,
        "requires": {},
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("message", [r"Move C:\users to D:\new", 'Say """so"""', "Ende \\", "It's", "Größe", "100 %"])
def test_any_message_makes_a_script_that_can_be_read(alembic_config, message):
    script = command.revision(alembic_config, message, rev_id="aaaa")
    written = script.module.__doc__.splitlines()[0]
    assert written.rstrip() == message.replace('"""', "'''")


def test_the_revision_imports_what_its_operations_need(alembic_config):
    module = command.revision(alembic_config, "First").module
    assert {"datetime", "op", "sa"} <= vars(module).keys()


# --- in a fresh environment ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fresh:
    """An environment with the wheel of the checkout and baked projects, installed with what they ask for."""

    scripts: Path
    projects: dict[str, Path]

    def script(self, name):
        return self.scripts / name


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, distributions):
    folder = tmp_path_factory.mktemp("fresh")
    projects = {
        "app": bake(folder, project_name="Red App", repo_name="red", package_name="red.app"),
        "addon": bake(folder, kind="addon", project_name="Blue Addon", repo_name="blue", package_name="blue"),
        "postgresql": bake(folder, database="postgresql", repo_name="green", package_name="green"),
        "mysql": bake(folder, kind="addon", database="mysql", repo_name="grey", package_name="grey"),
    }
    venv.create(folder / "env")
    install = ["pip", "install", "--python", folder / "env" / "bin" / "python"]
    uv(*install, "pip", "setuptools>=77,<82")
    # Without isolation, because an environment of its own for each of the builds takes most of the time.
    editables = [option for project in projects.values() for option in ("-e", f"{project}[dev,test]")]
    ours = f"websauna_migrate[scaffold] @ {distributions.wheel.as_uri()}"
    uv(*install, "--no-build-isolation", ours, *of_pytest_alembic(), *editables)
    return Fresh(folder / "env" / "bin", projects)


def of_pytest_alembic():
    """Return what the guide installs to test a history with it."""
    _, pip, install, *requirements = shlex.split(named("how-to/call-alembic.rst", "install-pytest-alembic"))
    assert (pip, install) == ("pip", "install")
    return requirements


def alembic(fresh, run, project, *arguments, ini="development.ini", env=None):
    done = run(fresh.script("ws-alembic"), "-c", ini, *arguments, cwd=project, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def migrate(fresh, run, project):
    """Do what the README says for the start."""
    alembic(fresh, run, project, "revision", "--autogenerate", "-m", "Create the first tables")
    alembic(fresh, run, project, "upgrade", "head")


def revisions(project):
    return [*project.glob("alembic/versions/*.py"), *project.glob("*/alembic/versions/*.py")]


@pytest.fixture
def migrated(fresh, run, request):
    """The project that a test names, with its first revision written and applied."""
    project = fresh.projects[request.param]
    if not revisions(project):
        migrate(fresh, run, project)
    return project


def run_tests_of(project, fresh, run):
    """Run the tests of a baked project, and return what pytest says of them."""
    done = run(fresh.script("pytest"), "-q", "-W", "error::SyntaxWarning", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout
    return done.stdout


@pytest.mark.parametrize("name", ["postgresql", "mysql"])
def test_the_tests_of_a_baked_project_pass_without_a_setup_and_a_server(fresh, run, name):
    assert "1 skipped" in run_tests_of(fresh.projects[name], fresh, run)


@pytest.mark.parametrize(
    ("migrated", "path", "uri"),
    [("app", "", "ws://development.ini"), ("app", "", "development.ini"), ("addon", "blue", "ws://development.ini")],
    indirect=["migrated"],
)
def test_a_baked_project_runs_and_shows_what_the_shell_added(fresh, run, start, migrated, path, uri):
    port = free_port()
    replace_in(migrated / "development.ini", r"listen = .*", f"listen = localhost:{port}")
    shell = run(
        fresh.script("pshell"),
        uri,
        cwd=migrated,
        input='dbsession.add(Note(text="Bread & butter"))\ntm.commit()\nprint_ddl(Note)\n',
    )
    assert "CREATE TABLE" in shell.stdout, shell.stderr
    assert re.search(r"dbsession +The SQLAlchemy session, also request.dbsession", shell.stdout + shell.stderr)
    server = start(fresh.script("pserve"), uri, cwd=migrated)
    shown = page(f"http://localhost:{port}/{path}", server)
    assert "Bread &amp; butter" in shown
    assert "/_debug_toolbar/" in shown


def free_port():
    with socket.create_server(("localhost", 0)) as listening:
        return listening.getsockname()[1]


def replace_in(path, pattern, line):
    path.write_text(re.sub(f"(?m)^{pattern}$", lambda _: line, path.read_text()))


def page(url, server):
    for _ in range(300):
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                return response.read().decode()
        except HTTPError:
            raise
        except URLError:
            time.sleep(0.1)
    server.kill()
    raise AssertionError("".join(server.communicate()))


def test_the_server_of_a_baked_project_starts_again_when_an_included_file_changes(fresh, start, tmp_path):
    project, log = fresh.projects["app"], tmp_path / "log"
    replace_in(project / "development.ini", r"listen = .*", f"listen = localhost:{free_port()}")
    with log.open("w") as stderr:
        start(fresh.script("pserve"), "ws://development.ini", "--reload", cwd=project, stderr=stderr)
    for _ in range(60):
        if "base.ini changed; reloading" in log.read_text():
            return
        (project / "red" / "app" / "conf" / "base.ini").touch()
        time.sleep(0.5)
    pytest.fail(log.read_text())


@pytest.mark.parametrize("migrated", ["app", "addon"], indirect=True)
def test_nothing_is_written_when_nothing_changed(fresh, run, migrated):
    before = revisions(migrated)
    alembic(fresh, run, migrated, "revision", "--autogenerate")
    assert revisions(migrated) == before
    assert len(before) == 1


@pytest.mark.parametrize("migrated", ["app", "addon"], indirect=True)
def test_plain_alembic_works_too(fresh, run, migrated):
    done = run(fresh.script("alembic"), "-c", "development.ini", "current", cwd=migrated)
    assert "(head)" in done.stdout, done.stderr


@pytest.mark.parametrize("migrated", ["app"], indirect=True)
def test_pytest_alembic_tests_the_database_that_it_is_given(fresh, run, migrated, tmp_path):
    guide = "how-to/call-alembic.rst"
    [_, program, folder] = shlex.split(named(guide, "run-pytest-alembic"))
    for name in ("conftest.py", "test_alembic.py"):
        (tmp_path / name).write_text(named(guide, f"{folder}/{name}"))
    database, scripts = migrated / "red.sqlite", revisions(migrated)
    before = database.read_bytes()
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", tmp_path]
    done = run(fresh.script(program), *options, tmp_path, cwd=migrated)
    assert "4 passed" in done.stdout, done.stdout + done.stderr
    assert (database.read_bytes(), revisions(migrated)) == (before, scripts)


@pytest.mark.parametrize("migrated", ["app"], indirect=True)
def test_production_takes_its_database_from_the_environment(fresh, run, migrated, tmp_path):
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path / 'live.sqlite'}"}
    alembic(fresh, run, migrated, "-x", "packages=all", "upgrade", "head", ini="production.ini", env=environment)
    assert (tmp_path / "live.sqlite").exists()


@pytest.mark.parametrize(("name", "server"), [("postgresql", "postgresql"), ("mysql", "mariadb")])
def test_a_project_for_a_server_migrates_there(fresh, run, request, name, server):
    url = request.getfixturevalue(server).new_database().render_as_string(hide_password=False)
    project = fresh.projects[name]
    replace_in(project / "development.ini", "sqlalchemy.url = .*", f"sqlalchemy.url = {url.replace('%', '%%')}")
    migrate(fresh, run, project)
    alembic(fresh, run, project, "check")


@pytest.mark.parametrize("migrated", ["addon"], indirect=True)
def test_the_revisions_of_an_addon_travel_in_its_wheel(fresh, run, migrated, tmp_path):
    uv("build", "--wheel", "--out-dir", tmp_path, migrated)
    [revision] = revisions(migrated)
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in (*SCRIPT_LOCATION, f"versions/{revision.name}"):
        assert f"blue/alembic/{name}" in names


@pytest.mark.parametrize("migrated", ["app", "addon"], indirect=True)
def test_the_tests_of_a_baked_project_pass_with_its_revisions_and_test_them(fresh, run, migrated):
    assert "skipped" not in run_tests_of(migrated, fresh, run)


@pytest.fixture(scope="module")
def deployed(fresh, tmp_path_factory):
    """An environment with the wheel of the application, without its checkout, and the folder of a container."""
    folder, project = tmp_path_factory.mktemp("deployed"), fresh.projects["app"]
    if not revisions(project):
        argv = [fresh.script("ws-alembic"), "-c", "development.ini", "revision", "--autogenerate"]
        subprocess.run(argv, cwd=project, check=True)
    uv("build", "--wheel", "--no-build-isolation", "--python", fresh.script("python"), "--out-dir", folder, project)
    venv.create(folder / "env", symlinks=True)
    [packages] = (folder / "env").glob("lib/python*/site-packages")
    # What the application needs is borrowed; the links to the checkouts are not followed from here.
    (packages / "borrowed.pth").write_text(f"{next(fresh.scripts.parent.glob('lib/python*/site-packages'))}\n")
    uv("pip", "install", "--python", fresh.script("python"), "--no-deps", "--target", packages, *folder.glob("*.whl"))
    for name in ("ws-alembic", "pserve"):
        script = folder / "env" / "bin" / name
        script.write_text(re.sub("^#!.*", f"#!{script.parent / 'python'}", fresh.script(name).read_text()))
        script.chmod(0o755)
    for name in ("production.ini", "container.ini", "docker-entrypoint.sh"):
        shutil.copy(project / name, folder)
    return folder


def test_a_wheel_and_an_ini_are_enough_to_upgrade_and_the_server_waits_for_it(deployed, fresh, run, start):
    port = free_port()
    replace_in(deployed / "production.ini", "listen = .*", f"listen = localhost:{port}")
    environment = {"DATABASE_URL": f"sqlite:///{deployed / 'live.sqlite'}"}
    argv = [deployed / "env" / "bin" / "ws-alembic", "-c", "production.ini", "-x", "packages=all"]
    server = start(deployed / "env" / "bin" / "pserve", "ws://production.ini", cwd=deployed, env=environment)
    for path in ("", "health/migrations"):
        with pytest.raises(HTTPError, match="503"):
            page(f"http://localhost:{port}/{path}", server)
    assert run(*argv, "upgrade", cwd=deployed, env=environment).returncode == 0
    assert '"up to date"' in page(f"http://localhost:{port}/health/migrations", server)
    time.sleep(1)  # the guard asked less than a second ago
    assert "There are no notes yet" in page(f"http://localhost:{port}/", server)
    status = run(*argv, "status", "--check", cwd=deployed, env=environment)
    assert re.search("red.app +.*up to date", status.stdout), status.stderr
    heads = run(*argv, "heads", "-v", cwd=deployed, env=environment).stdout
    assert str(deployed / "env") in heads
    assert str(fresh.projects["app"]) not in heads


def test_a_container_upgrades_before_the_application_starts(deployed, run, start):
    port = free_port()
    replace_in(deployed / "container.ini", "listen = 0.0.0.0:6543", f"listen = 0.0.0.0:{port}")
    environment = {
        "DATABASE_URL": f"sqlite:///{deployed / 'container.sqlite'}",
        "PATH": f"{deployed / 'env' / 'bin'}:/usr/bin:/bin",
    }
    server = start("/bin/sh", "docker-entrypoint.sh", "pserve", "ws://container.ini", cwd=deployed, env=environment)
    assert "There are no notes yet" in page(f"http://localhost:{port}/", server)
    with closing(sqlite3.connect(deployed / "container.sqlite")) as newer, newer:
        newer.execute("UPDATE alembic_history_red_app SET version_num = 'of_a_newer_image'")
    ran = run("/bin/sh", "docker-entrypoint.sh", "echo", "started", cwd=deployed, env=environment)
    assert (ran.returncode, ran.stdout) == (0, "started\n"), ran
    assert "the database is at revision of_a_newer_image, which this code does not have" in ran.stderr


def test_the_dockerfile_copies_what_the_project_has(deployed):
    """Docker is not run here: its instructions name the files that the tests above run."""
    [dockerfile] = (template_path() / "{{cookiecutter.__folder}}").glob("Dockerfile")
    text = dockerfile.read_text()
    copied = re.search(r"(?m)^COPY (?!-)(production.*) \./$", text)[1].split()
    assert all((deployed / name).is_file() for name in copied)
    assert 'ENTRYPOINT ["sh", "docker-entrypoint.sh"]\nCMD ["pserve", "ws://container.ini"]' in text


def test_the_wheel_of_an_application_has_no_revision_that_was_deleted(deployed, fresh, tmp_path):
    project = shutil.copytree(fresh.projects["app"], tmp_path / "project")
    stale = project / "build" / "lib" / "red" / "app" / "alembic" / "versions" / "stale.py"
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.touch()
    argv = [fresh.script("python"), "setup.py", "--quiet", "build"]
    subprocess.run(argv, cwd=project, check=True, capture_output=True)
    assert not stale.exists()
    assert {path.name for path in stale.parent.glob("*.py")} == {path.name for path in revisions(project)}


# --- make demo -------------------------------------------------------------------------------------------------


#: Runs a script and tells on standard error what its shells run.
TRACED = """
import runpy, sys
def tell(event, arguments):
    if event == "subprocess.Popen":
        _, [sh, c, line], cwd, env = arguments
        print("RUN", sh, c, cwd, env, line, file=sys.stderr)
sys.addaudithook(tell)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_the_demo_replaces_an_older_one_and_its_lines_run_by_hand_in_a_shell(fresh, run, tmp_path, monkeypatch):
    (tmp_path / "demo" / "shop").mkdir(parents=True)
    (tmp_path / "demo" / ".websauna_migrate_demo").touch()
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # pip reads that as: no isolation
    done = run(fresh.script("python"), "-c", TRACED, ROOT / "docs" / "demo.py", "demo", cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search("demo_shop_note +id, text, created_at, author", done.stdout)
    assert re.search(r"[├└]── \w+_add_the_author_of_a_note\.py", done.stdout)
    commands = [line.removeprefix("$ ") for line in done.stdout.splitlines() if line.startswith("$ ")]
    *steps, _pserve, _pshell, take_away = commands
    ran = [line for line in done.stderr.splitlines() if line.startswith("RUN ")]
    assert ran == [f"RUN /bin/sh -c None None {step}" for step in steps]
    # By hand there is no folder yet. What takes long has just been run so, and what was installed still is.
    shutil.rmtree(tmp_path / "demo")
    quick = [step for step in steps if not re.match(r"\S+/ws-alembic |\S+ -m pip install ", step)]
    assert (len(quick), len(steps)) == (4, 10)
    script = "\n".join(["set -e", *quick, take_away])
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "demo").exists()


def test_the_demo_refuses_a_folder_that_holds_something_else(fresh, run, tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").touch()
    done = run(fresh.script("python"), ROOT / "docs" / "demo.py", "demo", cwd=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch("FAILED: demo exists .*\n", done.stderr)
    assert (tmp_path / "demo" / "thesis.txt").exists()
