#!/usr/bin/env python3
"""Writes cases.json: values of attributes, and what neutron-lib makes of them.

Needs neutron-lib (pip install neutron-lib); run it by hand, `python3 generate.py > cases.json`.
Each case is [collection, attribute, value, outcome]; the outcome is {"value": converted} or
{"type": class of the error, "message": its text} or {"type": null} where neutron-lib itself fails
in a way that a server answers with 500.
"""
import copy
import json
import logging

from neutron_lib import exceptions
from neutron_lib.api import attributes, converters
from neutron_lib.api.definitions import (
    agent, allowedaddresspairs, external_net, extra_dhcp_opt, network, network_availability_zone,
    network_mtu_writable, port, port_security, portbindings, provider_net, subnet)
from oslo_config import cfg
from webob import exc

logging.disable(logging.CRITICAL)
cfg.CONF.register_opts([cfg.IntOpt("max_allowed_address_pair", default=10)])

U = "46cdc4f2-d093-4a01-859e-80e3acc7822f"
SCALARS = [
    None, True, False, 0, 1, -1, 4, 6, 1500, 4294967296, 1.5, "", " ", "a", " a", "a ", "a b", "n\u00e4me",
    "\u4e2d", "a\nb", "tab\there", "\u00a0x", "\U0001f600", "x" * 255, "x" * 256, "True", "false", "yes",
    "0", "1", "-5", " 7 ", "1_0", "0x10", "1.0", "None", U, U.upper(), U.replace("-", ""),
    "{" + U + "}", "urn:uuid:" + U, U[:-1], "prefix_delegation", "slaac", "dhcpv6-stateful", "SLAAC",
    "normal", "direct", "odd", "10.0.0.1", "010.0.0.1", "10.0.0.256", "10.0.0", "10.0.0.1.", "10.0.0.1 ",
    "::1", "FE80::1", "fe80:0::0001", "::ffff:10.0.0.1", "fe80::1%eth0", "fe80:::1", "224.0.0.1",
    "ff02::1", "127.0.0.1", "10.0.0.0/24", "10.0.0.1/24", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/024",
    "10.0.0.0/255.255.255.0", "10.0.0.0/0.0.0.255", "10/8", "FD00::/64", "fd00::1/64", "fd00::/129",
    "::/0", "0.0.0.0/0", "127.0.0.0/8", "224.0.0.0/4", "1.2.3.4/0",
    "fa:16:3e:00:00:01", "FA-16-3E-00-00-01", "fa16.3e00.0001", "fa163e000001", "1:2:3:4:5:6",
    "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "fa:16:3e:00:00", "fa:16:3e:00:00:0g", "01:00:5e:00:00:01",
    [], {}, [1], ["a"], ["a", "a"], [None], [[]], {"a": 1}, {"a": {"b": ["c", None, True]}},
]
STRUCTURES = {
    "allocation_pools": [
        [{"start": "10.0.0.2", "end": "10.0.0.9"}], [{"start": "FD00::2", "end": "fd00::0009"}],
        [{"start": "10.0.0.2"}], [{"start": "10.0.0.2", "end": "x"}], [{"start": 5, "end": "10.0.0.2"}],
        [{"start": None, "end": "10.0.0.2"}], ["x"], [{"start": "10.0.0.2", "end": "10.0.0.9", "c": 1}],
    ],
    "dns_nameservers": [
        ["10.0.0.1", "::1"], ["10.0.0.1", "10.0.0.1"], ["example.org"], [5], "10.0.0.1", {"10.0.0.1": 1}, ["010.0.0.1"],
    ],
    "host_routes": [
        [{"destination": "10.1.0.0/16", "nexthop": "10.0.0.1"}],
        [{"destination": "10.1.0.0/16", "nexthop": "10.0.0.1"}] * 2,
        [{"destination": "10.1.0.1/16", "nexthop": "10.0.0.1"}],
        [{"destination": "127.0.0.0/8", "nexthop": "10.0.0.1"}],
        [{"destination": "127.0.0.0/16", "nexthop": "10.0.0.1"}],
        [{"destination": "::1/128", "nexthop": "::2"}], [{"destination": "0.0.0.0/0", "nexthop": "10.0.0.1"}],
        [{"destination": "10.1.0.0", "nexthop": "10.0.0.1"}], [{"destination": "fd00::/8", "nexthop": "fe80::1"}],
        [{"destination": None, "nexthop": "10.0.0.1"}], [{"destination": "10.1.0.0/16", "nexthop": None}],
        [{"nexthop": "10.0.0.1"}],
    ],
    "fixed_ips": [
        [{"subnet_id": U}], [{"ip_address": "10.0.0.3"}], [{"subnet_id": U, "ip_address": "10.0.0.3"}],
        [{"ip_address": "10.0.0.3"}, {"ip_address": "10.0.0.3"}], [{"subnet_id": U}, {"subnet_id": U}],
        [{"subnet_id": "x"}], [{"ip_address": None}], [{"ip_address": "010.0.0.3"}], [{"other": 1}], [{}],
        [{"ip_address": "10.0.0.3", "other": 1}], [{"ip_address": 5}],
    ],
    "allowed_address_pairs": [
        [{"ip_address": "10.0.0.3"}], [{"ip_address": "10.0.0.3", "mac_address": "fa:16:3e:00:00:01"}],
        [{"ip_address": "10.0.0.3"}] * 2, [{"mac_address": "fa:16:3e:00:00:01"}], [{"ip_address": "x"}],
        [{"ip_address": "10.0.0.0/24"}], [{"ip_address": "10.0.0.1/24"}], [{"ip_address": "10.0.0.0/33"}],
        [{"ip_address": "224.0.0.1"}], [{"ip_address": "224.0.1.0/24"}], [{"ip_address": "0.0.0.0/0"}],
        [{"ip_address": "::/0"}], [{"ip_address": "ff02::/16"}], [{"ip_address": "fd00::/8"}],
        [{"ip_address": "10.0.0.3", "mac_address": "01:00:5e:00:00:01"}],
        [{"ip_address": "10.0.0.3", "mac_address": None}], [{"ip_address": "10.0.0.3", "mac_address": "x"}],
        [{"ip_address": None}], [{"ip_address": 5}], [{"ip_address": "10.0.0.3", "other": 1}], [5],
        [{"ip_address": "10.0.0.%d" % i} for i in range(10)], [{"ip_address": "10.0.0.%d" % i} for i in range(11)],
    ],
    "extra_dhcp_opts": [
        [{"opt_name": "bootfile-name", "opt_value": "x"}], [{"opt_name": "bootfile-name", "opt_value": ""}],
        [{"opt_name": "router", "opt_value": ""}], [{"opt_name": "router", "opt_value": None}],
        [{"opt_name": "a", "opt_value": None}], [{"opt_name": "a"}], [{"opt_value": "a"}],
        [{"opt_name": "a", "opt_value": "b", "ip_version": "6"}], [{"opt_name": "a", "opt_value": "b", "ip_version": 5}],
        [{"opt_name": "a", "opt_value": "b", "ip_version": "x"}], [{"opt_name": "a", "opt_value": "b", "c": 1}],
        [{"opt_name": "a", "opt_value": "b"}] * 2, [{"opt_name": "a", "opt_value": "b\nc"}],
        [{"opt_name": "a", "opt_value": "b\n"}], [{"opt_name": " ", "opt_value": "b"}],
        [{"opt_name": "x" * 65, "opt_value": "b"}], [{"opt_name": "x", "opt_value": "b" * 256}],
        [{"opt_name": 5, "opt_value": "b"}], [{"opt_name": "a", "opt_value": 5}], [5],
        [{"opt_name": "a", "opt_value": "b", "ip_version": None}], [{"opt_name": "a\rb", "opt_value": "b"}],
    ],
    "availability_zone_hints": [["z1", "z2"], ["z1", "z1"], ["x" * 255], ["x" * 251], ["x" * 252], [5]],
    "tags": [["a", "b"], ["a", "a"], ["x" * 256], [5]],
}


def definitions():
    maps = [
        network, subnet, port, external_net, provider_net, portbindings, port_security, extra_dhcp_opt,
        allowedaddresspairs, network_mtu_writable, network_availability_zone, agent,
    ]
    out = {}
    for m in maps:
        for collection, attrs in m.RESOURCE_ATTRIBUTE_MAP.items():
            out.setdefault(collection, {}).update(copy.copy(attrs))
    # These lie in Neutron itself.
    for collection in ("networks", "subnets", "ports"):
        out[collection]["description"] = {"allow_post": True, "allow_put": True, "validate": {"type:string": 255}}
    out["ports"]["tags"] = {"allow_post": True, "allow_put": False, "validate": {"type:list_of_unique_strings": 255}}
    limit = {"allow_post": False, "allow_put": True, "convert_to": converters.convert_to_int,
             "validate": {"type:range": [-1, 2**31 - 1]}}
    out["quotas"] = {"network": limit}
    # Any value is accepted there; here it must fit the column.
    del out["ports"]["binding:host_id"]
    return out


def outcome(name, spec, value):
    body = {name: copy.deepcopy(value)}
    try:
        attributes.AttributeInfo({name: spec}).convert_values(body, exc_cls=exc.HTTPBadRequest)
    except exc.HTTPException as e:
        return {"type": type(e).__name__, "message": str(e)}
    except exceptions.NeutronException as e:
        return {"type": type(e).__name__, "message": str(e)}
    except Exception:
        return {"type": None}
    return {"value": body[name]}


def main():
    cases = []
    seen = set()
    for collection, attrs in sorted(definitions().items()):
        for name, spec in attrs.items():
            if not (spec["allow_post"] or spec["allow_put"]):
                continue
            # Attributes that are treated alike need only one of them tried.
            alike = (getattr(spec.get("convert_to"), "__name__", ""), repr(spec.get("validate")))
            if alike in seen:
                continue
            seen.add(alike)
            for value in SCALARS + STRUCTURES.get(name, []):
                cases.append([collection, name, value, outcome(name, spec, value)])
    print("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]")


main()
