"""The directive that adds subscribers, and what they are told."""

from __future__ import annotations

import dataclasses

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationConflictError

from costs import calls
from websauna_migrate import Initializer
from websauna_migrate.events import (
    EVENTS,
    AfterUpgrade,
    BeforeUpgrade,
    RevisionDone,
    name_of,
    subscribers_of,
)
from websauna_migrate.exceptions import RegistrationError


def first(event):
    """A subscriber."""


def second(event):
    """Another one."""


class Flush:
    def __call__(self, event):
        """A subscriber too."""


@pytest.fixture
def config():
    config = Configurator()
    config.include("websauna_migrate")
    return config


def test_subscribers_are_known_by_event_in_the_order_in_which_they_were_added(config):
    config.add_migration_subscriber(second, AfterUpgrade)
    config.add_migration_subscriber(first, AfterUpgrade)
    config.add_migration_subscriber(first, "websauna_migrate.events.RevisionDone")
    config.commit()
    assert subscribers_of(config.registry) == {AfterUpgrade: [second, first], RevisionDone: [first]}


def test_without_a_subscriber_there_is_nothing_to_look_at(config):
    config.commit()
    assert subscribers_of(config.registry) == {}
    assert calls(lambda: subscribers_of(config.registry)) < 5


def test_the_same_subscriber_of_the_same_event_twice_is_a_conflict(config):
    config.add_migration_subscriber(first, AfterUpgrade)
    config.add_migration_subscriber(first, BeforeUpgrade)
    config.commit()
    config.add_migration_subscriber(second, AfterUpgrade)
    config.add_migration_subscriber(second, AfterUpgrade)
    with pytest.raises(ConfigurationConflictError):
        config.commit()


@pytest.mark.parametrize(
    ("subscriber", "event", "said"),
    [
        (None, AfterUpgrade, "it cannot be called"),
        ("no.such.module", AfterUpgrade, "'no.such.module' cannot be imported"),
        (first, Exception, "there is no such event; give one of websauna_migrate.events: BeforeUpgrade, RevisionDone"),
        (first, "websauna_migrate.events.Nothing", "cannot be imported"),
    ],
)
def test_bad_arguments_are_refused_at_once(config, subscriber, event, said):
    with pytest.raises(RegistrationError) as raised:
        config.add_migration_subscriber(subscriber, event)
    assert said in str(raised.value)


def test_the_scripts_know_the_subscribers_of_an_initializer():
    class Shop(Initializer):
        def configure_models(self):
            self.config.add_migration_subscriber(first, AfterUpgrade)
            self.config.action("view", lambda: 1 / 0)

    assert subscribers_of(Shop({}, {}).register_models()) == {AfterUpgrade: [first]}


def test_subscribers_are_introspectable(config):
    config.add_migration_subscriber(first, AfterUpgrade)
    config.commit()
    (found,) = config.introspector.get_category("migration subscribers")
    assert found["introspectable"]["subscriber"] is first
    assert found["introspectable"].title == name_of(first)


def test_a_subscriber_has_a_name_for_errors():
    assert name_of(first).endswith("test_events.first")
    assert name_of(Flush()).endswith("test_events.Flush")


@pytest.mark.parametrize("event", EVENTS)
def test_events_are_frozen(event):
    made = event(*dataclasses.fields(event))
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.application = None
