//! The ML2 plugin: networks, subnets, ports, drivers, binding, IPAM, provisioning blocks.
