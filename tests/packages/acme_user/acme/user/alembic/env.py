from websauna_migrate.env import run_alembic

run_alembic(package="acme.user")
