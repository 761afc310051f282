# Two commands do everything on a fresh machine (Python >= 3.11, make): `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SEED ?= 1
# bytecode is made where something is imported, not for all that is installed, and kept, or every process that a test starts would read all sources again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: docs help run test test-long bench bench-against lint format notebooks clean

help:
	@echo "make run        play the default market and leave a run directory with report.html"
	@echo "make test       the whole test suite (doctests and notebooks included)"
	@echo "make test-long  the statistical runs that take minutes"
	@echo "make bench      engine speed, compared with peers in the same run"
	@echo "make bench-against REV=...  this version beside an earlier one, in turn"
	@echo "make lint       ruff and mypy"
	@echo "make docs       the documentation site, in build/site/index.html"
	@echo "make notebooks  pair the notebooks with their scripts and store their results"

# the plain installation is all that a user needs; tests and notebooks add the extra `dev`
$(VENV)/installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || (echo "creating $(VENV)" && $(PYTHON) -m venv $(VENV))
	@echo "installing airan-market and what it needs (pinned in constraints.txt)"
	@$(PIP) install --no-compile -c constraints.txt -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "installing what the tests need"
	@$(PIP) install --no-compile -c constraints.txt -e '.[dev]'
	@touch $@

run: $(VENV)/installed
	$(BIN)/airan-market run teleoperation --seed $(SEED) --force

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n auto --dist worksteal

test-long: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n auto --dist worksteal -m long --durations=10
	$(BIN)/python -m pytest -n auto --dist worksteal -m hypothesis --hypothesis-profile=other

bench-against: $(VENV)/installed-dev
	@mkdir -p runs
	$(BIN)/python tests/benchmarks/against.py $(REV) --json runs/against.json

bench: $(VENV)/installed-dev
	@mkdir -p runs
	$(BIN)/python tests/benchmarks/bench.py --json runs/bench.json

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p $(VENV)/types/airan_market  # mypy does not follow an editable install under another name
	@ln -sfn $(addprefix $(CURDIR)/,scenarios sim agents analysis $(wildcard airan_market/*)) $(VENV)/types/airan_market/
	$(BIN)/mypy

$(VENV)/installed-docs: $(VENV)/installed
	@echo "installing what the documentation needs"
	@$(PIP) install --no-compile -c constraints.txt -e '.[docs]'
	@touch $@

docs: $(VENV)/installed-docs
	$(BIN)/python docs/site/build.py
	@echo "open build/site/index.html"

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(VENV)/installed-dev
	$(BIN)/jupytext --to ipynb --update notebooks/[0-9]*.py
	$(BIN)/jupyter-execute --inplace --NotebookClient.record_timing=False notebooks/[0-9]*.ipynb

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
