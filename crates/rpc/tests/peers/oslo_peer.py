"""A real oslo.messaging process, driven by lines of JSON.

Arguments: transport_url, topic, server. Serves the topic with version 1.4 and namespace-free
methods; prints what it is cast. Commands on standard input, answered in order:
  {"op": "call", "topic", "method", "args", "version"?, "server"?, "timeout"?, "monitor"?}
  {"op": "cast", "topic", "method", "args", "fanout"?, "server"?}
Ends with its standard input.
"""

import json
import logging
import sys
import threading
import time

from oslo_config import cfg
import oslo_messaging as om
from neutron_lib import exceptions as lib_exceptions

# What fails is part of the test.
logging.disable(logging.CRITICAL)
OUT = threading.Lock()


def say(**what):
    with OUT:
        print(json.dumps(what), flush=True)


class Endpoint:
    target = om.Target(version="1.4")

    def echo(self, context, **kwargs):
        return kwargs

    def who(self, context):
        return {k: context.get(k) for k in ("is_admin", "request_id", "roles", "user_id")}

    def note(self, context, **kwargs):
        say(got="note", args=kwargs)

    def slow(self, context, seconds):
        time.sleep(seconds)
        return "done"

    def fail(self, context):
        raise lib_exceptions.PortNotFound(port_id="p")

    @om.expected_exceptions(ValueError)
    def value_error(self, context):
        raise ValueError("no good")


def run(transport, command):
    target = om.Target(exchange="neutron", topic=command["topic"], version=command.get("version", "1.0"))
    client = om.get_rpc_client(transport, target)
    prepared = {k: command[k] for k in ("server", "fanout", "timeout") if k in command}
    if "monitor" in command:
        prepared["call_monitor_timeout"] = command["monitor"]
    client = client.prepare(**prepared)
    context = {"user_id": "peer", "is_admin": True, "roles": ["admin"], "request_id": "req-peer"}
    if command["op"] == "cast":
        client.cast(context, command["method"], **command["args"])
        return {"cast": True}
    try:
        return {"result": client.call(context, command["method"], **command["args"])}
    except om.RemoteError as error:
        return {"remote": error.exc_type, "text": error.value}
    except Exception as error:
        return {"raised": type(error).__name__, "text": str(error)[:500]}


def main():
    url, topic, server = sys.argv[1:4]
    conf = cfg.CONF
    conf([], project="peer")
    transport = om.get_rpc_transport(conf, url=url, allowed_remote_exmods=["neutron_lib.exceptions"])
    serving = om.get_rpc_server(
        transport, om.Target(exchange="neutron", topic=topic, server=server), [Endpoint()])
    serving.start()
    say(ready=True)
    for line in sys.stdin:
        say(answer=run(transport, json.loads(line)))


main()
