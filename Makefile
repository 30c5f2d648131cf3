# cosmicman: build, run and check. `make help` lists the targets. Nothing has to be set in the environment.
# Needs: Go 1.26, a C compiler (cgo), and pip or npm for fetching ONNX Runtime once. Tests install redis-server, chromium, curl and jq where they are missing.
.DEFAULT_GOAL := help
SHELL := /bin/sh
GO ?= go
# A path or hub name of a model: `make run MODEL=/path/to/model`.
MODEL ?=
# The longest that one package's tests may take; beyond it go test stops them and prints every goroutine.
TEST_TIMEOUT ?= 40m
LONG_TIMEOUT ?= 85m

export CGO_ENABLED := 1
# A clone that belongs to another user must build too.
export GOFLAGS := $(filter-out -buildvcs%,$(GOFLAGS)) -buildvcs=false

SWAG = $(GO) tool -modfile=tools/go.mod swag init --quiet --v3.1 -g doc.go -d api,job,prompt --outputTypes json

.PHONY: help build run test test-long test-clients test-trained openapi bench lint deploy-check runtime redis chromium clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

build: runtime ## build bin/cosmicman
	$(GO) build -ldflags "-X main.revision=$$(git rev-parse --short HEAD 2>/dev/null || true)" -o bin/cosmicman ./cmd/cosmicman

run: build ## build and serve; MODEL=DIR or a hub name chooses the model
	bin/cosmicman serve $(if $(MODEL),--model '$(MODEL)')

runtime: ## fetch the pinned ONNX Runtime into bin/lib, once
	@sh scripts/fetch-runtime.sh bin/lib

redis: ## install redis-server for the tests, where it is missing
	@sh scripts/need-redis.sh

chromium: ## install Chromium, curl and jq for the page's tests, where they are missing
	@sh scripts/need-chromium.sh

test-clients: build ## the official OpenAI clients for Python, Node and Go, against a server of this clone
	@sh scripts/test-clients.sh

test-trained: build ## diffusers reads and draws with what train writes; PYTHON=... has oracle/requirements.txt (default: made in bin/oracle)
	@PYTHON='$(PYTHON)' sh scripts/test-trained.sh

openapi: ## make openapi/ of the annotations in api
	@$(SWAG) -o openapi >/dev/null 2>&1
	$(GO) test ./api -run TestTheDescriptionIsUpToDate -count=1 -update

# A module of its own, as it needs what reads the files: Compose, Kubernetes, Prometheus.
deploy-check: ## check the Dockerfiles and what lies in deploy/
	@sh scripts/lint-docker.sh Dockerfile Dockerfile.cuda
	cd deploy/check && $(GO) vet . && $(GO) test .

# The order matters: the last thing printed is go test's line for each package.
test: runtime redis chromium lint deploy-check test-clients ## lint, then all tests under the race detector
	$(GO) test -race -timeout $(TEST_TIMEOUT) ./...

test-long: runtime redis chromium lint ## all tests and the long ones (build tag long), uncached
	$(GO) test -tags long -count=1 -timeout $(LONG_TIMEOUT) ./...

bench: build ## Go benchmarks, then time and memory by stage
	$(GO) test -run '^$$' -bench . -benchmem -timeout $(LONG_TIMEOUT) ./...
	bin/cosmicman bench

# staticcheck's version is pinned by tools/go.mod, a module of its own: the program does not depend on its tools.
lint: ## gofmt, go vet, staticcheck, and that openapi/ is up to date
	@unformatted=$$(find . \( -path './.*' -o -path ./bin \) -prune -o -name '*.go' -exec "$$($(GO) env GOROOT)/bin/gofmt" -l {} +) || exit 1; \
	if [ -n "$$unformatted" ]; then echo "gofmt -w is needed for:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet -tags long ./...
	$(GO) tool -modfile=tools/go.mod staticcheck -tags long ./...
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && $(SWAG) -o "$$dir" >/dev/null 2>&1 && cmp "$$dir/swagger.json" openapi/swagger.json || \
		{ echo "openapi/swagger.json is not what the annotations in api say: make openapi"; exit 1; }

clean: ## remove build results and the fetched library
	rm -rf bin
