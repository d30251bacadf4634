# Every target sets up what it needs in .venv, from requirements whose hashes are pinned.
# Needed beforehand: make, git and Python 3.11 or newer with venv (Debian: apt-get install make git python3-venv).

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
# -qq: what a machine's own pip configuration has to say stays out of the way; errors are shown.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command 'make lock' $(UPGRADE)

.PHONY: help docs demo test check bench api ops deb crash faces sim soak plant sbom coverage mutants format lock clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo      watch ipsync mirror a simulated ipernity, and forget what its members take back'
	@echo 'make test      everything that must hold: make check, then all tests'
	@echo 'make check     style, types, floors'
	@echo 'make bench     the measurements, each beside its bound (make bench PARTS="help verification" takes only those)'
	@echo 'make crash     interrupt a mirror at every call that changes a file: kill, power cut, EIO, ENOSPC, short write'
	@echo 'make api       what strangers send: schemathesis on the whole API (SEED=7: the same again)'
	@echo 'make ops       what is promised to operators, held on this machine, a line each (PARTS="debian container": those)'
	@echo 'make sbom      what is shipped with ipsync, as CycloneDX: dist/ipsync-VERSION.cdx.json'
	@echo 'make deb       the Debian package, in build/debian'
	@echo 'make faces     each journey through the pages in Chromium, with axe and pictures (ONLY=connect: those; PICTURES=: none)'
	@echo 'make docs      the documentation as pages, with references made from the code'
	@echo 'make coverage  all tests, and which lines they never reached; CORE=1: what the 24 hours rest on, every branch'
	@echo 'make sim       the whole daemon on virtual time, whatever happens (SEED=7: one story; YEARS=2: so many)'
	@echo 'make soak      the same for 50 years and more; the next run goes on with other stories'
	@echo 'make plant     known mistakes, planted one at a time: what catches each, and when (PLANT="late file,orphans": those)'
	@echo 'make mutants   mistakes planted in what the 24 hours rest on: do its tests notice? (MODULE="lease clock": in those)'
	@echo 'make format    put the code into its one shape'
	@echo 'make lock      pin the libraries anew (make lock UPGRADE=--upgrade takes newer ones)'
	@echo 'make clean     take away everything that make made, the virtual environment included'

demo: $(VENV)/demo.stamp
	@$(BIN)/ipsync demo --once

# Every warning is an error; the references in it are made from the code.
docs: $(VENV)/docs.stamp
	@NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/mkdocs build --quiet
	@echo 'build/site/index.html'

# Half of the tests' time is waiting: for disks, for windows to end. So twice as many processes as cores.
# pytest comes last, so that its closing line is the last line.
test: check
	$(BIN)/pytest -n $$((2 * $$(nproc))) --dist worksteal

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Sets of words are in the same order in every process, so that a seed tells the same story everywhere.
SIMULATE = PYTHONHASHSEED=0 $(BIN)/python -m tests.simulation

sim: $(VENV)/dev.stamp
	@$(SIMULATE) $(if $(SEED),--seed $(SEED)) $(if $(YEARS),--years $(YEARS)) $(if $(DAYS),--days $(DAYS))

soak: $(VENV)/dev.stamp
	@$(SIMULATE) --years $(or $(YEARS),50) --state .simulation.json

plant: $(VENV)/dev.stamp
	@PYTHONHASHSEED=0 $(BIN)/python -m tests.simulation.plant $(if $(PLANT),"$(PLANT)")

# PARTS="NAME…" measures only those.
bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks $(PARTS)

# make test does a part of it.
api: $(VENV)/dev.stamp
	$(BIN)/python -m tests.api $(if $(SEED),--seed $(SEED)) $(if $(EXAMPLES),--examples $(EXAMPLES))

# Installs what it needs through apt where it is missing.
ops: $(VENV)/ops.stamp $(VENV)/docs.stamp
	@$(BIN)/python -m tests.ops $(PARTS)

sbom: $(VENV)/ops.stamp
	@$(BIN)/python -m tests.ops.sbom dist

# For this machine's release, Python and architecture. Says which of Debian's packages it needs.
deb:
	@sh debian/make-package build/debian

# About ten minutes on two cores; make test goes through a part of the points.
crash: $(VENV)/dev.stamp
	$(BIN)/python -m tests.crashes

# PICTURES= leaves docs/images/faces as it is; ONLY="PART" takes only journeys whose file has it in its name.
PICTURES ?= 1
faces: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.faces $(if $(PICTURES),,--no-pictures) $(if $(ONLY),--only $(ONLY))

# CORE=1 takes the modules of tests/mutants/modules.toml with their own tests, and fails where one branch is missed.
coverage: $(VENV)/dev.stamp
	$(BIN)/coverage erase
	$(BIN)/coverage run --branch --source=ipsync -m pytest \
		$(if $(CORE),$$($(BIN)/python -m tests.mutants --print-tests))
	$(BIN)/coverage report --show-missing \
		$(if $(CORE),--fail-under=100 --include=$$($(BIN)/python -m tests.mutants --print-modules),--skip-covered)

# MODULE="PART…" takes only modules whose path has one of these in it.
mutants: $(VENV)/dev.stamp
	$(BIN)/python -m tests.mutants $(MODULE)

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# dev.txt decides; the smaller ones take their versions from it. No address may get in: whoever installs has
# a package index of their own.
lock: $(VENV)/dev.stamp
	$(COMPILE) pyproject.toml requirements/build.in requirements/tools.in \
		--extra speed --extra demo --extra test -o requirements/dev.txt
	$(COMPILE) pyproject.toml requirements/build.in --extra speed --extra demo \
		-c requirements/dev.txt -o requirements/demo.txt
	$(COMPILE) pyproject.toml --extra speed -c requirements/dev.txt -o requirements/run.txt
	$(COMPILE) requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	$(COMPILE) requirements/docs.in -c requirements/dev.txt -o requirements/docs.txt
	$(COMPILE) requirements/ops.in -c requirements/dev.txt -o requirements/ops.txt
	@! grep -nE '://|index-url|find-links' requirements/*.txt

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo 'ipsync needs Python 3.11 or newer. Debian: apt-get install python3 python3-venv.'; \
		echo 'If it has another name here, say so: make PYTHON=python3.12 ...'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo 'This Python cannot make virtual environments. Debian: apt-get install python3-venv'; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: requirements/demo.txt pyproject.toml | $(BIN)/python
	@echo 'Setting up $(VENV); the first time this takes a minute.'
	$(PIP) install --require-hashes -r requirements/demo.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/docs.stamp: requirements/docs.txt $(VENV)/dev.stamp
	$(PIP) install --require-hashes -r requirements/docs.txt
	@touch $@

$(VENV)/ops.stamp: requirements/ops.txt $(VENV)/dev.stamp
	$(PIP) install --require-hashes -r requirements/ops.txt
	@touch $@

# Everything of demo.txt is in dev.txt.
$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo 'Setting up $(VENV); the first time this takes a minute.'
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(VENV)/demo.stamp $@
