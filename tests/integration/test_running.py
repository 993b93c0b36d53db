"""A running application sees where its database stands, with its own engine, on each database."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import event, inspect
from webtest import TestApp

from projects import ALEMBIC, Workspace, revise, write
from running import configure, dispose, write_revisions
from websauna_migrate import get_engine, migrate, pending
from websauna_migrate.web.health import answer
from websauna_migrate.web.state import application_of, standing

THING = "class Thing(Base):\n    __tablename__ = 'thing'\n    id = Column(Integer, primary_key=True)\n"
CREATE = "op.create_table('thing', sa.Column('id', sa.Integer, primary_key=True))"
ASK = """
import json

def main(argv):
    from pyramid.paster import get_app
    import websauna_migrate
    from websauna_migrate.web.state import application_of
    registry = get_app(argv[0]).registry
    app = application_of(registry)
    print(json.dumps({
        "ini": str(app.ini.path),
        "locations": {one.package: str(one.script_location) for one in app.histories},
        "pending": [step.revision.id for step in websauna_migrate.pending(registry)],
    }))
"""
ASK_HEALTH = """
import json

def main(argv):
    from pyramid.paster import get_app
    from websauna_migrate.web.health import answer
    print(json.dumps(answer(get_app(argv[0]).registry)))
"""
PLAIN = """
from pyramid.config import Configurator

def main(global_config, **settings):
    config = Configurator(settings=settings)
    config.include("websauna_migrate")
    config.add_migration_package("{name}", "{name}.models:Base")
    return config.make_wsgi_app()
"""


def test_heads_are_read_while_a_run_holds_the_lock_and_nothing_is_created(backend, tmp_path):
    from websauna_migrate.run.alone import alone
    from websauna_migrate.run.observer import Observer

    write_revisions(tmp_path)
    config = configure(tmp_path, backend.new_database())
    config.commit()
    try:
        with alone(application_of(config.registry), Observer()):
            assert [step.revision.id for step in pending(config.registry)] == ["u1", "u2", "s1"]
            assert answer(config.registry)[0] == 503
        assert inspect(get_engine(config.registry)).get_table_names() == []
    finally:
        dispose(config)


def test_the_engine_of_the_application_is_asked_twice_where_all_is_well(backend, tmp_path):
    write_revisions(tmp_path)
    config = configure(tmp_path, backend.new_database())
    config.commit()
    migrate(application_of(config.registry), ["user", "shop"])
    engine = get_engine(config.registry)
    engine.connect().close()  # what SQLAlchemy itself asks for
    asked = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    assert standing(config.registry).is_fine()
    assert len(asked) == 2, asked
    dispose(config)


def test_a_search_path_whose_first_schema_is_missing_is_a_problem_until_it_is_made(postgresql, tmp_path, caplog):
    write_revisions(tmp_path)
    url = postgresql.new_database()
    public = configure(tmp_path, url)
    public.commit()
    migrate(application_of(public.registry), ["user", "shop"])
    config = configure(tmp_path, url.update_query_dict({"options": "-csearch_path=tenant,public"}))
    config.include("websauna_migrate.guard")
    config.add_migration_health("/health")
    app = TestApp(config.make_wsgi_app())
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == ["the schema tenant"]
    app.get("/health", status=503)
    with get_engine(public.registry).begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA tenant")
    assert standing(config.registry).rows == {"user": (), "shop": ()}  # those in public are of others
    migrate(application_of(config.registry), ["user", "shop"])
    assert standing(config.registry).is_fine()
    app.get("/health", status=200)
    for one in (public, config):
        dispose(one)


def test_the_button_upgrades_on_each_database(backend, tmp_path):
    write_revisions(tmp_path)
    config = configure(tmp_path, backend.new_database(), websauna_migrate__guard="page")
    config.include("websauna_migrate.guard")
    try:
        app = TestApp(config.make_wsgi_app(), extra_environ={"REMOTE_ADDR": "127.0.0.1"})
        page = app.get("/orders", headers={"Accept": "text/html"}, status=503)
        assert "Done." in page.form.submit().text
        assert app.get("/orders").text == "the application"
    finally:
        dispose(config)


@pytest.fixture
def here(tmp_path, sqlite):
    return Workspace(tmp_path, sqlite.new_database())


def asked(workspace, config_uri):
    (workspace.app / "ask.py").write_text(ASK)
    ran = workspace.call("ask:main", [config_uri])
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_the_ini_is_known_however_the_application_is_started(here):
    """An Initializer gets it from PasteDeploy, and other applications where ``ws://`` starts them."""
    here.add_app("shop", THING, init=PLAIN)
    here.write_ini("[alembic]\nscript_location = %(here)s/elsewhere\n", start="use = call:shop:main\n")
    revise(here.app / "elsewhere", "a1", None, CREATE)
    expected = {"ini": str(here.ini), "locations": {"shop": str(here.app / "elsewhere")}, "pending": ["a1"]}
    assert asked(here, f"ws://{here.ini}") == expected
    revise(here.app / "alembic", "b1", None, CREATE)
    assert asked(here, str(here.ini))["pending"] == ["b1"]  # PasteDeploy alone: nobody tells
    here.add_app("store", THING, settings="[alembic]\nscript_location = %(here)s/elsewhere\n")
    init = here.app / "store/__init__.py"
    init.write_text(init.read_text().replace('raise RuntimeError("the scripts configure no views")', "pass"))
    revise(here.app / "elsewhere", "c1", None, CREATE)
    assert asked(here, str(here.ini))["pending"] == ["c1"]


def test_health_is_what_status_prints(here):
    here.add_app("shop", THING, init=PLAIN.replace("return", 'config.add_migration_health("/health")\n    return'))
    here.write_ini(start="use = call:shop:main\n")
    revise(here.app / "alembic", "a1", None, CREATE)
    (here.app / "ask.py").write_text(ASK_HEALTH)
    for code in (503, 200):
        ran = here.call("ask:main", [f"ws://{here.ini}"])
        rows = json.loads(here.ok("-x", "packages=all", "status", "--format", "json"))
        assert json.loads(ran.out) == [code, rows]
        here.ok("upgrade")


def test_a_guard_that_refuses_the_start_does_not_stop_the_commands_that_end_it(here):
    """Without ``websauna.init`` they load the whole application."""
    here.add_app("shop", THING, init=PLAIN.replace("return", 'config.include("websauna_migrate.guard")\n    return'))
    here.write_ini(
        "websauna_migrate.guard = refuse\n[alembic]\nscript_location = %(here)s/alembic\n",
        start="use = call:shop:main\n",
    )
    revise(here.app / "alembic", "a1", None, CREATE)
    write(here.app / "alembic/env.py", "from websauna_migrate.env import run_alembic\n\nrun_alembic(package='shop')\n")
    (here.app / "ask.py").write_text(ASK_HEALTH)
    refused = here.call("ask:main", [f"ws://{here.ini}"])
    assert refused.code == 1
    assert refused.err.splitlines()[-1].endswith(
        "the application is not started, as websauna_migrate.guard = refuse says: shop: 1 revision is pending; "
        "run: ws-alembic -c development.ini -x packages=shop upgrade"
    )
    here.ok("status")
    assert here.run("upgrade", "head", script=ALEMBIC).code == 0
    assert here.call("ask:main", [f"ws://{here.ini}"]).code == 0
