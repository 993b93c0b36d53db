from __future__ import annotations

import pytest
from pyramid.router import Router
from pyramid.scripting import prepare
from sqlalchemy import func, select

from {{ cookiecutter.package_name }} import pshell


@pytest.mark.usefixtures("tables")
def test_the_shell_keeps_what_is_committed(app: Router) -> None:
    for expected in (0, 1):
        with prepare(registry=app.registry) as env:
            pshell.setup(env)
            count = select(func.count()).select_from(env["Note"])
            assert env["dbsession"].scalar(count) == expected
            env["dbsession"].add(env["Note"](text="Tea"))
            env["tm"].commit()


def test_the_shell_prints_the_sql_of_a_model(
    app: Router, capsys: pytest.CaptureFixture[str]
) -> None:
    with prepare(registry=app.registry) as env:
        pshell.setup(env)
        env["print_ddl"](env["Note"])
    output = capsys.readouterr().out
    assert output.startswith("CREATE TABLE {{ cookiecutter.__identifier }}_note")
