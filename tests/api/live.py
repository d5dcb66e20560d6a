# SPDX-License-Identifier: MIT
"""live - what clients follow (deltas, events), and the numbers: health, metrics, timeline, top."""
import os
import re
import struct
import threading
import time

import frames
import lab
import lists


def patch(server, stream, note):
    server.patch('/api/streams/%s/state' % stream, {'note': note})


def deltas(server, cursor, **params):
    return server.get('/api/live/deltas', cursor=cursor, **params)


def notes(found):
    """Of the rows in deltas: the last one of each stream."""
    return {r['stream_id']: r['note'] for d in found if d['kind'] == 'streams' for r in d['rows']}


def test_cursors(t, lab_):
    server = lab_.serve(*lab_.captures(), '--pattern', 'GET ')
    whole = deltas(server, 0, limit=8192)
    got = whole['deltas']
    t.equal('cursors count up from 1', [d['cursor'] for d in got], list(range(1, len(got) + 1)))
    t.equal('the last one', (whole['next_cursor'], whole['latest_cursor'], whole['missed'], whole['dropped_before']),
            (len(got), len(got), False, 0))
    t.equal('run_status', whole['run_status'], 'completed')
    rows = {r['stream_id']: r for r in server.rows()}
    seen = {r['stream_id']: r for d in got if d['kind'] == 'streams' for r in d['rows']}
    t.equal('they tell of every stream, as it is', seen, rows)
    t.equal('and of every match', len([1 for d in got if d['kind'] == 'matches' for m in d['matches']]),
            server.get('/api/matches')['total'])
    t.equal('a status at the end', [d['run_status'] for d in got if d['kind'] == 'status'], ['completed'])
    t.equal('kinds', {d['kind'] for d in got} - {'streams', 'matches', 'stats', 'queue', 'status', 'view'}, set())
    parts, cursor = [], 0
    while True:
        page = deltas(server, cursor, limit=1)
        if not page['deltas']:
            break
        t.equal('one at a time', (len(page['deltas']), page['next_cursor']), (1, cursor + 1))
        parts += page['deltas']
        cursor = page['next_cursor']
    t.equal('one at a time they are the same', [d['cursor'] for d in parts], [d['cursor'] for d in got])
    page = deltas(server, cursor)
    t.equal('nothing new', (page['deltas'], page['next_cursor'], page['missed']), ([], cursor, False))
    stream = next(iter(rows))
    patch(server, stream, 'one')
    page = deltas(server, cursor)
    t.equal('a mark is one', [(d['kind'], [(r['stream_id'], r['note']) for r in d['rows']]) for d in page['deltas'] if d['kind'] ==
            'streams'], [('streams', [(stream, 'one')])])
    server.post('/api/view/hide-rules', {'kind': 'service', 'value': 'http'})
    page = deltas(server, page['next_cursor'])
    t.equal('a rule tells of the rows it hides', sorted(r['stream_id'] for d in page['deltas'] if d['kind'] == 'streams'
            for r in d['rows']), sorted(i for i, r in rows.items() if r['service']['name'] == 'http'))
    t.equal('and of the view', [d['hide_rules'] for d in page['deltas'] if d['kind'] == 'view'][-1:], [1])
    for beyond in (page['latest_cursor'] + 1, 2**40, 2**63):
        ahead = deltas(server, beyond)
        t.equal('a cursor that was never given out: begin anew', (ahead['missed'], ahead['next_cursor']),
                (True, ahead['latest_cursor']))
    health = server.get('/api/health')
    t.equal('health knows them', (health['latest_delta_cursor'], health['dropped_delta_cursor']), (page['latest_cursor'], 0))
    t.equal('the list says where to go on', server.get('/api/streams')['latest_cursor'], page['latest_cursor'])


def test_instances(t, lab_):
    one, two = lab_.serve(lab_.capture('demo')), lab_.serve(lab_.capture('demo'))
    a, b = one.get('/api/health')['instance'], two.get('/api/health')['instance']
    t.true('two runs are two instances', a != b)
    t.equal('an answer says which', [deltas(one, 0)['instance'], one.get('/api/streams')['instance']], [a, a])
    t.equal('the right one', deltas(one, 1, instance=a)['missed'], False)
    for wrong in (b, '0' * 16, 'x'):
        page = deltas(one, 1, instance=wrong)
        t.equal('instance %s: missed' % wrong, (page['missed'], page['deltas'], page['next_cursor'] == page['latest_cursor']),
                (True, [], True))
    start = time.monotonic()
    t.equal('that does not wait', deltas(one, deltas(one, 0)['latest_cursor'], instance=b, wait_ms=5000)['missed'], True)
    t.true('at all', time.monotonic() - start < 1)
    e = lab.Events(one, cursor=1, instance=b)
    t.equal('events of another instance', e.next()[1], 'missed')
    e.close()
    other = lab.Events(two, cursor=0)
    e = lab.Events(one, last_id=other.next()[0])
    other.close()
    t.equal('Last-Event-ID of another instance', e.next()[1], 'missed')
    e.close()


def test_long_polls(t, lab_):
    server = lab_.serve(lab_.capture('demo'))
    stream = server.rows()[0]['stream_id']
    latest = deltas(server, 0)['latest_cursor']
    start = time.monotonic()
    page = deltas(server, latest, wait_ms=600)
    t.true('it waits as long as it may', 0.55 < time.monotonic() - start < 1.5, time.monotonic() - start)
    t.equal('and then has none', (page['deltas'], page['next_cursor']), ([], latest))
    start = time.monotonic()
    t.true('it does not wait where there are some', deltas(server, latest - 1, wait_ms=5000)['deltas'])
    t.true('at all', time.monotonic() - start < 0.5)
    delays = []
    for i in range(10):
        latest, result = deltas(server, latest)['latest_cursor'], []
        thread = threading.Thread(target=lambda: result.append((deltas(server, latest, wait_ms=10000), time.monotonic())))
        thread.start()
        time.sleep(0.1)
        at = time.monotonic()
        patch(server, stream, 'wake %d' % i)
        thread.join()
        t.equal('what it was woken by', notes(result[0][0]['deltas']), {stream: 'wake %d' % i})
        delays.append(result[0][1] - at)
    t.true('a change wakes it at once', sorted(delays)[8] < 0.15, ['%.3f' % d for d in delays])
    latest = deltas(server, 0)['latest_cursor']
    for what, change in [('a rule', lambda: server.post('/api/view/hide-rules', {'kind': 'port', 'value': 5})),
                         ('a profile', lambda: server.post('/api/service-profiles/http/activate')),
                         ('a pattern', lambda: server.post('/api/patterns', {'kind': 'substring', 'pattern': 'x'}))]:
        latest = deltas(server, 0)['latest_cursor']
        timer = threading.Timer(0.1, change)
        timer.start()
        start = time.monotonic()
        page = deltas(server, latest, wait_ms=5000)
        timer.join()
        t.true('%s wakes it' % what, page['deltas'] and time.monotonic() - start < 2, (page['deltas'], time.monotonic() - start))
    # Many that wait at a time; those beyond the cap are told so.
    latest = deltas(server, 0)['latest_cursor']
    results = []
    threads = [threading.Thread(target=lambda: results.append(server.call('GET', '/api/live/deltas', {'cursor': latest,
               'wait_ms': 8000}))) for _ in range(300)]
    for x in threads:
        x.start()
    lab.until('they wait', lambda: server.get('/api/health')['api']['polls'] + len(results) >= 300, 10)
    t.true('others are answered meanwhile', server.get('/api/streams')['rows'])
    patch(server, stream, 'all of you')
    for x in threads:
        x.join()
    good = [r for r in results if r.status == 200]
    t.true('most of them were woken', len(good) >= 200 and all(notes(r.json['deltas']).get(stream) == 'all of you' for r in good),
           len(good))
    t.true('the others got 503', all(r.status == 503 and r.error for r in results if r.status != 200),
           {r.status for r in results})


def test_missed(t, lab_):
    """The log is bounded: who falls behind is told, and nobody gets a part in silence."""
    server = lab_.serve(lab_.capture('demo'), '--api-delta-capacity', 65536)
    ids = [r['stream_id'] for r in server.rows()]
    start = deltas(server, 0)['latest_cursor']
    slow = lab.Events(server, cursor=start)
    n = 0
    while deltas(server, start, limit=1)['missed'] is False:
        for i in range(200):
            patch(server, ids[i % len(ids)], 'n%d' % n)
            n += 1
        if n > 40000:
            raise lab.Failed('the log never drops anything')
    page = deltas(server, start)
    t.equal('missed', (page['missed'], page['deltas'], page['next_cursor']), (True, [], page['latest_cursor']))
    t.true('from where on it still has them', start < page['dropped_before'] < page['latest_cursor'])
    t.equal('health says so too', server.get('/api/health')['dropped_delta_cursor'], page['dropped_before'])
    edge = deltas(server, page['dropped_before'], limit=8192)
    t.equal('at the edge nothing is missed', (edge['missed'], [d['cursor'] for d in edge['deltas']][:2]),
            (False, [page['dropped_before'] + 1, page['dropped_before'] + 2]))
    t.equal('one before it is', deltas(server, page['dropped_before'] - 1)['missed'], True)
    # Events of somebody who took them all along come without a hole, or with `missed`.
    cursor, missed, e = start, 0, slow.next(2)
    old = e[0]
    while e:
        number = e[2]['latest_cursor' if e[1] == 'missed' else 'cursor']
        if e[1] == 'missed':
            missed += 1
        elif number != cursor + 1:
            t.true('no hole in events', False, (cursor, number))
            break
        cursor = number
        if cursor >= page['latest_cursor']:
            break
        e = slow.next(2)
    slow.close()
    t.true('they come to the end', cursor >= page['latest_cursor'], (cursor, page['latest_cursor'], missed))
    late = lab.Events(server, cursor=start)
    first = late.next()
    t.equal('who comes late is told', (first[1], first[2]['latest_cursor'] >= page['latest_cursor']), ('missed', True))
    patch(server, ids[0], 'after')
    t.equal('and goes on from there', notes([late.next()[2]]), {ids[0]: 'after'})
    late.close()
    late = lab.Events(server, last_id=old)
    t.equal('also by Last-Event-ID', late.next()[1], 'missed')
    late.close()


def test_events(t, lab_):
    server = lab_.serve(lab_.capture('demo'))
    ids = [r['stream_id'] for r in server.rows()]
    e = lab.Events(server)
    t.equal('status and type', (e.status, e.headers['content-type'], e.headers.get('cache-control')),
            (200, 'text/event-stream', 'no-store'))
    whole, instance = [], server.get('/api/health')['instance']
    for i in range(30):
        at = time.monotonic()
        patch(server, ids[i % 5], 'event %d' % i)
        event = e.next()
        while event and event[1] != 'streams':
            whole.append(event)
            event = e.next()
        if not t.true('event %d comes' % i, event):
            return
        whole.append(event)
        t.true('event %d: soon' % i, time.monotonic() - at < 0.5, time.monotonic() - at)
        t.equal('event %d: its row' % i, notes([event[2]]), {ids[i % 5]: 'event %d' % i})
        t.equal('event %d: kind' % i, event[2]['kind'], event[1])
    e.close()
    t.equal('ids differ', len({x[0] for x in whole}), len(whole))
    t.equal('cursors count up', [x[2]['cursor'] for x in whole], list(range(whole[0][2]['cursor'], whole[0][2]['cursor'] + len(whole))))
    # Again from each of some ids: all that follow, none twice.
    log = {d['cursor']: d for d in deltas(server, 0, limit=8192)['deltas']}
    for event in whole[::7] + whole[-1:]:
        from_ = event[2]['cursor']
        again = lab.Events(server, last_id=event[0])
        got = []
        while len(got) < len(log) - from_:
            x = again.next(2)
            if not x:
                break
            got.append(x[2]['cursor'])
        t.equal('after ' + event[0], got, list(range(from_ + 1, len(log) + 1)))
        t.equal('and nothing else', again.next(0.2), None)
        patch(server, ids[0], 'more')
        t.equal('then what is new', again.next(2)[2]['cursor'], len(log) + 1)
        log[len(log) + 1] = None
        again.close()
    a = lab.Events(server, last_id=whole[3][0], cursor=0)
    t.equal('Last-Event-ID goes before cursor', a.next()[2]['cursor'], whole[3][2]['cursor'] + 1)
    a.close()
    a = lab.Events(server, cursor=0)
    t.equal('cursor=0 is all of it', a.next()[2]['cursor'], 1)
    a.close()
    for bad in ('nonsense', '', instance, '%s-' % instance, '%s-x' % instance, 'x-1', '-', '1' * 63):
        a = lab.Events(server, last_id=bad)
        patch(server, ids[0], 'still %s' % bad)
        event = a.next(2)
        while event and event[1] not in ('streams', 'missed'):
            event = a.next(2)
        t.true('Last-Event-ID %r does no harm' % bad, event, event)
        a.close()


def test_many_followers(t, lab_):
    server = lab_.serve(lab_.capture('demo'))
    stream = server.rows()[0]['stream_id']
    followers = [lab.Events(server) for _ in range(70)]
    good = [f for f in followers if f.status == 200]
    t.true('a cap on clients that follow', 32 <= len(good) < 70 and all(f.status == 503 for f in followers if f not in good),
           len(good))
    patch(server, stream, 'to all')
    t.true('all of them hear of it', all((f.next(3) or [0, 0])[1] == 'streams' for f in good))
    for f in followers:
        f.close()
    def gone():
        f = lab.Events(server)
        f.close()
        return f.status == 200
    t.true('who leaves makes room', lab.until('room for another one', gone, 15, 0.5))


class Feed:
    """A capture that is written while it is read."""

    def __init__(self, lab_):
        self.path = lab_.path('fifo')
        os.mkfifo(self.path)
        self.file = None

    def open(self):
        self.file = open(self.path, 'wb', buffering=0)
        self.file.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))

    def send(self, made):
        for at, data in made:
            self.file.write(struct.pack('<4I', at // 10**9, at % 10**9 // 1000, len(data), len(data)) + data)

    def close(self):
        if self.file:
            self.file.close()


def test_while_packets_come(t, lab_):
    """Events tell of streams as their packets come; the status at the end; nothing waits for followers."""
    feed = Feed(lab_)
    server = lab_.serve(feed.path, '--pattern', 'needle', wait=False)
    try:
        feed.open()
        a = server.call('GET', '/api/health', seconds=5)
        t.true('running', a.status == 200 and a.json['run_status'] == 'running', a.body[:100])
        e = lab.Events(server)
        made, rows, matches = [], {}, []
        talk = frames.Talk(made)
        for i in range(5):
            before = len(made)
            talk.data(0, b'packet %d with a needle' % i)
            feed.send(made if i == 0 else made[before:])
            want = len(made)

            def told():
                x = e.next(0.2)
                if x and x[1] == 'streams':
                    rows.update({r['stream_id']: r for r in x[2]['rows']})
                if x and x[1] == 'matches':
                    matches.extend(x[2]['matches'])
                return any(r['packets'] == want for r in rows.values()) and len(matches) == i + 1
            try:
                lab.until('round %d is told: %d packets, %d matches' % (i, want, i + 1), told, 5)
                t.true('round %d is told' % i, True)
            except lab.Failed as x:
                t.true('round %d is told' % i, False, '%s; %s, %d' % (x, [r['packets'] for r in rows.values()], len(matches)))
        t.equal('the list has it', [r['packets'] for r in server.rows()], [len(made)])
        talk.end()
        feed.send(made[-3:])
        feed.close()
        status = None
        for _ in range(100):
            x = e.next(3)
            if not x or x[1] == 'status':
                status = x and x[2]['run_status']
                break
        t.equal('a status delta at the end', status, 'completed')
        e.close()
    finally:
        feed.close()


# ---- numbers ----

def totals(lab_, files):
    """Packets and bytes of capture files, and those of flows by the records."""
    list_ = [f for path in files for f in frames.read(path)]
    flows = lab_.flows(*files)
    return len(list_), sum(f.wire for f in list_), flows


def test_health(t, lab_):
    files = lab_.captures()
    server = lab_.serve(*files, '--pattern', 'GET ')
    packets, size, flows = totals(lab_, files)
    h = server.get('/api/health')
    b = h['balance']
    t.equal('packets, bytes', (b['in'], h['stats']['capture']['bytes']), (packets, size))
    t.equal('the balance', (b['ok'], b['in']), (True, b['flow'] + b['other'] + b['dropped'] + b['waiting']))
    t.equal('drops are those of the balance', sum(h['drops'].values()), b['dropped'])
    t.equal('flow packets', b['flow'], sum(r['conn']['packets'] for r in flows.values()) + fragments_of(lab_, files, flows))
    t.equal('view', (h['view']['tracked_streams'], h['view']['matched_streams']), (len(flows), len(server.rows(only_matched='true'))))
    t.equal('matches', h['view']['stored_matches'], server.get('/api/matches')['total'])
    caps = {c['name']: c for c in h['caps']}
    t.true('caps are not overdrawn', all(c['used'] <= c['cap'] for c in caps.values()), caps)
    t.equal('a cap that is in use', caps['max-streams']['used'], len(flows))
    q = server.get('/api/perf/queues')
    d = h['stats']['decoder']  # fragments are one packet once they are together
    t.equal('packets of workers', sum(w['packets'] for w in q['workers']), packets - d['ipv4_fragments'] - d['ipv6_fragments'] +
            d['datagrams_reassembled'])
    s = h['shard_pressure']
    t.true('skew', s['shard_count'] == len(q['workers']) and s['busiest_shard_packets'] == max(w['packets'] for w in q['workers'])
           and s['packet_skew_ratio_milli'] == s['busiest_shard_packets'] * s['shard_count'] * 1000 // s['routed_packets'], s)
    small = lab_.serve(*files, '--max-streams', 64)
    view = small.get('/api/health')['view']
    t.true('with a small --max-streams', view['tracked_streams'] <= 64 and view['evicted_streams'] >= len(flows) - 64, view)
    t.equal('the newest are kept', len(small.rows()), view['tracked_streams'])


def fragments_of(lab_, files, flows):
    """Fragments that are no packet of a flow by themselves: as the sensor counts them without its API."""
    stats = [r for r in lab_.records(*files) if r['event_type'] == 'stats'][-1]['stats']
    return stats['balance']['out']['flow'] - sum(r['conn']['packets'] for r in flows.values())


NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
SAMPLE = re.compile(r'(%s)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"(?:,(?=[a-zA-Z_])|(?=\})))*)\})? (\S+)' % NAME)


def prometheus(t, text):
    """{(name, labels): value} of the text format 0.0.4, read strictly."""
    found, kinds, helped, order = {}, {}, set(), []
    t.true('it ends with a line end', text.endswith('\n'))
    for line in text.split('\n')[:-1]:
        if line.startswith('# '):
            m = re.fullmatch('# (HELP|TYPE) (%s) (.*)' % NAME, line)
            if not t.true('a comment: ' + line[:60], m):
                continue
            if m[1] == 'HELP':
                t.true('one HELP of ' + m[2], m[2] not in helped and re.fullmatch(r'([^\\]|\\[\\n])+', m[3]))
                helped.add(m[2])
            else:
                t.true('one TYPE of %s, before its samples' % m[2], m[2] not in kinds and m[2] not in order and
                       m[3] in ('counter', 'gauge', 'histogram', 'summary', 'untyped'), line)
                kinds[m[2]] = m[3]
            continue
        m = SAMPLE.fullmatch(line)
        if not t.true('a sample: ' + line[:80], m):
            continue
        name, labels, value = m[1], tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', m[2] or ''))), float(m[3])
        t.true('its name has a type: ' + name, name in kinds and name in helped)
        t.true('once: %s %r' % (name, labels), (name, labels) not in found and len({k for k, _ in labels}) == len(labels))
        t.true('samples of a name stand together: ' + name, name not in order or order[-1] == name)
        if not order or order[-1] != name:
            order.append(name)
        t.true('counters do not count down and end in _total: ' + name, kinds.get(name) != 'counter' or value >= 0 and
               name.endswith('_total'), value)
        found[name, labels] = value
    return found


def test_metrics(t, lab_):
    files = lab_.captures()
    server = lab_.serve(*files, '--pattern', 'GET ', '-w', 2)
    a = server.call('GET', '/metrics')
    t.true('Content-Type', re.fullmatch(r'text/plain; version=0\.0\.4(; charset=utf-8)?', a.header('content-type') or ''),
           a.header('content-type'))
    m = prometheus(t, a.body.decode())
    h = server.get('/api/health')
    one = lambda name, *labels: m.get((name, labels))
    t.equal('packets, bytes', (one('rm_xdp_packets_total'), one('rm_xdp_bytes_total')), (h['balance']['in'],
            h['stats']['capture']['bytes']))
    t.equal('running', one('rm_xdp_running'), 0)
    t.equal('matches', one('rm_xdp_matches_total'), server.get('/api/matches')['total'])
    t.equal('by worker', [one('rm_xdp_worker_packets_total', ('worker', str(w['id']))) for w in
            server.get('/api/perf/queues')['workers']], [w['packets'] for w in server.get('/api/perf/queues')['workers']])
    causes = {dict(k[1])['cause']: v for k, v in m.items() if k[0] == 'rm_xdp_dropped_packets_total'}
    t.equal('drops by cause', sum(causes.values()), h['balance']['dropped'])
    t.true('causes are split', len(causes) > 5)
    t.equal('in + out', one('rm_xdp_flow_packets_total') + one('rm_xdp_other_packets_total') + sum(causes.values()),
            one('rm_xdp_packets_total'))
    b = prometheus(t, server.call('GET', '/metrics').body.decode())
    t.true('the same names again, none counted down', set(b) == set(m) and all(b[k] >= m[k] for k in m if k[0].endswith('_total')))


def test_timeline(t, lab_):
    files = lab_.captures()
    server = lab_.serve(*files, '--pattern', 'GET ')
    rows = server.rows()
    total = {'packets': sum(r['packets'] for r in rows), 'bytes': sum(r['bytes'] for r in rows), 'streams': len(rows),
             'matches': sum(r['match_count'] for r in rows)}
    for n in (512, 1, 2, 7, 100):
        x = server.get('/api/stats/timeline', buckets=n)
        what = 'in %d buckets' % n
        t.true(what, 0 < len(x['buckets']) <= n, len(x['buckets']))
        for k, v in total.items():
            t.equal('%s: sum of %s' % (what, k), sum(b[k] for b in x['buckets']), v)
        for b in x['buckets']:
            for k in ('packets', 'bytes', 'streams', 'matches'):
                if sum(s[k] for s in b['services']) != b[k]:
                    t.true('%s: services of %s sum up' % (what, b['time']), False, (k, b))
        times = [lists.us(b['time']) // 10**6 for b in x['buckets']]
        width = x['bucket_seconds']
        t.true(what + ': each begins behind the one before', all(b - a >= width and (b - a) % width == 0 for a, b in
               zip(times, times[1:])), times[:5])
    x = server.get('/api/stats/timeline')
    for name in {r['service']['name'] for r in rows}:
        of = [r for r in rows if r['service']['name'] == name]
        t.equal('streams of ' + name, sum(s['streams'] for b in x['buckets'] for s in b['services'] if s['service'] == name), len(of))
    # One second at a time, against the file.
    path = lab_.capture('demo')
    server = lab_.serve(path)
    x = server.get('/api/stats/timeline')
    flow = [f for f in frames.read(path) if frames.network(f)]
    for b in x['buckets']:
        at = lists.us(b['time']) // 10**6
        here = [f for f in flow if at <= f.ns // 10**9 < at + x['bucket_seconds']]
        t.equal('packets and bytes of ' + b['time'], (b['packets'], b['bytes']), (len(here), sum(f.wire for f in here)))
    second = x['buckets'][1]['time'][:19] + 'Z'
    t.equal('since', server.get('/api/stats/timeline', since=second)['buckets'], x['buckets'][1:])
    t.equal('until', server.get('/api/stats/timeline', until=x['buckets'][0]['time'][:19] + 'Z')['buckets'], x['buckets'][:1])
    t.equal('neither', server.get('/api/stats/timeline', since='2100-01-01T00:00:00Z')['buckets'], [])


def test_top(t, lab_):
    files = lab_.captures()
    server = lab_.serve(*files, '--pattern', 'get=GET ', '--pattern', 'host=Host:')
    rows = server.rows()

    def groups(of):
        found = {}
        for r in rows:
            for name in of(r):
                g = found.setdefault(name, {'packets': 0, 'bytes': 0, 'streams': 0, 'matches': 0})
                g['packets'] += r['packets']
                g['bytes'] += r['bytes']
                g['streams'] += 1
                g['matches'] += r['match_count']
        return found
    ends = lambda r: {r['endpoint_a']['addr'], r['endpoint_b']['addr']}
    for by, of in [('host', ends), ('service', lambda r: [r['service']['name']]),
                   ('port', lambda r: ['%d/%s' % (r['endpoint_b']['port'], r['protocol'])] if r['protocol'] in ('tcp', 'udp') else [])]:
        want = groups(of)
        x = server.get('/api/stats/top', by=by, limit=200)
        t.equal('by ' + by, (x['by'], {r['name']: {k: v for k, v in r.items() if k != 'name'} for r in x['rows']}), (by, want))
        sizes = [r['bytes'] for r in x['rows']]
        t.equal('by %s: largest first' % by, sizes, sorted(sizes, reverse=True))
        t.equal('by %s: no more than asked for' % by, server.get('/api/stats/top', by=by, limit=2)['rows'], x['rows'][:2])
    pairs = {frozenset(r['name'].split()): r for r in server.get('/api/stats/top', by='pair', limit=200)['rows']}
    want = groups(lambda r: [frozenset(ends(r))])
    t.equal('by pair', {k: {n: v for n, v in r.items() if n != 'name'} for k, r in pairs.items()}, want)
    names = {'substring:0': 'get', 'substring:1': 'host'}
    x = server.get('/api/stats/top', by='pattern')['rows']
    for p, name in names.items():
        of = [r for r in rows if p in r['pattern_ids']]
        g = [r for r in x if r['name'] == name]
        if t.equal('by pattern: ' + name, len(g), 1):
            t.equal('by pattern %s: streams, bytes' % name, (g[0]['streams'], g[0]['bytes']), (len(of), sum(r['bytes'] for r in of)))
            t.equal('by pattern %s: matches are its own' % name, g[0]['matches'], len(lists.all_matches(server, pattern_id=p)))
    records = lab_.flows(*files)
    anomalies = {}
    for r in records.values():
        for name in r.get('anomalies', {}):
            anomalies.setdefault(name, set()).add(r['stream_id'])
    t.equal('by anomaly', {r['name']: r['streams'] for r in server.get('/api/stats/top', by='anomaly', limit=200)['rows']},
            {k: len(v) for k, v in anomalies.items()})
    middle = sorted(r['first_seen_us'] for r in rows)[len(rows) // 2]
    at = '%d.%06d' % divmod(middle, 10**6)
    of = [r for r in rows if r['last_seen_us'] >= middle]
    x = server.get('/api/stats/top', by='service', since=at, limit=200)['rows']
    t.equal('since', sum(r['streams'] for r in x), len(of))
    of = [r for r in rows if r['first_seen_us'] <= middle]
    t.equal('until', sum(r['streams'] for r in server.get('/api/stats/top', by='service', until=at, limit=200)['rows']), len(of))


TESTS = [test_cursors, test_instances, test_long_polls, test_missed, test_events, test_many_followers, test_while_packets_come,
         test_health, test_metrics, test_timeline, test_top]
SLOW = []
