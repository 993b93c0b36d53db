"""Programs that hold the lock of a run, or a scratch database; the tests run them in processes of their own."""

from __future__ import annotations

import os
import sys
import time

from sqlalchemy import create_engine, make_url

from websauna_migrate.database.lock import run_lock
from websauna_migrate.scratch.places import ScratchPlaces
from websauna_migrate.scratch.wanted import wanted_like


def hold(argv: list[str]) -> None:
    """Hold the lock of a database, by its URL, until the end of standard input."""
    with run_lock(create_engine(argv[0])):
        print("held", flush=True)
        sys.stdin.read()


def take_turns(argv: list[str]) -> None:
    """Hold the lock of a database, by its URL, three times, and write that into a file."""
    engine = create_engine(argv[0])
    diary = os.open(argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for _ in range(3):
        with run_lock(engine):
            os.write(diary, b"in %d\n" % os.getpid())
            time.sleep(0.02)
            os.write(diary, b"out %d\n" % os.getpid())


def hold_scratch_place(argv: list[str]) -> None:
    """Print the URL of a scratch database like that of ``argv``, and keep it for so many seconds."""
    url, seconds = argv
    with ScratchPlaces() as places, places.open(wanted_like(make_url(url))) as place:
        print(place.url, flush=True)
        time.sleep(float(seconds))
