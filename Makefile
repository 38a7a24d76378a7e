# The commands of this repository. `make test` proves it, `make bench` measures it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

# Outside the work tree, so that a fresh clone builds nothing twice.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/storage-element/target

CARGO := cargo --locked

.PHONY: build run check measure unit binaries e2e test bench bench-smoke large faults crash plans mutants many fencing times history \
  cluster cluster-down needs bench-needs cluster-needs

build: ## The node, for people
	$(CARGO) build -p storage-node

run: ## A node with nothing installed: SQLite, a local folder, a generated key
	$(CARGO) run -p storage-node -- dev

check: ## Format and lints; warnings are errors
	cargo fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings

unit: ## Tests that need no process
	$(CARGO) test -p storage-element-crds -p storage-lease -p storage-node -p storage-operator

measure: needs ## What takes minutes: search, rebuild and writes at 10^5 files and more; 10^5 worlds of elections
	LEASE_SEEDS=100000 $(CARGO) test --release -p storage-lease --lib no_two_write -- --nocapture
	$(CARGO) test --release -p storage-node -- --ignored --nocapture --test-threads=1

binaries: ## The programs that the whole-system tests run
	$(CARGO) build -p storage-node -p storage-operator
	$(CARGO) build -p storage-node --features failpoints --bin storage-node-failpoints

e2e: needs cluster-needs binaries ## Whole-system tests: real processes, killed, filled, starved
	e2e/run-tests

fencing: needs binaries ## A master stopped at every fail point, on a folder and on a bucket
	SE_FENCING=all $(CARGO) test -p storage-element-e2e --test fencing -- --nocapture --test-threads=1

times: needs binaries ## Twenty hand-overs of each kind, held to the times that are promised; on a machine that does nothing else
	$(CARGO) test -p storage-element-e2e --test failover -- --ignored --nocapture --test-threads=1

history: needs binaries ## Two minutes of kills, freezes and cuts, and a check of what clients saw
	HISTORY_SECONDS=120 $(CARGO) test -p storage-element-e2e --test history -- --nocapture --test-threads=1

# The benchmark is only run for a moment, to prove that it runs; then the tests, whose last line is the verdict.
test: needs cluster-needs check unit binaries bench-smoke ## All of it
	e2e/run-tests

large: needs ## 5 GiB to S3 and back through the node as it is released: in flat memory, beside the AWS CLI
	$(CARGO) build --release -p storage-node
	E2E_PROGRAMS="$$CARGO_TARGET_DIR/release" LARGE_GIB=5 \
	  $(CARGO) test -p storage-element-e2e --test large_object -- --nocapture

faults: needs binaries ## 200 seeds of faults between the node and PostgreSQL and S3
	FAULT_SEEDS=200 $(CARGO) test -p storage-element-e2e --test faults -- --nocapture seeds

crash: needs binaries ## Every fail point, aborted and failed, on every make
	SE_CRASH=all $(CARGO) test -p storage-element-e2e --test failpoints -- --nocapture --test-threads=1

plans: needs ## The plan of every list and search at a million rows in PostgreSQL
	SE_PLAN_ROWS=1000000 $(CARGO) test -p storage-node --test catalog_suite every_list_and_search -- --nocapture

mutants: needs ## Breaks each rule of fencing on purpose; its test has to go red
	node/mutants/run

many: needs binaries ## 1,000 elements: settled, small, and silent for five minutes
	SE_ELEMENTS=1000 SE_QUIET_SECONDS=300 $(CARGO) test -p storage-element-e2e --test operator -- --nocapture many

bench: bench-needs ## The node beside the physical limit and beside nginx, in under three minutes
	$(CARGO) build --release -p storage-node
	$(CARGO) build --release -p storage-element-e2e --bin bench
	"$$CARGO_TARGET_DIR/release/bench" --json "$$CARGO_TARGET_DIR/bench.json"

bench-smoke: bench-needs binaries
	$(CARGO) build -p storage-element-e2e --bin bench
	"$$CARGO_TARGET_DIR/debug/bench" --smoke --json "$$CARGO_TARGET_DIR/bench-smoke.json"

NODES ?= 2
cluster: cluster-needs ## A real Kubernetes with pods on this machine, with the images of node and operator; as root
	$(CARGO) build -p storage-node -p storage-operator
	$(CARGO) build -p storage-element-e2e --bin cluster
	"$$CARGO_TARGET_DIR/debug/cluster" up --nodes $(NODES)

cluster-down: ## Ends it and removes every trace
	$(CARGO) build -p storage-element-e2e --bin cluster
	"$$CARGO_TARGET_DIR/debug/cluster" down

# COMMAND:PACKAGE. Installed with apt-get when missing and we may; else the test that needs it says so.
needs: ; @e2e/install-missing python3:python3-venv cc:gcc curl:curl mount:mount pg_ctlcluster:postgresql pgbouncer:pgbouncer \
	chromium:chromium
bench-needs: ; @e2e/install-missing nginx:nginx-light
# gcc for the pod's pause program; libc6-dev has what a static program needs.
cluster-needs: ; @e2e/install-missing ip:iproute2 nft:nftables containerd:containerd runc:runc nsenter:util-linux cc:gcc \
	/usr/lib/cni/bridge:containernetworking-plugins
