# The habits of this project. Each target sets up what it needs: `make demo` and `make test` work on a fresh clone.

PYTHON ?= python3
PORT ?= 8000
SERVER ?= daphne
BIN := .venv/bin
# Half of what the tests do is waiting, for servers, clients and clocks: three of them fill two cores.
TESTERS ?= $(shell echo $$(( ($$(getconf _NPROCESSORS_ONLN) * 3 + 1) / 2 )))
READY := .venv/.ready

.PHONY: help setup run demo test check fix bench messages screenshots lock soak-kill
help:
	@echo "make demo          see it work: sample batch, live events, compared with the truth (ONCE=1: then end)"
	@echo "make run           web server and runner on http://127.0.0.1:$(PORT), stopped together by Ctrl-C"
	@echo "make test          every test"
	@echo "make check         linters, types, import contracts, migrations"
	@echo "make fix           what the linters can mend"
	@echo "make bench         the figures, one JSON line each"
	@echo "make messages      gather what the pages say for translation, and compile what is translated"
	@echo "make screenshots   the pictures in docs/images/, of pages with a batch in them"
	@echo "make soak-kill     kill runner, worker, Redis and PostgreSQL at random moments, ROUNDS=20, SEED=1"
	@echo "make setup         only the virtual environment in .venv/"
	@echo "make lock          pin the dependencies anew"

setup: $(READY)

$(READY): requirements-dev.txt requirements-redis.txt scripts/setup.py
	@$(PYTHON) scripts/setup.py

run: setup
	@$(BIN)/python scripts/serve.py --server $(SERVER) --port $(PORT)

demo: setup
	@$(BIN)/python scripts/demo.py --port $(PORT) $(if $(ONCE),--once)

test: setup
	@$(BIN)/pytest -n $(TESTERS) --dist loadfile $(ARGS)

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run

fix: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup
	@$(BIN)/python -m benchmarks read --pages 300
	@$(BIN)/python -m benchmarks pipeline --sheets 1000
	@$(BIN)/python -m benchmarks scaling --workers 1,2
	@$(BIN)/python -m benchmarks stress
	@$(BIN)/python -m benchmarks covers --covers 500
	@$(BIN)/python -m benchmarks upload --mb 200
	@$(BIN)/python -m benchmarks pages
	@$(BIN)/python -m benchmarks archives --mutations 10000

messages: setup
	@command -v xgettext >/dev/null || { echo "make messages needs GNU gettext: apt-get install gettext" >&2; exit 1; }
	@$(BIN)/python manage.py makemessages --locale de --no-location --no-wrap --no-obsolete \
		--ignore '.venv*' --ignore var --ignore staticfiles --ignore tests --ignore benchmarks --ignore scripts
	@$(BIN)/python manage.py compilemessages --locale de --verbosity 0

screenshots: setup
	@$(BIN)/python scripts/screenshots.py

soak-kill: setup
	@$(BIN)/python -m benchmarks soak_kill --rounds $(or $(ROUNDS),20) --seed $(or $(SEED),1)

# Resolved for Python 3.11 and good for every later one; uv is fetched for this alone.
LOCK = /tmp/omr-lock/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock"
lock:
	@$(PYTHON) -m venv /tmp/omr-lock && /tmp/omr-lock/bin/pip install --quiet uv
	@$(LOCK) --python-version 3.11 requirements.in --output-file requirements.txt
	@$(LOCK) --python-version 3.11 requirements-dev.in --output-file requirements-dev.txt
	@$(LOCK) --python-version 3.13 --constraints requirements.txt requirements-redis.in --output-file requirements-redis.txt
