# SPDX-License-Identifier: MIT
"""same - a capture that is sent over a wire has the same records as its replay, in each mode."""
import collections
import json
import os
import pathlib
import signal
import struct
import subprocess

from accounting import write_pcap
from net import MODES, TOP, Sensor, sent

RATE = 5000
OPTIONS = ['--stream-hash', 'sha256', '--file-hash', 'sha256', '--http-headers', '--flow-previews', '--pack',
           'flags,secrets']
CORPUS = pathlib.Path(os.environ.get('CORPUS', TOP / '../shared/corpus'))
# Of the corpus, where it is: many protocols, tunnels, fragments, damage.
CHOSEN = ['arkime__imap', 'arkime__tcp-reassembly-synthetic', 'ndpi__android', 'ndpi__teredo',
          'pcapplusplus__gtp-u', 'pcapplusplus__ip4_fragments', 'suricata__http-brotli-ce',
          'suricata__ipv6-malformed-fragments-15-frag-15', 'suricata__pppoe', 'tcpdump__geneve', 'tcpreplay__test',
          'tcpreplay__test_fragroute', 'zeek__communityid-sctp', 'zeek__http-bro.org', 'zeek__http-methods',
          'zeek__ipv6-http-atomic-frag', 'zeek__q-in-q', 'zeek__tunnels-gre-within-gre',
          'zeek__tunnels-gtp-gtp1_gn_normal_incl_fragmentation', 'zeek__wikipedia']
# A packet whose owner is only known once it was decoded (a fragment, a tunnel that the kernel's program does not open)
# is handed from worker to worker, and overtakes or is overtaken by what the owner reads itself: live, that order is
# not kept. Captures that have such packets are compared with one worker only.
ONE_WORKER = {'dns', 'fragments', 'vxlan-fragments', 'ndpi__teredo', 'pcapplusplus__gtp-u',
              'pcapplusplus__ip4_fragments', 'suricata__ipv6-malformed-fragments-15-frag-15', 'suricata__pppoe',
              'tcpreplay__test', 'tcpreplay__test_fragroute', 'zeek__ipv6-http-atomic-frag',
              'zeek__tunnels-gre-within-gre', 'zeek__tunnels-gtp-gtp1_gn_normal_incl_fragmentation'}
GROUP = 8
PAUSE, FRAMES, MTU, JUMBO = 10, 5000, 1500, 9000

# What a clock, a name of an interface or the number of a packet says.
LEFT_OUT = {'timestamp', 'timestamp_ns', 'stream_id', 'flow_id', 'pcap_cnt', 'pcap_filename', 'pcap_file_cnt',
            'in_iface'}
LEFT_OUT_OF = {'conn': {'first_seen', 'last_seen', 'worker'}, 'flow': {'start', 'end', 'age'},
               'tcp': {'handshake_rtt_us'}}


# ---- which captures ----

def frames(path):
    """(seconds, captured, on the wire) of a classic pcap of Ethernet; None of anything else."""
    data = path.read_bytes()
    kinds = {b'\xd4\xc3\xb2\xa1': ('<', 1e6), b'\xa1\xb2\xc3\xd4': ('>', 1e6), b'\x4d\x3c\xb2\xa1': ('<', 1e9),
             b'\xa1\xb2\x3c\x4d': ('>', 1e9)}
    if data[:4] not in kinds:
        return None
    order, parts = kinds[data[:4]]
    if struct.unpack_from(order + 'I', data, 20)[0] != 1:
        return None
    out, at = [], 24
    while at + 16 <= len(data):
        sec, part, cap, length = struct.unpack_from(order + '4I', data, at)
        at += 16 + cap
        if at > len(data):
            return None
        out.append((sec + part / parts, cap, length))
    return out


def sendable(path):
    rows = frames(path)
    return bool(rows) and len(rows) <= FRAMES and all(14 <= cap == length <= JUMBO + 14 for _, cap, length in rows) \
        and all(abs(b[0] - a[0]) <= PAUSE for a, b in zip(rows, rows[1:]))


def captures():
    own = [p for p in sorted((TOP / 'tests/captures').glob('*.pcap')) if sendable(p)]
    return own + [p for p in (CORPUS / (name + '.pcap') for name in CHOSEN) if p.exists()]


Group = collections.namedtuple('Group', 'name mtu rate workers paths')


def groups():
    """Several captures at once: starting sensors takes longer than sending."""
    kinds = {'ethernet': (MTU, RATE, (1, 2)), 'jumbo': (JUMBO, RATE, (1, 2)), 'one worker': (JUMBO, RATE, (1,))}
    paths = collections.defaultdict(list)
    for p in captures():
        longest = max(length for _, _, length in frames(p))
        kind = 'one worker' if p.stem in ONE_WORKER else \
            'jumbo' if longest > MTU + 14 else 'ethernet'
        paths[kind].append(p)
    return [Group('%s %d' % (kind, i // GROUP + 1), *kinds[kind], paths[kind][i:i + GROUP])
            for kind in kinds for i in range(0, len(paths[kind]), GROUP)]


def join(path, parts):
    """One capture of several, at the pace that it is sent with. How many frames it has."""
    packets = []
    for part in parts:
        data, at = part.read_bytes(), 24
        for _, cap, _ in frames(part):
            packets.append(data[at + 16:at + 16 + cap])
            at += 16 + cap
    write_pcap(path, packets)
    return len(packets)


# ---- records without what may differ ----

def key_of(r):
    ends = sorted([(r.get('src_ip', ''), r.get('src_port', 0)), (r.get('dest_ip', ''), r.get('dest_port', 0))])
    return '%s %s' % (r.get('proto', ''), ' '.join('%s:%s' % e for e in ends))


def stream_names(records):
    """stream_id to (flow key, ordinal of the connection on that key)."""
    first = {}
    for n, r in enumerate(records):
        if 'stream_id' in r:
            start = r['flow']['start'] if r['event_type'] == 'flow' else r['timestamp']
            old = first.get(r['stream_id'])
            # only flow records know the key of the connection, and when it began
            if old is None or r['event_type'] == 'flow':
                first[r['stream_id']] = (key_of(r), start, n)
    out, ordinal = {}, collections.Counter()
    for stream, (key, _, _) in sorted(first.items(), key=lambda x: x[1]):
        out[stream] = '%s #%d' % (key, ordinal[key])
        ordinal[key] += 1
    return out


def comparable(records):
    """Multiset of canonical records; those that come once a second and only say how many are summed."""
    names, out, loose = stream_names(records), collections.Counter(), collections.Counter()
    for r in records:
        if r['event_type'] in ('stats', 'packet'):
            continue
        if r['event_type'] == 'anomaly' and 'stream_id' not in r:
            loose[r['anomaly']['event']] += r['anomaly']['count']
            continue
        x = {k: v for k, v in r.items() if k not in LEFT_OUT}
        for part, members in LEFT_OUT_OF.items():
            if isinstance(x.get(part), dict):
                x[part] = {k: v for k, v in x[part].items() if k not in members}
        x[' stream'] = names.get(r.get('stream_id'), '')
        out[json.dumps(x, sort_keys=True)] += 1
    for event, count in loose.items():
        out[json.dumps({'event_type': 'anomaly', ' total of': event, 'count': count})] += 1
    return out


def members(value, path=''):
    if isinstance(value, dict):
        for k, v in value.items():
            yield from members(v, '%s.%s' % (path, k) if path else k)
    elif isinstance(value, list):
        for k, v in enumerate(value):
            yield from members(v, '%s.%d' % (path, k))
    else:
        yield path, value


def difference(want, got):
    """Of the first record that differs: the members that do; None where none differs."""
    missing, more = list((want - got).elements()), list((got - want).elements())
    if not missing and not more:
        return None
    text = ['%d records are missing, %d are too many' % (len(missing), len(more))]
    if missing and more:
        a = dict(members(json.loads(missing[0])))
        b = min((dict(members(json.loads(x))) for x in more),
                key=lambda b: (b.get('event_type') != a.get('event_type'), b.get(' stream') != a.get(' stream'),
                               len(set(a.items()) ^ set(b.items()))))
        text.append('%s of %s' % (a.get('event_type'), a.get(' stream')))
        text += ['  %s: %r by replay, %r live' % (k, a.get(k), b.get(k)) for k in sorted(a.keys() | b.keys())
                 if a.get(k) != b.get(k)]
    else:
        text.append(('by replay only: ' if missing else 'live only: ') + (missing or more)[0][:600])
    return '\n'.join(text)


# ---- the test ----

def replay(lab, path):
    out = lab.path('jsonl')
    subprocess.run([lab.sensor, path, '-o', out, '-w', '1', *OPTIONS], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=60)
    with open(out, encoding='utf-8') as f:
        return [json.loads(x) for x in f]


def pairs_for(lab, mtu):
    """Copies share one pair; redirect takes all, so that each sensor needs its own."""
    pairs = [lab.pair() for _ in range(3)]
    for pair in pairs:
        for side in 'ab':
            # The host would answer broken IPv6 packets, and copies would have that too.
            pair.run(side, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/%s0/disable_ipv6' % side)
            pair.ip(side, 'link', 'set', side + '0', 'mtu', mtu)
    return pairs


def compare(lab, pairs, group, paths):
    """Sensors at once, in each mode one per count of workers: (what, good, why not)."""
    copy = lab.path('pcap')
    count = join(copy, paths)
    want = comparable(replay(lab, copy))
    sensors = []
    for mode in MODES:
        for workers in group.workers:
            pair = pairs[workers] if mode == 'redirect' else pairs[0]
            sensors.append(('%s, %d workers' % (mode, workers),
                            Sensor(lab, pair, mode, '-w', workers, '--capture-buffer-size', '64M', *OPTIONS)))
    for _, sensor in sensors:
        sensor.ready()
    senders = [lab.send(pair, '--pcap', copy, '--rate', group.rate, wait=False) for pair in pairs]
    for s in senders:
        yield 'sent', sent(s) == count, s.printed()
    for _, sensor in sensors:
        sensor.kill(signal.SIGTERM)
    for label, sensor in sensors:
        yield label + ': exit status', sensor.wait() == 0, sensor.said()
        records = sensor.records()
        c = records[-1]['stats']['capture']
        arrived = c['kernel_packets'] == count and c['packets'] == count and c['drops'] == {}
        yield label + ': %d arrived, none lost' % count, arrived, c
        if arrived:
            found = difference(want, comparable(records))
            yield label + ': the records of a replay', found is None, found


def test_records(t, lab, name):
    """What differs is looked for in each capture alone."""
    group = next(g for g in groups() if g.name == name)
    pairs, good = pairs_for(lab, group.mtu), True
    for what, ok, why in compare(lab, pairs, group, group.paths):
        good &= t.true(what, ok, why)
    for path in [] if good else group.paths:
        for what, ok, why in compare(lab, pairs, group, [path]):
            if not ok:
                t.note('%s: %s: %s' % (path.name, what, why))


TESTS = [(test_records, g.name) for g in groups()]
