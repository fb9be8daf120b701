"""Packets of an instance, for the tests of the firewalls.

  serve   echoes TCP and UDP on ports given as JSON [[kind, port], ...]; prints "ready"
  probe   makes every attempt of a JSON list at the same time, prints which were answered
  stream  keeps connections of a JSON list open and busy, prints how many answers each has had

An attempt is {"id", "kind", "address", "port", "size"}; kind is tcp, udp or icmp, size the bytes of
payload. The JSON is one line of standard input. Packets that get no answer are sent again: what is
allowed must not fail for one lost packet, what is denied must fail every time.
"""

import json
import os
import random
import selectors
import socket
import struct
import sys
import time

# Seconds until silence is an answer; every second what was not answered is sent again.
PATIENCE = 3
# Seconds between two packets of an instance: bursts overflow the buffers of the switch.
PACE = 0.002
# Seconds between two packets of an open connection.
TICK = 0.1
# Echo request and reply of both families.
ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


class Attempt:
    """One connection to one address."""

    def __init__(self, spec):
        self.id, self.kind, self.size = spec["id"], spec["kind"], spec["size"]
        self.family = socket.AF_INET6 if ":" in spec["address"] else socket.AF_INET
        self.target = (spec["address"], spec["port"])
        self.answers = 0
        self.sent = 0
        self.failed = None
        self.connected = self.kind != "tcp"
        # TCP answers come as bytes, of which `size` make an answer.
        self.pending = 0
        # An even number of random bytes: no other attempt has them.
        self.token = os.urandom(8)
        self.socket = self.open()
        self.socket.setblocking(False)

    def open(self):
        if self.kind == "icmp":
            ipv6 = self.family == socket.AF_INET6
            made = socket.socket(
                self.family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if ipv6 else socket.IPPROTO_ICMP
            )
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            made.connect((self.target[0], 0))
            return made
        kind = socket.SOCK_STREAM if self.kind == "tcp" else socket.SOCK_DGRAM
        made = socket.socket(self.family, kind)
        made.setblocking(False)
        error = made.connect_ex(self.target)
        if error not in (0, 115):
            self.failed = os.strerror(error)
        return made

    def payload(self):
        return self.token + bytes(self.size - len(self.token))

    def send(self):
        self.sent += 1
        try:
            if self.kind == "icmp":
                self.socket.send(self.echo())
            else:
                self.socket.send(self.payload())
        except BlockingIOError:
            pass
        except OSError as error:
            # What an earlier packet met shows here; TCP connections do not come back.
            if self.kind == "tcp":
                self.failed = error.strerror

    def resend(self):
        # TCP sends again by itself.
        if self.kind != "tcp":
            self.send()

    def state(self):
        return {"sent": self.sent, "answers": self.answers, "failed": self.failed}

    def over(self):
        return self.answers or self.failed

    def echo(self):
        kind = ECHO[self.family][0]
        rest = self.token[:2] + struct.pack("!H", self.sent & 0xFFFF) + self.payload()
        head = struct.pack("!BBH", kind, 0, 0)
        # The kernel computes that of ICMPv6.
        total = checksum(head + rest) if self.family == socket.AF_INET else 0
        return struct.pack("!BBH", kind, 0, total) + rest

    def receive(self):
        try:
            while True:
                data = self.socket.recv(65535)
                if self.kind == "icmp":
                    start = (data[0] & 15) * 4 if self.family == socket.AF_INET else 0
                    if data[start] == ECHO[self.family][1] and data[start + 8 :][:8] == self.token:
                        self.answers += 1
                elif self.kind == "udp":
                    self.answers += data[:8] == self.token
                elif data:
                    self.pending += len(data)
                    self.answers += self.pending // self.size
                    self.pending %= self.size
                else:
                    self.failed = "closed"
                    return
        except BlockingIOError:
            pass
        except OSError as error:
            if self.kind == "tcp":
                self.failed = error.strerror


def watch(selector, attempt):
    tcp = attempt.kind == "tcp"
    selector.register(attempt.socket, selectors.EVENT_WRITE if tcp else selectors.EVENT_READ, attempt)


def watched(attempts):
    selector = selectors.DefaultSelector()
    for attempt in attempts:
        watch(selector, attempt)
    return selector


def receive(selector, timeout):
    for key, ready in selector.select(max(timeout, 0)):
        attempt = key.data
        if ready & selectors.EVENT_WRITE:
            # The connection is made, or refused.
            attempt.connected = True
            attempt.send()
            selector.modify(attempt.socket, selectors.EVENT_READ, attempt)
        else:
            attempt.receive()
        if attempt.failed:
            selector.unregister(attempt.socket)


def probe():
    specs = json.loads(sys.stdin.readline())
    # What is lost because all send at the same time is not lost in the same order again.
    random.shuffle(specs)
    attempts = []
    selector = watched([])
    for spec in specs:
        attempts.append(Attempt(spec))
        watch(selector, attempts[-1])
        attempts[-1].resend()
        receive(selector, PACE)
    start = time.monotonic()
    for second in range(1, PATIENCE + 1):
        while (left := start + second - time.monotonic()) > 0 and not all(map(Attempt.over, attempts)):
            receive(selector, left)
        if second < PATIENCE:
            for attempt in [a for a in attempts if not a.over()]:
                attempt.resend()
                receive(selector, PACE)
    print(json.dumps({a.id: "yes" if a.answers else a.failed or "no" for a in attempts}))


def stream():
    attempts = [Attempt(spec) for spec in json.loads(sys.stdin.readline())]
    selector = watched(attempts)
    due = time.monotonic()
    while True:
        for attempt in attempts:
            if attempt.connected and not attempt.failed:
                attempt.send()
        due = max(due + TICK, time.monotonic())
        while (left := due - time.monotonic()) > 0:
            receive(selector, left)
        print(json.dumps({a.id: a.state() for a in attempts}), flush=True)


def serve():
    selector = selectors.DefaultSelector()
    for kind, port in json.loads(sys.stdin.readline()):
        tcp = kind == "tcp"
        made = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(("::", port))
        if tcp:
            made.listen(256)
        made.setblocking(False)
        selector.register(made, selectors.EVENT_READ, accept if tcp else answer)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            try:
                key.data(selector, key.fileobj)
            except BlockingIOError:
                pass
            except OSError:
                # A connection that was cut; those who listen go on.
                if key.data is echo:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()


def accept(selector, listener):
    made, _ = listener.accept()
    made.setblocking(False)
    selector.register(made, selectors.EVENT_READ, echo)


def echo(selector, made):
    data = made.recv(65535)
    if not data:
        selector.unregister(made)
        made.close()
        return
    made.sendall(data)


def answer(_, made):
    data, sender = made.recvfrom(65535)
    # Short: only the way there is to be fragmented.
    made.sendto(data[:16], sender)


{"serve": serve, "probe": probe, "stream": stream}[sys.argv[1]]()
