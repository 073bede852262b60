# The thin front: each target is one command of the project's own tools. Needs Python 3.11 to 3.13, pip and make.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Tests wait for other processes most of the time: more workers than cores, each with a PostgreSQL of its own.
JOBS ?= 3
STAMP := .venv/.installed

.PHONY: install demo demo-ui dev test check bench patterns lock clean

install: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "error: expected Python 3.11 to 3.13 on the PATH, found none (install one, or: make PYTHON=/path/to/python3.12)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable . --group dev
	@touch $@

demo: install
	@$(BIN)/provider-pipeline demo $(ARGS)

demo-ui: install
	@exec $(BIN)/provider-pipeline dev --demo $(ARGS)

dev: install
	@exec $(BIN)/provider-pipeline dev $(ARGS)

test: install
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile $(ARGS)

check: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --group bench
	@for each in bench/bench_*.py; do $(BIN)/python $$each || exit 1; done

patterns: install
	$(BIN)/provider-pipeline rules learn --shipped

# Resolves the newest versions that pyproject.toml allows; commit the result with the reason.
lock:
	uv pip compile pyproject.toml --group dev --group bench --universal --python-version 3.11 --no-annotate --no-header --no-emit-index-url --upgrade --output-file requirements.lock

clean:
	rm -rf .venv .home .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
