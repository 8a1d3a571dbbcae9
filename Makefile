SHELL := bash
PYTHON ?= python3
BIN := .venv/bin

.PHONY: venv demo test check bench docs real
.DEFAULT_GOAL := test

venv: .venv/.installed

.venv/.installed: pyproject.toml constraints/dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints/dev.txt -e '.[dev]'
	touch $@

# The run's own exit status is kept: the path of the report is printed either way.
demo: venv
	rm -rf demo-run
	@status=0; $(BIN)/evalkit run --demo --output-dir demo-run || status=$$?; \
	find demo-run -name 'report.html' -o -name 'report.md' | sort; \
	exit $$status

test: venv
	$(BIN)/pytest -q -m "not real" -n 2 --dist loadfile

check: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy evalkit
	$(BIN)/lint-imports --no-cache --no-logo

bench: venv
	$(BIN)/python benchmarks/clients.py
	$(BIN)/python benchmarks/decisions.py
	$(BIN)/python benchmarks/startup.py

# Pages written from the code's own metadata.
docs: venv
	$(BIN)/python -m evalkit.docs

# Exit status 75 of the set-up: this machine cannot have it. That is said loudly, and the tests that need it skip.
real: venv
	@status=0; bash tests/real/setup.sh || status=$$?; \
	if [ $$status -eq 75 ]; then echo "==== REAL SGLANG IS NOT SET UP ON THIS MACHINE: ITS TESTS SKIP ===="; \
	elif [ $$status -ne 0 ]; then exit $$status; fi; \
	files=(); for path in tests/real tests/test_real_run.py; do [ ! -e $$path ] || files+=($$path); done; \
	timeout --foreground 1200 $(BIN)/pytest -q -m real "$${files[@]}"
