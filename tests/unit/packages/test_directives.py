"""``config.add_migration_package``: what it takes, what it refuses, what it shows."""

from __future__ import annotations

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationConflictError, ConfigurationExecutionError
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, declarative_base

from websauna_migrate import get_migration_packages
from websauna_migrate.exceptions import RegistrationError
from websauna_migrate.packages.directives import CATEGORY
from websauna_migrate.packages.errors import InvalidObjects, InvalidScriptLocation
from websauna_migrate.packages.package import MigrationPackage
from websauna_migrate.settings.started import loading

METADATA = MetaData()
OTHER = MetaData()


class Base(DeclarativeBase):
    metadata = METADATA


class Namespace:
    base = Base
    several = (Base, OTHER)
    nothing = ()


@pytest.fixture
def config():
    config = Configurator()
    config.include("websauna_migrate")
    return config


def registered(config):
    config.commit()
    return dict(get_migration_packages(config.registry))


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (METADATA, (METADATA,)),
        (Base, (METADATA,)),
        (declarative_base(metadata=OTHER), (OTHER,)),
        ([Base, OTHER], (METADATA, OTHER)),
        ((METADATA, Base, METADATA), (METADATA,)),
        ([[Base], OTHER], (METADATA, OTHER)),
        ("HERE:Base", (METADATA,)),
        ("HERE:METADATA", (METADATA,)),
        ("HERE.Base", (METADATA,)),
        ("HERE:Namespace.several", (METADATA, OTHER)),
        (["HERE:Base", OTHER], (METADATA, OTHER)),
    ],
    ids=str,
)
def test_metadata_comes_in_many_forms(config, monkeypatch, given, held):
    here = "tests_of_directives"
    monkeypatch.setitem(__import__("sys").modules, here, __import__("sys").modules[__name__])
    config.add_migration_package("shop", _renamed(given, here))
    assert registered(config) == {"shop": MigrationPackage("shop", held)}


def _renamed(value, here):
    if isinstance(value, list):
        return [_renamed(item, here) for item in value]
    return value.replace("HERE", here) if isinstance(value, str) else value


@pytest.mark.parametrize(
    "wrong",
    [
        *(None, 5, object(), dict, {"a": METADATA}, [], (), [5], b"bytes", "", "..", [METADATA, ""]),
        *("nowhere:Base", "os:nothing", "os:path", "os:__name__", "no name"),
    ],
)
def test_what_is_no_metadata_is_refused_at_once(config, wrong):
    with pytest.raises(RegistrationError, match=r"^add_migration_package\('shop'\): metadata: .*; give a MetaData, "):
        config.add_migration_package("shop", wrong)
    assert registered(config) == {}


def test_a_script_imports_a_dotted_name_when_the_metadata_is_asked_for(config):
    with loading():
        config.add_migration_package("shop", "nowhere:Base")
        with pytest.raises(RegistrationError, match="metadata: 5 is not one"):
            config.add_migration_package("notes", ["nowhere:Base", 5])
    package = registered(config)["shop"]
    with pytest.raises(RegistrationError, match="'nowhere:Base' cannot be imported: No module named 'nowhere'"):
        package.metadata  # noqa: B018


@pytest.mark.parametrize("wrong", ["", "a-b", "a..b", ".a", "a.", "1a", "a b", None, 5])
def test_what_is_no_dotted_name_is_refused_at_once(config, wrong):
    with pytest.raises(RegistrationError):
        config.add_migration_package(wrong, METADATA)


@pytest.mark.parametrize("wrong", ["", " ", 5, object()])
def test_what_is_no_script_location_is_refused_at_once(config, wrong):
    with pytest.raises(InvalidScriptLocation):
        config.add_migration_package("shop", METADATA, script_location=wrong)


def test_registration_waits_for_the_commit(config):
    config.add_migration_package("shop", METADATA, script_location="shop:alembic")
    assert get_migration_packages(config.registry) == {}
    assert registered(config) == {"shop": MigrationPackage("shop", (METADATA,), "shop:alembic")}


def test_packages_keep_the_order_of_their_registration(config):
    for name in ("c", "a", "b"):
        config.add_migration_package(name, METADATA)
    assert list(registered(config)) == ["c", "a", "b"]


def test_the_mapping_of_packages_is_read_only(config):
    with pytest.raises(TypeError):
        get_migration_packages(config.registry)["shop"] = None


def test_the_same_name_twice_is_a_conflict_that_shows_both_places(config):
    def first(config):
        config.add_migration_package("shop", METADATA)

    def second(config):
        config.add_migration_package("shop", OTHER)

    config.include(first)
    config.include(second)
    with pytest.raises(ConfigurationConflictError) as caught:
        config.commit()
    ((_, places),) = caught.value._conflicts.items()
    assert [place.line for place in places] == [
        first.__code__.co_firstlineno + 1,
        second.__code__.co_firstlineno + 1,
    ]
    assert str(caught.value).count(__file__) == 2


def test_the_application_may_register_an_add_on_anew(config):
    config.include(lambda config: config.add_migration_package("notes", METADATA), route_prefix="x")
    config.add_migration_package("notes", OTHER)
    assert registered(config)["notes"].metadata == (OTHER,)


def test_a_shared_history_table_is_refused(config):
    config.add_migration_package("a.b", METADATA)
    config.add_migration_package("a_b", OTHER)
    with pytest.raises(ConfigurationExecutionError) as caught:
        config.commit()
    assert isinstance(caught.value.evalue, RegistrationError)
    assert isinstance(caught.value.evalue, RegistrationError)


def test_names_that_differ_in_case_only_share_a_history_table(config):
    config.add_migration_package("Shop", METADATA)
    config.add_migration_package("shop", OTHER)
    with pytest.raises(ConfigurationExecutionError):
        config.commit()


def test_packages_can_be_introspected(config):
    config.add_migration_package("shop", Base, script_location="shop:alembic")
    config.commit()
    (found,) = config.introspector.get_category(CATEGORY)
    shown = found["introspectable"]
    assert CATEGORY == "migration packages"
    assert (shown.title, shown.type_name) == ("shop", "migration package")
    assert shown["package"] == registered(config)["shop"]
    assert shown["history_table"] == "alembic_history_shop"
    assert shown["script_location"] == "shop:alembic"
    assert shown["metadata"] == (METADATA,)
    assert shown.action_info.file == __file__


def test_including_twice_is_no_conflict(config):
    config.include("websauna_migrate")
    config.include("websauna_migrate")
    config.commit()


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (None, None),
        ([], ()),
        ([1, 2], (1, 2)),
        ("no.such.module:ALL", "no.such.module:ALL"),
        (".objects:ALL", "json.objects:ALL"),
    ],
    ids=str,
)
def test_objects_are_kept_as_they_are_until_models_are_compared(given, held):
    config = Configurator(package="json")
    config.include("websauna_migrate")
    config.add_migration_package("shop", METADATA, objects=given)
    package = registered(config)["shop"]
    assert package.objects == held
    (shown,) = (one["introspectable"] for one in config.introspector.get_category(CATEGORY))
    assert shown["objects"] == package.objects


@pytest.mark.parametrize("wrong", [5, {"a": 1}, b"x", "not a name", "shop:", ""])
def test_what_are_no_objects_is_refused_at_once(config, wrong):
    with pytest.raises(InvalidObjects, match="is neither a dotted name nor a sequence"):
        config.add_migration_package("shop", METADATA, objects=wrong)
