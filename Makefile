SHELL := bash
PYTHON ?= python3
BIN := .venv/bin

.PHONY: venv demo test check bench dist docs site real harness tools ray slurm lock audit coverage mutants crash faults fuzz healthy soak sweeps real-long day loads
.DEFAULT_GOAL := test

venv: .venv/.installed

PIP := pip install -q --disable-pip-version-check
# Every file is held against its hash. The build needs no isolation: its tools are among them.
.venv/.installed: pyproject.toml constraints/hashes.txt
	$(PYTHON) -m venv .venv
	$(BIN)/$(PIP) --require-hashes -r constraints/hashes.txt
	$(BIN)/$(PIP) --no-deps --no-build-isolation -e .
	touch $@

# The run's own exit status is kept: the path of the report is printed either way.
demo: venv
	rm -rf demo-run
	@status=0; $(BIN)/evalkit run --demo --output-dir demo-run || status=$$?; \
	find demo-run -name 'report.html' -o -name 'report.md' | sort; \
	exit $$status

test: venv
	$(BIN)/pytest -q -m "not real and not harness and not tools and not proof" -n 3 --dist loadfile --no-loadscope-reorder

check: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy evalkit
	$(BIN)/lint-imports --no-cache --no-logo
	@$(MAKE) --no-print-directory audit

bench: venv
	$(BIN)/python benchmarks/clients.py
	$(BIN)/python benchmarks/decisions.py
	$(BIN)/python benchmarks/startup.py

# Pages written from the code's own metadata.
docs: venv
	$(BIN)/python -m evalkit.docs
	$(BIN)/python -m tests.faults
	$(BIN)/python -m tests.gallery
	$(BIN)/python docs/examples/make.py

# The afternoon comes last: it takes as long as all others together.
LONG_REAL_TESTS := tests/real/test_ladder.py tests/real/test_load.py tests/real/test_sweep.py
REAL_TESTS := $(filter-out tests/real/test_afternoon.py $(LONG_REAL_TESTS),$(wildcard tests/real/test_*.py tests/test_real_run.py)) tests/real/test_afternoon.py

# Exit status 75 of the set-up: this machine cannot have it. That is said loudly, and the tests that need it skip.
# EVALKIT_REAL_VLLM=1 brings vLLM too (3.4 GB).
real: venv
	@status=0; bash tests/real/setup.sh || status=$$?; \
	if [ $$status -eq 75 ]; then echo "==== REAL SGLANG IS NOT SET UP ON THIS MACHINE: ITS TESTS SKIP ===="; \
	elif [ $$status -ne 0 ]; then exit $$status; fi; \
	if [ "$${EVALKIT_REAL_VLLM:-}" = 1 ]; then bash tests/real/setup_vllm.sh || [ $$? -eq 75 ] || exit 1; fi; \
	status=0; timeout --foreground 1140 $(BIN)/pytest -q -m real $(REAL_TESTS) || status=$$?; \
	if [ $$status -eq 124 ]; then echo "==== REAL SERVER TESTS DID NOT RUN TO THE END: OUT OF TIME ===="; else exit $$status; fi

# A ladder of lists in three modes; six settings of one server, 11 starts: longer than CI gives all the others.
real-long: venv
	@status=0; bash tests/real/setup.sh || status=$$?; [ $$status -eq 0 ] || [ $$status -eq 75 ] || exit $$status; \
	$(BIN)/pytest -q -m real $(LONG_REAL_TESTS)

# Exit status 75 of the set-up: this machine cannot have one of them. That is said, and its tests skip. The known truth
# needs the real SGLang of `make real` too.
harness: venv
	@status=0; bash tests/harness/setup.sh || status=$$?; \
	if [ $$status -eq 75 ]; then echo "==== NOT ALL HARNESSES ARE SET UP ON THIS MACHINE: THEIR TESTS SKIP ===="; \
	elif [ $$status -ne 0 ]; then exit $$status; fi; \
	timeout --foreground 2400 $(BIN)/pytest -q -m harness tests/harness

# What is shipped for other systems, each held against its system's validator: workflows, containers, clusters, the
# docs site, signatures, and the wheel in clean environments. Exit status 75 of the set-up: its tests skip, and that is said.
tools: venv
	@status=0; bash tests/tools/setup.sh || status=$$?; \
	if [ $$status -ne 0 ]; then echo "==== THE VALIDATORS CANNOT BE INSTALLED ON THIS MACHINE: THEIR TESTS SKIP ===="; fi
	$(BIN)/pytest -q -m tools tests/tools

# Cells of a matrix on a Ray cluster of three nodes on this machine. Exit status 75 of the set-up: its tests skip.
ray: venv
	@status=0; bash tests/matrix/setup_ray.sh || status=$$?; \
	if [ $$status -ne 0 ]; then echo "==== RAY CANNOT BE INSTALLED ON THIS MACHINE: ITS TESTS SKIP ===="; fi
	timeout --foreground 2400 $(BIN)/pytest -q -m tools tests/matrix/test_ray.py tests/matrix/test_ray_sglang.py

# Cells of a matrix by a real Slurm of one node, this machine. Exit status 75 of the set-up: its tests skip.
slurm: venv
	@status=0; bash tests/matrix/setup_slurm.sh || status=$$?; \
	if [ $$status -ne 0 ]; then echo "==== SLURM CANNOT BE INSTALLED ON THIS MACHINE: ITS TESTS SKIP ===="; fi
	timeout --foreground 2400 $(BIN)/pytest -q -m tools tests/matrix/test_slurm.py

# The pages of docs/ as a site with search, in build/site; a broken link fails.
site: venv
	bash tests/tools/setup.sh && build/tools/bin/zensical build --strict --clean -f mkdocs.yml

# -- reliability: what takes longer than the suite ---------------------------------------------------------------------

# Hashes of all files of the pinned versions (constraints/dev.txt), for every platform.
lock:
	$(PYTHON) -m venv build/lock && build/lock/bin/$(PIP) uv
	head -2 constraints/hashes.txt > build/header.txt
	build/lock/bin/uv pip compile pyproject.toml constraints/build.in --extra dev --extra fast -c constraints/dev.txt \
	  --generate-hashes --universal --python-version 3.11 --no-header --no-annotate --no-strip-extras -q -o build/hashes.txt
	cat build/header.txt build/hashes.txt > constraints/hashes.txt
	head -2 constraints/tools.txt > build/header.txt
	build/lock/bin/uv pip compile pyproject.toml constraints/build.in constraints/tools.in --extra sigstore \
	  -c constraints/dev.txt --generate-hashes --universal --python-version 3.11 --no-header --no-annotate \
	  --no-strip-extras -q -o build/hashes.txt
	cat build/header.txt build/hashes.txt > constraints/tools.txt
	for extra in base fast sigstore ray; do \
	  asked=; [ $$extra = base ] || asked="--extra $$extra"; [ $$extra != ray ] || asked="$$asked --extra fast"; \
	  head -2 constraints/$$extra.txt > build/header.txt; \
	  build/lock/bin/uv pip compile pyproject.toml constraints/build.in $$asked -c constraints/dev.txt --generate-hashes \
	    --universal --python-version 3.11 --no-header --no-annotate --no-strip-extras -q -o build/hashes.txt; \
	  cat build/header.txt build/hashes.txt > constraints/$$extra.txt; \
	done

# sdist, wheel and bill of materials in dist/.
dist:
	bash tests/tools/setup.sh
	rm -rf dist && build/tools/bin/python -m build --no-isolation --outdir dist .
	build/tools/bin/cyclonedx-py requirements constraints/fast.txt --output-reproducible -o dist/sbom.cdx.json

# Known vulnerabilities of the pinned versions; where there is no advisory data, that is said and nothing fails.
audit:
	@$(PYTHON) tools/audit.py

# Branches of what a verdict rests on and of what keeps secrets and evidence.
coverage: venv
	$(BIN)/python tools/coverage.py

# Operators, constants and conditions of the verdict and the statistics are changed one by one: a test must fail.
mutants: venv
	nice -n 10 $(BIN)/python tools/mutants.py $(MUTANTS)

# Each fault at each place and stage, and each kind of tricking server: several hundred whole runs.
faults: venv
	$(BIN)/pytest -q -n 2 tests/faults/test_matrix.py tests/gallery

# A healthy pair on the real clock with every default: on an otherwise quiet machine.
healthy: venv
	$(BIN)/pytest -q tests/run/test_healthy.py

# A hundred sweeps in each of several worlds, and over the reference server.
sweeps: venv
	$(BIN)/pytest -q -n 2 tests/run/test_sweep_worlds.py

# Runs killed and interrupted at drawn points, and resumed.
CRASHES ?= 200
crash: venv
	nice -n 10 $(BIN)/python -m tests.run.crash $(CRASHES)

# A trace of 24 hours and 100,000 requests at 60 times its speed, killed and resumed: 24 minutes.
day: venv
	nice -n 5 $(BIN)/python -m tests.run.day

# Three capacity searches and the latency of a queue on real sockets, where both are known: nine minutes.
loads: venv
	$(BIN)/pytest -q -s tests/run/test_load_truth.py

# Coverage-guided where atheris can be had (CPython on Linux), else a long hypothesis run over the same targets.
FUZZ_SECONDS ?= 60
fuzz: venv
	@$(BIN)/$(PIP) --require-hashes -r constraints/fuzz.txt || echo "==== ATHERIS IS NOT TO BE HAD HERE: HYPOTHESIS INSTEAD ===="
	nice -n 10 $(BIN)/python -m fuzz $(FUZZ_SECONDS)

SOAK_MINUTES ?= 30
soak: venv
	nice -n 10 $(BIN)/python benchmarks/soak.py --minutes $(SOAK_MINUTES)
