# Everything a newcomer needs: `make serve`, `make quick` and `make test`. Each makes .venv first.
#
#   make PYTHON=python3.12 test     another interpreter
#   make test ARGS="-k reload -x"   arguments for pytest
#   make test JOBS=8                processes that the tests are spread over

PYTHON ?= python3
ARGS ?=
# More than there are processors, because tests of real servers mostly wait for them.
JOBS ?= 6
BIN := .venv/bin
MANIFESTS := pyproject.toml $(wildcard plugins/*/pyproject.toml)
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# The stamps live in .venv, so that removing it removes them too.
VENV := .venv/made
SERVER := .venv/server-installed
DEV := .venv/dev-installed
PROFILER := .venv/py-spy-installed
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

.PHONY: help serve fix lint quick test full fuzz docs bench bars micro profile soak chaos dist clean
.DELETE_ON_ERROR:

help:
	@echo "make serve   serve examples/hello.py on 127.0.0.1:8000"
	@echo "make fix     format, and correct what the linter can correct by itself"
	@echo "make lint    lint and types"
	@echo "make quick   after each change: lint, types and the tests without servers; a minute"
	@echo "make test    before each commit: all that a change can break; seven minutes on two cores"
	@echo "make full    before each release: tutorials, packaging, soak and long fuzzing too"
	@echo "make fuzz    look for input that crashes, is slow, or means two things; minutes"
	@echo "make docs    write the reference anew, build the documentation into docs/_build"
	@echo "make bench   compare with other servers (needs wrk, taskset and openssl); ARGS=quick: two minutes"
	@echo "make bars    judge how fast corn is beside its peers (needs wrk, taskset and openssl)"
	@echo "make micro   measure parser, environ and request cycle without sockets"
	@echo "make profile   draw where a worker under load spends its time (needs wrk)"
	@echo "make soak    load a server while it is reloaded, resized and upgraded"
	@echo "make chaos   let things go wrong around servers under load; ARGS='SEED WORKER ...'"
	@echo "make dist    a wheel and an sdist of every distribution, in dist/"
	@echo "make clean   remove .venv and what was built"

$(VENV):
	@$(PYTHON) -c '' 2>/dev/null || { \
	  echo "make: $(PYTHON) does not run; name a Python 3.11 or newer: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: corn needs Python 3.11 or newer, and $(PYTHON) is `$(PYTHON) -V 2>&1`;" \
	       "name a newer one: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	@touch $@

$(SERVER): $(VENV) $(MANIFESTS)
	$(PIP) install --editable . --editable ./plugins/corn-sync
	@touch $@

$(DEV): $(SERVER)
	$(PIP) install --editable '.[dev]' $(addprefix --editable ./,$(PLUGINS))
	@touch $@

serve: $(SERVER)
	$(BIN)/corn --chdir examples hello:app

fix: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

quick: lint
	$(PYTEST) tests/unit tests/http_corpus tests/contract/test_layering.py $(ARGS)

test: lint
	$(PYTEST) -m "not slow" $(ARGS)

full: lint
	CORN_FUZZING=long CORN_TESTKIT_FORKSERVER=no $(PYTEST) $(ARGS)

fuzz: $(DEV)
	CORN_FUZZING=long $(PYTEST) tests/fuzz tests/unit/http
	$(BIN)/python -m tests.fuzz $(ARGS)

docs: $(DEV)
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx -W -b html docs docs/_build

bench: $(SERVER)
	$(BIN)/python benchmarks/bench.py $(ARGS)

bars: $(SERVER)
	$(BIN)/python benchmarks/bars.py $(ARGS)

micro: $(SERVER)
	$(BIN)/python benchmarks/micro.py $(ARGS)

$(PROFILER): $(DEV)
	$(PIP) install 'py-spy>=0.4'
	@touch $@

profile: $(PROFILER)
	$(BIN)/python benchmarks/flame.py $(ARGS)

soak: $(DEV)
	$(BIN)/python -m tests.soak

chaos: $(DEV)
	$(BIN)/python -m tests.chaos $(ARGS)

dist: $(DEV)
	rm -rf dist
	for source in . $(PLUGINS); do \
	  $(BIN)/python -m build --no-isolation --outdir dist $$source || exit 1; done

clean:
	rm -rf .venv benchmarks/.venv build dist docs/_build .mypy_cache .pytest_cache .ruff_cache
