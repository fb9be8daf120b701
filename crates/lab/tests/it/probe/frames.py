"""Ethernet frames of an instance, for the tests of the firewalls against forgery.

  send     sends the frames of a JSON list on eth0, five times, prints "sent"
  flood    sends the frames of a JSON list again and again, prints "sent" after the first time
  capture  prints the name of every frame of such a list that arrives on eth0, once; first "ready"

A frame is {"name", "kind", ...}; the other items are the fields of its kind (see KINDS). Its name
is in its payload, by which it is known again. The JSON is one line of standard input.
"""

import json
import socket
import struct
import sys
import time

MARK = b"frame="
END = b"."
TIMES = 5
# Seconds between two frames.
PACE = 0.002
ETH_P_ALL = 3


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ip(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def ethernet(frame, kind, payload):
    return mac(frame["to_mac"]) + mac(frame["from_mac"]) + struct.pack("!H", kind) + payload


def internet(frame, protocol, payload):
    """An IP packet in its frame; `payload` is a function of the checksum over the pseudo-header."""
    source, target = ip(frame["from"]), ip(frame["to"])
    body = payload(0)
    pseudo = source + target + struct.pack("!IHBB", len(body), 0, 0, protocol)
    body = payload(checksum(pseudo + body))
    if len(source) == 16:
        head = struct.pack("!IHBB", 6 << 28, len(body), protocol, 255) + source + target
        return ethernet(frame, 0x86DD, head + body)
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(body), 0, 0, 64, protocol)
    total = checksum(head + b"\0\0" + source + target)
    return ethernet(frame, 0x0800, head + struct.pack("!H", total) + source + target + body)


def udp(frame, payload):
    ports = struct.pack("!HHH", frame["from_port"], frame["to_port"], 8 + len(payload))
    return internet(frame, 17, lambda total: ports + struct.pack("!H", total) + payload)


def icmpv6(frame, kind, payload):
    return internet(frame, 58, lambda total: struct.pack("!BBH", kind, 0, total) + payload)


def option(mark):
    """A neighbour discovery option that nobody knows."""
    length = (2 + len(mark) + 7) // 8
    return struct.pack("!BB", 253, length) + mark.ljust(length * 8 - 2, b"\0")


def arp(frame, mark):
    """A reply saying that `address` is at `own_mac`."""
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2)
    pair = mac(frame["own_mac"]) + ip(frame["address"]) + mac(frame["to_mac"]) + ip(frame["to"])
    return ethernet(frame, 0x0806, head + pair + mark)


def advertisement(frame, mark):
    """A neighbour advertisement saying that `address` is at `own_mac`."""
    target = struct.pack("!BB", 2, 1) + mac(frame["own_mac"])
    return icmpv6(frame, 136, struct.pack("!I", 0x60000000) + ip(frame["address"]) + target + option(mark))


def router(frame, mark):
    return icmpv6(frame, 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + option(mark))


def dhcp(frame, mark):
    """An offer of `address`."""
    head = struct.pack("!BBBBIHH", 2, 1, 6, 0, 7, 0, 0x8000)
    head += ip("0.0.0.0") + ip(frame["address"]) + ip(frame["from"]) + ip("0.0.0.0")
    head += mac(frame["client_mac"]).ljust(16, b"\0") + mark.ljust(192, b"\0")
    offer = b"\x63\x82\x53\x63" + b"\x35\x01\x02" + b"\x36\x04" + ip(frame["from"]) + b"\xff"
    return udp(frame, head + offer)


def dhcpv6(frame, mark):
    """An advertisement of a server that has a status message to tell."""
    return udp(frame, struct.pack("!I", 2 << 24 | 7) + struct.pack("!HHH", 13, 2 + len(mark), 0) + mark)


KINDS = {
    "udp": udp,
    "arp": arp,
    "neighbour": advertisement,
    "router": router,
    "dhcp": dhcp,
    "dhcpv6": dhcpv6,
}


def build(frame):
    return KINDS[frame["kind"]](frame, MARK + frame["name"].encode() + END)


def main():
    frames = json.loads(sys.stdin.readline())
    eth0 = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    eth0.bind(("eth0", ETH_P_ALL))
    if sys.argv[1] == "capture":
        eth0.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        print("ready", flush=True)
        seen = set()
        while True:
            frame, sender = eth0.recvfrom(65535)
            name = frame.partition(MARK)[2].partition(END)[0].decode(errors="replace")
            if name and sender[2] != socket.PACKET_OUTGOING and name not in seen:
                seen.add(name)
                print(name, flush=True)
    packets = [build(frame) for frame in frames]
    flood = sys.argv[1] == "flood"
    for n in range(10**6 if flood else TIMES):
        for packet in packets:
            eth0.send(packet)
            time.sleep(PACE)
        if flood and n == 0:
            print("sent", flush=True)
    print("sent", flush=True)


main()
