# Everything runs in .venv, which the first target that needs it makes, from the versions in
# constraints.txt. A second call finds the stamp and starts at once.
PYTHON ?= python3
VENV   ?= .venv

BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test ray faults check docs bench bench-alone bench-classics \
  bench-gift bench-pretrained bench-speed bench-data bench-memory bench-peers gpu fuzz mutants \
  pretrain clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.ready-test ## train and forecast bundled real data, in about a minute
	$(BIN)/rnnforecast demo

# One thread a test process: the tests are small, and the processes share the cores. Tests that start
# the command in a process of its own would compile the package each time without bytecode files.
test: $(VENV)/.ready-test ## run the tests
	env -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto $(ARGS)

ray: $(VENV)/.ready-test $(VENV)/.ready-ray ## run the tests of the Ray engine, with Ray installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/parallel/test_ray_engine.py $(ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.partitions --engine ray --count 2

faults: $(VENV)/.ready-test ## kills, failing disks and jobs at once, in full: an hour or two
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults $(ARGS)

check: $(VENV)/.ready-dev ## lint, formatting, types, layers, and docs that are up to date
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/build.py --check

docs: $(VENV)/.ready-dev ## write the reference pages that come from the code
	$(BIN)/python docs/build.py

bench: $(VENV)/.ready-dev ## accuracy of all presets, three seeds, hours: make bench DATA=folder
	$(BIN)/python benchmarks/quality.py \
	  $(or $(DATA),$(error name the folder: make bench DATA=folder)) --seeds 3 $(ARGS)

bench-alone: $(VENV)/.ready-dev ## accuracy on one series alone, hours: make bench-alone DATA=folder
	$(BIN)/python benchmarks/alone.py \
	  $(or $(DATA),$(error name the folder: make bench-alone DATA=folder)) --seeds 3 $(ARGS)

bench-classics: $(VENV)/.ready-dev ## statistical methods on panels: make bench-classics DATA=folder
	$(BIN)/python benchmarks/classics.py \
	  $(or $(DATA),$(error name the folder: make bench-classics DATA=folder)) $(ARGS)

bench-gift: $(VENV)/.ready-dev ## eight configurations of GIFT-Eval: make bench-gift DATA=folder
	$(BIN)/python benchmarks/gift.py \
	  $(or $(DATA),$(error name the folder: make bench-gift DATA=folder)) $(ARGS)

bench-pretrained: $(VENV)/.ready-dev ## the gate of the pretrained network: make bench-pretrained DATA=folder
	$(BIN)/python benchmarks/pretrained.py \
	  $(or $(DATA),$(error name the folder: make bench-pretrained DATA=folder)) $(ARGS)

pretrain: $(VENV)/.ready-dev ## train the network of the package again: make pretrain FOLDER=folder
	$(BIN)/python -m rnnforecast.pretraining \
	  $(or $(FOLDER),$(error name the folder: make pretrain FOLDER=folder)) $(ARGS)

bench-speed: $(VENV)/.ready-dev ## what the training loop and the start of a command cost
	$(BIN)/python benchmarks/speed.py

bench-data: $(VENV)/.ready-dev ## what reading and cleaning cost, and how well gaps are filled
	$(BIN)/python benchmarks/data_path.py
	$(BIN)/python benchmarks/imputation.py

bench-memory: $(VENV)/.ready-dev ## which backbones carry something over many steps
	$(BIN)/python benchmarks/memory.py

gpu: $(VENV)/.ready-test ## whether a graphics card computes what the CPU does, up to 8 minutes
	$(BIN)/python benchmarks/gpu.py $(ARGS)

bench-peers: $(VENV)/.ready-dev ## the tool beside other libraries, hours: make bench-peers DATA=folder
	$(BIN)/python benchmarks/peers/run.py \
	  $(or $(DATA),$(error name the folder: make bench-peers DATA=folder)) $(ARGS)

fuzz: $(VENV)/.ready-test ## mutated files, specs, runs, ledgers, jobs: make fuzz ARGS='csv --count 2000'
	$(BIN)/python benchmarks/fuzz.py $(or $(ARGS),csv)

mutants: $(VENV)/.ready-dev ## how many of 70 small faults the tests notice, an hour
	$(BIN)/python benchmarks/mutants.py $(ARGS)

clean: ## remove the environment, builds and caches
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# The constraints matter most for torch: they keep the tested build.
$(VENV)/.ready-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "setting up $(VENV) (a minute or two, once)"
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[$*]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "rnnforecast needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
