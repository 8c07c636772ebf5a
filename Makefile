# Everything a person runs here. Needs make and a Python from 3.11 on; all else goes into .venv.

SHELL := /bin/sh
.DEFAULT_GOAL := run
.PHONY: install install-dev run test drill lint words bench lock clean broken

python := .venv/bin/python

# Sets $found to the first Python that is new enough and can make a virtual environment; PYTHON=... names one instead.
define find_python
found=; bare=; \
for name in $(or $(PYTHON),python3.13 python3.12 python3.11 python3); do \
  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
  if $$name -c 'import ensurepip, venv' >/dev/null 2>&1; then found=$$name; break; fi; \
  bare=$${bare:-$$($$name -c 'import sys; print("python%d.%d" % sys.version_info[:2])')}; \
done; \
if [ -z "$$found" ] && [ -n "$$bare" ]; then \
  echo "$$bare cannot make a virtual environment: install its venv module (Debian, Ubuntu: apt install $$bare-venv), then run make again." >&2; exit 1; \
elif [ -z "$$found" ]; then \
  echo "No Python 3.11 or newer was found: install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python), or name it with make PYTHON=/path/to/python, then run make again." >&2; exit 1; \
fi
endef

# $(call install,lock file): what the lock file names, every download checked against its hash.
define install
@if [ -n "$(broken)" ]; then $(find_python); "$$found" -m venv --clear .venv || exit 1; fi; \
echo "Installing $(1) into .venv" && \
$(python) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
endef

# A .venv that is missing, or whose Python is gone, is made anew whatever the stamps say.
broken := $(shell $(python) -c 'import pip' >/dev/null 2>&1 || echo broken)

.venv/.installed: requirements.txt $(broken)
	$(call install,$<)
	@touch $@

# The development lock holds the runtime one, so both are installed then.
.venv/.installed-dev: requirements-dev.txt $(broken)
	$(call install,$<)
	@touch .venv/.installed $@

install: .venv/.installed

install-dev: .venv/.installed-dev

# Without a GHL app the stand-ins of the sandbox answer. `exec` lets Ctrl-C and SIGTERM reach the portal itself.
run: install
	@[ -n "$$GHL_CLIENT_ID$$GHL_CLIENT_ID_FILE" ] || export SANDBOX="$${SANDBOX-1}"; exec $(python) app.py

# Tests mostly wait (for receipts, outages, drains), so more of them run at once than there are processors.
test: install-dev
	@$(python) -m pytest -q -n $(or $(TEST_PROCESSES),3) --dist loadscope $(ARGS)

# Thousands of messages under 20 kills, and a database that is away for a minute. DRILL_SEED repeats a run.
drill: install-dev
	@DRILL=full REQUIRE_POSTGRES=1 $(python) -m pytest -q -s $(addprefix tests/processes/test_,kills.py line_kills.py cloud_kills.py wallet_kills.py outage.py) $(ARGS)

lint: install-dev
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy --strict portal
	$(python) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	[ ! -d templates ] || $(python) -m djlint templates --lint --quiet

# Finds what the pages say and brings the catalogues up to date. WORDS=fr begins another language.
words: install
	@$(python) -m portal.translations $(WORDS)

bench: install
	@$(python) -m bench $(ARGS)

# Writes the lock files anew, with the newest versions that pyproject.toml allows and no registry's address.
lock:
	@$(find_python); scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; set -e; \
	"$$found" -m venv "$$scratch"; "$$scratch/bin/python" -m pip install --quiet --disable-pip-version-check uv; \
	compile() { "$$scratch/bin/uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-emit-index-url --custom-compile-command "make lock" pyproject.toml "$$@"; }; \
	compile -o requirements.txt; compile --extra sentry -c requirements.txt -o requirements-sentry.txt; \
	compile --extra dev -c requirements.txt -o requirements-dev.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
