"""The guide "Change large tables": each of its revisions runs while an application reads and writes the table."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from textwrap import dedent

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from scenarios import Revision, write_project

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "large-tables.rst"
ROWS = 20_000
LOCK_WAIT = 2  # seconds
TABLES = [
    "CREATE TABLE customer (id INTEGER PRIMARY KEY)",
    "INSERT INTO customer SELECT generate_series(0, 99)",
    "CREATE TABLE orders (id SERIAL PRIMARY KEY, customer_id INTEGER, number INTEGER, price INTEGER, amount INTEGER)",
    "INSERT INTO orders (customer_id, number, price, amount)"
    f" SELECT g % 100, g, g % 7, g % 5 FROM generate_series(1, {ROWS}) g",
]


def scripts_of_the_page():
    """Return the functions ``upgrade()`` of the page, as scripts that follow each other."""
    found = re.findall(
        r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return [dedent(text) for text in found if "def upgrade" in text]


class Application(threading.Thread):
    """Reads and writes rows all the time. What waits for a lock for longer than ``LOCK_WAIT`` seconds is an error."""

    def __init__(self, project):
        super().__init__()
        self.project = project
        self.over = threading.Event()
        self.errors = []
        self.rounds = 0

    def run(self):
        with self.project.engine().connect() as connection:
            connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_WAIT}s'")
            connection.commit()
            while not self.over.wait(0.002):
                self.rounds += 1
                try:
                    self.work(connection, self.rounds)
                except DBAPIError as error:
                    self.errors.append(error)
                    connection.rollback()

    def work(self, connection, number):
        row = {"id": number * 7919 % ROWS + 1, "number": ROWS + number}
        connection.execute(sa.text("SELECT * FROM orders WHERE id = :id"), row).one()
        connection.execute(
            sa.text("INSERT INTO orders (customer_id, number, price, amount, total) VALUES (7, :number, 3, 2, 6)"), row
        )
        connection.execute(sa.text("UPDATE orders SET price = 4, total = 4 * amount WHERE id = :id"), row)
        connection.commit()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


# Around each upgrade(): what its transaction holds at its end, and how many rows it has read. ALTER TABLE counts.
READ = "op.get_bind().scalar(sa.text(\"SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'orders'\"))"
HELD = "SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = to_regclass('orders')"
LOOKS = f"""
    import json
    locks = op.get_bind().execute(sa.text({HELD!r})).scalars().all()
    with open("seen.jsonl", "a") as file:
        print(json.dumps([locks, {READ} - before]), file=file)
"""
BLOCKS = {"ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"}


def test_the_application_never_waits_for_long(postgresql, tmp_path, run):
    scripts = scripts_of_the_page()
    project = write_project(
        tmp_path,
        postgresql.new_database(),
        {"shop": [Revision(f"s{number:02}") for number in range(len(scripts))]},
        {"websauna_migrate.lock_wait": LOCK_WAIT},
    )
    for number, text in enumerate(scripts):
        path = project.script("shop", f"s{number:02}")
        looking = text.replace("def upgrade():\n", f"def upgrade():\n    before = {READ}\n").rstrip() + LOOKS
        path.write_text(path.read_text().partition("def upgrade")[0] + looking)
    with project.engine().begin() as connection:
        for statement in TABLES:
            connection.execute(sa.text(statement))
    assert run(*project.argv("upgrade", "s00"), **project.options).returncode == 0  # the code before it has no total
    with Application(project) as application:
        done = run(*project.argv("upgrade"), **project.options)
        assert done.returncode == 0, done.stderr
    assert application.errors == []
    assert application.rounds > 20
    assert project.heads() == {"shop": [f"s{len(scripts) - 1:02}"]}

    seen = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    assert len(seen) == len(scripts)
    assert [rows for locks, rows in seen if rows and BLOCKS.intersection(locks)] == []
    validated = [rows for locks, rows in seen if "ShareUpdateExclusiveLock" in locks]
    assert [rows >= ROWS for rows in validated] == [True, True]

    query = "SELECT conname, convalidated FROM pg_constraint WHERE conrelid = to_regclass('orders')"
    found = dict(project.rows(f"{query} AND contype IN ('u', 'f', 'c')"))
    assert found == {"orders_customer_id_fkey": True, "orders_number_key": True}
    columns = {column["name"]: column for column in sa.inspect(project.engine()).get_columns("orders")}
    assert not columns["total"]["nullable"]
    assert isinstance(columns["amount"]["type"], sa.BigInteger)
    assert "amount_new" not in columns
    wrong = "SELECT count(*), count(*) FILTER (WHERE total IS DISTINCT FROM price * amount) FROM orders"
    assert project.rows(wrong) == [(ROWS + application.rounds, 0)]
