#!/usr/bin/env python3
"""Prints the table of docs/benchmarks.md from a result of the API load driver.

Neutron's CPU figures are those recorded beside the driver for Neutron 29.0.0 (all server
processes and the database, one client, milliseconds per request).
"""
import json
import sys

NEUTRON_CPU_MS = {
    'network_create': 99, 'subnet_create': 88, 'network_get': 24, 'port_create': 150, 'port_create_bulk100': 10545,
    'port_get': 18, 'port_update_name': 106, 'port_delete': 115, 'port_list_1000': 680, 'port_list_1000_limit100': 85.5,
    'port_list_1000_fields_id': 664, 'port_list_5000': 3412, 'sg_rule_create': 75, 'router_create': 41,
    'router_add_interface': 419, 'router_set_gateway': 447, 'floatingip_create': 228,
}

ops = {name: op for path in sys.argv[1:] for name, op in json.load(open(path))['ops'].items()}
print('| operation | CPU ms/request, 1 / 16 clients | Neutron 29, 1 client | ratio | p50 ms, 1 / 16 clients | requests/s, 16 clients | failures |')
print('|---|---|---|---|---|---|---|')
for name, neutron in NEUTRON_CPU_MS.items():
    if name not in ops:
        continue
    one, many = ops[name].get('c1', {}), ops[name].get('c16', {})
    # The clock ticks every 10 ms: of few requests only the dearer figure says something.
    cpu = max(one.get('cpu_ms_per_req') or 0, many.get('cpu_ms_per_req') or 0)
    ratio = f'1/{neutron / cpu:.0f}' if cpu else 'below the clock'
    failures = sum(n for c in (one, many) for status, n in c.get('status', {}).items() if status[0] != '2')
    print(f"| {name} | {one.get('cpu_ms_per_req')} / {many.get('cpu_ms_per_req', '-')} | {neutron} | {ratio} "
          f"| {one.get('p50_ms')} / {many.get('p50_ms', '-')} | {many.get('rps', '-')} | {failures} |")
