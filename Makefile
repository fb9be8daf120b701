# What one does with a clone. Everything is built and run here; nothing is installed but Debian packages (see `deps`).
.PHONY: demo test build deps peers fmt lint bench clean

CARGO ?= cargo
# Root's PATH may lack these when it was had by plain su.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

# Three emulated hosts, the openstack client, pings over VXLAN, GRE, VLAN and flat.
demo: deps
	$(CARGO) build --release --locked -p neutrino
	NEUTRINO=$(TARGET_DIR)/release/neutrino scripts/demo.sh

# Everything CI checks; what uses the database runs on SQLite, MariaDB and PostgreSQL. The tests need root; NEUTRINO_SKIP_PRIVILEGED=1 leaves out those that do and counts them.
SKIPS := $(abspath $(TARGET_DIR))/privileged-skips
test: deps peers lint
	$(CARGO) build --locked -p neutrino
	@rm -f $(SKIPS)
	NEUTRINO_SKIPS_FILE=$(SKIPS) $(CARGO) test --locked --workspace
	CARGO="$(CARGO)" scripts/test-databases.sh mariadb postgres
	@if [ -s $(SKIPS) ]; then sort $(SKIPS); echo "privileged tests skipped: $$(wc -l < $(SKIPS))"; fi

build:
	$(CARGO) build --release --locked -p neutrino

# Debian packages that are missing, and the openstack client in .venv.
deps:
	@scripts/install-deps.sh

# What the tests run beside ours, each in an environment of its own: Neutron in .venv-neutron, Keystone in .venv-keystone.
peers: deps
	@scripts/install-peers.sh

fmt:
	$(CARGO) fmt --all

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) xtask all

# The API benchmark against a server in noauth mode (BENCH is api_bench.py), the wiring figures in a lab, what changed security
# groups cost an agent, and the DHCP agent with 250 networks.
bench: build
	NEUTRINO=$(TARGET_DIR)/release/neutrino scripts/bench-api.sh
	DATABASE=mariadb OUT=$(TARGET_DIR)/api-bench-mariadb NEUTRINO=$(TARGET_DIR)/release/neutrino scripts/bench-api.sh
	NEUTRINO=$(TARGET_DIR)/release/neutrino scripts/bench-wiring.sh
	scripts/bench-firewall.sh
	NEUTRINO=$(TARGET_DIR)/release/neutrino scripts/bench-dhcp.sh
	NEUTRINO=$(TARGET_DIR)/release/neutrino scripts/bench-routers.sh
	NEUTRINO=$(TARGET_DIR)/release/neutrino scripts/bench-move.sh

clean:
	$(CARGO) clean
	rm -rf .venv .venv-*
