# The appliance's commands. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
# The tests start programs by the thousand, each of which would compile anew what it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install dev check unit demo clean test bench lock docs bundle

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## Make .venv with the command line at .venv/bin/appliance
	@scripts/venv.sh engine

lock: ## Write requirements/*.txt anew from pyproject.toml (UPGRADE=1 takes newer versions)
	@scripts/lock.sh

dev: ## Make .venv with everything that the checks and tests import; needs neither root nor Docker
	@scripts/venv.sh test

check: dev ## Look at the code: ruff, mypy, import layers (under 30 s)
	@scripts/check.sh

unit: dev ## Run the tests that need nothing but Python (under 90 s on two cores)
	@.venv/bin/pytest tests/unit --numprocesses logical --dist loadscope --no-loadscope-reorder --quiet

test: ## Run every check and every test as root (ONLY=tests/engine/test_copy.py: these tests alone)
	@scripts/test.sh $(ONLY)

demo: ## Start everything, mask the sample shop into a twin, and show what happened
	@scripts/docker.sh
	@scripts/venv.sh engine
	@scripts/base-image.sh
	@.venv/bin/python -m compose.demo up

clean: install ## Remove the demo's containers, volumes, networks and images
	@.venv/bin/python -m compose.demo down

bench: ## Measure, and print the table that the README shows
	@scripts/bench.sh

docs: dev ## Write the reference pages and JSON Schemas anew from the code
	@.venv/bin/python -m docs.pages

bundle: ## Make a release bundle in build/bundle (DEBS=trixie carries Debian packages too)
	@scripts/venv.sh test
	@scripts/docker.sh
	@.venv/bin/python -m provisioning.release.bundle $(foreach codename,$(DEBS),--debs $(codename))
