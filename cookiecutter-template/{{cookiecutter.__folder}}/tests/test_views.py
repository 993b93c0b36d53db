from __future__ import annotations

from sqlalchemy.orm import Session
from webtest import TestApp

from {{ cookiecutter.package_name }}.models import Note

{% if cookiecutter.kind == "app" %}
URL = "/"
{% else %}
URL = "/{{ cookiecutter.package_name }}"
{% endif %}


def test_the_page_lists_the_notes(testapp: TestApp, dbsession: Session) -> None:
    dbsession.add(Note(text="Bread & butter"))
    dbsession.commit()
    assert "Bread &amp; butter" in testapp.get(URL)


def test_a_page_without_notes_says_so(testapp: TestApp, dbsession: Session) -> None:
    assert "There are no notes yet" in testapp.get(URL)
{% if cookiecutter.kind == "app" %}


def test_a_missing_table_is_explained(testapp: TestApp) -> None:
    assert "-x packages=all upgrade" in testapp.get(URL, status=503)


def test_a_load_balancer_waits_for_an_upgrade(testapp: TestApp) -> None:
    answer = testapp.get("/health/migrations", status=503)
    assert answer.json[-1]["package"] == "{{ cookiecutter.package_name }}"
{% endif %}
