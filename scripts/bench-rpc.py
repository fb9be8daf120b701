#!/usr/bin/env python3
"""Counts broker messages per port create, from the API request until the port is ACTIVE.

bench-rpc.py --broker amqp://user:password@host:port// --api http://host:9696 --kind neutrino|neutron
             [--agents 3,30] [--ports 20]

Works with any server on that broker (noauth), ours or Neutron's. Simulates L2 agents as consumers that
subscribe to what agents of the kind subscribe to, report, sync tunnels, and wire the port of their host.
Sent: messages the server publishes, and the agent's calls with their answers. Delivered: the same for each
consumer that gets one. Needs kombu: run it with .venv-neutron/bin/python. Prints rows of docs/benchmarks.md.
"""

import argparse
import collections
import datetime
import json
import socket
import time
import urllib.request
import uuid

import kombu

PREFIX = "q-agent-notifier"
EVERY_KIND = ["tunnel-update", "tunnel-delete", "l2population-update"]
CLASSIC = ["port-update", "port-delete", "network-update", "network-delete", "security_group-update",
           "port_binding-activate", "port_binding-deactivate"]
OBJECTS = {"Port": "1.11", "SecurityGroup": "1.6", "SecurityGroupRule": "1.3", "Network": "1.3",
           "Subnet": "1.2", "AddressGroup": "1.2"}
OBJECT_TOPICS = [f"neutron-vo-{name}-{version}" for name, version in OBJECTS.items()]
# Where a server may send on the way of a port, whoever listens.
ALL_TOPICS = [f"{PREFIX}-{t}" for t in EVERY_KIND + CLASSIC] + OBJECT_TOPICS + ["dhcp_agent", "l3_agent"]
QUIET = 1.0


def topics_of(kind):
    if kind == "neutrino":
        return [f"{PREFIX}-{t}" for t in EVERY_KIND + CLASSIC]
    return [f"{PREFIX}-{t}" for t in EVERY_KIND + ["dvr-update"]] + OBJECT_TOPICS


class Broker:
    """The simulated agents' connection, and what arrives on it."""

    def __init__(self, url):
        self.connection = kombu.Connection(url)
        self.channel = self.connection.channel()
        self.neutron = kombu.Exchange("neutron", type="topic", durable=False)(self.channel)
        self.neutron.declare()
        self.reply_queue = "reply_" + uuid.uuid4().hex
        self.answers = {}
        self.sent = collections.Counter()
        self.delivered = 0
        self._consume(self._queue(self.reply_queue), self._on_reply)
        trace = self._queue("bench-trace-" + uuid.uuid4().hex)
        for topic in ALL_TOPICS:
            self._bind(trace, self._fanout(topic), topic)
            for key in (topic, topic + ".*"):
                trace.bind_to(exchange="neutron", routing_key=key)
        self._consume(trace, self._on_trace)

    def _queue(self, name):
        queue = kombu.Queue(name, channel=self.channel, durable=False, expires=60)
        queue.declare()
        return queue

    def _fanout(self, topic):
        exchange = kombu.Exchange(topic + "_fanout", type="fanout", durable=False, auto_delete=True)
        exchange(self.channel).declare()
        return topic + "_fanout"

    def _bind(self, queue, exchange, key):
        queue.bind_to(exchange=exchange, routing_key=key)

    def _consume(self, queue, callback):
        self.channel.basic_consume(queue.name, consumer_tag=queue.name, callback=lambda message: (
            callback(message), self.channel.basic_ack(message.delivery_tag)))

    def subscribe(self, topic, host):
        fanout = self._queue(f"{topic}_fanout_{uuid.uuid4().hex}")
        self._bind(fanout, self._fanout(topic), topic)
        mine = self._queue(f"{topic}.{host}")
        mine.bind_to(exchange="neutron", routing_key=mine.name)
        for queue in (fanout, mine):
            self._consume(queue, self._on_delivery)

    def _on_delivery(self, _message):
        self.delivered += 1

    def _on_trace(self, message):
        inner = json.loads(json.loads(message.body)["oslo.message"])
        self.sent[inner["method"]] += 1

    def _on_reply(self, message):
        inner = json.loads(json.loads(message.body)["oslo.message"])
        self.answers[inner["_msg_id"]] = inner

    def pump(self, seconds):
        """Takes messages until none has come for so long."""
        while True:
            try:
                self.connection.drain_events(timeout=seconds)
            except (socket.timeout, TimeoutError):
                return

    def call(self, topic, method, version, **args):
        msg_id = uuid.uuid4().hex
        inner = {"method": method, "args": args, "version": version, "_msg_id": msg_id, "_timeout": None,
                 "_reply_q": self.reply_queue, "_unique_id": uuid.uuid4().hex, "_context_is_admin": True,
                 "_context_roles": ["admin"], "_context_request_id": "req-" + str(uuid.uuid4())}
        body = {"oslo.version": "2.0", "oslo.message": json.dumps(inner)}
        self.channel.basic_publish(
            self.channel.prepare_message(json.dumps(body), content_type="application/json",
                                         content_encoding="utf-8"),
            exchange="neutron", routing_key=topic)
        end = time.time() + 60
        while msg_id not in self.answers:
            if time.time() > end:
                raise SystemExit(f"no answer to {method}")
            try:
                self.connection.drain_events(timeout=1)
            except (socket.timeout, TimeoutError):
                pass
        answer = self.answers.pop(msg_id)
        if answer["failure"]:
            raise SystemExit(f"{method}: {answer['failure'][:500]}")
        self.sent["call " + method] += 1
        self.sent["answer to " + method] += 1
        self.delivered += 2
        return answer["result"]


def api(base, verb, path, body=None):
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(base + "/v2.0" + path, data, method=verb, headers={
        "Content-Type": "application/json", "X-Roles": "admin", "X-Project-Id": "bench", "X-User-Id": "bench"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def agent_starts(broker, kind, host, size, number):
    for topic in topics_of(kind):
        broker.subscribe(topic, host)
    # Each size of a fleet has addresses of its own.
    address = f"10.200.{size}.{number + 1}"
    state = {
        "agent_type": "Open vSwitch agent", "binary": "neutron-openvswitch-agent", "host": host,
        "topic": "N/A", "start_flag": True, "uuid": str(uuid.uuid4()),
        "configurations": {"tunnel_types": ["vxlan"], "tunneling_ip": address, "l2_population": True,
                           "bridge_mappings": {}, "datapath_type": "system", "devices": 0},
    }
    if kind == "neutron":
        state["resource_versions"] = OBJECTS
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
    broker.call("q-reports-plugin", "report_state", "1.4", agent_state={"agent_state": state}, time=now)
    broker.call("q-plugin", "tunnel_sync", "1.4", tunnel_ip=address, tunnel_type="vxlan", host=host)


def wire(broker, kind, host, port):
    """What the agent of the port's host asks for; a 29.0 agent reads the port from what was pushed."""
    agent = {"agent_id": "ovs-agent-" + host, "host": host}
    if kind == "neutrino":
        broker.call("q-plugin", "get_devices_details_list_and_failed_devices", "1.5", devices=[port], **agent)
        broker.call("q-plugin", "security_group_info_for_devices", "1.3", devices=[port], call_version="1.3")
    broker.call("q-plugin", "update_device_list", "1.5", devices_up=[port], devices_down=[],
                refresh_tunnels=False, **agent)


def measure(options, agents):
    broker = Broker(options.broker)
    hosts = [f"bench-{agents}-{n}" for n in range(agents)]
    for number, host in enumerate(hosts):
        agent_starts(broker, options.kind, host, agents, number)
    network = api(options.api, "POST", "/networks", {"network": {"name": "bench", "project_id": "bench"}})["network"]
    api(options.api, "POST", "/subnets", {"subnet": {
        "project_id": "bench", "network_id": network["id"], "ip_version": 4, "cidr": "10.99.0.0/22", "enable_dhcp": False}})
    ports = []

    def create(host):
        made = api(options.api, "POST", "/ports", {"port": {
            "project_id": "bench", "network_id": network["id"], "binding:host_id": host, "device_owner": "compute:nova",
            "device_id": str(uuid.uuid4())}})["port"]
        ports.append(made["id"])
        broker.pump(QUIET)
        wire(broker, options.kind, host, made["id"])
        broker.pump(QUIET)

    # The first ports of a network on a host bring whole tables along; they are not what is counted.
    for host in hosts[:3] * 2:
        create(host)
    broker.sent.clear()
    broker.delivered = 0
    for number in range(options.ports):
        create(hosts[number % 3])
    sent, delivered = sum(broker.sent.values()) / options.ports, broker.delivered / options.ports
    print(f"| {options.kind} | {agents} | {sent:.1f} | {delivered:.1f} |", flush=True)
    for method, count in sorted(broker.sent.items()):
        print(f"#   {method}: {count / options.ports:.2f}", flush=True)
    for port in ports:
        api(options.api, "DELETE", f"/ports/{port}")
    api(options.api, "DELETE", f"/networks/{network['id']}")
    broker.connection.release()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--api", required=True)
    parser.add_argument("--kind", choices=["neutrino", "neutron"], required=True)
    parser.add_argument("--agents", default="3,30")
    parser.add_argument("--ports", type=int, default=20)
    options = parser.parse_args()
    print("| server and agents | agents | messages sent | messages delivered |")
    for agents in options.agents.split(","):
        measure(options, int(agents))


main()
