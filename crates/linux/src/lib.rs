//! Netlink, network namespaces, sysctl and child processes.
