#!/bin/sh
# Upgrades the database, then runs the command of the container. Containers that start at the same time
# wait for each other: one upgrades, the others have nothing to do. An earlier image starts with a database that a newer
# one has upgraded, if its code can run with the tables.
set -eu
ws-alembic -c container.ini -x packages=all upgrade --allow-ahead --wait 60
exec "$@"
