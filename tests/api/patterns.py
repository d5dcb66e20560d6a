# SPDX-License-Identifier: MIT
"""patterns - looked for at run time: added, changed, removed, refused; in what was there and in what comes."""
import base64
import json
import os
import re
import threading
import time

import content
import frames
import lab
import lists
from live import Feed


def add(server, **body):
    return server.post('/api/patterns', body)['pattern']


def entry(server, id_):
    return next((p for p in server.get('/api/patterns')['patterns'] if p['id'] == id_), None)


def rescanned(server, seconds=20):
    return lab.until('the rescan ends', lambda: server.get('/api/patterns')['rescan']['state'] == 'idle', seconds)


def found(server, id_):
    """(stream, direction, start, end) of the matches of a pattern."""
    return sorted((m['stream_id'], m['direction'], m['logical_start'], m['logical_end']) for m in lists.all_matches(server, limit=512,
                  pattern_id=id_) if m['where'] == 'stream')


def occurrences(server, expression, direction=None):
    """The same, by our own search in what streams hold."""
    out = []
    for row in server.rows(limit=512, include_hidden='true'):
        for d in content.DIRECTIONS:
            if direction and d != direction:
                continue
            data = server.call('GET', '/api/streams/%s/download' % row['stream_id'], {'direction': d}).body
            out += [(row['stream_id'], d, m.start(), m.end()) for m in re.finditer(expression, data)]
    return sorted(out)


def test_kinds(t, lab_):
    """One of each kind finds in what is kept what a search of our own finds, each match once."""
    server = lab_.serve(lab_.capture('demo'), lab_.capture('http'), lab_.capture('redis'))
    cases = [({'kind': 'substring', 'pattern': 'Host:'}, b'Host:'), ({'kind': 'substring', 'pattern': 'hOsT:', 'case': False}, b'(?i)host:'),
             ({'kind': 'regex', 'pattern': 'HTTP/1\\.[01] [0-9]{3}'}, rb'HTTP/1\.[01] [0-9]{3}'),
             ({'kind': 'binary', 'pattern': '0d 0a 0d 0a'}, b'\r\n\r\n'), ({'kind': 'binary', 'pattern': '0x2A:31-0d_0a'}, b'\\*1\r\n'),
             ({'kind': 'substring', 'pattern': 'nowhere to be found'}, b'nowhere to be found'),
             ({'kind': 'substring', 'pattern': 'GET ', 'direction': 'a_to_b'}, b'GET '),
             ({'kind': 'substring', 'pattern': 'HTTP/1.1', 'direction': 'b_to_a'}, b'HTTP/1.1')]
    for body, expression in cases:
        what = json.dumps(body)
        p = add(server, **body, name='of ' + body['pattern'], rescan=True)
        rescanned(server)
        want = occurrences(server, expression, body.get('direction'))
        t.equal(what + ': matches', found(server, p['id']), want)
        e = entry(server, p['id'])
        t.equal(what + ': counts', (e['matches'] >= len(want), e['streams'] >= len({w[0] for w in want})), (True, True))
        t.equal(what + ': in rows', sorted(r['stream_id'] for r in server.rows(pattern_id=p['id'])),
                sorted({m['stream_id'] for m in lists.all_matches(server, pattern_id=p['id'], limit=512)}))
        t.equal(what + ': kind', p['id'].split(':')[0], body['kind'])
        again = server.patch('/api/patterns/' + p['id'], {'rescan': True})
        t.equal(what + ': the same one', again['pattern']['id'], p['id'])
        rescanned(server)
        t.equal(what + ': a second rescan finds none twice', found(server, p['id']), want)
        for m in lists.all_matches(server, pattern_id=p['id'], limit=5)[:3]:
            t.true(what + ': its bytes', re.search(expression, base64.b64decode(m['match_base64'])) and m['pattern_name'] ==
                   'of ' + body['pattern'], m)
    ids = [p['id'] for p in server.get('/api/patterns')['patterns']]
    t.equal('ids differ', len(set(ids)), len(cases))


def test_scope(t, lab_):
    server = lab_.serve(lab_.capture('demo'))
    rows = {r['stream_id']: r for r in server.rows()}
    both = add(server, kind='regex', pattern='[a-z]{3}', rescan=True)
    web = add(server, kind='regex', pattern='[a-z]{4}', service='http', rescan=True)
    mail = add(server, kind='regex', pattern='[a-z]{5}', ports=[25, 6379], rescan=True)
    rescanned(server)
    streams = lambda p: {m[0] for m in found(server, p['id'])}
    t.true('everywhere', len(streams(both)) > 5, len(streams(both)))
    t.equal('one service', {rows[s]['service']['name'] for s in streams(web)}, {'http'})
    t.equal('two ports', {rows[s]['endpoint_b']['port'] for s in streams(mail)}, {25, 6379})


def test_without_rescan(t, lab_):
    server = lab_.serve(lab_.capture('demo'))
    p = add(server, kind='substring', pattern='HTTP')
    time.sleep(0.3)
    t.equal('what was there is not looked through', (found(server, p['id']), entry(server, p['id'])['matches']), ([], 0))
    t.equal('unless asked to', server.patch('/api/patterns/' + p['id'], {'rescan': True})['pattern']['id'], p['id'])
    rescanned(server)
    t.true('then it is', found(server, p['id']))
    rows = server.rows(pattern_id=p['id'])
    t.true('rows count them', rows and all(r['match_count'] == len([m for m in lists.all_matches(server, limit=512) if m['stream_id'] ==
           r['stream_id']]) and 'match' in r['flags'] for r in rows), [r['match_count'] for r in rows])


def test_changes(t, lab_):
    server = lab_.serve(lab_.capture('demo'), '--pattern', 'given=HTTP', '--pack', 'flags')
    at_first = server.get('/api/patterns')['patterns']
    t.equal('those of the command line', [(p['id'], p['definition']['name'], p['saved']) for p in at_first if p['id'] == 'substring:0'],
            [('substring:0', 'given', False)])
    p = add(server, kind='substring', pattern='Host', name='mine', colour='red')
    t.equal('ids go on behind them', p['id'], 'substring:1')
    t.equal('as it was given', (p['definition']['name'], p['definition']['pattern'], p['definition']['colour'], p['saved']),
            ('mine', 'Host', 'red', True))
    q = server.patch('/api/patterns/substring:1', {'name': 'yours', 'colour': 'blue'})['pattern']
    t.equal('another name', (q['id'], q['definition']['name'], q['definition']['pattern'], q['definition']['colour']),
            ('substring:1', 'yours', 'Host', 'blue'))
    q = server.patch('/api/patterns/substring:1', {'pattern': 'Accept', 'rescan': True})['pattern']
    t.equal('another text', (q['id'], q['definition']['pattern']), ('substring:1', 'Accept'))
    rescanned(server)
    t.equal('now that is found', found(server, 'substring:1'), occurrences(server, b'Accept'))
    t.equal('by its other name too', server.call('GET', '/api/matches', {'pattern_id': str(q['signature_id'])}).status, 200)
    left = server.delete('/api/patterns/substring:1')
    t.equal('DELETE gives the list', [x['id'] for x in left['patterns']], [x['id'] for x in at_first])
    t.error('gone', server.call('PATCH', '/api/patterns/substring:1', body={'name': 'x'}), 404)
    t.error('gone, again', server.call('DELETE', '/api/patterns/substring:1'), 404)
    p = add(server, kind='substring', pattern='Third')
    t.true('ids are not given again', p['id'] != 'substring:1', p['id'])
    t.true('those of the command line can go as well', server.delete('/api/patterns/substring:0'))
    t.true('their matches stay with the streams', server.get('/api/matches')['total'] > 0)


BAD = [
    ({'kind': 'regex', 'pattern': '('}, 'parenthes'), ({'kind': 'regex', 'pattern': 'a**b['}, 'repeat'), ({'kind': 'regex', 'pattern': '(?<=x)y'}, ''),
    ({'kind': 'regex', 'pattern': '(a)\\1'}, ''), ({'kind': 'regex', 'pattern': 'a{5,2}'}, ''), ({'kind': 'regex', 'pattern': '[z-a]'}, ''),
    ({'kind': 'regex', 'pattern': ''}, ''), ({'kind': 'regex', 'pattern': 'x*'}, ''), ({'kind': 'regex', 'pattern': '(.{1,1000}x){1,20}'}, 'large'),
    ({'kind': 'binary', 'pattern': 'zz'}, ''), ({'kind': 'binary', 'pattern': 'abc'}, ''), ({'kind': 'binary', 'pattern': ''}, ''),
    ({'kind': 'substring', 'pattern': ''}, ''), ({'kind': 'substring', 'pattern': 'x' * 4097}, ''), ({'kind': 'nonsense', 'pattern': 'x'}, 'kind'),
    ({'kind': 'substring'}, 'pattern'), ({'kind': 'substring', 'pattern': 5}, 'pattern'), ({'kind': 5, 'pattern': 'x'}, 'kind'),
    ({'kind': 'substring', 'pattern': 'x', 'direction': 'up'}, 'direction'), ({'kind': 'substring', 'pattern': 'x', 'service': 'nope'}, 'service'),
    ({'kind': 'substring', 'pattern': 'x', 'ports': [70000]}, 'port'), ({'kind': 'substring', 'pattern': 'x', 'ports': ['a']}, 'port'),
    ({'kind': 'substring', 'pattern': 'x', 'ports': list(range(1, 20))}, 'port'), ({'kind': 'substring', 'pattern': 'x', 'case': 'no'}, 'case'),
    ({'kind': 'substring', 'pattern': 'x', 'name': 7}, 'name'), ({'kind': 'substring', 'pattern': 'x', 'nonsense': 1}, 'nonsense'),
    ({'kind': 'substring', 'pattern': 'x', 'colour': 5}, 'colour'), ({'kind': 'pack', 'pattern': 'flags'}, 'kind'), ({}, ''),
]


def test_bad(t, lab_):
    """Refused with 422 and the reason, and all is as it was."""
    server = lab_.serve(lab_.capture('demo'))
    good = add(server, kind='substring', pattern='Host', name='good')
    for body, words in BAD:
        a = server.call('POST', '/api/patterns', body=body)
        t.error('POST %.60s' % json.dumps(body), a, 422, words=words)
        t.true('POST %.60s: no bytes of anything else in the message' % json.dumps(body), a.error and len(a.error[1]) < 5200 and
               'out of memory' not in a.error[1], a.error)
        if len(body) > 1 and 'pattern' in body:
            t.error('PATCH %.60s' % json.dumps(body), server.call('PATCH', '/api/patterns/' + good['id'], body=body), 422, words=words)
    a = server.call('POST', '/api/patterns', body={'kind': 'regex', 'pattern': 'abc(def', 'name': 'broken'})
    t.true('the message names pattern, place and reason', a.error and ('abc(def' in a.error[1] or 'broken' in a.error[1]) and re.search(r'\b[0-9]+\b', a.error[1]) and
           re.search('parenthes|\\(', a.error[1]), a.error)
    t.equal('the list is as it was', [(p['id'], p['definition'].get('name')) for p in server.get('/api/patterns')['patterns']],
            [(good['id'], 'good')])
    t.error('rescan that is no flag', server.call('POST', '/api/patterns', body={'kind': 'substring', 'pattern': 'x', 'rescan': 1}), 400)
    off = lab_.serve(lab_.capture('demo'), '--max-pattern-matches-total', 0)
    t.error('where matches are switched off', off.call('POST', '/api/patterns', body={'kind': 'substring', 'pattern': 'x'}), 409)


def test_expensive(t, lab_):
    """Compiling is bounded in time, and others are served meanwhile."""
    server = lab_.serve(lab_.capture('demo'))
    over, slowest, lock = threading.Event(), [0.0], threading.Lock()

    def others():
        while not over.is_set():
            start = time.monotonic()
            server.get('/api/streams', limit=5)
            with lock:
                slowest[0] = max(slowest[0], time.monotonic() - start)
            time.sleep(0.01)
    thread = threading.Thread(target=others)
    thread.start()
    results = []
    try:
        for text in ('(x[^y]{0,30}){30,60}', '([^x]{1,300}y){1,10}', '(((a|b|c)*d){1,100}e){1,30}',
                     '|'.join('(%c[^%c]{0,60}%c.{0,50}){2}' % (97 + i % 26, 98 + i % 25, 99 + i % 24) for i in range(100)),
                     '|'.join('[%c-%c]{1,90}.*%d' % (97 + i % 20, 100 + i % 20, i) for i in range(150))):
            start = time.monotonic()
            a = server.call('POST', '/api/patterns', body={'kind': 'regex', 'pattern': text}, seconds=20)
            took = time.monotonic() - start
            results.append(a.status)
            t.true('%.40s: an answer within 15 s' % text, took < 15 and a.status in (200, 422), '%d after %.1f s' % (a.status, took))
    finally:
        over.set()
        thread.join()
    t.true('some are refused', 422 in results, results)
    t.true('others are served meanwhile', slowest[0] < 0.5, '%.2f s' % slowest[0])
    t.equal('good ones go on', server.call('POST', '/api/patterns', body={'kind': 'substring', 'pattern': 'x'}).status, 200)


def test_at_a_time(t, lab_):
    """Changes that come together: each is done, or told to come again."""
    server = lab_.serve(lab_.capture('demo'))
    answers = lab.together([lambda i=i: server.call('POST', '/api/patterns', body={'kind': 'substring', 'pattern': 'p%d' % i})
                            for i in range(12)])
    done = [a for a in answers if a.status == 200]
    t.true('at least one is done', done)
    t.true('others: 503 and when to come again', all(a.status == 503 and a.error and a.header('retry-after') for a in answers if
           a.status != 200), {a.status for a in answers})
    t.equal('the list has what was done', sorted(p['definition']['pattern'] for p in server.get('/api/patterns')['patterns']),
            sorted(a.json['pattern']['definition']['pattern'] for a in done))
    t.equal('under different ids', len({a.json['pattern']['id'] for a in done}), len(done))


def big(lab_, n):
    """A capture of n connections of 20 KB each, every tenth with a needle near its end."""
    path = lab_.path('pcap')
    with open(path, 'wb') as f:
        import struct
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        for i in range(n):
            made = []
            talk = frames.Talk(made, client=('10.%d.%d.1' % (i // 250, i % 250), 20000), at=(1700000000 + i) * 10**9)
            talk.data(0, b'request %d ' % i + b'.' * 200)
            talk.data(1, b'x' * 2000 + (b'needle' if i % 10 == 0 else b'nothing') + b'y' * 300)
            talk.end()
            for at, data in made:
                f.write(struct.pack('<4I', at // 10**9, at % 10**9 // 1000, len(data), len(data)) + data)
    return path


def test_while_packets_come(t, lab_):
    """A pattern added in the middle of the input finds all that comes behind it, and with a rescan what came before."""
    source = big(lab_, 600)
    with open(source, 'rb') as f:
        data = f.read()
    half = len(data) // 2
    feed = Feed(lab_)
    server = lab_.serve(feed.path, wait=False)
    with open(feed.path, 'wb', buffering=0) as pipe:
        pipe.write(data[:half])
        sent, over = [half], threading.Event()

        def trickle():  # packets go on all the time
            while sent[0] < len(data) and not over.is_set():
                pipe.write(data[sent[0]:sent[0] + 4000])
                sent[0] += 4000
                time.sleep(0.004)
        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            p = add(server, kind='substring', pattern='needle', rescan=True)
            added_at = sent[0]
        finally:
            thread.join()
    t.true('the pattern was there before the end', added_at < len(data) * 0.9, (added_at, len(data)))
    server.finished()
    rescanned(server)
    t.equal('every match, once', found(server, p['id']), occurrences(server, b'needle'))
    t.equal('in number', len(found(server, p['id'])), 60)


def test_saved(t, lab_):
    """Patterns that a person made are there again after a restart, and look for what comes."""
    db = lab_.path('db')
    server = lab_.serve(lab_.capture('demo'), '--pattern', 'given=HTTP', state=db)
    mine = [add(server, kind='substring', pattern='Host', name='mine', colour='red', direction='a_to_b'),
            add(server, kind='regex', pattern='[Uu]ser-[Aa]gent', ports=[80]), add(server, kind='binary', pattern='0d0a')]
    server.patch('/api/patterns/' + mine[0]['id'], {'name': 'renamed'})
    server.delete('/api/patterns/' + mine[2]['id'])
    server.stop()
    for args in (['--pattern', 'given=HTTP'], []):
        again = lab_.serve(lab_.capture('demo'), *args, state=db)
        want = 2 + bool(args)
        try:
            lab.until('saved patterns are there', lambda: len(again.get('/api/patterns')['patterns']) == want, 3)
        except lab.Failed as e:
            t.true('patterns after a restart with %r' % args, False, '%d, not %d: %s' % (len(again.get('/api/patterns')['patterns']), want,
                   e))
        got = {p['definition']['pattern']: p for p in again.get('/api/patterns')['patterns']}
        t.equal('the same', sorted(got), sorted(['Host', '[Uu]ser-[Aa]gent'] + (['HTTP'] if args else [])))
        p = got['Host']
        t.equal('as it was left', (p['definition']['name'], p['definition'].get('colour'), p['definition'].get('direction'), p['saved'],
                p['signature_id']), ('renamed', 'red', 'a_to_b', True, mine[0]['signature_id']))
        t.equal('its scope', got['[Uu]ser-[Aa]gent']['definition'].get('ports'), [80])
        again.patch('/api/patterns/' + p['id'], {'rescan': True})
        rescanned(again)
        t.equal('it is looked for', found(again, p['id']), occurrences(again, b'Host', 'a_to_b'))
        t.equal('nothing of them is said', [x for x in again.said().splitlines() if 'pattern' in x], [])
        again.stop()


def test_saved_beside_others(t, lab_):
    """A saved pattern stays one, whichever patterns the command line brings from run to run."""
    db = lab_.path('db')
    for i, args in enumerate((['--pattern', 'a=HTTP'], [], ['--pattern', 'a=HTTP', '--pattern', 'b=GET '], [], ['--pattern', 'c=POST'])):
        server = lab_.serve(lab_.capture('demo'), *args, state=db)
        lab.until('saved patterns are there', lambda: len([p for p in server.get('/api/patterns')['patterns'] if p['saved']]) >= i, 5)
        p = add(server, kind='substring', pattern='mine %d' % i)
        got = [p['definition']['pattern'] for p in server.get('/api/patterns')['patterns'] if p['saved']]
        t.equal('run %d' % i, sorted(got), ['mine %d' % k for k in range(i + 1)])
        server.stop()


def test_saved_and_killed(t, lab_):
    db = lab_.path('db')
    server = lab_.serve(lab_.capture('demo'), state=db)
    for i in range(3):
        add(server, kind='substring', pattern='p%d' % i)
    server.end()
    again = lab_.serve(lab_.capture('demo'), state=db)
    lab.until('they are there', lambda: len(again.get('/api/patterns')['patterns']) == 3, 5)
    t.equal('all of them', [p['definition']['pattern'] for p in again.get('/api/patterns')['patterns']], ['p0', 'p1', 'p2'])


def test_saved_patterns_and_a_replay(t, lab_):
    """Those of the state file find matches in the replay itself, from its first packet on."""
    db = lab_.path('db')
    server = lab_.serve(lab_.capture('demo'), state=db)
    add(server, kind='substring', pattern='Host:')
    server.stop()
    again = lab_.serve(lab_.capture('demo'), state=db)
    p = lab.until('it is there', lambda: again.get('/api/patterns')['patterns'], 5)[0]
    want = occurrences(again, b'Host:')
    time.sleep(0.5)
    t.equal('matches', found(again, p['id']), want)


TESTS = [test_kinds, test_scope, test_without_rescan, test_changes, test_bad, test_expensive, test_at_a_time, test_while_packets_come,
         test_saved, test_saved_beside_others, test_saved_and_killed, test_saved_patterns_and_a_replay]
