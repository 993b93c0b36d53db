"""How much of an application is started, and which registered package is taken for the application."""

from __future__ import annotations

import json

import pytest

from projects import INCLUDEME, INITIALIZER, MODELS, Workspace, revise, write

THING = "class Thing(Base):\n    __tablename__ = 'thing'\n    id = Column(Integer, primary_key=True)\n"
NOTE = THING.replace("Thing", "Note").replace("thing", "note")
FACTORY = """
from pyramid.config import Configurator
{imports}

def main(global_config, **settings):
    config = Configurator(settings=settings)
    config.include("websauna_migrate")
    config.add_migration_package("{name}", "{name}.models:Base")
    {more}
    return config.make_wsgi_app()
"""
QUERY = """
    import sqlalchemy
    engine = sqlalchemy.create_engine(settings["sqlalchemy.url"])
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT name FROM setting"))
    finally:
        engine.dispose()
"""


@pytest.fixture
def here(tmp_path, sqlite):
    return Workspace(tmp_path, sqlite.new_database())


def packages(workspace, **how):
    """Return the package of each history, the application's own first among those of one history."""
    rows = json.loads(workspace.ok("-x", "packages=all", "status", "--format", "json", **how))
    return {row["package"]: row["packages"] for row in rows}


# --- how much is started ---------------------------------------------------------------------------------------


def test_with_websauna_init_no_view_no_template_and_no_query_is_needed(here):
    """Those of acme.blog and acme.shop would raise: a missing template, a view that nobody can import."""
    here.copy("acme_user", "acme_blog", "acme_shop")
    here.autogenerate("-x", "packages=all")
    assert {"users", "team", "membership", "post", "product", "orders"} < here.tables()
    assert packages(here) == {"acme.user": ["acme.user"], "acme.shop": ["acme.shop", "acme.blog"]}


def test_what_an_add_on_configures_beside_its_models_is_not_carried_out(here):
    broken = INCLUDEME + "    config.action('boom', lambda: 1 / 0)\n"
    here.add("notes", NOTE, init=broken)
    here.add_app("shop", THING, ["notes"])
    here.ok("current")


def test_without_websauna_init_the_whole_application_is_loaded(here):
    here.add_app("shop", THING, init=FACTORY.format(imports="", name="{name}", more='open("loaded", "w").close()'))
    here.write_ini(start="use = call:shop:main\n")
    here.ok("current")
    assert (here.app / "loaded").exists()


def test_an_application_behind_a_pipeline_and_filters_is_found(here):
    here.add_app("shop", THING, init=FACTORY.format(imports="", name="{name}", more=""))
    write(here.app / "filters.py", "def passing(app, config, **settings):\n    return app\n")
    url = here.url.render_as_string(hide_password=False)
    write(
        here.ini,
        "[pipeline:main]\npipeline = passing shop\n"
        "[filter:passing]\npaste.filter_app_factory = filters:passing\n"
        f"[app:shop]\nuse = call:shop:main\nsqlalchemy.url = {url}\n",
    )
    assert packages(here) == {"shop": ["shop"]}


def test_an_application_that_queries_its_missing_tables_is_told_of_websauna_init(tmp_path, backend):
    here = Workspace(tmp_path, backend.new_database())
    here.add_app("shop", THING, init=FACTORY.format(imports="", name="{name}", more=QUERY.replace("{", "{{").strip()))
    here.write_ini(start="use = call:shop:main\n")
    revise(here.app / "alembic", "aaa1")
    for command in (("upgrade",), ("current",), ("revision", "--autogenerate")):
        said = here.fails(*command)
        assert said.startswith(f"the application of {here.ini} queries the database while it starts, and a table is")
        assert "setting" in said
        assert "; set websauna.init to its Initializer: " in said
    here.execute("CREATE TABLE setting (name INTEGER)")
    here.ok("upgrade")


def test_another_error_of_the_database_while_starting_is_not_called_a_missing_table(tmp_path, backend):
    here = Workspace(tmp_path, backend.new_database())
    more = QUERY.replace("SELECT name FROM setting", "SELECT nonsense nonsense nonsense").strip()
    here.add_app("shop", THING, init=FACTORY.format(imports="", name="{name}", more=more))
    here.write_ini(start="use = call:shop:main\n")
    said = here.fails("current")
    assert "did not start" in said
    assert "websauna.init" not in said


def test_an_application_that_raises_is_told_with_its_error(here):
    here.add_app("shop", THING, init=FACTORY.format(imports="", name="{name}", more="raise KeyError('mine')"))
    here.write_ini(start="use = call:shop:main\n")
    said = here.fails("current")
    assert said.startswith(f"the application of {here.ini} did not start: KeyError: 'mine'; ")
    assert "--raiseerr" in said
    assert "raise KeyError('mine')" in here.run("--raiseerr", "current").err


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("nowhere.Initializer", "it cannot be imported: No module named 'nowhere'"),
        ("shop.Nobody", "it cannot be imported: "),
        ("shop.main", "it is not an Initializer"),
        ("json.JSONEncoder", "it is not an Initializer"),
    ],
)
def test_a_websauna_init_that_is_no_initializer_is_told(here, named, reason):
    here.add_app("shop", THING)
    here.write_ini(start=f"use = call:shop:main\nwebsauna.init = {named}\n")
    said = here.fails("current")
    assert said.startswith(f"{here.ini}: websauna.init = {named}: {reason}")
    missing = "correct its name, or install the project (pip install -e .), or set prepend_sys_path in [alembic]"
    remedy = missing if "imported" in reason else "name a subclass of websauna_migrate.Initializer"
    assert said.endswith(f"; {remedy}")


def test_a_folder_of_prepend_sys_path_that_does_not_exist_is_told_where_an_import_fails(here):
    here.add_app("shop", THING)
    section = "[alembic]\nprepend_sys_path = %(here)s/my src\n"
    here.write_ini(section)
    here.ok("status")
    for start in ("use = call:nowhere:main\n", "use = call:shop:main\nwebsauna.init = nowhere.Initializer\n"):
        here.write_ini(section, start=start)
        said = here.fails("status")
        assert f"nowhere'; prepend_sys_path names {here.app}/my, {here.app}/src, which does not exist; " in said
        assert said.endswith("; correct prepend_sys_path, and set path_separator = os if a path has a blank")
        here.write_ini(f"{section}path_separator = os\n", start=start)
        assert here.fails("status").endswith(f"names {here.app}/my src, which does not exist; correct prepend_sys_path")


# --- the application ------------------------------------------------------------------------------------------


def test_the_package_with_the_class_of_websauna_init_is_the_application(here):
    here.add("notes", NOTE)
    here.add_app("shop", THING, ["notes"])
    assert packages(here) == {"shop": ["shop", "notes"]}


def test_an_initializer_deep_inside_a_package_counts_as_that_package(here):
    package = here.add_app("shop", THING)
    write(package / "conf" / "start.py", (package / "__init__.py").read_text())
    here.write_ini(start="use = call:shop:main\nwebsauna.init = shop.conf.start.Initializer\n")
    assert packages(here) == {"shop": ["shop"]}


def test_the_setting_names_the_application(here):
    here.add("notes", NOTE)
    here.add_app("shop", THING, ["notes"], settings="websauna_migrate.app = notes\n")
    assert packages(here) == {"notes": ["notes", "shop"]}


def test_the_setting_may_name_a_package_that_registers_nothing_by_itself(here):
    here.add("notes", NOTE)
    here.add_app("shop", THING, ["notes"], settings="websauna_migrate.app = deploy\n")
    write(here.app / "deploy.py", "")
    assert packages(here) == {"deploy": ["deploy", "notes", "shop"]}


def test_a_setting_that_names_no_package_is_told(here):
    here.add_app("shop", THING, settings="websauna_migrate.app = nowhere\n")
    said = here.fails("current")
    assert said == (
        f"{here.ini}: websauna_migrate.app = nowhere: there is no such package; registered are: shop; "
        f"name one of these, or a package that is installed"
    )
    here.write_ini("websauna_migrate.app = shopp\n")
    assert here.fails("current").endswith("; did you mean shop?")


def test_the_package_with_the_factory_is_the_application(here):
    here.add("notes", NOTE)
    more = 'config.include("notes")'
    here.add_app("shop", THING, init=FACTORY.format(imports="", name="{name}", more=more))
    here.write_ini(start="use = call:shop:main\n")
    assert packages(here) == {"shop": ["shop", "notes"]}


def test_an_application_without_models_is_a_home_for_adopted_packages(here):
    here.add("notes", NOTE)
    init = INITIALIZER.replace('self.config.add_migration_package("{name}", "{name}.models:Base")', "pass")
    here.add_app("shop", init=init.replace("{addons!r}", "('notes',)"))
    assert packages(here) == {"shop": ["shop", "notes"]}
    (here.app / "alembic").mkdir()
    (script,) = here.autogenerate("-x", "packages=all")
    assert script.parent == here.app / "alembic" / "versions"
    assert here.tables() == {"note", "alembic_history_shop"}


def test_settings_of_the_application_reach_its_initializer(here):
    package = here.add_app("shop", THING, settings="table = special\n[DEFAULT]\nplace = %(here)s\n")
    text = (package / "__init__.py").read_text()
    text = text.replace(
        "        self.config.add_mig",
        '        assert self.settings["table"] == "special"\n'
        f'        assert self.global_config["place"] == {str(here.app)!r}\n        self.config.add_mig',
    )
    write(package / "__init__.py", text)
    here.ok("current")


def test_the_three_spellings_of_a_config_uri_are_the_same(here):
    here.add_app("shop", THING)
    with here.ini.open("a") as ini:
        ini.write("[app:other]\nuse = main\nsqlalchemy.url = sqlite:///%(here)s/other.db\n")
    revise(here.app / "alembic", "aaa1")
    for uri in (here.ini, f"{here.ini}#main", f"ws://{here.ini}", "development.ini", "ws://development.ini#main"):
        here.ok("upgrade", ini=uri)
        assert here.ok("current", ini=uri) == "aaa1 (head)\n"
    assert not (here.app / "other.db").exists()
    here.ok("upgrade", ini=f"{here.ini}#other")
    assert (here.app / "other.db").exists()


def test_core_tables_need_no_orm_at_all(here):
    here.add_app("shop", "# class\n")
    models = MODELS.partition("from sqlalchemy.orm")[0] + (
        "Base = MetaData()\nthing = Table('thing', Base, Column('id', Integer, primary_key=True))\n"
    )
    write(here.app / "shop" / "models.py", models)
    (here.app / "alembic").mkdir()
    here.autogenerate()
    assert "thing" in here.tables()


@pytest.mark.parametrize("wrong", ["soon", "-1", "nan"])
def test_a_time_limit_that_is_no_number_of_seconds_is_told(here, wrong):
    here.add_app("shop", THING, settings=f"websauna_migrate.lock_timeout = {wrong}\n")
    revise(here.app / "alembic", "aaa1")
    assert here.fails("upgrade") == (
        f"{here.ini}: websauna_migrate.lock_timeout = {wrong} is not valid; write a number of seconds, 0 or more"
    )
    assert here.tables() == set()


def test_a_sqlite_file_that_is_created_in_another_working_directory_is_told(here, tmp_path):
    here.add_app("shop", THING)
    here.write_ini(url="sqlite:///shop.db")
    (tmp_path / "other").mkdir()
    assert here.run("status", cwd=tmp_path / "other").err == ""
    said = here.run("upgrade", cwd=tmp_path / "other").err
    assert f"WARNING: the working directory {tmp_path / 'other'} has no file shop.db, " in said
    assert "%(here)s/" in said
    assert "WARNING" not in here.run("upgrade").err
