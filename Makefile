# Everything here needs Python 3.11+ and make alone: .venv is made from requirements.lock at first use.
.DEFAULT_GOAL := help
.PHONY: help demo serve example-orders example-bff example-operator test test-wheel check-consistency fuzz bench lint format \
	proto lock clean

PYTHON ?= python3
BENCH ?= full
RUNS ?= 3000000
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Watch a token live and die on a fresh server
	@$(BIN)/tokensvc demo

serve: $(READY) ## Serve on 127.0.0.1:50051 with SQLite in ./tokensvc-data
	@$(BIN)/tokensvc serve

example-orders: $(READY) ## Run a gRPC service that tokens guard, and print what to type next
	@$(BIN)/python -m examples.orders

example-bff: $(READY) ## Run a backend that logs a phone in and relays its refreshes
	@$(BIN)/python -m examples.bff

example-operator: $(READY) ## Run a server with sessions, to be ended by a script
	@$(BIN)/python -m examples.operator

test: $(READY) ## Run the test suite, in a process for each core
	@# The seed: some cases are named after sets, and all processes have to give them the same names.
	PYTHONHASHSEED=0 $(BIN)/python -m pytest --numprocesses auto --dist loadgroup

test-wheel: $(READY) ## Install the client's wheel into an empty environment and test it there
	TOKENSVC_TEST_REQUIRE="$(TOKENSVC_TEST_REQUIRE) wheel" $(BIN)/python -m pytest tests/system/test_client_wheel.py

check-consistency: $(READY) ## Prove the guarantees under faults, for half an hour
	$(BIN)/python -m tests.consistency --long

fuzz: $(READY) ## Give every reader of foreign bytes RUNS inputs (3,000,000; the slow ones a tenth)
	$(PIP) install --require-hashes --requirement tests/fuzz/requirements.lock
	$(BIN)/python -m tests.fuzz --runs $(RUNS)

bench: $(READY) ## Measure; BENCH=quick takes a minute, BENCH=loaded and lone are medians
	$(BIN)/python -m bench $(BENCH)

lint: $(READY) ## Check style, types, protos, import directions and stubs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/python clients/python/generate_stubs.py --check
	$(BIN)/python -m pytest tests/test_architecture.py

format: $(READY) ## Format code and protos
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/buf format --write

proto: $(READY) ## Generate the stubs from protos/
	$(BIN)/python clients/python/generate_stubs.py
	$(BIN)/python -m grpc_tools.protoc -I. --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
		--python_out=. --pyi_out=. --grpc_python_out=. --mypy_grpc_out=quiet:. examples/orders/orders.proto

lock: $(READY) ## Resolve the newest dependencies into requirements.lock
	$(BIN)/uv pip compile pyproject.toml clients/python/pyproject.toml --extra dev --extra pkcs11 --extra postgres --universal --python-version 3.11 \
		--generate-hashes --no-emit-package tokensvc-client --no-header --upgrade --quiet --output-file requirements.lock

clean: ## Remove the environment and everything that was generated
	rm -rf $(VENV) bench/results .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): requirements.lock pyproject.toml clients/python/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable clients/python --editable .
	@touch $@
