from __future__ import annotations

from websauna_migrate.settings.started import keep_global_config, kept_global_config, starting_from


def test_what_an_application_is_started_with_is_kept_and_known_afterwards():
    registry = {}
    with starting_from({"__file__": "/srv/app.ini"}):
        keep_global_config(registry)
    assert kept_global_config(registry) == {"__file__": "/srv/app.ini"}


def test_outside_of_a_start_nothing_is_kept():
    registry = {}
    with starting_from({"__file__": "/srv/app.ini"}):
        pass
    keep_global_config(registry)
    assert kept_global_config(registry) == {}


def test_what_the_application_gives_itself_stays():
    registry = {}
    keep_global_config(registry, {"here": "/own"})
    with starting_from({"here": "/other"}):
        keep_global_config(registry)
    assert kept_global_config(registry) == {"here": "/own"}
