# Billfold. "make help" lists what there is; "make run" starts it.

SHELL       := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-builtin-rules
.DEFAULT_GOAL := help
# Targets share two cores, so they run one after the other.
.NOTPARALLEL:

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X github.com/billfold/billfold/internal/cli.versionStamp=$(VERSION)

# The packages in which goroutines meet; the race detector watches them. It makes
# everything ten times slower, and has nothing to see where a property machine
# drives a store from one goroutine, nor more on one release of a server than on
# another, nor where memory is measured or designs of a table are compared, so that both
# stores run less under it. The suite of the stores runs under it with them, but for the
# longest reads of one goroutine; what is about a server and not about goroutines does not
# run under it again.
OF_SERVERS := Plan|Encodings|Distributed|Statements|Restarts|Dump
RACE := -race ./internal/access ./internal/groupcommit ./internal/sweep
RACE_HTTP := -race ./internal/httpapi -api-requests=5000 -skip 'BulkOfTenThousand|BadInput'
RACE_SQLITE := -race ./internal/sqlite -skip 'Machine|Teeth|AtEveryStatement|PendingIsFlat|TestStore/past/lots|TestStore/lists/a_long'
RACE_POSTGRES := -race ./internal/postgres -oldest -cuts=20 -skip 'Machine|Pooler|FailOver|Standby|RacingDesigns|PendingIsFlat|$(OF_SERVERS)|TestStore/.*/past/lots|TestStore/.*/lists/a_long'

# Every package but the end-to-end tests, which come last and one at a time, and the
# store on PostgreSQL. That has its whole suite on the newest release, and on the oldest
# what is about servers; the rest of it is what runs there under the race detector.
UNIT = $$(go list ./... | grep -v -e /e2e -e /internal/postgres)
NEWEST := -parallel=4 ./internal/postgres -newest
OLDEST := -parallel=4 ./internal/postgres -oldest -run '$(OF_SERVERS)'

GOTEST := go run ./internal/house/gotest

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9/-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /|/' | awk -F'|' '{printf "  make %-22s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build bin/billfold
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/billfold ./cmd/billfold

.PHONY: run
run: build ## Start the server on 127.0.0.1:8080 with its data in ./data
	@exec bin/billfold serve

.PHONY: test
test: deps lint ## Run everything that a change must pass, and install what that needs
	@echo "make test: 1. every package  2. the race detector  3. the end-to-end tests"
	$(GOTEST) $(foreach group,UNIT NEWEST OLDEST RACE RACE_HTTP RACE_SQLITE RACE_POSTGRES,-count=1 -timeout=30m $($(group)) ---) \
		-count=1 -timeout=20m -p=1 ./e2e/...

.PHONY: test/unit
test/unit: ## Run the tests of every package, without the end-to-end tests
	$(GOTEST) -timeout=30m $(UNIT) --- -timeout=30m $(NEWEST) --- -timeout=30m $(OLDEST)

.PHONY: test/race
test/race: ## Run the tests of the concurrent packages under the race detector
	$(GOTEST) $(foreach group,RACE RACE_HTTP RACE_SQLITE,-timeout=30m $($(group)) ---) -timeout=30m $(RACE_POSTGRES)

.PHONY: test/e2e
test/e2e: deps ## Run the end-to-end tests: the real binary, the official SDKs
	$(GOTEST) -count=1 -timeout=20m -p=1 ./e2e/...

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (10s)
	scripts/fuzz.sh

# Campaigns are the same tests as in "make test", for longer.

.PHONY: campaign/crash
campaign/crash: deps ## Kill the server under load, KILLS times (5000)
	$(GOTEST) -count=1 -timeout=0 ./e2e/crash -kills=$(or $(KILLS),5000)

.PHONY: campaign/powercut
campaign/powercut: deps ## Cut the power under the server, CUTS times (3000); needs root
	$(GOTEST) -count=1 -timeout=0 ./e2e/power -cuts=$(or $(CUTS),3000)

.PHONY: campaign/failedsync
campaign/failedsync: deps ## Let a sync of the disk fail under the server, SYNCS times (200); needs root
	$(GOTEST) -count=1 -timeout=0 ./e2e/faults -run TestFailedSync -syncs=$(or $(SYNCS),200)

.PHONY: campaign/faultdisk
campaign/faultdisk: deps ## Put every fault of the disk at every operation of the store, ROUNDS times (50)
	$(GOTEST) -count=1 -timeout=0 ./e2e/faultdisk -stride=1 -rounds=$(or $(ROUNDS),50)

.PHONY: campaign/postgres
campaign/postgres: deps ## Break PostgreSQL: CUTS (2000) commits, RESTARTS (50), FAILOVERS (20), POWERCUTS (300); needs root
	$(GOTEST) -count=1 -timeout=0 ./internal/postgres -run 'Cuts|Restarts|FailOver' -cuts=$(or $(CUTS),2000) \
		-restarts=$(or $(RESTARTS),50) -failovers=$(or $(FAILOVERS),20) --- -count=1 -timeout=0 ./e2e/postgres \
		-restarts=$(or $(RESTARTS),50) -backends=$(or $(CUTS),2000) -commits=$(or $(CUTS),2000) -cuts=$(or $(POWERCUTS),300)

.PHONY: campaign/failover
campaign/failover: deps ## Fail PostgreSQL over in every way, ROUNDS times (20)
	$(GOTEST) -count=1 -timeout=0 ./e2e/failover -run TestFailover -rounds=$(or $(ROUNDS),20)

.PHONY: campaign/copy
campaign/copy: deps ## Stop and cut copies CUTS times (300), kill them KILLS times (200), in both directions
	$(GOTEST) -count=1 -timeout=0 ./internal/transfer -run 'Stopped|Cut|Planted' -plants-everywhere -cuts=$(or $(CUTS),300)
	$(GOTEST) -count=1 -timeout=0 ./e2e/copy -kills=$(or $(KILLS),200)

.PHONY: campaign/webhooks
campaign/webhooks: deps ## Kill the sender of webhooks KILLS times (40) while EVENTS (20000) go to receivers of every kind
	$(GOTEST) -count=1 -timeout=0 ./e2e/webhooks -kills=$(or $(KILLS),40) -events=$(or $(EVENTS),20000)

.PHONY: campaign/races
campaign/races: deps ## Race requests over HTTP on one process and on two and three instances, ROUNDS times (2000)
	$(GOTEST) -count=1 -timeout=0 ./e2e/races -rounds=$(or $(ROUNDS),2000)

.PHONY: campaign/linear
campaign/linear: deps ## Record OPERATIONS (500000) on every deployment, and histories across KILLS (100) kills, and check them
	$(GOTEST) -count=1 -timeout=0 ./e2e/linear -operations=$(or $(OPERATIONS),500000) -kills=$(or $(KILLS),100)

.PHONY: campaign/mutants
campaign/mutants: deps ## Build the store with every mistake that the tests must notice, ROUNDS times (10)
	$(GOTEST) -count=$(or $(ROUNDS),10) -timeout=0 ./e2e/mutants

.PHONY: campaign/audit
campaign/audit: ## Plant every mistake in how a server audits itself
	$(GOTEST) -count=1 -timeout=0 ./internal/selfaudit -run TestEachMistakeIsNoticed -audit.mistakes

.PHONY: campaign/year
campaign/year: ## Renew SUBSCRIPTIONS (10000) for a year, and take FAULTY (60) through one in which everything fails
	$(GOTEST) -count=1 -timeout=0 -v ./internal/collect -run 'TestYear|TestSubscriptionsAre' \
		-collect.year=$(or $(SUBSCRIPTIONS),10000) -collect.subscriptions=$(or $(FAULTY),60)

.PHONY: campaign/calendar
campaign/calendar: ## Compare the billing calendar with its oracle for every day of 28 years
	$(GOTEST) -count=1 -timeout=0 ./internal/billing/calendar -run TestOracle -stride=1

.PHONY: campaign/collections
campaign/collections: ## Take WALKS (1000000) random walks of an invoice from wallet and card to its end, from SEED (1)
	$(GOTEST) -count=1 -timeout=0 ./internal/billing -run TestWalks -walks=$(or $(WALKS),1000000) -walk-seed=$(or $(SEED),1)

.PHONY: campaign/payments
campaign/payments: ## Kill the server KILLS times (100) while payments run, and ten times at each step of one
	$(GOTEST) -count=1 -timeout=0 ./internal/cli -run TestPaymentsSurviveKills -payments.kills=$(or $(KILLS),100)
	$(GOTEST) -count=10 -timeout=0 ./e2e/saga -run TestEveryStepSurvivesAKill
	$(GOTEST) -count=1 -timeout=0 ./e2e/saga -run TestMistake -mistakes=2

.PHONY: campaign/properties
campaign/properties: ## Try CHECKS (20000) random cases of every property
	$(GOTEST) -count=1 -timeout=0 $$(grep -rl --include="*.go" "pgregory.net/rapid" internal | xargs -n1 dirname | sort -u | grep -v house | sed "s,^,./,") -rapid.checks=$(or $(CHECKS),20000)

.PHONY: bench
bench: build ## Measure the server on this machine and check every entry afterwards
	bin/billfold bench

.PHONY: lint
lint: ## Check format, go vet, staticcheck; the rules of the house are tests
	@echo "lint: gofmt"; unformatted=$$(gofmt -l $$(go list -f '{{.Dir}}' ./...)); \
		if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	@echo "lint: go vet"; go vet ./...
	@echo "lint: staticcheck"; go tool staticcheck ./...

.PHONY: web
web: ## Build the dashboard from web/ into internal/dashboard/dist; needs Node
	cd web && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --ignore-scripts --loglevel=error; }
	cd web && npm run --silent build

.PHONY: golden
golden: ## Write generated and golden files anew; review the difference as code
	scripts/golden.sh

.PHONY: verify
verify: build ## Recompute every law of the ledger from the rows in ./data
	bin/billfold verify

.PHONY: deps
deps: ## Install what the tests need and this machine lacks
	scripts/test-deps.sh

.PHONY: clean
clean: ## Remove what was built; ./data stays
	rm -rf bin .cache
