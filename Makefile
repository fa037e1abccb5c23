PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
COMPILE := --generate-hashes --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url
SUITE ?= all
MINUTES ?= 5
# Without bytecode each of the four test processes rewrites every assertion anew, six seconds long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help up test check verify soak bench lock

help:             ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: .venv/.ready  ## run the whole service here: database, API, worker, painter
	@$(BIN)/gpt-image up

test: .venv/.ready ## every promise, once (five minutes at most)
	@$(BIN)/pytest -q -n 4 --dist loadgroup tests

check: .venv/.ready ## format, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config importlinter.ini

verify: .venv/.ready ## the random suites, a time slice each (twenty minutes at most)
	@$(BIN)/python -m tests.soak verify

soak: .venv/.ready ## one random suite for longer: SUITE=ledger MINUTES=30
	@$(BIN)/python -m tests.soak run $(SUITE) --minutes $(MINUTES)

bench: .venv/.ready ## the speed promises, as ratios measured in one run
	@$(BIN)/python -m bench

lock: $(UV)       ## refresh the locks (LOCK=--upgrade for new versions)
	$(UV) pip compile -q pyproject.toml $(COMPILE) $(LOCK) -o requirements.lock
	$(UV) pip compile -q pyproject.toml $(COMPILE) $(LOCK) --group dev -c requirements.lock -o requirements-dev.lock
	echo uv | $(UV) pip compile -q - $(COMPILE) $(LOCK) -o requirements-uv.lock

$(UV): requirements-uv.lock
	@echo "gpt-image: making .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@touch $@

.venv/.ready: $(UV) requirements-dev.lock pyproject.toml
	@echo "gpt-image: installing the locked packages"
	@VIRTUAL_ENV=$(CURDIR)/.venv $(UV) pip sync -q --require-hashes requirements-dev.lock
	@VIRTUAL_ENV=$(CURDIR)/.venv $(UV) pip install -q --no-deps --no-build-isolation -e .
	@touch $@
