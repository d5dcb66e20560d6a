# SPDX-License-Identifier: MIT
"""accounting - every packet is in exactly one place: counted once, delivered once, to one worker."""
import base64
import collections
import ipaddress
import random
import struct

from net import MODES

COUNT, RATE, FAST = 200000, 20000, 40000
KERNEL = [mode for mode in MODES if mode != 'pcap']  # libpcap does not count what it leaves out


def balanced(t, label, stats, sent):
    """The books of a run that `sent` frames reached. Their losses, by cause."""
    c, b = stats['capture'], stats['balance']
    lost = sum(c['drops'].values()) + c['kernel'].get('clone_failed', 0)
    kept = sum(n for name, n in c['kernel'].items() if name not in ('delivered', 'cut', 'clone_failed'))
    t.equal(label + ': packets that reached the interface', c['kernel_packets'], sent)
    t.equal(label + ': read + unread + lost + kept', c['packets'] + c['unread'] + c['kernel_drops'] + kept, sent)
    t.equal(label + ': lost = sum of causes', c['kernel_drops'], lost)
    if c['queues']:  # libpcap has one ring for all
        t.equal(label + ': the rings\' packets', sum(q['packets'] for q in c['queues']), c['packets'] + c['unread'])
    t.true(label + ': capture.ok', c['ok'], c)
    t.equal(label + ': balance.in', b['in'], c['packets'])
    t.equal(label + ': balance.out + dropped', sum(b['out'].values()) + sum(b['dropped'].values()), b['in'])
    t.true(label + ': balance.ok', b['ok'], b)
    return c['drops']


def test_every_packet(t, lab, mode):
    """200,000 packets at 20,000/s: sent = received + named drops."""
    pair = lab.pair()
    sensor = lab.sensor_on(pair, mode, '-w', 2)
    sent = lab.send(pair, '--count', COUNT, '--rate', RATE, '--size', 128, '--flows', 256)
    t.equal('exit status', sensor.stop(), 0)
    stats = sensor.stats()
    t.equal('sent', sent, COUNT)
    drops = balanced(t, mode, stats, sent)
    t.true('each drop is explained by a full ring or a missing buffer', set(drops) <= {'ring_full', 'fill_empty'},
           drops)
    if drops:
        t.note('%s: lost %s: the machine was too busy' % (mode, drops))
    flows = [r for r in sensor.records() if r['event_type'] == 'flow']
    t.equal('flows', len(flows), 256)
    t.equal('packets of all flows', sum(r['conn']['packets'] for r in flows), stats['balance']['out']['flow'])


def test_filtered(t, lab, mode):
    """What --capture-filter leaves out is counted where the kernel does it; the rest is all there."""
    pair = lab.pair()
    sensor = lab.sensor_on(pair, mode, '-w', 2, '--capture-filter', 'udp port 20001')
    counts = [lab.send(pair, '--count', 5000, '--rate', RATE, '--size', 128, '--flows', 64, '--seed', seed)
              for seed in (1, 2)]  # the client's port is 20000 and the seed
    t.equal('exit status', sensor.stop(), 0)
    records = sensor.records()
    stats = records[-1]['stats']
    t.equal('lost', balanced(t, mode, stats, sum(counts)), {})
    t.equal('read', stats['capture']['packets'], counts[0])
    t.equal('filtered', stats['capture']['kernel'].get('filtered'), counts[1])
    flows = [r for r in records if r['event_type'] == 'flow']
    t.equal('ports', {r['src_port'] for r in flows} | {r['dest_port'] for r in flows}, {20001, 9000})


# ---- exactly once ----

def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(src, dst, proto, payload):
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), 0, 0, 64, proto, 0, src, dst)
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + payload


def ipv6(src, dst, proto, payload):
    return struct.pack('!IHBB16s16s', 6 << 28, len(payload), proto, 64, src, dst) + payload


def frames(count, flows=256, seed=1):
    """UDP of many lengths in IPv4 and IPv6, some with a VLAN tag; the payload begins with the number."""
    rnd = random.Random(seed)
    filler = rnd.randbytes(4096)
    out = []
    for n in range(count):
        flow, back = n % flows, n // flows % 2
        room = 1400 if rnd.random() < 0.1 else rnd.randrange(0, 300)
        data = struct.pack('!Q', n) + filler[n % 1024:n % 1024 + room]
        ports = (20000 + flow, 9000)[::-1 if back else 1]
        udp = struct.pack('!4H', *ports, 8 + len(data), 0) + data
        if flow % 4 == 3:
            ends = [bytes(15) + b'\1', b'\xfd' + bytes(13) + struct.pack('!H', flow)][::-1 if back else 1]
            packet, kind = ipv6(*ends, 17, udp), 0x86dd
        else:
            ends = [bytes([10, 77, 1, flow % 250]), bytes([10, 78, 1, 1])][::-1 if back else 1]
            packet, kind = ipv4(*ends, 17, udp), 0x0800
        tag = struct.pack('!HH', 0x8100, 100 + flow % 3) if flow % 16 == 5 else b''
        macs = (b'\2\0\0\0\0\1', b'\2\0\0\0\0\2')
        out.append(macs[back] + macs[1 - back] + tag + struct.pack('!H', kind) + packet)
    return out


def write_pcap(path, packets):
    """200 us apart."""
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        for n, p in enumerate(packets):
            f.write(struct.pack('<4I', 1700000000 + n // 5000, n % 5000 * 200, len(p), len(p)) + p)


def flows_of(packets):
    """Packets by flow, as end_points names it."""
    out = collections.Counter()
    for p in packets:
        at = 18 if p[12:14] == b'\x81\0' else 14
        if p[at] >> 4 == 4:
            ends, l4 = (p[at + 12:at + 16], p[at + 16:at + 20]), at + 20
        else:
            ends, l4 = (p[at + 8:at + 24], p[at + 24:at + 40]), at + 40
        ports = struct.unpack('!HH', p[l4:l4 + 4])
        key = sorted((str(ipaddress.ip_address(e)), port) for e, port in zip(ends, ports))
        out[('UDP', *key)] += 1
    return out


def end_points(record):
    ends = sorted([(record['src_ip'], record['src_port']), (record['dest_ip'], record['dest_port'])])
    return record['proto'], *ends


def once(t, label, lab, pair, mode, workers, packets, path):
    sensor = lab.sensor_on(pair, mode, '-w', workers, '--mode', 'dump', '--capture-buffer-size', '32M')
    sent = lab.send(pair, '--pcap', path, '--rate', FAST)
    t.equal(label + ': exit status', sensor.stop(), 0)
    records = sensor.records()
    c = records[-1]['stats']['capture']
    t.equal(label + ': lost', c['drops'], {})
    got = collections.Counter(base64.b64decode(r['packet']) for r in records if r['event_type'] == 'packet')
    want = collections.Counter(packets)
    missing, more = want - got, got - want
    t.true(label + ': each frame once, byte for byte', not missing and not more,
           '%d of %d missing, %d others, for instance %s' % (sum(missing.values()), sent, sum(more.values()),
                                                             [x.hex() for x in list(more)[:1]]))
    return c['queues']


def one_worker(t, label, lab, pair, mode, workers, path, want):
    sensor = lab.sensor_on(pair, mode, '-w', workers, '--capture-buffer-size', '32M')
    lab.send(pair, '--pcap', path, '--rate', FAST)
    t.equal(label + ': exit status', sensor.stop(), 0)
    records = sensor.records()
    t.equal(label + ': lost', records[-1]['stats']['capture']['drops'], {})
    got, used = collections.Counter(), set()
    seen = collections.Counter()
    for r in records:
        if r['event_type'] == 'flow':
            got[end_points(r)] += r['conn']['packets']
            seen[end_points(r)] += 1
            used.add(r['conn']['worker'])
    t.equal(label + ': flows that more than one worker reports', [k for k, n in seen.items() if n > 1], [])
    t.true(label + ': packets of each flow', got == want, '%d flows, %d packets' % (len(got), sum(got.values())))
    t.equal(label + ': workers that had flows', used, set(range(workers)))


def test_exactly_once(t, lab, mode, queues):
    """1, 2 and 4 workers: each frame once and unchanged, each flow in one worker."""
    pair = lab.pair(queues)
    packets = frames(20000)
    path = lab.path('pcap')
    write_pcap(path, packets)
    want = flows_of(packets)
    for workers in (1, 2, 4):
        label = '%d workers' % workers
        rows = once(t, label, lab, pair, mode, workers, packets, path)
        if mode == 'redirect':
            t.equal(label + ': queues with packets', {q['queue'] for q in rows if q['packets']}, set(range(queues)))
        one_worker(t, label, lab, pair, mode, workers, path, want)


TESTS = [(test_every_packet, m) for m in MODES] + \
    [(test_filtered, m) for m in KERNEL] + \
    [(test_exactly_once, m, q) for m in MODES for q in (1, 4)]
