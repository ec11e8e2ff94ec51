# What people type. `make help` lists it.
# Every target sets up .venv first; nothing is done twice.

# The newest interpreter that the lock is made for, and that can make an environment; `make env PYTHON=...` takes another.
SUITABLE := import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	$$python -c '$(SUITABLE)' > /dev/null 2>&1 && echo $$python && break; done)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
STAMP := .venv/.stamp

.DEFAULT_GOAL := help
.PHONY: help repro test test-soak test-gpu check tables baseline release-check report docs docs-commands env lock

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 22

# What was made before is there at once; the last lines are for those who do not know where to look. DVC itself says
# of a data set that is not here no more than its path.
repro: $(STAMP)  ## run the whole benchmark on the miniature profile, up to tables and report
	@gone=$$(zsad datasets | grep '^missing:' | grep -v ': `dvc repro`$$'); test -z "$$gone" || { echo "$$gone" >&2; \
		echo 'nothing was started; `dvc exp run -S profile=NAME -S missing=leave_out` runs what is here' >&2; exit 1; }
	dvc repro
	@profile=$$(sed -n 's/^profile: //p' params.yaml); \
	echo "tables: results/$$profile/tables, table1.md first"; \
	echo "report: results/$$profile/report/report.html"; \
	test ! -d baseline/$$profile || echo "Another kind of processor moves last digits; what moved, and whether by" \
		"more than noise: .venv/bin/zsad diff baseline/$$profile results/$$profile"

test: $(STAMP)  ## run the tests
	python -m pytest -n 2 --dist worksteal

test-soak: $(STAMP)  ## run the tests that take minutes: served schedules, two nodes, faults at random
	python -m pytest -m soak

test-gpu: $(STAMP)  ## run the tests that need a CUDA device
	python -m pytest -m gpu

check: $(STAMP)  ## lint, types, import contract
	ruff check .
	ruff format --check .
	mypy
	lint-imports

# Not --exact: on another kind of processor trainings end elsewhere.
tables: $(STAMP)  ## regenerate the miniature tables; fail if one is worse than the baseline by more than noise
	dvc repro
	zsad diff baseline/miniature results/miniature

baseline: $(STAMP)  ## make the miniature tables of this machine what `make tables` compares with
	dvc repro tables
	rm -rf baseline/miniature && mkdir -p baseline/miniature
	cd results/miniature/tables && tar -cf - *.md *.csv subsets/*.csv pixel_auroc.svg | tar -xf - -C "$(CURDIR)/baseline/miniature"

release-check: $(STAMP)  ## build wheel and sdist, install them elsewhere and run a small benchmark there
	.ci/release-check

report: $(STAMP)  ## write results/miniature/report/report.html
	dvc repro report

docs: $(STAMP)  ## build the documentation into .zsad/site, links checked, and run the examples of docstrings
	NO_MKDOCS_2_WARNING=1 mkdocs build
	python -m pytest --doctest-modules pipeline/metrics pipeline/plan pipeline/results pipeline/tables

docs-commands: $(STAMP)  ## run every command of README and docs in an empty clone
	python -m tests.docs.run_commands

env: $(STAMP)  ## only set up the environment in .venv

# torch and torchvision are outside the lock: pip then takes the build (CPU or CUDA) that suits the machine.
$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 to 3.14 with its venv module is on the PATH; install one" \
		"(python3-venv of a system that has one, or uv python install 3.13) and name it: make env PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c '$(SUITABLE)' || { echo "error: PYTHON=$(PYTHON) is no Python 3.11 to 3.14 with its venv module" >&2; exit 1; }
	@echo "environment 1/4: .venv by $$($(PYTHON) --version); a minute or two, and 2 GB (with CUDA 8 GB) of disk"
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install -q --disable-pip-version-check uv==0.13.9
	@echo "environment 2/4: torch, the largest part"
	@.venv/bin/python -m pip install --disable-pip-version-check torch==2.13.0 torchvision==0.28.0 | grep --line-buffered -v already
	@echo "environment 3/4: the 250 packages of requirements.lock, each checked by its digest"
	@VIRTUAL_ENV="$(CURDIR)/.venv" .venv/bin/uv pip install -q --no-deps --require-hashes --compile-bytecode -r requirements.lock
	@echo "environment 4/4: zsad itself"
	@VIRTUAL_ENV="$(CURDIR)/.venv" .venv/bin/uv pip install -q --no-deps --no-build-isolation -e .
	@touch $@

# torch itself is left out (see above); what CUDA builds of it need comes with it.
lock: $(STAMP)  ## renew requirements.lock for all supported versions of Python
	printf 'torch ; python_version < "3"\ntorchvision ; python_version < "3"\n' > .venv/without-torch.txt
	.venv/bin/uv pip compile pyproject.toml --extra dev --extra downloads --universal --upgrade --generate-hashes \
		--no-header --no-annotate --override .venv/without-torch.txt -o requirements.lock
