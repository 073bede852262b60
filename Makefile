# The thin front: each target is one command of the project's own tools. Needs Python 3.11 to 3.13, pip and make.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Tests wait for other processes most of the time: more workers than cores, each with a PostgreSQL of its own.
JOBS ?= 3
# What the demo and its UI need is installed first, half of it all; then every extra; the tools of tests and checks only
# for those who run them.
DEMO := .venv/.installed-demo
APP := .venv/.installed
TOOLS := .venv/.installed-tools

.PHONY: install demo demo-ui dev test test-peers test-scale check docs bench patterns lock clean

install: $(APP) $(TOOLS)

# Each file is compared with its hash in the lock. This package itself cannot have one; what builds it has.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

$(DEMO): pyproject.toml requirements-demo.lock
	@test -n "$(PYTHON)" || { echo "error: expected Python 3.11 to 3.13 on the PATH, found none (install one, or: make PYTHON=/path/to/python3.12)"; exit 1; }
	@echo "installing 0.4 GB into .venv; pip prints nothing for a minute or more"
	$(PYTHON) -m venv .venv
	$(INSTALL) --require-hashes --requirement requirements-demo.lock
	$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(APP): $(DEMO) requirements.lock
	$(INSTALL) --require-hashes --requirement requirements.lock
	@touch $@

$(TOOLS): $(APP) requirements-dev.lock
	$(INSTALL) --require-hashes --requirement requirements-dev.lock
	@touch $@

demo: $(DEMO)
	@$(BIN)/provider-pipeline demo $(ARGS)

demo-ui: $(DEMO)
	@exec $(BIN)/provider-pipeline dev --demo $(ARGS)

dev: $(APP)
	@exec $(BIN)/provider-pipeline dev $(ARGS)

# Compiled code is kept whatever the environment says: else each worker and each process that a test starts compiles anew.
test: export PYTHONDONTWRITEBYTECODE =
test: install
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

# LiteLLM, genai-prices, opencode and others judge our prices and exports, and a generated client the API; what they depend on stays out of the
# environment of users and tests. Those that need Node are left out where there is no npm.
PEERS := .venv-peers
NODE := provider_pipeline_tests/peers
test-peers: $(APP) $(PEERS)/.installed $(PEERS)/node/.installed
	$(PEERS)/bin/python -m pytest --confcutdir provider_pipeline_tests/peers --override-ini filterwarnings=default \
		provider_pipeline_tests/peers $(ARGS)

$(PEERS)/.installed: pyproject.toml requirements.lock requirements-peers.lock
	@test -n "$(PYTHON)" || { echo "error: expected Python 3.11 to 3.13 on the PATH, found none"; exit 1; }
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-peers.lock
	@touch $@

$(PEERS)/node/.installed: $(PEERS)/.installed $(NODE)/package.json $(NODE)/package-lock.json
	@mkdir -p $(PEERS)/node
	@cp $(NODE)/package.json $(NODE)/package-lock.json $(PEERS)/node
	@! command -v npm >/dev/null || \
		(cd $(PEERS)/node && npm ci --ignore-scripts --no-audit --no-fund --silent && touch .installed)

# Shards on Celery workers with a real broker (Debian's redis-server), and the settings of other launchers; about five
# minutes.
test-scale: export PYTHONDONTWRITEBYTECODE =
test-scale: install
	$(INSTALL) --require-hashes --requirement requirements-scale.lock
	$(BIN)/python -m pytest provider_pipeline_tests/scale $(ARGS)

check: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

# Fails on a link to a page or heading that does not exist. The site loads nothing from elsewhere; its search needs a web
# server, such as `python3 -m http.server -d .site`.
docs: $(APP)
	$(INSTALL) --require-hashes --requirement requirements-docs.lock
	$(BIN)/zensical build --clean --strict

bench: install
	$(INSTALL) --require-hashes --requirement requirements-bench.lock
	@for each in bench/bench_*.py; do $(BIN)/python $$each || exit 1; done

patterns: $(APP)
	$(BIN)/provider-pipeline rules learn --shipped

# Brings the locks in line with pyproject.toml and keeps what fits it; `make lock ARGS=--upgrade` takes the newest
# versions that it allows. Commit the result with the reason.
LOCK := .lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links
lock:
	@test -n "$(PYTHON)" || { echo "error: expected Python 3.11 to 3.13 on the PATH, found none"; exit 1; }
	$(PYTHON) -m venv .lock
	.lock/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	$(LOCK) $(ARGS) pyproject.toml --extra all --group build --output-file requirements.lock
	$(LOCK) $(ARGS) pyproject.toml --extra api --extra embedded --extra report --extra ui --group build \
		--constraint requirements.lock --output-file requirements-demo.lock
	$(LOCK) $(ARGS) --group dev --constraint requirements.lock --output-file requirements-dev.lock
	$(LOCK) $(ARGS) --group docs --constraint requirements-dev.lock --output-file requirements-docs.lock
	$(LOCK) $(ARGS) --group bench --constraint requirements.lock --output-file requirements-bench.lock
	$(LOCK) $(ARGS) --group scale --constraint requirements.lock --output-file requirements-scale.lock
	$(LOCK) $(ARGS) --group peers --output-file requirements-peers.lock
	rm -rf .lock

clean:
	rm -rf .venv .venv-peers .lock .home .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .site .cache
