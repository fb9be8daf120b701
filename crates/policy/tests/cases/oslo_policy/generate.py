#!/usr/bin/env python3
"""Writes cases.json: random rules and what oslo.policy decides about them.

Needs oslo.policy (pip install oslo.policy); run it by hand, `python3 generate.py > cases.json`.
The seed is fixed, so that the file changes only with this script or with oslo.policy.
"""
import json
import logging
import random

from oslo_config import cfg
from oslo_policy import policy

logging.disable(logging.CRITICAL)
R = random.Random(20261121)

RULES = {"admin_only": "role:admin", "owner": "user_id:%(user_id)s", "nothing": "!", "default": "role:fallback"}
CHECKS = [
    "role:admin", "role:member", "role:Reader", "role:%(wanted_role)s", "rule:admin_only",
    "rule:owner", "rule:nothing", "rule:undefined", "@", "!", "user_id:%(user_id)s", "user_id:u1",
    "'red':%(color)s", "\"red\":%(color)s", "True:%(shared)s", "None:%(nothing)s", "is_admin:True",
    "5:%(mtu)s", "user_id:%(absent)s", "no_such_credential:x", "roles:member", "'a-b':%(a)s-%(b)s",
]


def word(text):
    return R.choice([text, text, text.upper(), text.title()])


def expression(depth):
    kind = R.random()
    if depth == 0 or kind < 0.3:
        return R.choice(CHECKS)
    if kind < 0.45:
        return word("not") + " " + operand(depth - 1)
    joiner = [word("and") if R.random() < 0.5 else word("or") for _ in range(R.randint(1, 3))]
    out = operand(depth - 1)
    for j in joiner:
        out += f" {j} " + operand(depth - 1)
    return out


def operand(depth):
    inner = expression(depth)
    plain = inner in CHECKS
    if plain and R.random() < 0.7:
        return inner
    return R.choice([f"({inner})", f"( {inner} )", f"(({inner}))"])


def broken(text):
    tokens = text.split(" ")
    del tokens[R.randrange(len(tokens))]
    return " ".join(tokens)


def main():
    conf = cfg.ConfigOpts()
    conf([])
    enforcer = policy.Enforcer(conf, use_conf=False, default_rule="default")
    cases = []
    while len(cases) < 400:
        text = expression(R.randint(0, 4))
        if R.random() < 0.15:
            text = broken(text)
        creds = {
            "user_id": R.choice(["u1", "u2"]),
            "is_admin": R.random() < 0.5,
            "roles": R.sample(["admin", "member", "reader", "fallback", "red"], R.randint(0, 3)),
        }
        target = {
            "user_id": R.choice(["u1", "u2"]), "color": R.choice(["red", "blue"]),
            "shared": R.random() < 0.5, "nothing": R.choice([None, ""]), "mtu": R.choice([5, 6]),
            "wanted_role": R.choice(["admin", "MEMBER"]), "a": R.choice(["a", "b"]), "b": "b",
        }
        rules = dict(RULES, tested=text)
        enforcer.set_rules(policy.Rules.from_dict(rules, default_rule="default"), use_conf=False)
        result = bool(enforcer.enforce("tested", target, dict(creds)))
        cases.append({"rule": text, "creds": creds, "target": target, "holds": result})
    print(json.dumps({"rules": RULES, "cases": cases}, indent=0))


main()
