# make analyze VIDEO=vlog.mp4   analyse one video (inputs/sample.mp4 without VIDEO)
# make test                     the tests
# make check                    the whole gate: format, lint, types, import rules, tests, a slice of the fuzz
# make fuzz                     damaged films and subtitles, docs/RELIABILITY.md; about a quarter of an hour
# make faults                   killed, starved and tricked runs, docs/RELIABILITY.md; ten minutes
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The video's name goes through the environment, untouched: names with spaces, quotes, % or $ work.
override VIDEO := $(value VIDEO)
override ARGS := $(value ARGS)
export VIDEO ARGS

.DEFAULT_GOAL := help
.PHONY: help analyze test lint check fuzz fuzz-slice faults check-data bench bench-conflict bench-words sample accept clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@
	@$(BIN)/emotion-pipeline models pull --best-effort

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# Partly done (3) is said by the command in a sentence; make would end with an error line of its own.
analyze: $(VENV)/installed
	@$(BIN)/emotion-pipeline analyze $$ARGS -- "$$VIDEO" || { code=$$?; [ $$code -eq 3 ] || exit $$code; }

# A worker takes a file at a time: what its tests make is made once.
test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test fuzz-slice

fuzz: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.fuzz $$ARGS

# A bit of everything in three minutes at most.
fuzz-slice: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.fuzz --slice $$ARGS

faults: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.faults $$ARGS

# Tests that need the shared data folder (EMOTION_DATA, ../shared/data by default), and the slow ones.
check-data: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m "data or slow" --timeout 1800

bench: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.whole_job

bench-conflict: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.conflict $$ARGS

bench-words: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.words $$ARGS

sample: $(VENV)/installed-dev
	$(BIN)/python -m tests.made.sample inputs

# After a change to code that leaves a stage's bytes as they were.
accept: $(VENV)/installed-dev
	$(BIN)/python -m tests.engine.test_stage_lock

clean:
	rm -rf build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
