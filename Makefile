# The appliance's commands. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

.PHONY: help install demo clean test bench lock

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## Make .venv with the command line at .venv/bin/appliance
	@scripts/venv.sh engine

lock: ## Write requirements/*.txt anew from pyproject.toml (UPGRADE=1 takes newer versions)
	@scripts/lock.sh
