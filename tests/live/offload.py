# SPDX-License-Identifier: MIT
"""offload - what the kernel keeps back: totals stay exact, beside a second sensor that sees everything."""
import pathlib
import struct

from accounting import balanced, checksum, ipv4
from net import Failed, Process, until

SIZE = 30 * 1000 * 1000
CONFIG = '''daemon off; master_process off; pid {0}/nginx.pid; error_log {0}/error.log;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f;
uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; sendfile on;
server {{ listen 10.77.0.2:443 ssl; ssl_certificate {0}/cert; ssl_certificate_key {0}/key; ssl_protocols {1}; root {0}/www; }} }}
'''


def flows(records, proto='TCP'):
    return {r['community_id']: r for r in records if r['event_type'] == 'flow' and r['proto'] == proto}


def totals(flow):
    """All that must not depend on what the kernel kept back."""
    sides = flow['conn']['directions']
    return [(d['packets'], d['bytes'], d['payload_bytes'], d['stream_bytes'] + d['cut_bytes'], d['gap_bytes'])
            for d in (sides['a_to_b'], sides['b_to_a'])] + [flow['flow']['reason']]


def kept(flow):
    return flow['flow']['bypassed'] if flow['flow']['state'] == 'bypassed' else None


def both(t, sensor, reference):
    """Stops both; the records of each, with every packet accounted for."""
    out = []
    for label, each in (('sensor', sensor), ('reference', reference)):
        t.equal(label + ': exit status', each.stop(), 0)
        records = each.records()
        stats = records[-1]['stats']
        t.equal(label + ': lost', balanced(t, label, stats, stats['capture']['kernel_packets']), {})
        out.append(records)
    return out


def test_depth(t, lab, mode, how):
    """Beyond a depth: the same totals for each connection as without, in each mode."""
    pair = lab.pair()
    reference = lab.sensor_on(pair, 'tap', iface='a0', side='a')
    sensor = lab.sensor_on(pair, mode, '-w', 2, '--offload', how, '--stream-depth', 2000)
    lab.send(pair, '--count', 30000, '--rate', 15000, '--size', 500, '--flows', 12, '--tcp')
    records, plain = both(t, sensor, reference)
    got, want = flows(records), flows(plain)
    t.equal('connections', len(want), 12)
    t.equal('totals', {k: totals(v) for k, v in got.items()}, {k: totals(v) for k, v in want.items()})
    t.true('each was offloaded', all(kept(v) for v in got.values()), [v['flow']['state'] for v in got.values()])
    kernel = records[-1]['stats']['capture']['kernel']
    t.true('in the kernel', kernel['counted' if how == 'count' else 'cut'] > 25000, kernel)
    if how == 'count':
        t.equal('packets kept back', sum(b['pkts_toserver'] + b['pkts_toclient'] for b in map(kept, got.values())),
                kernel['counted'])


def segment(back, seq, ack, flags, data=b''):
    """A frame of the connection 10.1.1.1:1234 to 10.1.1.2:80, or back."""
    ends = [bytes([10, 1, 1, 1]), bytes([10, 1, 1, 2])]
    ports = [1234, 80]
    if back:
        ends.reverse()
        ports.reverse()
    tcp = struct.pack('!HHIIBBHHH', *ports, seq, ack, 0x50, flags, 65535, 0, 0) + data
    padded = tcp + bytes(len(tcp) % 2)
    total = checksum(ends[0] + ends[1] + struct.pack('!HH', 6, len(tcp)) + padded)
    frame = bytes(12) + b'\x08\0' + ipv4(*ends, 6, tcp[:16] + struct.pack('!H', total) + tcp[18:])
    return frame.ljust(60, b'\0')


def capture(lab, frames):
    path = lab.path('pcap')
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHIIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        for n, frame in enumerate(frames):
            f.write(struct.pack('<IIII', 1700000000, n, len(frame), len(frame)) + frame)
    return path


REQUEST = b'GET /after HTTP/1.1\r\nHost: x\r\n\r\n'
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'


def test_port_reused(t, lab, mode, how):
    """Another connection of the same endpoints, right behind one that is offloaded: nothing of it is kept back."""
    pair = lab.pair()
    syn, ack, psh, rst, fin = 2, 16, 24, 20, 17
    first = [segment(0, 1000, 0, syn), segment(1, 5000, 1001, syn + ack), segment(0, 1001, 5001, ack)]
    for n in range(0, 10000, 100):
        first += [segment(0, 1001 + n, 5001 + n, psh, bytes(100)), segment(1, 5001 + n, 1101 + n, psh, bytes(100))]
    a, b = 900000000, 800000000
    second = [segment(0, 11001, 15001, rst), segment(0, a, 0, syn), segment(1, b, a + 1, syn + ack),
              segment(0, a + 1, b + 1, ack), segment(0, a + 1, b + 1, psh, REQUEST),
              segment(1, b + 1, a + 1 + len(REQUEST), psh, ANSWER),
              segment(0, a + 1 + len(REQUEST), b + 1 + len(ANSWER), fin),
              segment(1, b + 1 + len(ANSWER), a + 2 + len(REQUEST), fin)]
    sensor = lab.sensor_on(pair, mode, '-w', 2, '--offload', how, '--stream-depth', 500)
    n = lab.send(pair, '--pcap', capture(lab, first), '--rate', 2000)
    n += lab.send(pair, '--pcap', capture(lab, second), '--rate', 0)
    t.equal('exit status', sensor.stop(), 0)
    records = sensor.records()
    t.equal('lost', balanced(t, mode, records[-1]['stats'], n), {})
    t.equal('requests', [(r['http']['url'], r['http']['status']) for r in records if r['event_type'] == 'http'],
            [('/after', 200)])
    got = sorted([d['packets'], d['payload_bytes'], d['stream_bytes'] + d['cut_bytes'], d['gap_bytes']]
                 for r in records if r['event_type'] == 'flow' for d in r['conn']['directions'].values())
    t.equal('packets, payload, stream, gaps', got,
            [[3, len(ANSWER), len(ANSWER), 0], [4, len(REQUEST), len(REQUEST), 0], [101, 10000, 10000, 0],
             [103, 10000, 10000, 0]])


def serve(lab, pair, protocol):
    """nginx with TLS in the namespace b."""
    home = pathlib.Path(lab.path('tls'))
    (home / 'www').mkdir(parents=True)
    home.chmod(0o755)
    (home / 'www' / 'large').write_bytes(bytes(SIZE))
    pair.run('b', 'openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', home / 'key', '-out',
             home / 'cert', '-days', '2', '-subj', '/CN=sensor.test')
    (home / 'conf').write_text(CONFIG.format(home, protocol))
    nginx = Process(lab, pair.inside('b', 'nginx', '-c', home / 'conf', '-p', home, '-e', home / 'error.log'))
    until('nginx listens', lambda: not nginx.running() or ':443' in pair.run('b', 'ss', '-ltn'))
    if not nginx.running():
        raise Failed('nginx: ' + nginx.said())


def test_tls(t, lab, how, protocol):
    """Ciphertext is recognised by itself, and only that: a download over TLS, beside a sensor that sees all of it."""
    pair = lab.pair(raw=False)
    serve(lab, pair, protocol)
    reference = lab.sensor_on(pair, 'tap')
    sensor = lab.sensor_on(pair, 'tap', '--offload', how)
    pair.run('a', 'curl', '-sSk', '--fail', '--max-time', '60', '-o', '/dev/null', 'https://10.77.0.2/large')
    records, plain = both(t, sensor, reference)
    got, want = flows(records), flows(plain)
    t.equal('connections', (len(got), len(want)), (1, 1))
    t.equal('totals', {k: totals(v) for k, v in got.items()}, {k: totals(v) for k, v in want.items()})
    for flow in got.values():
        sides = flow['conn']['directions']
        t.true('most was kept back', sides['b_to_a']['cut_bytes'] > SIZE * 0.9, sides['b_to_a'])
        t.true('the handshake was not', sides['b_to_a']['stream_bytes'] > 1000, sides['b_to_a'])


def flows_now(sensor, t):
    t.equal('reference: exit status', sensor.stop(), 0)
    return [(r['src_port'], r['dest_port']) for r in sensor.records() if r['event_type'] == 'flow']


def test_rule(t, lab):
    """By port, from the first packet on; a flow that only the kernel sees lives on, and ends when it is idle."""
    pair = lab.pair()
    probe = lab.sensor_on(pair, 'tap', iface='a0', side='a')
    lab.send(pair, '--count', 10, '--rate', 1000, '--size', 100, '--flows', 1)
    ports = [p for ends in flows_now(probe, t) for p in ends]
    sensor = lab.sensor_on(pair, 'redirect', '--offload', 'count', '--offload-rule', max(ports),
                           '--flow-idle-timeout-ms', 700)
    lab.send(pair, '--count', 3000, '--rate', 1000, '--size', 100, '--flows', 1)
    until('the flow has ended', lambda: any(r['event_type'] == 'flow' for r in sensor.records()), 5)
    t.equal('exit status', sensor.stop(), 0)
    got = list(flows(sensor.records(), 'UDP').values())
    t.equal('one flow, all packets', [f['conn']['packets'] for f in got], [3000])
    t.equal('it timed out', [f['flow']['reason'] for f in got], ['timeout'])
    t.true('nearly all stayed in the kernel', sensor.stats()['capture']['kernel']['counted'] > 2900)


TESTS = [(test, mode, how) for test in (test_depth, test_port_reused) for mode in ('tap', 'redirect', 'mirror')
         for how in ('cut', 'count')] + \
    [(test_tls, how, protocol) for how in ('cut', 'count') for protocol in ('TLSv1.2', 'TLSv1.3')] + [(test_rule,)]
