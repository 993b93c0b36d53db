"""The parts of an application's start-up, and which of them the scripts run."""

from __future__ import annotations

import json

import pytest
from pyramid.response import Response
from sqlalchemy import MetaData
from webtest import TestApp

from websauna_migrate import Initializer, get_migration_packages
from websauna_migrate.packages.initializer import for_models_only


class Shop(Initializer):
    def include_addons(self):
        self.ran = ["addons"]
        self.config.include(notes)

    def configure_models(self):
        self.ran.append("models")
        self.config.add_migration_package("shop", MetaData())

    def configure_views(self):
        self.ran.append("views")
        self.config.add_route("home", "/")
        self.config.add_view(lambda request: Response(request.registry.settings["greeting"]), route_name="home")


def notes(config):
    config.include("websauna_migrate")
    config.add_migration_package("notes", MetaData())
    config.add_route("notes", "/notes")
    config.add_view(lambda request: {}, route_name="notes", renderer="nowhere:templates/missing.pt")


def test_a_configurator_for_models_has_no_views_of_errors():
    def views():
        return [row["introspectable"]["context"] for row in Shop({}, {}).config.introspector.get_category("views", [])]

    with for_models_only():
        assert views() == []
    assert views() != []


def test_the_scripts_register_models_and_configure_no_views():
    shop = Shop({}, {})
    registry = shop.register_models()
    assert shop.ran == ["addons", "models"]
    assert list(get_migration_packages(registry)) == ["notes", "shop"]


def test_what_add_ons_configure_beside_their_models_is_dropped():
    registry = Shop({}, {}).register_models()
    assert not registry.introspector.get_category("routes")


def test_a_conflict_of_two_add_ons_is_found_there_too():
    class Twice(Shop):
        def include_addons(self):
            super().include_addons()
            self.config.include(lambda config: config.add_migration_package("notes", MetaData()), route_prefix="x")

    with pytest.raises(Exception, match="Conflicting configuration actions"):
        Twice({}, {}).register_models()


def test_the_application_runs_all_parts_in_their_order():
    class Served(Shop):
        def include_addons(self):
            self.ran = ["addons"]

    shop = Served({"here": "/etc"}, {"greeting": "hello"})
    assert TestApp(shop.make_wsgi_app()).get("/").text == "hello"
    assert shop.ran == ["addons", "models", "views"]
    assert shop.global_config == {"here": "/etc"}


def test_every_part_may_be_left_out():
    initializer = Initializer({}, {})
    assert list(get_migration_packages(initializer.register_models())) == []
    assert Initializer({}, {}).make_wsgi_app()


def test_the_settings_that_were_given_are_not_changed():
    settings = {"greeting": "hello"}
    Shop({}, settings).config.registry.settings["greeting"] = "other"
    assert settings == {"greeting": "hello"}


def test_relative_names_count_from_the_package_of_the_subclass():
    class Elsewhere(Initializer):
        __module__ = "json.decoder"

    assert Elsewhere({}, {}).config.maybe_dotted(".dumps") is json.dumps
