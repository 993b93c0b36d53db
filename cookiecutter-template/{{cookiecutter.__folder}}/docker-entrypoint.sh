#!/bin/sh
# Upgrades the database, then runs the command of the container. Containers that start at the same time
# wait for each other: one upgrades, the others have nothing to do.
set -eu
ws-alembic -c container.ini -x packages=all upgrade --wait 60
exec "$@"
