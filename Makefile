# make run | make test | make app: each does its own set-up in .venv; a second call starts at once.
# Another interpreter: make run PYTHON=python3.12      Another scenario: make run SCENARIO=baseline
PYTHON   ?= python3
SCENARIO ?= plan_2030
WORKERS  ?= 2
ARGS     ?=
VENV     := .venv
BIN      := $(VENV)/bin
PIP      := $(BIN)/python -m pip --disable-pip-version-check --quiet
PACKAGES := transport networks fleets

.DEFAULT_GOAL := help
.PHONY: help run test cover slow app screenshots results lint format types lock wheel bench clean

help:
	@echo "make run     install, then compute scenario $(SCENARIO) and print its scorecard / 安装并运行情景"
	@echo "make test    install, then pass the whole fast suite / 安装并运行全部快速测试"
	@echo "make app     install, then open the app on this machine / 安装并打开本机应用"
	@echo "make lint types   style, floors, docstrings, spelling, types / 静态检查"
	@echo "make cover   the tests with coverage, slower / 带覆盖率的测试"
	@echo "make slow    the tests that take minutes / 耗时测试"
	@echo "make results   the results that come with the program, from runs on the present data / 重新生成随软件附带的结果"
	@echo "make format | lock | wheel | bench | screenshots | clean"

run: $(VENV)/.run-stamp
	$(BIN)/transport run $(SCENARIO) $(ARGS)

# The sources are compiled once: every process that a test starts would compile them again.
test: $(VENV)/.dev-stamp
	@$(BIN)/python -m compileall -q -j $(WORKERS) $(PACKAGES)
	PYTHONWARNDEFAULTENCODING=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

cover: $(VENV)/.dev-stamp
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered $(ARGS)

slow: $(VENV)/.dev-stamp
	$(BIN)/python -m pytest -m slow -n $(WORKERS) $(ARGS)

app: $(VENV)/.run-stamp
	$(BIN)/transport app $(ARGS)

screenshots: $(VENV)/.dev-stamp
	$(BIN)/python docs/screenshots.py $(ARGS)

results: $(VENV)/.run-stamp
	$(BIN)/python -m transport.bundled $(ARGS)

lint: $(VENV)/.dev-stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --cache-dir .cache/import-linter
	$(BIN)/numpydoc lint $$(find $(PACKAGES) -name '*.py')
	$(BIN)/codespell

format: $(VENV)/.dev-stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.dev-stamp
	$(BIN)/mypy

wheel: $(VENV)/.run-stamp
	$(BIN)/python -m hatchling build -t wheel -d dist

bench: $(VENV)/.run-stamp
	$(BIN)/python benchmarks/run.py --scenario $(SCENARIO) $(ARGS)
	$(BIN)/python benchmarks/freight.py

# Needs uv on the PATH; the files name versions and hashes, no address.
LOCK := uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock:
	$(LOCK) --group build --output-file requirements.lock
	$(LOCK) --group dev --output-file requirements-dev.lock

clean:
	rm -rf $(VENV) .cache dist

# A stamp is written last, so that a broken installation is taken up again by the next call.
$(VENV)/.stamp:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "没有找到 $(PYTHON) / $(PYTHON) not found: sudo apt-get install python3 python3-venv python3-pip" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "需要 Python 3.11 以上，可写 make run PYTHON=python3.12 / Python 3.11 or newer is needed, found $$($(PYTHON) -V)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "缺少 venv 模块 / the venv module is missing: sudo apt-get install python3-venv python3-pip" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run-stamp: requirements.lock pyproject.toml | $(VENV)/.stamp
	@echo "正在安装依赖，首次约一两分钟 / installing the pinned dependencies, a minute or two the first time"
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev-stamp: requirements-dev.lock pyproject.toml | $(VENV)/.stamp
	@echo "正在安装开发依赖，首次约一两分钟 / installing the pinned development dependencies, a minute or two the first time"
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run-stamp
