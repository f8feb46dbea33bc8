# Compuerta: what one types. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
SEEDS ?= 200
# Tests know no order. It is drawn from a number, and what failed under one can be seen again under it.
ORDER ?= 22
APT := env DEBIAN_FRONTEND=noninteractive apt-get
# Tests need a browser, letters for the Chinese pages, another's accounting to read our exports, and a broker.
PEERS := chromium fontconfig fonts-noto-cjk hledger mosquitto
QUICK := not slow and not postgres and not browser and not chaos

.PHONY: help setup demo test check sim bench format requirements peers clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/ready ## make .venv with everything that is pinned, and .venv/bin/compuerta

demo: setup ## a small town on this machine: meters, a till, payments, a console
	$(BIN)/compuerta demo

test: setup peers ## every test: PostgreSQL, browser, scenarios and simulator too
	$(BIN)/pytest -n 3 --dist loadfile --randomly-seed=$(ORDER)

check: setup ## what has to hold before a commit, in about a minute
	$(BIN)/ruff format --check src tests bench clients
	$(BIN)/ruff check src tests bench clients
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -q -n 2 -m '$(QUICK)'

sim: setup ## the whole world on a virtual clock, SEEDS=200 times
	$(BIN)/compuerta sim --seeds $(SEEDS)

bench: setup ## benchmarks; each runs both sides and prints the ratio
	@for script in bench/[a-z]*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

format: setup ## put the code into its one form
	$(BIN)/ruff check --fix src tests bench clients
	$(BIN)/ruff format src tests bench clients

requirements: setup ## pin requirements*.in anew, with hashes and without addresses
	$(BIN)/python -m venv .venv/pinning
	.venv/pinning/bin/pip install --quiet pip-tools
	.venv/pinning/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --no-header \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
		--output-file requirements.txt requirements-dev.in

clean: ## remove what can be made again, but no database
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist src/*.egg-info

# The first Python of these that is new enough; 3.11 is what the pins were made with.
find_python = for name in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$name; break; }; \
	done || { echo 'Python 3.11 or newer is needed' >&2; exit 1; }

# Debian ships Python without venv; on a bare machine we fetch it.
.venv/ready: requirements.txt Makefile
	@python=$$($(find_python)); \
	if ! "$$python" -m venv .venv; then \
		rm -rf .venv; \
		$(call install,$$(basename "$$("$$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')")-venv); \
		"$$python" -m venv .venv; \
	fi
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@echo "$(CURDIR)/src" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/compuerta.pth"
	@printf '%s\n' '#!/bin/sh' \
		'exec "$$(dirname "$$(readlink -f "$$0")")/python" -m compuerta.apps.cli "$$@"' > $(BIN)/compuerta
	@chmod +x $(BIN)/compuerta
	@touch $@

peers:
	@PATH=$$PATH:/usr/sbin; command -v chromium >/dev/null && command -v hledger >/dev/null \
		&& command -v mosquitto >/dev/null && fc-list :lang=zh 2>/dev/null | grep -q . \
		|| { $(call install,$(PEERS)); }

# $(call install,packages): by apt as root or by sudo, or say what to do.
define install
	as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	if ! command -v apt-get >/dev/null || { [ -n "$$as_root" ] && ! command -v sudo >/dev/null; }; then \
		echo "please install these packages, then try again: $(1)" >&2; exit 1; \
	fi; \
	$$as_root $(APT) -qq update && $$as_root $(APT) -qq install --yes --no-install-recommends $(1) >/dev/null
endef
