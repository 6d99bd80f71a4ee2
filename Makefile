# Obscura. `make help` lists what there is.
SHELL := /bin/sh
PY := .venv/bin/python
UV := .venv/bin/uv
NODE_PATHS := PATH="$(CURDIR)/.venv/bin:$$PATH"
ARGS ?=
# Bytecode is kept apart from the sources, and kept, whatever the shell says: importing without it costs seconds.
export PYTHONPYCACHEPREFIX := $(CURDIR)/var/bytecode
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup assets demo stop test fast lint types arch check bench matrix chaos migrations lock browser clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# -- environment ---------------------------------------------------------------------------------------------------
.venv/.ready: requirements/dev.txt
	@test -x $(PY) || python3 -m venv .venv
	@test -x $(UV) || $(PY) -m pip install --quiet --disable-pip-version-check uv
	@$(UV) pip sync --quiet --require-hashes --python $(PY) requirements/dev.txt
	@touch $@

node_modules/.ready: package-lock.json package.json .venv/.ready
	@$(NODE_PATHS) npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

ASSET_SOURCES := $(shell find obscura/assets templates obscura/web -type f -not -path '*/dist/*' -not -name '*.pyc' 2>/dev/null)

var/assets.ready: node_modules/.ready $(ASSET_SOURCES)
	@mkdir -p var
	@$(NODE_PATHS) npm run --silent build
	@OBSCURA_NO_SERVERS=1 $(PY) manage.py collectstatic --noinput --verbosity 0 --skip-checks
	@touch $@

setup: .venv/.ready var/assets.ready ## Install everything that is needed, build the pages' styles and scripts

assets: var/assets.ready ## Build styles and scripts where a source is newer

# -- run -----------------------------------------------------------------------------------------------------------
demo: setup ## Start everything and let a lead trade; ARGS=--once plays 20 seconds and prints the figures
	@$(PY) -m obscura.local.demo $(ARGS)

stop: .venv/.ready ## Stop the embedded servers and whatever a crashed run left behind
	@$(PY) -m obscura.local.stop

bench: setup ## Measure: ARGS="copies --followers 1000 --json", ARGS="start --json"
	@$(PY) -m obscura.local.bench $(ARGS)

matrix: .venv/.ready ## Compare decoys with stock ccxt on every exchange: ARGS="--only binance,okx", ARGS=--record
	@$(PY) -m citadel.matrix $(ARGS)

chaos: setup ## Kill processes while leads trade: ARGS="copies --kills 5 --json"; look for secrets: ARGS="secrets --json"; rotate keys: ARGS="rotation --json"
	@$(PY) -m obscura.local.chaos $(ARGS)

# -- checks --------------------------------------------------------------------------------------------------------
test: setup browser ## The whole suite, on real servers and in a real browser
	@$(PY) -m pytest -n 4 --dist loadscope --no-loadscope-reorder $(ARGS)

fast: .venv/.ready ## The pure parts alone, in seconds
	@$(PY) -m pytest tests/domain -p no:cacheprovider $(ARGS)

lint: .venv/.ready ## Style
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

types: .venv/.ready ## Types, strictly, where decisions are made
	@OBSCURA_NO_SERVERS=1 $(PY) -m mypy

arch: .venv/.ready ## Who may import whom
	@OBSCURA_NO_SERVERS=1 .venv/bin/lint-imports

migrations: .venv/.ready ## No model without its migration
	@$(PY) manage.py makemigrations --check --dry-run --verbosity 1

check: lint types arch migrations test ## Everything that must pass

browser: .venv/.ready ## A Chromium for the browser tests, from npm where the system has none
	@$(NODE_PATHS) $(PY) -m tests.support.chromium

# -- upkeep --------------------------------------------------------------------------------------------------------
lock: ## Compile the locks from requirements/*.in
	@for name in base dev; do \
	  $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    requirements/$$name.in --output-file requirements/$$name.txt; done

clean: stop ## Remove data, caches and builds (the environment stays)
	@rm -rf var obscura/assets/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
