# The two commands of the README are `make demo` and `make test`. Each makes the environment that it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test verify simulate chaos deaths limits bench measured docs package audit man check format clean

help:
	@echo "make demo      on the built-in emulator: list a bucket, run the job, kill it half-way, run it again, watch its end"
	@echo "make test      run the tests, with a share of the long repetitions; 4 minutes on two cores"
	@echo "make verify    run the long repetitions: 7 minutes on two cores, all of them with SIZE=full"
	@echo "make simulate  play 10000 seeds of crashes, faults and lies on a virtual clock; ten minutes"
	@echo "make chaos     kill the main job 200 times at random instants; some minutes"
	@echo "make deaths    kill workers, clusters and commands in 17 ways during runs in several processes; ten minutes"
	@echo "make limits    measure how the main job finds and follows the limits of a service; a quarter of an hour"
	@echo "make bench     measure against nginx, hey, aiohttp and the official SDK; 50 minutes, 2 with QUICK=1"
	@echo "make docs      run the examples of the documentation, rewrite the outputs that it shows, build the site"
	@echo "make package   build the distribution in dist/, check it, and use it from an environment of its own"
	@echo "make audit     look for known vulnerabilities of the pinned packages; fails where the package index has no such data"
	@echo "make man       write the manual page, man/batcher.1"
	@echo "make check     run the linters, the formatter's check and the type checker"
	@echo "make format    format the code"
	@echo "make clean     remove the environment and everything that was made"

# `constraints.txt` fixes every version, so that the tests of today are the tests of next year.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

demo: $(READY)
	$(BIN)/python samples/demo.py

# The tests start hundreds of commands, and each would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

# More workers than cores: most of the time, a test waits for a job that keeps to its rate.
PYTEST := $(BIN)/python -m pytest --numprocesses 6 --dist worksteal

test: $(READY)
	$(PYTEST)

# SIZE is how much of the long repetitions is run: `ci`, or `full` for all of it.
SIZE ?= ci
KILLS_ci := 15
KILLS_full := 200
SEEDS_ci := 300
SEEDS_full := 5000
LYING_SEEDS_ci := 150
LYING_SEEDS_full := 5000

verify: $(READY)
	$(BIN)/python tests/chaos.py --kills $(KILLS_$(SIZE))
	$(BIN)/python tests/simulation.py --seeds $(SEEDS_$(SIZE))
	$(BIN)/python tests/simulation.py --seeds $(LYING_SEEDS_$(SIZE)) --api dwr-v3
	$(BIN)/python tests/simulation.py --lies --seeds $(LYING_SEEDS_$(SIZE))
	$(PYTEST) -m long --size $(SIZE)

simulate: $(READY)
	$(BIN)/python tests/simulation.py --seeds 5000
	$(BIN)/python tests/simulation.py --lies --seeds 5000
	$(BIN)/python tests/simulation.py --lies --seeds 500 --api dwr-v3

deaths: $(READY)
	$(BIN)/python tests/deaths.py

chaos: $(READY)
	$(BIN)/python tests/chaos.py

limits: $(READY)
	$(BIN)/python tests/limits.py

# Needs nginx and hey, and installs them where it may. ROWS is the most rows of any measurement. QUICK=1 measures a few
# rows with what is there, and judges nothing.
ROWS ?= 5000000
QUICK ?=

# In an environment of an optimized Python, where this machine has a better one than $(PYTHON).
bench:
	@$(MAKE) --no-print-directory measured $(if $(QUICK),,$$($(PYTHON) bench/interpreter.py))

measured: $(READY)
	$(BIN)/python bench/bench.py --rows $(ROWS) $(if $(QUICK),--quick)

docs: $(READY)
	$(BIN)/python tests/documentation.py --update
	$(BIN)/mkdocs build --quiet

PACKAGE := $(VENV)/.package
$(PACKAGE): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,package]'
	@touch $@

package: $(PACKAGE)
	$(BIN)/python tests/package.py

audit: $(PACKAGE)
	$(BIN)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

# For packagers: the same that an installed `batcher man` prints.
man: $(READY)
	mkdir -p man
	$(BIN)/batcher man > man/batcher.1

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile
	$(if $(wildcard $(BIN)/shellcheck),$(BIN)/shellcheck .ci/run samples/slurm/batcher.sh)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .venv-bench demo man build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
