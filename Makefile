PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STUBS := agentfield/v1 sdk/go/gen sdk/typescript/src/gen docs/rest.md \
	gateway/agentfield_gateway/openapi.json
PAGE := gateway/agentfield_gateway/console

.PHONY: help setup chromium demo test check lint types layers proto generate console fresh stubs format lock bench

help: ## What there is to do
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# Runs a command, and tells what it is for and how long it takes.
STEP = $(PYTHON) $(CURDIR)/scripts/step.py
NPM_CI = npm ci --no-audit --no-fund --loglevel=error

setup: $(VENV)/.done $(VENV)/tools/.done $(VENV)/existing/.done ## Install everything into .venv from the lock

$(VENV)/.done: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "This needs Python 3.11 or newer: say 'make PYTHON=…' with its name" >&2; exit 1; }
	@test -x $(BIN)/pip || $(STEP) "Making $(VENV)" $(PYTHON) -m venv $(VENV)
	@test -x $(UV) || $(STEP) "Getting uv, the installer" $(BIN)/pip install --quiet 'uv==0.13.9'
	@$(STEP) "Installing what $< lists into $(VENV)" \
		$(UV) pip install --python $(BIN)/python --require-hashes -r $<
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Programs that need other versions than our own packages do.
$(VENV)/tools/.done: tests/tools/requirements.lock | $(VENV)/.done
	@rm -rf $(VENV)/tools
	@$(STEP) "Installing the tools that tests use" \
		$(UV) pip install --python $(BIN)/python --require-hashes --target $(VENV)/tools -r $<
	@touch $@

# The SDK that existing agents are built with has the name of our package, so it gets a place of its
# own. 48 MB.
$(VENV)/existing/.done: tests/existing/requirements.lock | $(VENV)/.done
	@rm -rf $(VENV)/existing
	@$(UV) venv --quiet --python $(BIN)/python $(VENV)/existing
	@$(STEP) "Installing the SDK that existing agents use" \
		$(UV) pip install --python $(VENV)/existing/bin/python --no-deps --require-hashes -r $<
	@touch $@

# Whoever has none and cannot install it is told so; the tests that need it then fail.
chromium: ## A browser for the tests, where there is none
	@scripts/chromium.sh >/dev/null 2>&1 || $(STEP) "Installing Chromium, 115 MB" scripts/chromium.sh install || true

demo: setup ## A call to a voice agent in which all really speak; KEEP=1: then you talk to it
	@$(BIN)/python examples/demo.py $(if $(KEEP),--keep)

test: setup stubs chromium console/node_modules/.done ## Every test, in two processes
	$(BIN)/pytest -n 2 --dist worksteal

check: lint types layers proto fresh ## Everything but the tests

lint: setup ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## Types
	$(BIN)/mypy agentfield gateway/agentfield_gateway cli/agentfield_cli sdk/python/agentfield_sdk tests bench examples scripts

layers: setup ## Rooms import downwards only
	$(BIN)/lint-imports

proto: setup ## The contract's style, and that it breaks nobody
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	@base=$$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD); \
		test "$$base" != "$$(git rev-parse HEAD)" || base=$$(git rev-parse --verify --quiet HEAD~1 || echo HEAD); \
		echo "buf breaking against $$base"; \
		$(BIN)/buf breaking --against ".git#ref=$$base"

generate: setup sdk/typescript/node_modules/.done ## All stubs in every language, and docs/rest.md
	rm -rf $(STUBS)
	$(BIN)/buf generate
	$(BIN)/buf generate --template buf.gen.docs.yaml

console: console/node_modules/.done ## The page, from console/ into the gateway's static files
	cd console && npm run --silent schema && npm run --silent types && npm run --silent build && npm test --silent

console/node_modules/.done: console/package-lock.json
	@cd console && $(STEP) "Installing the packages of the page" $(NPM_CI)
	@touch $@

fresh: generate console ## What is generated or built, and committed, is what its sources say
	@test -z "$$(git status --porcelain -- $(STUBS) $(PAGE))" || \
		{ git status --short -- $(STUBS) $(PAGE); echo "run 'make generate console' and commit"; exit 1; }

stubs: sdk/typescript/node_modules/.done ## The TypeScript and Go stubs compile
	@cd sdk/typescript && $(STEP) "Compiling the TypeScript stubs" npm run --silent build
	@cd sdk/go && $(STEP) "Compiling the Go stubs" go vet ./...

sdk/typescript/node_modules/.done: sdk/typescript/package-lock.json
	@cd sdk/typescript && $(STEP) "Installing the packages of the TypeScript stubs" $(NPM_CI)
	@touch $@

format: setup ## Rewrite style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/buf format -w

LOCK := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --upgrade --quiet --custom-compile-command "make lock"

lock: ## Choose new versions within the ranges of pyproject.toml
	$(LOCK) pyproject.toml --all-extras --group dev -o requirements.lock
	$(LOCK) tests/tools/requirements.in -o tests/tools/requirements.lock
	$(LOCK) tests/existing/requirements.in --no-deps -o tests/existing/requirements.lock

bench: setup ## Measure, side by side
	$(BIN)/python bench/run.py
