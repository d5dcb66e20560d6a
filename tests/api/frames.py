# SPDX-License-Identifier: MIT
"""frames - captures read and written, packets taken apart, TCP put together: what the API's answers are held against.

For simple captures only: Ethernet (VLAN), IPv4, IPv6, TCP, UDP, fragments without overlaps.
"""
import collections
import gzip
import ipaddress
import struct

Frame = collections.namedtuple('Frame', 'ns link data wire')  # wire: its length there
Packet = collections.namedtuple('Packet', 'number frame proto src sport dst dport seq flags payload')


def unpack_pcap(data):
    magic = data[:4]
    order, scale = {b'\xd4\xc3\xb2\xa1': ('<', 1000), b'\xa1\xb2\xc3\xd4': ('>', 1000),
                    b'\x4d\x3c\xb2\xa1': ('<', 1), b'\xa1\xb2\x3c\x4d': ('>', 1)}[magic]
    link, at, found = struct.unpack_from(order + 'I', data, 20)[0] & 0xffff, 24, []
    while at + 16 <= len(data):
        s, sub, have, wire = struct.unpack_from(order + '4I', data, at)
        found.append(Frame(s * 10**9 + sub * scale, link, data[at + 16:at + 16 + have], wire))
        at += 16 + have
    if at != len(data):
        raise ValueError('a capture ends inside a packet')
    return found


def options(data, order):
    at, found = 0, {}
    while at + 4 <= len(data):
        code, n = struct.unpack_from(order + 'HH', data, at)
        if code == 0:
            break
        found[code] = data[at + 4:at + 4 + n]
        at += 4 + (n + 3) // 4 * 4
    return found


def unpack_pcapng(data):
    """Strictly: whole blocks, lengths that agree, packets of interfaces that were described."""
    at, order, interfaces, found = 0, '<', [], []
    while at < len(data):
        kind = struct.unpack_from(order + 'I', data, at)[0]
        if kind == 0x0a0d0d0a:
            order = '<' if data[at + 8:at + 12] == b'\x4d\x3c\x2b\x1a' else '>'
            interfaces = []
        n = struct.unpack_from(order + 'I', data, at + 4)[0]
        if n % 4 or n < 12 or at + n > len(data) or struct.unpack_from(order + 'I', data, at + n - 4)[0] != n:
            raise ValueError('a damaged block at byte %d' % at)
        body = data[at + 8:at + n - 4]
        if kind == 1:
            link, _, _ = struct.unpack_from(order + 'HHI', body)
            o = options(body[8:], order)
            resolution = o.get(9, b'\x06')[0]
            offset = struct.unpack(order + 'q', o[14])[0] if 14 in o else 0
            interfaces.append((link, resolution, offset))
        elif kind == 6:
            i, hi, lo, have, wire = struct.unpack_from(order + '5I', body)
            link, resolution, offset = interfaces[i]
            units = hi << 32 | lo
            ns = units * 10**9 >> (resolution & 127) if resolution & 128 else units * 10**9 // 10**resolution
            found.append(Frame(ns + offset * 10**9, link, body[20:20 + have], wire))
        at += n
    return found


def read(path):
    with open(path, 'rb') as f:
        data = f.read()
    if data[:2] == b'\x1f\x8b':
        data = gzip.decompress(data)
    return unpack_pcapng(data) if data[:4] == b'\x0a\x0d\x0d\x0a' else unpack_pcap(data)


def write(path, frames, ns=False, link=1):
    """A capture of (ns, bytes) or of Frames."""
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b23c4d if ns else 0xa1b2c3d4, 2, 4, 0, 0, 262144, link))
        for x in frames:
            t, data = (x.ns, x.data) if isinstance(x, Frame) else x
            wire = x.wire if isinstance(x, Frame) else len(data)
            f.write(struct.pack('<4I', t // 10**9, t % 10**9 // (1 if ns else 1000), len(data), wire) + data)


def write_pcapng(path, frames, link=1):
    """With nanoseconds."""
    def block(kind, body):
        n = 12 + len(body)
        return struct.pack('<II', kind, n) + body + struct.pack('<I', n)

    with open(path, 'wb') as f:
        f.write(block(0x0a0d0d0a, struct.pack('<IHHq', 0x1a2b3c4d, 1, 0, -1)))
        f.write(block(1, struct.pack('<HHI', link, 0, 262144) + struct.pack('<HHB3x', 9, 1, 9) + bytes(4)))
        for x in frames:
            body = struct.pack('<5I', 0, x.ns >> 32, x.ns & 0xffffffff, len(x.data), x.wire) + x.data
            f.write(block(6, body + bytes(-len(body) % 4)))


# ---- frames made ----

def checksum(data):
    if len(data) % 2:
        data += b'\0'
    s = sum(struct.unpack('>%dH' % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def ipv4(src, dst, proto, payload, ident=0):
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    head = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), ident, 0x4000, 64, proto, 0, a, b)
    head = head[:10] + struct.pack('>H', checksum(head)) + head[12:]
    return b'\x02\0\0\0\0\2\x02\0\0\0\0\1\x08\0' + head + payload


def tcp(src, sport, dst, dport, seq, ack, flags, payload=b''):
    bits = sum(1 << 'FSRPAU'.index(c) for c in flags)
    body = struct.pack('>HHIIBBHHH', sport, dport, seq & 0xffffffff, ack & 0xffffffff, 0x50, bits, 65535, 0, 0) + payload
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    sum_ = checksum(a + b + struct.pack('>BBH', 0, 6, len(body)) + body)
    return ipv4(src, dst, 6, body[:16] + struct.pack('>H', sum_) + body[18:])


class Talk:
    """A TCP connection written into frames."""

    def __init__(self, frames, client=('10.0.0.1', 50000), server=('10.0.0.2', 4000), at=1700000000 * 10**9, step=10**6):
        self.frames, self.ends, self.at, self.step = frames, (client, server), at, step
        self.next = [1000, 2000]
        self.send(0, 'S')
        self.send(1, 'SA')
        self.send(0, 'A')

    def send(self, side, flags, payload=b''):
        (a, ap), (b, bp) = self.ends[side], self.ends[1 - side]
        self.frames.append((self.at, tcp(a, ap, b, bp, self.next[side], self.next[1 - side] if 'A' in flags else 0,
                                         flags, payload)))
        self.next[side] += len(payload) + ('S' in flags) + ('F' in flags)
        self.at += self.step

    def data(self, side, payload, size=1400):
        for i in range(0, len(payload), size):
            self.send(side, 'PA', payload[i:i + size])

    def end(self):
        self.send(0, 'FA')
        self.send(1, 'FA')
        self.send(0, 'A')


# ---- frames taken apart ----

def network(frame):
    """The IP packet of a frame, or None."""
    d = frame.data
    if frame.link == 1:
        kind, at = struct.unpack_from('>H', d, 12)[0], 14
        while kind in (0x8100, 0x88a8):
            kind, at = struct.unpack_from('>H', d, at + 2)[0], at + 4
        return d[at:] if kind in (0x0800, 0x86dd) else None
    if frame.link == 276:
        return d[20:] if struct.unpack_from('>H', d)[0] in (0x0800, 0x86dd) else None
    return d if frame.link in (101, 12) else None


def addressed(ip):
    """(source, destination, protocol, fragment or None, payload); fragment is (id, offset, more)."""
    if ip[0] >> 4 == 4:
        n, total, ident, off = (ip[0] & 15) * 4, *struct.unpack_from('>HHH', ip, 2)
        fragment = (ident, (off & 0x1fff) * 8, bool(off & 0x2000)) if off & 0x3fff else None
        return str(ipaddress.ip_address(ip[12:16])), str(ipaddress.ip_address(ip[16:20])), ip[9], fragment, ip[n:total]
    proto, at, fragment = ip[6], 40, None
    end = 40 + struct.unpack_from('>H', ip, 4)[0]
    while proto in (0, 43, 44, 60):
        if proto == 44:
            off, ident = struct.unpack_from('>HI', ip, at + 2)
            fragment = (ident, off & 0xfff8, bool(off & 1))
            proto, at = ip[at], at + 8
        else:
            proto, at = ip[at], at + 8 * (1 + ip[at + 1])
    return str(ipaddress.ip_address(ip[8:24])), str(ipaddress.ip_address(ip[24:40])), proto, fragment, ip[at:end]


def transport(number, frame, src, dst, proto, body):
    if proto == 6 and len(body) >= 20:
        sport, dport, seq, _, off, flags = struct.unpack_from('>HHIIBB', body)
        return Packet(number, frame, proto, src, sport, dst, dport, seq, flags, body[(off >> 4) * 4:])
    if proto == 17 and len(body) >= 8:
        sport, dport, n = struct.unpack_from('>HHH', body)
        return Packet(number, frame, proto, src, sport, dst, dport, 0, 0, body[8:n])
    return Packet(number, frame, proto, src, 0, dst, 0, 0, 0, body)


def flows(frames):
    """{frozenset of (proto, end, end): [(numbers from 1, Packet)]}: fragments belong to the packet that they make."""
    found, waiting = collections.defaultdict(list), {}
    for number, frame in enumerate(frames, 1):
        ip = network(frame)
        if not ip:
            continue
        src, dst, proto, fragment, body = addressed(ip)
        numbers = [number]
        if fragment:
            ident, off, more = fragment
            pieces = waiting.setdefault((src, dst, proto, ident), [])
            pieces.append((off, body, more, number))
            pieces.sort()
            at = 0
            for o, b, _, _ in pieces:
                at = o + len(b) if o == at else -1
            if at < 0 or pieces[-1][2]:
                continue
            body, numbers = b''.join(p[1] for p in pieces), sorted(p[3] for p in pieces)
            del waiting[src, dst, proto, ident]
        p = transport(number, frame, src, dst, proto, body)
        found[frozenset([p.proto, (p.src, p.sport), (p.dst, p.dport)])].append((numbers, p))
    return found


class Side:
    """What one end of a TCP connection sent: bytes by offset, first copy wins; holes where nothing came."""

    def __init__(self):
        self.isn, self.bytes, self.times, self.first = None, {}, {}, {}

    def add(self, p):
        if p.flags & 2:
            self.isn = p.seq + 1
            return
        if self.isn is None:
            self.isn = p.seq
        off = (p.seq - self.isn + 2**31) % 2**32 - 2**31
        for i, c in enumerate(p.payload):
            if off + i >= 0 and off + i not in self.bytes:
                self.bytes[off + i] = c

    def length(self):
        return max(self.bytes, default=-1) + 1

    def data(self, start=0, end=None):
        """Bytes of a range without its holes."""
        return bytes(self.bytes[i] for i in range(start, self.length() if end is None else end) if i in self.bytes)

    def holes(self):
        """[(start, end)] up to the last byte."""
        found, at = [], 0
        for i in sorted(self.bytes):
            if i > at:
                found.append((at, i))
            at = i + 1
        return found


def sides(packets, client):
    """Of the Packets of one TCP connection, whose client is (address, port)."""
    found = [Side(), Side()]
    for _, p in packets:
        found[(p.src, p.sport) != client].add(p)
    return found
