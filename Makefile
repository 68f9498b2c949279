# The version is what the binary says of itself.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
CONTROLPLANE = go -C hack/controlplane run .
# Tests on the API server share it, so they get one process; pure tests do not wait for it.
TESTFLAGS ?=

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## build bin/pullsecrets
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/pullsecrets/pullsecrets/internal/cli.version=$(VERSION)" -o bin/pullsecrets .

.PHONY: demo
demo: build ## see it work, on a cluster of yours in seconds (DEMO_KUBECONFIG=FILE) or on an API server and a node built from source (17 minutes, once; DEMO_NODE=0: no node); KEEP=1 leaves it up
	@hack/demo.sh

.PHONY: test
test: ## 25 minutes: run all tests, on a real API server that is built and started for them
	go -C hack/bench test -count=1 .
	go -C hack/chaos test -count=1 ./proxy ./faults ./lab ./load ./soak
	go -C hack/matrix test -count=1 .
	go -C hack/oracle test -count=1 .
	go -C hack/registries test -count=1 .
	go -C hack/release test -count=1 ./...
	go -C hack/tools test -count=1 ./...
	$(CONTROLPLANE) run -- go test -race -timeout 60m $(TESTFLAGS) ./...
	$(CONTROLPLANE) run -- go -C hack/gitops test -p 1 -timeout 40m $(TESTFLAGS) ./...

.PHONY: older-test
older-test: ## minutes: try what is shipped for older clusters on an API server that is Kubernetes 1.34 in all that it offers
	$(CONTROLPLANE) run -emulate 1.34 -- go test -race $(TESTFLAGS) -run OnAnOlderKubernetes ./internal/e2e

.PHONY: matrix
matrix: ## an hour a version, and the first time its build: run the tests on each version of Kubernetes that hack/controlplane builds, and write docs/compatibility.md; VERSIONS='1.31 1.34', MATRIXFLAGS=-again for those that failed
	go -C hack/matrix run . -versions '$(VERSIONS)' $(MATRIXFLAGS)

.PHONY: gitops-test
gitops-test: ## minutes: let Argo CD's own engine live next to the program; make test has Flux's and Helm's
	$(CONTROLPLANE) run -- go -C hack/gitops/argocd test -timeout 40m $(TESTFLAGS) ./...
	$(CONTROLPLANE) run -- go -C hack/gitops/notifications test $(TESTFLAGS) ./...

.PHONY: helm-test
helm-test: ## minutes: let Helm 3 and Helm 4 render, install, upgrade, roll back and uninstall the chart
	$(CONTROLPLANE) run -- go -C hack/helm test -timeout 20m $(TESTFLAGS) .

.PHONY: monitoring-test
monitoring-test: ## minutes, and more the first time, which builds Prometheus: a real one scrapes the program while things go wrong, and every alert and panel is tried; TESTFLAGS=-update writes what is generated and the picture in docs
	$(CONTROLPLANE) run -- go -C hack/monitoring test -count=1 -timeout 40m $(TESTFLAGS) .

.PHONY: test-pure
test-pure: ## run all tests that need no API server, in a minute
	go test $$(go list ./... | grep -v /internal/e2e)

.PHONY: chaos-test
chaos-test: ## minutes: try what breaks things, and the oracle, before the rows of faults-test rely on them
	$(CONTROLPLANE) run -- go -C hack/chaos test -count=1 ./proxy ./lab ./plane ./program

.PHONY: faults-test
faults-test: ## two hours: let everything go wrong between the program and the API server while it works, and look for what is lost; FAULT=NAME for one row of docs/reliability.md; TESTFLAGS=-update writes that page
	$(CONTROLPLANE) run -- go -C hack/chaos test ./faults -count=1 -timeout 3h -run '$(if $(FAULT),,TestEachCheckFails|)TestFaults/$(FAULT)' $(TESTFLAGS)

.PHONY: fuzz-oracle
fuzz-oracle: ## look for a credential that the kubelet judges otherwise; FUZZTIME=10m
	go -C hack/oracle test -run '^$$' -fuzz FuzzAcceptedImpliesAKubeletCredential -fuzztime $(or $(FUZZTIME),10m) -parallel 1 .

.PHONY: bench
bench: build bin/bench ## measure it against the API server's own speed; BENCHFLAGS='-sizes 300,1000,3000'
	$(CONTROLPLANE) run -- bin/bench $(BENCHFLAGS)

.PHONY: bin/bench
bin/bench:
	go -C hack/bench build -o ../../bin/bench .

.PHONY: bench-apart
bench-apart: build bin/bench ## the same with the control plane on one processor and the controller on another, as in a cluster
	taskset -c 0 $(CONTROLPLANE) run -- taskset -c 1 bin/bench -apart $(BENCHFLAGS)

.PHONY: bench-docs
bench-docs: build bin/bench ## 80 minutes, with EARLIER=FILE more than two hours: measure all sizes, for docs/performance-log.md, on a quiet machine; PARTS='burst large' for some
	@hack/bench/all.sh

.PHONY: load-test
load-test: ## most of an hour: put load on the program, 10,000 namespaces and 500 rules, and have it take over from earlier versions; LOAD=storm for one row, SIZE='-namespaces 500 -rules 50', TESTFLAGS=-update for docs
	$(CONTROLPLANE) run -- go -C hack/chaos test ./load -v -count=1 -timeout 90m -run 'TestLoad/$(LOAD)' $(or $(SIZE),-namespaces 10000 -rules 500) $(TESTFLAGS)
ifeq ($(LOAD),)
	$(CONTROLPLANE) run -- go -C hack/chaos test ./load -v -count=1 -timeout 60m -run TestUpgrade $(TESTFLAGS)
endif

.PHONY: node-test
node-test: build bin/node ## minutes: let a real kubelet and containerd pull from registries with passwords; skipped where the machine permits no user namespaces; NODE=1.35 for a node and control plane of that version
	@if cd hack/node && $(CURDIR)/bin/node check; then \
		go test -count=1 $(TESTFLAGS) . && go test -count=1 $(TESTFLAGS) -exec '$(CURDIR)/bin/node run $(if $(NODE),-version $(NODE) )--' ./pulls; \
	else echo "node-test: skipped"; fi

.PHONY: bin/node
bin/node:
	go -C hack/node build -o ../../bin/node .

.PHONY: page-test
page-test: ## minutes: open the pages of coverage and ui in a real Chromium, with an API server behind the latter; skipped where there is no Chromium, but not with STRICT=1; TESTFLAGS=-update takes the pictures in docs anew
	STRICT=$(STRICT) $(CONTROLPLANE) run -- go -C hack/page test -count=1 -timeout 20m $(TESTFLAGS) .

.PHONY: soak
soak: ## 30 minutes: let two installations live where policies, namespaces, sources, accounts and copies change at random, and hold all against an oracle of its own; SOAK=3m SEED=7
	go -C hack/chaos test -count=1 -v -timeout 0 $(TESTFLAGS) -run TestSoak ./soak -args -soak $(or $(SOAK),30m) -seed $(or $(SEED),0)

.PHONY: image-test
image-test: ## minutes: build the image twice without a daemon, start it, compare; needs root and buildah
	@hack/image-test.sh

.PHONY: release-test
release-test: ## 6 minutes on an idle machine: make the next release in a clone with a registry, and install from it in every way; hack/release.sh makes a real one
	$(CONTROLPLANE) run -- go -C hack/release test -count=1 -timeout 60m $(TESTFLAGS) .

.PHONY: lint
lint: ## check formatting, go vet, staticcheck and the workflows
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-clean:"; gofmt -l .; exit 1; }
	go vet ./...
	go -C hack/controlplane vet .
	go -C hack/node vet ./...
	go -C hack/oracle vet .
	go -C hack/registries vet .
	go -C hack/bench vet .
	go -C hack/chaos vet ./...
	go -C hack/matrix vet .
	go -C hack/release vet ./...
	go -C hack/gitops vet ./...
	go -C hack/gitops/cases vet ./...
	go -C hack/gitops/argocd vet ./...
	go -C hack/gitops/notifications vet ./...
	go -C hack/tools vet ./...
	go -C hack/helm vet .
	go -C hack/monitoring vet .
	go -C hack/page vet .
	go -C hack/tools tool -n staticcheck >/dev/null
	$$(go -C hack/tools tool -n staticcheck) ./...
	go -C hack/tools tool -n actionlint >/dev/null
	$$(go -C hack/tools tool -n actionlint)

.PHONY: vulncheck
vulncheck: ## minutes the first time: look for known vulnerabilities that are called; skipped where no database can be reached, but not with STRICT=1
	go -C hack/tools run ./vulncheck -C ../.. $(if $(STRICT),-strict)

.PHONY: controlplane
controlplane: ## start a control plane that stays; prints its kubeconfig's path
	@$(CONTROLPLANE) up
