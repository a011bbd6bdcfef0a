GOLANGCI_VERSION := v2.15.0
GOFUMPT_VERSION  := v0.12.0
FUZZTIME ?= 20s
SOAK     ?= 10m

export PATH := $(CURDIR)/.bin:$(PATH)

.PHONY: test
test: needs lint ## Everything that must hold: linters, then all tests under the race detector.
	go test -race -shuffle=on -timeout=15m ./...
	go test -shuffle=on -timeout=15m -run='^(TestAllocations|TestModel)' ./middleware ./internal/invalidation # distorted or too slow under the race detector

.PHONY: lint
lint: tools ## Formatting, go vet, staticcheck and the other linters of .golangci.yml, tidiness of go.mod, 32 bits.
	go vet ./...
	GOARCH=386 go build ./...
	golangci-lint run ./...
	@unformatted=$$(gofumpt -l .); test -z "$$unformatted" || { echo "run gofumpt -w on: $$unformatted"; exit 1; }
	go mod tidy -diff

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME.
	@grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed 's|/[^/]*:func | |' | sort | \
	while read -r dir name; do \
		echo "$$dir $$name"; \
		go test -run='^$$' -fuzz="^$$name\$$" -fuzztime=$(FUZZTIME) $$dir || exit 1; \
	done

.PHONY: soak
soak: needs ## Chaos for SOAK under the race detector: caches in a storm of requests, faults and purges.
	go test -race -v -count=1 -timeout=0 -run='^TestChaos$$' ./internal/soak -chaos=$(SOAK)

.PHONY: bench
bench: bench-needs ## The table of docs/performance.md, in under ten minutes.
	go run ./internal/bench

.PHONY: bench-short
bench-short: bench-needs ## The same in under two minutes, with more spread.
	go run ./internal/bench -short

.PHONY: bench-needs
bench-needs:
	@for need in redis-server wrk; do command -v $$need >/dev/null || missing="$$missing $$need"; done; \
	test -z "$$missing" || { sudo=$$(command -v sudo || true); $$sudo apt-get update -qq && $$sudo apt-get install -y -qq $$missing; }

.PHONY: needs
needs: ## Installs redis-server, Chromium and a C compiler where they are missing.
	@.ci/install

# The name of the link tells the version, so that a new one gets installed.
TOOLS := .bin/golangci-lint-$(GOLANGCI_VERSION) .bin/gofumpt-$(GOFUMPT_VERSION)

.PHONY: tools
tools: $(TOOLS) ## Installs the pinned linters into .bin.

.bin/golangci-lint-%:
	GOBIN=$(CURDIR)/.bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$*
	@ln -sf golangci-lint $@

.bin/gofumpt-%:
	GOBIN=$(CURDIR)/.bin go install mvdan.cc/gofumpt@$*
	@ln -sf gofumpt $@

.PHONY: help
help: ## This list.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)
