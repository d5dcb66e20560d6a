# SPDX-License-Identifier: MIT
"""lists - filters, sorts and pages of streams and matches, held against what the records say of the same captures."""
import ipaddress

import lab

PATTERNS = ['--pattern', 'get=GET ', '--regex', 'error=HTTP/1\\.[01] [45]..', '--pattern', 'none=never there at all',
            '--pack', 'flags']

# What recordings lack: a gap, bytes that differ, more than one worker's share of ports.
ODD = '''
time 1800000000
flow gap tcp 10.7.0.1:50001 10.7.0.2:7001
gap > S
gap < SA
gap > A
gap > PA "first part"
gap > PA "never seen" lost
gap > PA "last part"
gap < PA "ok"
gap > FA
gap < FA
gap > A
wait 100
flow conflict tcp 10.7.0.1:50002 10.7.0.2:7002
conflict > S
conflict < SA
conflict > A
conflict > PA "one two three"
conflict > PA @4 "TWO"
conflict < PA "ok"
flow half tcp 10.7.0.1:50003 10.7.0.2:7003
half > S
half < SA
half > A
half > PA "bye"
half > FA
half < A
'''

PROTOCOLS = {'TCP': 'tcp', 'UDP': 'udp', 'ICMP': 'icmpv4', 'IPv6-ICMP': 'icmpv6', 'SCTP': 'sctp'}


class Expected:
    """Streams as the records tell of them."""

    def __init__(self, lab_, files):
        self.of, self.alerts = {}, []
        for r in lab_.records(*files, *PATTERNS):
            if r['event_type'] == 'flow':
                self.of[r['stream_id']] = self.row(r)
            elif r['event_type'] == 'alert':
                self.alerts.append(r)
        for r in self.alerts:
            x = self.of[r['stream_id']]
            x['patterns'].add(r['match']['pattern_id'])
            x['matches'] += 1

    @staticmethod
    def row(r):
        c = r['conn']
        sides = c['directions'].values()
        return {'id': r['stream_id'], 'protocol': PROTOCOLS[r['proto']], 'service': c['service']['name'],
                'ports': {r['src_port'], r['dest_port']} if 'src_port' in r else set(),
                'hosts': [ipaddress.ip_address(r['src_ip']), ipaddress.ip_address(r['dest_ip'])],
                'client': r['src_ip'], 'server': r['dest_ip'], 'kind': c['content_kind'], 'status': c['status'],
                'bytes': c['bytes'], 'packets': c['packets'], 'first': us(c['first_seen']), 'last': us(c['last_seen']),
                'gap': any(s['gap_bytes'] for s in sides), 'cut': any(s['cut_bytes'] for s in sides),
                'conflict': any(s['conflict_bytes'] for s in sides), 'anomaly': bool(r.get('anomalies')),
                'payload': c['payload_bytes'], 'stream': c['stream_bytes'], 'patterns': set(), 'matches': 0}

    def ids(self, true):
        return sorted(x['id'] for x in self.of.values() if true(x))


def us(text):
    """Microseconds since 1970 of a time of a record."""
    import calendar
    import time
    return calendar.timegm(time.strptime(text[:19], '%Y-%m-%dT%H:%M:%S')) * 10**6 + int(text[20:26])


class Setting:
    def __init__(self, lab_):
        self.files = [*lab_.captures(), lab_.script(ODD)]
        self.server = lab_.serve(*self.files, *PATTERNS)
        self.expected = Expected(lab_, self.files)

    def ids(self, **params):
        return sorted(r['stream_id'] for r in self.server.rows(limit=512, **params))


def in_nets(x, *nets):
    return any(h in ipaddress.ip_network(n, strict=False) for h in x['hosts'] for n in nets
               if ipaddress.ip_network(n, strict=False).version == h.version)


def test_rows(t, lab_):
    """A row says of its stream what the record of the flow does."""
    s = Setting(lab_)
    rows = {r['stream_id']: r for r in s.server.rows(limit=100)}
    t.equal('streams', sorted(rows), sorted(s.expected.of))
    for i, x in s.expected.of.items():
        r = rows.get(i)
        if not r:
            continue
        got = {'protocol': r['protocol'], 'service': r['service']['name'], 'kind': r['content_kind'], 'status': r['status'],
               'bytes': r['bytes'], 'packets': r['packets'], 'first': r['first_seen_us'], 'last': r['last_seen_us'],
               'payload': r['payload_bytes'], 'stream': r['stream_bytes'], 'matches': r['match_count'],
               'client': r['endpoint_a']['addr'], 'server': r['endpoint_b']['addr'], 'patterns': set(r['pattern_ids'])}
        t.equal('stream ' + i, got, {k: x[k] for k in got})
        t.equal('stream %s: times' % i, (us(r['first_seen']), us(r['last_seen'])), (x['first'], x['last']))
        t.true('stream %s: duration' % i, abs(r['duration'] - (x['last'] - x['first']) / 1e6) < 1e-6, r['duration'])
        t.equal('stream %s: ports' % i, {r['endpoint_a']['port'], r['endpoint_b']['port']} if x['ports'] else set(), x['ports'])
        t.equal('stream %s: flags' % i, set(r['flags']), {f for f in ('gap', 'cut', 'conflict', 'anomaly') if x[f]} |
                ({'match'} if x['matches'] else set()))
        t.equal('stream %s: directions' % i, r['bytes_to_server'] + r['bytes_to_client'], r['bytes'])
        for side in 'ab':
            e, text = r['endpoint_' + side], r['client' if side == 'a' else 'server']
            want = e['addr'] if not x['ports'] else ('[%s]:%d' if ':' in e['addr'] else '%s:%d') % (e['addr'], e['port'])
            t.equal('stream %s: %s' % (i, side), text, want)


def test_filters(t, lab_):
    """Each filter alone, with lists and exclusions, and several together."""
    s = Setting(lab_)
    middle = sorted(x['first'] for x in s.expected.of.values())[len(s.expected.of) // 2]
    one = next(x for x in s.expected.of.values() if x['last'] > x['first'])
    at = lambda v: '%d.%06d' % divmod(v, 10**6)
    zulu = lambda v: lab_time(v)
    cases = [
        ({}, lambda x: True),
        ({'protocol': 'tcp'}, lambda x: x['protocol'] == 'tcp'),
        ({'protocol': 'udp,icmpv6'}, lambda x: x['protocol'] in ('udp', 'icmpv6')),
        ({'protocol': 'UDP'}, lambda x: x['protocol'] == 'udp'),
        ({'protocol': '!tcp'}, lambda x: x['protocol'] != 'tcp'),
        ({'protocol': '!tcp,!udp'}, lambda x: x['protocol'] not in ('tcp', 'udp')),
        ({'protocol': '17'}, lambda x: x['protocol'] == 'udp'),
        ({'protocol': 'tcp,udp,!udp'}, lambda x: x['protocol'] == 'tcp'),
        ({'protocol': 'sctp'}, lambda x: False),
        ({'service': 'http'}, lambda x: x['service'] == 'http'),
        ({'service': 'HTTP'}, lambda x: x['service'] == 'http'),
        ({'service': 'dns,ssh'}, lambda x: x['service'] in ('dns', 'ssh')),
        ({'service': '!http,!unknown'}, lambda x: x['service'] not in ('http', 'unknown')),
        ({'service': 'unknown'}, lambda x: x['service'] == 'unknown'),
        ({'port': '80'}, lambda x: 80 in x['ports']),
        ({'port': '80,53'}, lambda x: x['ports'] & {80, 53}),
        ({'port': '!80'}, lambda x: 80 not in x['ports']),
        ({'port': '80,!50001'}, lambda x: 80 in x['ports'] and 50001 not in x['ports']),
        ({'port': str(next(iter(one['ports'])))}, lambda x: next(iter(one['ports'])) in x['ports']),
        ({'port': '1'}, lambda x: 1 in x['ports']),
        ({'port': '0'}, lambda x: 0 in x['ports']),
        ({'host': '10.9.0.1'}, lambda x: in_nets(x, '10.9.0.1')),
        ({'host': '10.9.0.2,127.0.0.1'}, lambda x: in_nets(x, '10.9.0.2', '127.0.0.1')),
        ({'host': '10.9.0.0/24'}, lambda x: in_nets(x, '10.9.0.0/24')),
        ({'host': '10.9.0.77/24'}, lambda x: in_nets(x, '10.9.0.0/24')),
        ({'host': '10.0.0.0/8'}, lambda x: in_nets(x, '10.0.0.0/8')),
        ({'host': '0.0.0.0/0'}, lambda x: in_nets(x, '0.0.0.0/0')),
        ({'host': '0.0.0.0'}, lambda x: in_nets(x, '0.0.0.0')),
        ({'host': '::/0'}, lambda x: in_nets(x, '::/0')),
        ({'host': 'fd00:9::1'}, lambda x: in_nets(x, 'fd00:9::1')),
        ({'host': 'FD00:9:0::2'}, lambda x: in_nets(x, 'fd00:9::2')),
        ({'host': 'fd00:9::/64'}, lambda x: in_nets(x, 'fd00:9::/64')),
        ({'host': 'fe80::/10'}, lambda x: in_nets(x, 'fe80::/10')),
        ({'host': '!10.9.0.0/24'}, lambda x: not in_nets(x, '10.9.0.0/24')),
        ({'host': '10.0.0.0/8,!10.9.0.1'}, lambda x: in_nets(x, '10.0.0.0/8') and not in_nets(x, '10.9.0.1')),
        ({'host': '192.0.2.1'}, lambda x: False),
        ({'content_kind': 'text'}, lambda x: x['kind'] == 'text'),
        ({'content_kind': 'binary,mixed'}, lambda x: x['kind'] in ('binary', 'mixed')),
        ({'content_kind': '!unknown'}, lambda x: x['kind'] != 'unknown'),
        *(({'status': v}, lambda x, v=v: x['status'] == v)
          for v in ('open', 'closing', 'closed', 'reset', 'timeout', 'evicted')),
        ({'status': 'reset,timeout'}, lambda x: x['status'] in ('reset', 'timeout')),
        ({'status': '!closed'}, lambda x: x['status'] != 'closed'),
        ({'pattern_id': 'substring:0'}, lambda x: 'substring:0' in x['patterns']),
        ({'pattern_id': 'regex:0'}, lambda x: 'regex:0' in x['patterns']),
        ({'pattern_id': 'regex:0,pack:0'}, lambda x: x['patterns'] & {'regex:0', 'pack:0'}),
        ({'pattern_id': '!substring:0'}, lambda x: 'substring:0' not in x['patterns']),
        ({'pattern_id': 'substring:0,!regex:0'}, lambda x: 'substring:0' in x['patterns'] and 'regex:0' not in x['patterns']),
        ({'pattern_id': 'substring:1'}, lambda x: False),
        ({'pattern_id': 'substring:77'}, lambda x: False),
        ({'pattern_id': '!substring:77'}, lambda x: True),
        *(({'has': v}, lambda x, v=v: x[v]) for v in ('gap', 'cut', 'anomaly', 'conflict')),
        ({'has': 'match'}, lambda x: x['matches']),
        ({'has': 'note'}, lambda x: False),
        ({'has': '!anomaly'}, lambda x: not x['anomaly']),
        ({'has': 'anomaly,match'}, lambda x: x['anomaly'] and x['matches']),
        ({'has': 'anomaly,!match'}, lambda x: x['anomaly'] and not x['matches']),
        ({'only_matched': 'true'}, lambda x: x['matches']),
        ({'only_favorites': 'true'}, lambda x: False),
        ({'include_hidden': 'true'}, lambda x: True),
        ({'min_bytes': 1}, lambda x: True),
        ({'min_bytes': one['bytes']}, lambda x: x['bytes'] >= one['bytes']),
        ({'min_bytes': one['bytes'] + 1}, lambda x: x['bytes'] > one['bytes']),
        ({'min_bytes': 2**40}, lambda x: False),
        ({'color': 'none'}, lambda x: True),
        ({'color': 'red,blue'}, lambda x: False),
        ({'color': '!none'}, lambda x: False),
        ({'since': at(middle)}, lambda x: x['last'] >= middle),
        ({'since': at(middle + 1)}, lambda x: x['last'] > middle),
        ({'until': at(middle)}, lambda x: x['first'] <= middle),
        ({'until': at(middle - 1)}, lambda x: x['first'] < middle),
        ({'since': zulu(one['last'])}, lambda x: x['last'] >= one['last']),
        ({'since': zulu(one['last'] + 1)}, lambda x: x['last'] > one['last']),
        ({'until': zulu(one['first'])}, lambda x: x['first'] <= one['first']),
        ({'since': at(one['first']), 'until': at(one['last'])}, lambda x: x['last'] >= one['first'] and x['first'] <= one['last']),
        ({'since': at(middle), 'until': at(middle - 10**9)}, lambda x: x['last'] >= middle and x['first'] <= middle - 10**9),
        ({'until': '1'}, lambda x: False),
        ({'until': '0'}, lambda x: False),
        ({'since': '2100-01-01T00:00:00Z'}, lambda x: False),
        ({'profile': 'http'}, lambda x: x['protocol'] == 'tcp' and (x['service'] in ('http', 'http2') or
         x['ports'] & {80, 8000, 8008, 8080, 8081, 8888})),
        ({'profile': 'HTTPS'}, lambda x: x['protocol'] == 'tcp' and (x['service'] == 'https' or x['ports'] & {443, 8443})),
        ({'profile': 'tls'}, lambda x: x['service'] == 'tls'),
        ({'profile': 'dns'}, lambda x: x['service'] in ('dns', 'mdns', 'llmnr') or x['ports'] & {53, 5353, 5355}),
        ({'profile': 'binary'}, lambda x: x['kind'] == 'binary'),
        ({'profile': 'matched'}, lambda x: x['matches']),
        ({'protocol': 'tcp', 'service': '!http', 'host': '10.9.0.0/24', 'status': 'closed', 'min_bytes': 1000},
         lambda x: x['protocol'] == 'tcp' and x['service'] != 'http' and in_nets(x, '10.9.0.0/24') and
         x['status'] == 'closed' and x['bytes'] >= 1000),
        ({'service': 'http', 'has': 'match', 'port': '80', 'since': at(middle), 'content_kind': 'text,mixed'},
         lambda x: x['service'] == 'http' and x['matches'] and 80 in x['ports'] and x['last'] >= middle and
         x['kind'] in ('text', 'mixed')),
        ({'profile': 'http', 'host': 'fd00:9::/64', 'only_matched': 'true'},
         lambda x: x['protocol'] == 'tcp' and (x['service'] in ('http', 'http2') or x['ports'] & {80, 8000, 8008, 8080, 8081, 8888})
         and in_nets(x, 'fd00:9::/64') and x['matches']),
    ]
    nonempty = 0
    for params, true in cases:
        want = s.expected.ids(true)
        nonempty += 0 < len(want) < len(s.expected.of)
        t.equal('streams with %r' % params, s.ids(**params), want)
        page = s.server.get('/api/streams', limit=1, **params)
        t.equal('total with %r' % params, (page['total'], page['total_exact']), (len(want), True))
    t.true('most of these filters leave out some and keep some', nonempty > 50, nonempty)


def lab_time(v):
    import time
    return time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(v // 10**6)) + '.%06dZ' % (v % 10**6)


def test_marks_filter(t, lab_):
    s = Setting(lab_)
    ids = sorted(s.expected.of)
    for i, body in zip(ids, [{'favorite': True}, {'favorite': True, 'color': 'red'}, {'note': 'x'}, {'color': 'blue'},
                             {'hidden': True}, {'hidden': True, 'favorite': True}]):
        s.server.patch('/api/streams/%s/state' % i, body)
    for params, want in [
            ({'only_favorites': 'true'}, ids[:2]), ({'only_favorites': 'true', 'include_hidden': 'true'}, ids[:2] + [ids[5]]),
            ({'has': 'note'}, [ids[2]]), ({'color': 'red,blue'}, [ids[1], ids[3]]), ({'color': '!none,!red'}, [ids[3]]),
            ({'color': 'green'}, []), ({}, ids[:4] + ids[6:]), ({'include_hidden': 'true'}, ids)]:
        t.equal('streams with %r' % params, s.ids(**params), sorted(want))


SORTS = {'last_seen': 'last_seen_us', 'first_seen': 'first_seen_us', 'bytes': 'bytes', 'packets': 'packets',
         'match_count': 'match_count'}


def test_sorts_and_pages(t, lab_):
    s = Setting(lab_)
    for name, member in SORTS.items():
        for sort in (name, '-' + name):
            for filters in ({}, {'protocol': 'tcp'}, {'only_matched': 'true'}):
                whole = s.server.get('/api/streams', sort=sort, limit=512, **filters)['rows']
                keys = [r[member] for r in whole]
                t.equal('sorted by %s, %r' % (sort, filters), keys, sorted(keys, reverse=sort[0] == '-'))
                for limit in (1, 7, 512) if not filters else (5,):
                    walk(t, s, sort, limit, filters, [r['stream_id'] for r in whole])
    rows = s.server.get('/api/streams', limit=512)['rows']
    t.equal('without a sort the newest comes first', [r['last_seen_us'] for r in rows],
            sorted((r['last_seen_us'] for r in rows), reverse=True))


def walk(t, s, sort, limit, filters, whole):
    """Page by page to the end, and back."""
    what = 'by %s in pages of %d, %r' % (sort, limit, filters)
    pages, cursor = [], '0'
    while cursor is not None and len(pages) <= len(whole):
        page = s.server.get('/api/streams', sort=sort, limit=limit, cursor=cursor, **filters)
        pages.append(page)
        cursor = page['next_cursor']
    ids = [[r['stream_id'] for r in p['rows']] for p in pages]
    t.equal(what + ': each row once, in order', sum(ids, []), whole)
    t.true(what + ': pages are full', all(len(x) == limit for x in ids[:-1]) and (len(ids) == 1 or 0 < len(ids[-1]) <= limit))
    t.equal(what + ': the first page has none before it', pages[0]['prev_cursor'], None)
    t.true(what + ': total', all(p['total'] == len(whole) for p in pages))
    for i in range(len(pages) - 1, 0, -1):
        if not t.true('%s: page %d has one before it' % (what, i), pages[i]['prev_cursor'] is not None):
            return
        back = s.server.get('/api/streams', sort=sort, limit=limit, cursor=pages[i]['prev_cursor'], **filters)
        if not t.equal('%s: back from page %d' % (what, i), [r['stream_id'] for r in back['rows']], ids[i - 1]):
            return


def test_around(t, lab_):
    s = Setting(lab_)
    for sort in ('-last_seen', 'bytes'):
        for limit, filters in ((10, {}), (3, {'protocol': 'tcp'}), (512, {})):
            whole = [r['stream_id'] for r in s.server.get('/api/streams', sort=sort, limit=512, **filters)['rows']]
            for rank in (0, 1, limit - 1, limit, len(whole) // 2, len(whole) - 1):
                if rank >= len(whole):
                    continue
                p = s.server.get('/api/streams', sort=sort, limit=limit, around=whole[rank], **filters)
                ids = [r['stream_id'] for r in p['rows']]
                what = 'around rank %d by %s in pages of %d' % (rank, sort, limit)
                t.true(what + ': it is on its page', whole[rank] in ids)
                t.equal(what + ': rank', p.get('rank'), rank)
                at = whole.index(ids[0]) if ids else 0
                t.equal(what + ': a page of the list', ids, whole[at:at + limit])
                if p['next_cursor'] is not None:
                    q = s.server.get('/api/streams', sort=sort, limit=limit, cursor=p['next_cursor'], **filters)
                    t.equal(what + ': what follows', [r['stream_id'] for r in q['rows']], whole[at + limit:at + 2 * limit])
                else:
                    t.equal(what + ': nothing follows', at + len(ids), len(whole))
                if at:
                    q = s.server.get('/api/streams', sort=sort, limit=limit, cursor=p['prev_cursor'], **filters)
                    t.equal(what + ': what stands before', [r['stream_id'] for r in q['rows']], whole[at - limit:at])
    tcp = s.server.get('/api/streams', protocol='tcp')['rows'][0]['stream_id']
    t.error('around a stream that the filter leaves out', s.server.call('GET', '/api/streams',
            {'around': tcp, 'protocol': 'udp'}), 404)
    s.server.patch('/api/streams/%s/state' % tcp, {'hidden': True})
    t.error('around a hidden stream', s.server.call('GET', '/api/streams', {'around': tcp}), 404)
    p = s.server.get('/api/streams', around=tcp, include_hidden='true')
    t.true('around a hidden stream, hidden ones included', tcp in [r['stream_id'] for r in p['rows']])
    whole = [r['stream_id'] for r in s.server.get('/api/streams', limit=512)['rows']]
    for rank in (0, 6, len(whole) - 1, len(whole), 10**6):
        p, at = s.server.get('/api/streams', limit=5, around='rank:%d' % rank), min(rank, len(whole) - 1)
        t.equal('the page of rank %d' % rank, (p['rank'], [r['stream_id'] for r in p['rows']]), (at, whole[at - at % 5:at - at % 5 + 5]))
    p = s.server.get('/api/streams', around='rank:3', port=1)
    t.true('of an empty list', p['rows'] == [] and 'rank' not in p)
    for bad in ('rank:', 'rank:x', 'rank:-1', 'rank:4294967295', 'rank'):
        t.error('around=' + bad, s.server.call('GET', '/api/streams', {'around': bad}), 400)
    for form in (tcp.upper(), '0x' + tcp, str(int(tcp, 16))):
        a = s.server.call('GET', '/api/streams', {'around': form, 'include_hidden': 'true'})
        t.true('around=' + form, a.status == 200 and tcp in a.body.decode(), a.body[:150])


def test_stale_cursors(t, lab_):
    s = Setting(lab_)
    other = lab_.serve(*s.files, *PATTERNS)
    page = s.server.get('/api/streams', limit=5)
    t.true('a cursor is a text', isinstance(page['next_cursor'], str))
    for what, server, params in [
            ('of another instance', other, {}), ('of another sort', s.server, {'sort': 'bytes'}),
            ('of the same sort the other way', s.server, {'sort': 'last_seen'})]:
        a = server.call('GET', '/api/streams', {'cursor': page['next_cursor'], 'limit': 5, **params})
        t.error('a cursor ' + what, a, 400, 'stale_cursor')
    for bad in ('1', '5', 'x', page['next_cursor'] + '0g', page['next_cursor'][:-1] + '-', page['next_cursor'] + ' '):
        t.error('cursor ' + bad, s.server.call('GET', '/api/streams', {'cursor': bad}), 400, 'stale_cursor')
    m = s.server.get('/api/matches', limit=3)
    t.true('matches have a cursor', m['next_cursor'])
    t.error('a cursor of matches of another instance', other.call('GET', '/api/matches', {'cursor': m['next_cursor']}), 400,
            'stale_cursor')
    t.error('a cursor of streams for matches', s.server.call('GET', '/api/matches', {'cursor': page['next_cursor']}), 400,
            'stale_cursor')


def test_matches(t, lab_):
    s = Setting(lab_)

    def key(a):
        m = a['match']
        return (a['stream_id'], m['pattern_id'], m['direction'], m['where'], a['alert']['signature'], m['start'], m['end'],
                m['bytes_base64'], a['timestamp'], a['pcap_cnt'])

    def got(m):
        return (m['stream_id'], m['pattern_id'], m['direction'], m['where'], m['pattern_name'], m['logical_start'],
                m['logical_end'], m['match_base64'], m['timestamp'], m['packet'])

    everything = all_matches(s.server, limit=7)
    t.equal('matches are those of the alert records', sorted(map(got, everything)), sorted(map(key, s.expected.alerts)))
    t.true('there are some', len(everything) > 40, len(everything))
    t.equal('total', s.server.get('/api/matches')['total'], len(s.expected.alerts))
    for params, true in [
            ({'pattern_id': 'substring:0'}, lambda a: a['match']['pattern_id'] == 'substring:0'),
            ({'pattern_id': 'substring:0,pack:0'}, lambda a: a['match']['pattern_id'] in ('substring:0', 'pack:0')),
            ({'pattern_id': '!substring:0'}, lambda a: a['match']['pattern_id'] != 'substring:0'),
            ({'service': 'http'}, lambda a: s.expected.of[a['stream_id']]['service'] == 'http'),
            ({'service': '!http'}, lambda a: s.expected.of[a['stream_id']]['service'] != 'http'),
            ({'since': '1795211200.5'}, lambda a: us(a['timestamp']) >= 1795211200500000),
            ({'until': '2026-11-20T21:46:16Z'}, lambda a: us(a['timestamp']) <= 1795211176000000),
            ({'pattern_id': 'substring:77'}, lambda a: False),
            ({'pattern_id': 'substring:0', 'service': 'http', 'since': '1795211200'},
             lambda a: a['match']['pattern_id'] == 'substring:0' and us(a['timestamp']) >= 1795211200000000 and
             s.expected.of[a['stream_id']]['service'] == 'http')]:
        t.equal('matches with %r' % params, sorted(map(got, all_matches(s.server, **params))),
                sorted(key(a) for a in s.expected.alerts if true(a)))
    newest = {}  # as they were found: of one pattern in one direction of a stream that is the order of its packets
    for m in all_matches(lab_.serve(*s.files, *PATTERNS, '-w', 1), limit=100):
        newest.setdefault((m['stream_id'], m['direction'], m['pattern_id']), []).append(m['timestamp'])
    for of, times in newest.items():
        t.equal('newest first: %s %s %s' % of, times, sorted(times, reverse=True))
    for i, x in s.expected.of.items():
        if x['matches']:
            own = s.server.get('/api/streams/%s/matches' % i)
            t.equal('matches of ' + i, sorted(map(got, own['matches'])),
                    sorted(key(a) for a in s.expected.alerts if a['stream_id'] == i))
            t.equal('their number', own['match_count'], x['matches'])


def all_matches(server, **params):
    found = []
    while True:
        page = server.get('/api/matches', **params)
        found += page['matches']
        if page['next_cursor'] is None:
            return found
        params['cursor'] = page['next_cursor']


def test_many_streams(t, lab_):
    """Lists that do not fit the short cut for small ones: sorts, pages back and forth, filters, ranks."""
    n = 9000
    capture = lab_.script('step 0.0001\nrepeat %d\nflow f$i udp 10.1.0.1:$i+10000 10.2.0.1:$i*7+1000\n'
                          'f$i > fill x $i*3+1\nend\n' % n)
    server = lab_.serve(capture)
    rows = server.rows(limit=512, sort='-bytes')
    t.equal('streams', len(rows), n)
    t.equal('largest first', [r['bytes'] for r in rows], sorted((r['bytes'] for r in rows), reverse=True))
    t.equal('each once', len({r['stream_id'] for r in rows}), n)
    for sort in ('-last_seen', 'first_seen', 'bytes', '-packets', 'match_count'):
        for filters in ({}, {'min_bytes': 5000}):
            whole = [r['stream_id'] for r in server.rows(limit=500, sort=sort, **filters)]
            t.equal('each once by %s, %r' % (sort, filters), (len(whole), len(set(whole))), (server.get('/api/streams', **filters)
                    ['total'],) * 2)
            for rank in (0, 99, 100, 4321, len(whole) - 1):
                p = server.get('/api/streams', sort=sort, limit=100, around=whole[rank], **filters)
                ids = [r['stream_id'] for r in p['rows']]
                at = rank // 100 * 100
                t.equal('around %d by %s, %r' % (rank, sort, filters), (p['rank'], ids), (rank, whole[at:at + 100]))
                if at:
                    q = server.get('/api/streams', sort=sort, limit=100, cursor=p['prev_cursor'], **filters)
                    t.equal('before %d by %s, %r' % (rank, sort, filters), [r['stream_id'] for r in q['rows']],
                            whole[at - 100:at])
    t.equal('one port', [r['endpoint_a']['port'] for r in server.rows(port=15000)][:1], [15000])


TESTS = [test_rows, test_filters, test_marks_filter, test_sorts_and_pages, test_around, test_stale_cursors, test_matches,
         test_many_streams]
