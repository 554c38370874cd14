# Needs Python 3.11 to 3.13, make and git; `make help` lists the targets.
#
#   make test PYTHON=python3.12        choose the interpreter
#   make test ARGS="-k scan -x"        options for pytest
#   make demo ARGS=--help              options for the demo
#   make chaos ARGS="--seed 7"         a schedule again that has failed

PYTHON ?=
ARGS   ?=

VENV   := .venv
BIN    := $(VENV)/bin
# Bluesky behaves differently when classic ophyd is installed, and blueapi needs another
# version of Tiled
ECO    := .venv-ecosystem
BLUE   := .venv-blueapi
CHOSEN := $(VENV)/.chosen
PIP    := $(BIN)/python -m pip -qq --disable-pip-version-check

# Plots go to files, not to windows; MPLBACKEND=qtagg make demo shows them
MPLBACKEND ?= Agg
export MPLBACKEND

# Runs, is 3.11 to 3.13, and can make virtual environments. A name on the PATH is
# no proof: pyenv leaves names that fail, Debian leaves venv out
PYTHONS := $(or $(PYTHON),python3 python3.13 python3.12 python3.11)
USABLE  := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

# The package that is on PyPI under the same name, to compare with
PEER := build/bench-peer

.PHONY: help demo test soak ecosystem blueapi test-all chaos fuzz soak-connection \
        reliability bench bench-quick lint format docs check clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    simulated SEC node, a scan and its plot"
	@echo "make test    the test suite"
	@echo "make soak    many runs, after which nothing may be left"
	@echo "make ecosystem  with the servers of EPICS, Tango, Tiled and queueserver"
	@echo "make blueapi    with a blueapi server"
	@echo "make test-all   all of these, and a minute each of chaos and soak-connection"
	@echo "make chaos   thousands of schedules of what can go wrong, 5 minutes"
	@echo "make fuzz    half a million damaged messages, 10 minutes"
	@echo "make soak-connection  10 000 values each second and 50 losses, 10 minutes"
	@echo "make reliability      the figures of these three, 20 minutes"
	@echo "make bench   how fast it is, beside others: about 40 minutes, needs a C compiler"
	@echo "make bench-quick  in a minute, whether it is much slower than it was"
	@echo "make lint    style, types and layers"
	@echo "make format  put the code into the common style"
	@echo "make docs    documentation, in build/html"
	@echo "make check   lint, test, soak and docs"
	@echo "make clean   remove everything that make has made"

demo: $(VENV)/.demo
	@$(BIN)/python -m secop_ophyd.demo $(ARGS)

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -m "not soak" $(ARGS)

soak: $(VENV)/.dev
	@$(BIN)/python -m pytest -m soak $(ARGS)

ecosystem: $(ECO)/.installed
	@$(ECO)/bin/python -m pytest tests/ecosystem --ignore tests/ecosystem/blueapi $(ARGS)

blueapi: $(BLUE)/.installed
	@$(BLUE)/bin/python -m pytest tests/ecosystem/blueapi $(ARGS)

# The test suite comes last, so that its summary is what one sees at the end
test-all: soak ecosystem blueapi
	@$(MAKE) --no-print-directory chaos ARGS="--seconds 60"
	@$(MAKE) --no-print-directory soak-connection ARGS="--seconds 30 --reconnects 10"
	@$(MAKE) --no-print-directory test

chaos: $(VENV)/.dev
	@$(BIN)/python tests/chaos/chaos.py $(ARGS)

fuzz: $(VENV)/.dev
	@FUZZ_BLOCKS=2500 HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest \
	  tests/unit/protocol/test_fuzz.py --timeout 1200 -q $(ARGS)

soak-connection: $(VENV)/.dev
	@$(BIN)/python tests/chaos/soak.py $(ARGS)

reliability: $(VENV)/.dev
	@$(BIN)/python tests/chaos/reliability.py $(ARGS)

bench: $(VENV)/.dev build/bench/fast_node $(PEER)/.installed
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(VENV)/.dev
	@$(BIN)/python -m benchmarks --quick $(ARGS)

lint: $(VENV)/.dev
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m pyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports

format: $(VENV)/.dev
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .

docs: $(VENV)/.dev
	@$(BIN)/python -m sphinx --quiet --fail-on-warning -b html docs build/html
	@echo "The documentation is in build/html/index.html"

check: lint test soak docs

clean:
	rm -rf $(VENV) $(ECO) $(BLUE) build dist docs/_api src/*.egg-info demo.png
	rm -rf .pytest_cache .hypothesis .ruff_cache .import_linter_cache
	find src tests docs examples benchmarks -name __pycache__ -exec rm -rf {} +

build/bench/fast_node: benchmarks/node/fast_node.c
	@mkdir -p $(@D)
	@$(CC) -O2 -Wall -Wextra -o $@ $<

$(PEER)/.installed: | $(VENV)/.demo
	@echo "Setting up $(PEER), once: half a minute"
	@$(BIN)/python -m venv --clear $(PEER)
	@$(PEER)/bin/python -m pip -qq --disable-pip-version-check install secop-ophyd==0.19.3
	@touch $@

# Another PYTHON than that of the existing environment asks for a new one
ifneq ($(PYTHON),)
ifneq ($(PYTHON),$(shell cat $(CHOSEN) 2>/dev/null))
.PHONY: $(VENV)/.demo
endif
endif

# The demo needs much less than a developer does
$(VENV)/.demo: pyproject.toml
	@found=; for python in $(PYTHONS); do \
	  if "$$python" -c '$(USABLE)' >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "No usable Python among: $(PYTHONS)" >&2; \
	  echo "Needed: Python 3.11, 3.12 or 3.13 with its venv module (Debian: python3-venv)." >&2; \
	  echo "Choose one with: make PYTHON=/path/to/python" >&2; \
	  exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$("$$found" --version), once: half a minute"; \
	"$$found" -m venv --clear $(VENV) && echo "$$found" > $(CHOSEN)
	@$(PIP) install --editable ".[demo]"
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@echo "Adding the tools for development, once: half a minute"
	@$(PIP) install --editable ".[dev]"
	@touch $@

# One for each extra of the same name
.venv-%/.installed: pyproject.toml $(VENV)/.demo
	@echo "Setting up .venv-$*, once: a minute"
	@$(BIN)/python -m venv --clear .venv-$*
	@.venv-$*/bin/python -m pip -qq --disable-pip-version-check install -e ".[$*]"
	@touch $@
