# The commands of this project. Each makes the environment that it needs, in .venv and .servers.

.DEFAULT_GOAL := help
.PHONY: help demo test unit lint docs servers pictures benchmark release clean

FOLDER ?= demo
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
EXTRAS := test,docs,postgresql,mysql,scaffold
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python3.10
FITTING := import sys; sys.exit(sys.version_info < (3, 10))
BESIDE = --beside "$(MAKE) lint" --beside "$(MAKE) docs"
# One process more than there are processors: tests wait for servers and disks.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PARALLEL = $(BIN)/pytest -n $(WORKERS) --maxprocesses 5 --dist loadfile --no-loadscope-reorder
PYTHON ?= $(shell for name in $(CANDIDATES); do $$name -c '$(FITTING)' 2>/dev/null && echo $$name && break; done)

help:  ## list the commands
	@awk -F ':.*  ## ' '/^[a-z]+:.*  ## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(READY)  ## make an application and an add-on in FOLDER (default: demo) and migrate them
	@$(BIN)/python docs/demo.py $(FOLDER)

# With DATABASES=mysql the tests of MariaDB run on a server of MySQL itself, with postgresql-15 those of PostgreSQL on 15.
ONLY = $(patsubst mysql,--mysql,$(patsubst postgresql-%,--postgresql=%,$(DATABASES)))
test: $(READY) servers  ## run lint, docs and all tests; with ARGS only the tests that ARGS name to pytest
	@$(PARALLEL) $(if $(ONLY),$(ONLY) $(ARGS),$(or $(ARGS),$(BESIDE)))

unit: $(READY)  ## run the tests that need no database; ARGS go on to pytest
	@$(PARALLEL) tests/unit $(ARGS)

lint: $(READY)  ## check style, types and the layers of the architecture
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

docs: $(READY)  ## build the documentation into docs/_build and check its links
	@$(BIN)/sphinx-build -n -W --keep-going -q docs docs/_build
	@$(BIN)/python docs/check_links.py docs/_build

servers: $(READY)  ## get MariaDB, MySQL, PgBouncer, Chromium and Alembic's own tests into .servers, where that can be done
	@tests/setup/servers $(DATABASES)
	@tests/setup/alembic_suite $(BIN)/python

pictures: $(READY) servers  ## take the screenshots of the documentation again
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet pillow
	@$(BIN)/python docs/take_screenshots.py

benchmark: $(READY)  ## run the benchmarks and write their table into README.rst; with ARGS run what ARGS say
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --editable ".[$(EXTRAS),benchmark]"
	@$(BIN)/python benchmarks/run.py $(or $(ARGS),--write)

release: $(READY)  ## build the release of a clean checkout into dist, check it, and print how to publish it
	@.ci/release $(BIN)/python

clean:  ## remove what the other commands made
	rm -rf $(VENV) .servers build dist docs/_build *.egg-info .*_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.10 or newer was found: install one, or name it: make PYTHON=…" >&2; exit 1; }
	@echo "Making the environment $(VENV) with $(PYTHON) ..."
	@tests/setup/venv $(PYTHON) $(VENV)
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --editable ".[$(EXTRAS)]"
	@touch $@
