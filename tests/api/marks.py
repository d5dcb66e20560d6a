# SPDX-License-Identifier: MIT
"""marks - favourites, notes, colours, hide rules, profiles, preferences; and what of it outlives the process."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import frames
import lab

COLORS = ['none', 'red', 'orange', 'yellow', 'green', 'blue', 'purple', 'gray']
PATTERNS = ['--pattern', 'get=GET ']


def state(server, stream, **body):
    return server.patch('/api/streams/%s/state' % stream, body)['row']


def row_of(server, stream):
    return server.get('/api/streams/' + stream)['row']


def marks_of(row):
    return {k: row[k] for k in ('favorite', 'hidden', 'note', 'color', 'hidden_reason')}


def rule(server, kind, value):
    return server.post('/api/view/hide-rules', {'kind': kind, 'value': value})


NONE = {'favorite': False, 'hidden': False, 'note': '', 'color': 'none', 'hidden_reason': None}


def test_state(t, lab_):
    server = lab_.serve(lab_.capture('demo'))
    stream = server.rows()[0]['stream_id']
    t.equal('at first', marks_of(row_of(server, stream)), NONE)
    want = dict(NONE)
    steps = [{'favorite': True}, {'note': 'seen'}, {'color': 'red'}, {'hidden': True}, {}, {'favorite': False, 'note': 'ümläut 😀\n"x"'},
             {'hidden': False}, {'note': ''}, {'note': 'n' * 4096}, {'color': 'none', 'note': '', 'favorite': True},
             *({'color': c} for c in COLORS), {'favorite': False}]
    for body in steps:
        answer = server.patch('/api/streams/%s/state' % stream, body)
        want.update(body)
        want['hidden_reason'] = 'manual' if want['hidden'] else None
        t.equal('answer to %.60s' % json.dumps(body), marks_of(answer['row']), want)
        t.equal('and later', marks_of(row_of(server, stream)), want)
        t.equal('counted', (answer['view']['favorite_streams'], answer['view']['manually_hidden_streams']),
                (int(want['favorite']), int(want['hidden'])))
        t.equal('in health', server.get('/api/health')['view']['favorite_streams'], int(want['favorite']))
    for bad in ({'favorite': 1}, {'favorite': 'true'}, {'favorite': None}, {'hidden': 'no'}, {'hidden': 0}, {'note': 5},
                {'note': None}, {'note': ['x']}, {'note': 'n' * 4097}, {'note': 'ü' * 2049}, {'color': 'pink'}, {'color': ''},
                {'color': 3}, {'color': None}, {'Favorite': True}, {'favourite': True}, {'stream_id': stream},
                {'favorite': True, 'color': 'pink'}, {'note': 'kept?', 'hidden': 7}):
        t.error('%.40s' % json.dumps(bad), server.call('PATCH', '/api/streams/%s/state' % stream, body=bad), 400)
    t.equal('nothing of a bad one is done', marks_of(row_of(server, stream)), {**NONE, 'color': 'gray'})
    text = 'before\0behind'
    a = server.call('PATCH', '/api/streams/%s/state' % stream, body={'note': text})
    t.true('a note with a NUL is kept whole or refused', a.status == 400 or a.json['row']['note'] == text, a.body[-120:])
    a = server.call('PATCH', '/api/streams/%s/state' % stream, body={'color': 'red\0x'})
    t.equal('a colour with a NUL', a.status, 400)


def hidden(server):
    return {r['stream_id']: r['hidden_reason'] for r in server.rows(include_hidden=True) if r['hidden']}


KINDS = [
    ('service', 'http', 'service:http', lambda r: r['service']['name'] == 'http'),
    ('service', 'HTTP', 'service:', lambda r: r['service']['name'] == 'http'),
    ('protocol', 'udp', 'protocol:udp', lambda r: r['protocol'] == 'udp'),
    ('port', 80, 'port:80', lambda r: 80 in (r['endpoint_a']['port'], r['endpoint_b']['port'])),
    ('port', '53', 'port:53', lambda r: 53 in (r['endpoint_a']['port'], r['endpoint_b']['port'])),
    ('host', '127.0.0.1', 'host:127.0.0.1', lambda r: '127.0.0.1' in (r['endpoint_a']['addr'], r['endpoint_b']['addr'])),
    ('host', '10.9.0.0/24', 'host:10.9.0.0/24', lambda r: r['endpoint_a']['addr'].startswith('10.9.0.') or
     r['endpoint_b']['addr'].startswith('10.9.0.')),
    ('host', 'fd00:9::/64', 'host:fd00:9::/64', lambda r: r['endpoint_a']['addr'].startswith('fd00:9::') or
     r['endpoint_b']['addr'].startswith('fd00:9::')),
    ('content_kind', 'binary', 'content_kind:binary', lambda r: r['content_kind'] == 'binary'),
    ('kind', 'text', 'content_kind:text', lambda r: r['content_kind'] == 'text'),
    ('status', 'reset', 'status:reset', lambda r: r['status'] == 'reset'),
    ('pattern_id', 'substring:0', 'pattern:substring:0', lambda r: 'substring:0' in r['pattern_ids']),
    ('pattern', 'substring:0', 'pattern:substring:0', lambda r: 'substring:0' in r['pattern_ids']),
]


def test_hide_rules(t, lab_):
    """Each kind hides what it says, with its label as the reason, and nothing once it is gone."""
    server = lab_.serve(*lab_.captures(), *PATTERNS)
    rows = server.rows()
    for kind, value, label, true in KINDS + [
            ('stream_id', rows[3]['stream_id'], 'stream:' + rows[3]['stream_id'], lambda r: r == rows[3]),
            ('stream', '0x' + rows[4]['stream_id'], 'stream:' + rows[4]['stream_id'], lambda r: r == rows[4])]:
        what = '%s %s' % (kind, value)
        answer = rule(server, kind, value)
        want = sorted(r['stream_id'] for r in rows if true(r))
        got = hidden(server)
        t.true(what + ': it hides some', want and len(want) < len(rows), len(want))
        t.equal(what + ': hidden streams', sorted(got), want)
        t.true(what + ': the reason', all(x.startswith(label) for x in got.values()), set(got.values()))
        t.equal(what + ': out of the list', sorted(r['stream_id'] for r in server.rows()),
                sorted(r['stream_id'] for r in rows if not true(r)))
        t.equal(what + ': the rule', [x['rule']['kind'] for x in answer['rules']],
                [{'kind': 'content_kind', 'pattern': 'pattern_id', 'stream': 'stream_id'}.get(kind, kind)])
        after = server.delete('/api/view/hide-rules/%d' % answer['rules'][0]['id'])
        t.equal(what + ': deleted', (after['rules'], hidden(server)), ([], {}))
    for kind, value in [('nonsense', 'x'), ('', 'x'), ('service', 'nonsense'), ('service', ''), ('port', 65536), ('port', -1),
                        ('port', 'x'), ('port', '80x'), ('port', 1.5), ('port', ''), ('port', ' 80'), ('port', True),
                        ('host', '300.1.1.1'), ('host', '1.2.3.4/33'), ('status', 'x'), ('content_kind', 'x'), ('protocol', 'x'),
                        ('stream_id', 'x'), ('stream_id', ''), ('stream_id', '-1'), ('stream_id', '99999999999999999999999'),
                        ('pattern_id', ''), ('pattern_id', 'x' * 1000), ('port', [80]), ('port', {'x': 1}), ('port', None),
                        (5, 'x'), (None, 'x')]:
        t.error('%r %r' % (kind, value), server.call('POST', '/api/view/hide-rules', body={'kind': kind, 'value': value}), 400)
    for bad in ({'kind': 'port'}, {'value': 80}, {'kind': 'port', 'value': 80, 'more': 1}, {}):
        t.error(json.dumps(bad), server.call('POST', '/api/view/hide-rules', body=bad), 400)
    t.equal('none of them was kept', server.get('/api/view/hide-rules')['rules'], [])


def test_several_rules(t, lab_):
    server = lab_.serve(*lab_.captures(), *PATTERNS)
    total = server.get('/api/health')['view']['tracked_streams']
    rules = rule(server, 'service', 'http')['rules']
    for kind, value in (('service', 'http'), ('service', 'HTTP')):
        t.equal('a rule twice is one', rule(server, kind, value)['rules'], rules)
    rule(server, 'port', 53)
    t.equal('port 53 and "53" are one', len(rule(server, 'port', '53')['rules']), 2)
    answer = rule(server, 'protocol', 'udp')
    t.equal('in the order they came', [(x['index'], x['rule']) for x in answer['rules']],
            [(0, {'kind': 'service', 'value': 'http'}), (1, {'kind': 'port', 'value': '53'}),
             (2, {'kind': 'protocol', 'value': 'udp'})])
    t.equal('counted', (answer['view']['hide_rules'], server.get('/api/health')['view']['hide_rules']), (3, 3))
    t.equal('GET gives the same', server.get('/api/view/hide-rules'), answer)
    udp = [r for r in server.rows(include_hidden=True) if r['protocol'] == 'udp']
    t.equal('the first rule is the reason', {r['hidden_reason'] for r in udp if 53 in (r['endpoint_b']['port'],)}, {'port:53'})
    stream = udp[0]['stream_id']
    state(server, stream, hidden=True)
    t.equal('a person goes before rules', row_of(server, stream)['hidden_reason'], 'manual')
    state(server, stream, hidden=False)
    t.true('a rule still hides it', row_of(server, stream)['hidden'])
    ids = [x['id'] for x in answer['rules']]
    server.delete('/api/view/hide-rules/%d' % ids[1])
    left = server.get('/api/view/hide-rules')['rules']
    t.equal('one less; ids stay', [x['id'] for x in left], [ids[0], ids[2]])
    t.equal('and another is the reason', {r['hidden_reason'] for r in server.rows(include_hidden=True) if r['protocol'] == 'udp'},
            {'protocol:udp'})
    t.error('gone is gone', server.call('DELETE', '/api/view/hide-rules/%d' % ids[1]), 404)
    t.true('ids are not given again', rule(server, 'port', 53)['rules'][-1]['id'] not in ids)
    t.equal('all cleared', (server.delete('/api/view/hide-rules')['rules'], len(server.rows())), ([], total))
    for i in range(1000):
        a = server.call('POST', '/api/view/hide-rules', body={'kind': 'port', 'value': 10000 + i})
        if a.status != 200:
            t.true('a thousand rules', False, a.body)
            break
    t.error('one more than may be', server.call('POST', '/api/view/hide-rules', body={'kind': 'port', 'value': 9}), 409)
    t.equal('one that is there already is no more', server.call('POST', '/api/view/hide-rules', body={'kind': 'port',
            'value': 10005}).status, 200)
    t.equal('a profile that would need one more', server.call('POST', '/api/service-profiles/http/hide-rules').status, 409)


BUILTIN = {
    'http': (100, lambda r: r['protocol'] == 'tcp' and (r['service']['name'] in ('http', 'http2') or
             ports(r) & {80, 8000, 8008, 8080, 8081, 8888})),
    'https': (97, lambda r: r['protocol'] == 'tcp' and (r['service']['name'] == 'https' or ports(r) & {443, 8443})),
    'tls': (95, lambda r: r['service']['name'] == 'tls'),
    'dns': (90, lambda r: r['service']['name'] in ('dns', 'mdns', 'llmnr') or ports(r) & {53, 5353, 5355}),
    'binary': (20, lambda r: r['content_kind'] == 'binary'),
    'matched': (10, lambda r: r['match_count']),
}


def ports(r):
    return {r['endpoint_a']['port'], r['endpoint_b']['port']}


def check_profiles(t, what, server):
    rows = server.rows(include_hidden=True)
    list_ = {p['profile']['id']: p for p in server.get('/api/service-profiles')['profiles']}
    for name, (priority, true) in BUILTIN.items():
        p, of = list_[name], [r for r in rows if true(r)]
        t.equal('%s: %s' % (what, name), (p['profile']['priority'], p['stats']),
                (priority, {'total_streams': len(of), 'visible_streams': len([r for r in of if not r['hidden']]),
                            'hidden_streams': len([r for r in of if r['hidden']]),
                            'matched_streams': len([r for r in of if r['match_count']]),
                            'favorite_streams': len([r for r in of if r['favorite']])}))
        t.equal('%s: %s alone' % (what, name), server.get('/api/service-profiles/' + name), p)


def test_profiles(t, lab_):
    server = lab_.serve(*lab_.captures(), *PATTERNS)
    order = [p['profile']['priority'] for p in server.get('/api/service-profiles')['profiles']]
    t.equal('highest priority first', order, sorted(order, reverse=True))
    check_profiles(t, 'at first', server)
    rows = server.rows()
    for r in rows[:20]:
        state(server, r['stream_id'], favorite=True)
    for r in rows[10:40]:
        state(server, r['stream_id'], hidden=True)
    check_profiles(t, 'with marks', server)
    first = {r['stream_id']: r['profile'] for r in server.rows(include_hidden=True)}
    order = [p['profile']['id'] for p in server.get('/api/service-profiles')['profiles']]
    for r in rows:
        want = [n for n in order if n in BUILTIN and BUILTIN[n][1](r)]
        if r['service']['name'] != 'websocket':
            t.equal('profile of ' + r['stream_id'], first[r['stream_id']], want[0] if want else None)
    a = server.post('/api/service-profiles/DNS/hide-rules')
    t.equal('its hide rules', [x['label'] for x in a['rules']], ['service:dns'])
    t.true('they hide', all(r['hidden'] for r in server.rows(include_hidden=True) if r['service']['name'] == 'dns'))
    t.equal('twice is once', len(server.post('/api/service-profiles/dns')['rules']), 1)
    t.equal('one without any', len(server.post('/api/service-profiles/matched/hide-rules')['rules']), 1)
    check_profiles(t, 'with rules', server)
    t.equal('none is active', [p['active'] for p in server.get('/api/service-profiles')['profiles']].count(True), 0)
    for name in ('http', 'tls'):
        t.equal('activated', server.post('/api/service-profiles/%s/activate' % name)['active'], name)
        t.equal('one is active', [p['profile']['id'] for p in server.get('/api/service-profiles')['profiles'] if p['active']], [name])


OWN = {'profiles': [
    {'id': 'My Profile', 'name': 'Mine', 'description': 'of my own', 'priority': 200, 'protocol': 'tcp', 'services': ['redis', 'smtp'],
     'ports': [8443], 'default_direction': 'b_to_a', 'default_mode': 'hex', 'default_transforms': ['base64', 'gzip'],
     'hide_rules': [{'kind': 'service', 'value': 'smtp'}, {'kind': 'port', 'value': 25}], 'preset': {'columns': ['a']},
     'analyzers': {'http': {'enabled': False}}},
    {'id': 'dns', 'priority': 5, 'ports': [53], 'enabled': False},
    {'id': 'by-kind', 'content_kind': 'text'}, {'id': 'only-protocol', 'protocol': 'tcp'},
    {'id': 'by-pattern', 'pattern_ids': ['substring:0'], 'default_transform': 'auto'}]}


def test_profile_file(t, lab_):
    path = lab_.path('json')
    pathlib.Path(path).write_text(json.dumps(OWN))
    server = lab_.serve(lab_.capture('demo'), '--service-profile-file', path, *PATTERNS)
    rows = server.rows()
    list_ = [p['profile']['id'] for p in server.get('/api/service-profiles')['profiles']]
    t.equal('with the built-in ones, by priority', (list_[0], list_[-1], 'http' in list_), ('my_profile', 'dns', True))
    p = server.get('/api/service-profiles/My%20Profile')['profile']
    t.equal('as in the file', {k: p[k] for k in ('id', 'name', 'description', 'priority', 'protocol', 'services', 'ports',
            'default_direction', 'default_mode', 'default_transforms', 'preset', 'analyzers')},
            {**{k: v for k, v in OWN['profiles'][0].items() if k != 'hide_rules'}, 'id': 'my_profile'})
    count = lambda name: server.get('/api/service-profiles/' + name)['stats']['total_streams']
    t.equal('its streams', count('my-profile'), len([r for r in rows if r['protocol'] == 'tcp' and
            (r['service']['name'] in ('redis', 'smtp') or 8443 in ports(r))]))
    t.equal('one that is off matches none', count('dns'), 0)
    t.equal('by kind', count('by_kind'), len([r for r in rows if r['content_kind'] == 'text']))
    t.equal('a protocol alone matches none', count('only_protocol'), 0)
    t.equal('by pattern', count('by_pattern'), len([r for r in rows if r['match_count']]))
    redis = next(r for r in rows if r['service']['name'] == 'redis')
    t.equal('it is the stream\'s', redis['profile'], 'my_profile')
    w = server.get('/api/streams/%s/content' % redis['stream_id'], transform='profile')
    t.equal('transform=profile is its chain', w['transforms'][0]['requested_chain'], ['base64', 'gzip'])
    a = server.post('/api/service-profiles/my_profile/activate')
    t.equal('activation hands out its preset', a, {'active': 'my_profile', 'preset': {'columns': ['a']},
            'analyzers': {'http': {'enabled': False}}})
    t.equal('its rules', [x['label'] for x in server.post('/api/service-profiles/my_profile')['rules']], ['service:smtp', 'port:25'])
    pathlib.Path(path).write_text(json.dumps({**OWN, 'include_builtins': False}))
    server = lab_.serve(lab_.capture('demo'), '--service-profile-file', path)
    t.equal('without the built-in ones', sorted(p['profile']['id'] for p in server.get('/api/service-profiles')['profiles']),
            ['by_kind', 'by_pattern', 'dns', 'my_profile', 'only_protocol'])


BAD_PROFILES = [
    ('', 'json'), ('{', 'json'), ('{"profiles": [}', 'json'), ('5', 'list'), ('{}', 'list'), ('{"profiles": {}}', 'list'),
    ('[5]', 'object'), ('[{}]', 'id'), ('[{"id": ""}]', 'id'), ('[{"id": 5}]', 'id'), ('[{"id": "x", "priority": -1}]', 'priority'),
    ('[{"id": "x", "priority": "high"}]', 'priority'), ('[{"id": "x", "priority": 70000}]', 'priority'),
    ('[{"id": "x", "protocol": "carrier pigeon"}]', 'protocol'), ('[{"id": "x", "services": "http"}]', 'services'),
    ('[{"id": "x", "services": ["nonsense"]}]', 'services'), ('[{"id": "x", "services": [5]}]', 'services'),
    ('[{"id": "x", "ports": [70000]}]', 'ports'), ('[{"id": "x", "ports": ["80"]}]', 'ports'),
    ('[{"id": "x", "content_kind": "nice"}]', 'content_kind'), ('[{"id": "x", "default_mode": "loud"}]', 'default_mode'),
    ('[{"id": "x", "default_direction": "up"}]', 'default_direction'),
    ('[{"id": "x", "default_transforms": ["nonsense"]}]', 'default_transforms'),
    ('[{"id": "x", "default_transforms": [5]}]', 'default_transforms'), ('[{"id": "x", "default_transforms": ["gzip", 5, {}]}]', ''),
    ('[{"id": "x", "default_transform": "nonsense"}]', 'default_transform'),
    ('[{"id": "x", "hide_rules": [{"kind": "port"}]}]', 'hide_rules'),
    ('[{"id": "x", "hide_rules": [{"kind": "port", "value": "x"}]}]', 'hide_rules'),
    ('[{"id": "x", "hide_rules": [{"kind": 5, "value": null}]}]', 'hide_rules'),
    ('[{"id": "x", "enabled": "yes"}]', 'enabled'), ('[{"id": "x", "preset": []}]', 'preset'),
    ('[{"id": "x", "pattern_ids": [5]}]', 'pattern_ids'), ('[{"id": "x", "id": "y"}, null]', 'object'),
]


def test_bad_profile_files(t, lab_):
    path = lab_.path('json')
    for text, words in BAD_PROFILES:
        pathlib.Path(path).write_text(text)
        end_at_once(t, lab_, '%.60s' % text, ['--service-profile-file', path], words, path)
    end_at_once(t, lab_, 'a file that is not there', ['--service-profile-file', path + '.none'], '.none', path)
    end_at_once(t, lab_, 'a folder', ['--service-profile-file', lab_.folder], str(lab_.folder), path)
    pathlib.Path(path).write_text('[' + ' ' * (2 << 20) + ']')
    end_at_once(t, lab_, 'more than 1 MiB', ['--service-profile-file', path], 'larger', path)
    pathlib.Path(path).write_text('[' * 100000)
    end_at_once(t, lab_, 'very deep', ['--service-profile-file', path], '', path)
    t.equal('runs that end at once, yet said where their API is', READY_SAID.count(True), 0)


def end_at_once(t, lab_, what, args, words, path):
    """Exit status 2, and a line that says why and nothing else."""
    done = subprocess.run([str(lab_.sensor), lab_.capture('demo'), '--api-listen', '127.0.0.1:0', '--state', 'none',
                           *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=10)
    said = done.stderr.decode(errors='replace').splitlines()
    t.equal(what + ': exit status', done.returncode, 2)
    t.true(what + ': says why', said and words.lower() in said[-1].lower() and 'profile' in said[-1].lower(), said)
    READY_SAID.append(any('API at' in x for x in said))


READY_SAID = []


def test_preferences(t, lab_):
    server = lab_.serve(lab_.capture('demo'))
    at = '/api/view/preferences/'
    t.error('none yet', server.call('GET', at + 'columns'), 404)
    for name in ('columns', 'a', 'A.b-c_9', 'x' * 64):
        for value in ({'a': 1}, {'b': [1.5, None, True, 'ü']}, {}):
            t.equal('PUT ' + name, server.get(at + name, value, 'PUT'), {'name': name, 'value': value})
            t.equal('GET ' + name, server.get(at + name), {'name': name, 'value': value})
    t.equal('64 KiB', server.call('PUT', at + 'big', body={'x': 'y' * 65500}).status, 200)
    t.error('more', server.call('PUT', at + 'big', body={'x': 'y' * 65536}), 413)
    t.equal('what was there stays', len(server.get(at + 'big')['value']['x']), 65500)
    n = 0
    while server.call('PUT', at + 'n%d' % n, body={'n': n}).status == 200 and n < 2000:
        n += 1
    t.true('there is a cap', 50 <= n < 2000, n)
    t.error('beyond it', server.call('PUT', at + 'one-more', body={}), 409)
    t.equal('one that is there can be changed', server.get(at + 'a', {'x': 2}, 'PUT')['value'], {'x': 2})


# ---- what is saved ----

def test_restart(t, lab_):
    """All marks are there again, also with other --workers and another order of files."""
    db = lab_.path('db')
    files = [lab_.capture('demo'), lab_.capture('http')]
    first = lab_.serve(*files, *PATTERNS, '-w', 1, state=db)
    rows = first.rows()
    ids = [r['stream_id'] for r in rows]
    want = {}
    for i, stream in enumerate(ids[:8]):
        want[stream] = marks_of(state(first, stream, favorite=i % 2 == 0, hidden=i % 3 == 0, note='note %d ü' % i,
                                      color=COLORS[i]))
    rules = [rule(first, 'host', '192.0.2.0/24'), rule(first, 'service', 'ssh'), rule(first, 'pattern', 'regex:3')][-1]['rules']
    first.get('/api/view/preferences/columns', {'a': [1, 2]}, 'PUT')
    first.post('/api/service-profiles/tls/activate')
    t.equal('saved, it says', first.get('/api/health')['view']['saved'], True)
    t.equal('it ends', first.stop(), 0)
    t.equal('the file is for its owner alone', oct(os.stat(db).st_mode & 0o077), '0o0')
    for args in (['-w', 4], ['-w', 2]):
        files.reverse()
        again = lab_.serve(*files, *PATTERNS, *args, state=db)
        got = {r['stream_id']: r for r in again.rows(include_hidden=True)}
        t.equal('the same streams', sorted(got), sorted(ids))
        for stream, marks in want.items():
            t.equal('marks of ' + stream, marks_of(got[stream]), marks)
        t.equal('the others have none', {json.dumps(marks_of(got[s])) for s in ids[8:] if got[s]['service']['name'] != 'ssh'},
                {json.dumps(marks_of({**NONE}))})
        t.equal('rules', again.get('/api/view/hide-rules')['rules'], rules)
        t.equal('preference', again.get('/api/view/preferences/columns')['value'], {'a': [1, 2]})
        t.equal('active profile', [p['profile']['id'] for p in again.get('/api/service-profiles')['profiles'] if p['active']], ['tls'])
        t.equal('counted', again.get('/api/health')['view']['favorite_streams'], 4)
        again.stop()
    again = lab_.serve(*files, state=db)
    for stream in want:
        state(again, stream, favorite=False, hidden=False, note='', color='none')
    again.delete('/api/view/hide-rules')
    again.stop()
    again = lab_.serve(*files, state=db)
    t.equal('taken back is taken back', [s for s in want if marks_of(row_of(again, s)) != NONE], [])
    t.equal('rules too', again.get('/api/view/hide-rules')['rules'], [])


def test_favorites_stay(t, lab_):
    """A favourite of before is kept for its bytes, whatever comes behind it."""
    db, path, made = lab_.path('db'), lab_.path('pcap'), []
    for i in range(4000):
        talk = frames.Talk(made, client=('10.0.%d.%d' % (i // 250, i % 250), 20000), at=1700000000 * 10**9 + i * 10**7)
        talk.data(0, b'request %d' % i)
        talk.end()
    frames.write(path, made)
    first = lab_.serve(path, state=db)
    oldest = [r['stream_id'] for r in first.rows(sort='first_seen')][:100]
    window = '/api/streams/%s/content?direction=a_to_b'
    bytes_ = first.get(window % oldest[0])['segments']
    state(first, oldest[0], favorite=True)
    first.stop()
    for workers in (1, 2, 4):
        again = lab_.serve(path, '--max-streams', 64, '-w', workers, state=db)
        t.equal('it is there', again.get('/api/streams/' + oldest[0])['row']['favorite'], True)
        t.equal('with its bytes', again.get(window % oldest[0])['segments'], bytes_)
        t.true('of its neighbours most are not', len([s for s in oldest if again.call('GET', '/api/streams/' + s).status == 404]) > 80)
        again.stop()


def test_killed(t, lab_):
    """What was answered with 200 is there after SIGKILL, at any moment."""
    db = lab_.path('db')
    for round_ in range(4):
        server = lab_.serve(lab_.capture('demo'), state=db)
        ids = [r['stream_id'] for r in server.rows(include_hidden=True)]
        done, over = {}, threading.Event()

        def mark():
            n = 0
            while not over.is_set():
                stream = ids[n % len(ids)]
                text = 'round %d note %d' % (round_, n)
                try:
                    if server.call('PATCH', '/api/streams/%s/state' % stream, body={'note': text}).status == 200:
                        done[stream] = n
                except lab.Failed:
                    return
                n += 1
        thread = threading.Thread(target=mark)
        thread.start()
        time.sleep(0.15 + round_ * 0.05)
        server.child.send_signal(signal.SIGKILL)
        thread.join()
        over.set()
        server.child.wait()
        again = lab_.serve(lab_.capture('demo'), state=db)
        t.true('round %d: there were some' % round_, len(done) > 5, len(done))
        for stream, n in done.items():
            note = row_of(again, stream)['note']
            t.true('round %d: note of %s' % (round_, stream), note.startswith('round %d note ' % round_) and
                   int(note.split()[-1]) >= n, (note, n))
        t.true('round %d: nothing was said of the file' % round_, '--state' not in again.said(), again.said()[-200:])
        again.stop()


def unchanged(t, lab_, what, db, words='', mode=None):
    """A run without saving, a clear line, and the file as it was."""
    before = pathlib.Path(db).read_bytes() if os.path.isfile(db) else None
    server = lab_.serve(lab_.capture('demo'), state=db)
    said = [x for x in server.said().splitlines() if str(db) in x]
    t.true(what + ': one line on stderr says so', len(said) == 1 and words in said[0] and 'not saved' in said[0], said)
    stream = server.rows()[0]['stream_id']
    t.equal(what + ': marks work all the same', state(server, stream, favorite=True, note='x')['note'], 'x')
    rule(server, 'port', 25)
    server.get('/api/view/preferences/p', {'a': 1}, 'PUT')
    t.equal(what + ': preferences too', server.get('/api/view/preferences/p')['value'], {'a': 1})
    server.post('/api/service-profiles/tls/activate')
    t.equal(what + ': the active profile too', server.get('/api/service-profiles/tls')['active'], True)
    t.equal(what + ': health says that nothing is saved', server.get('/api/health')['view']['saved'], False)
    t.equal(what + ': it ends well', server.stop(), 0)
    if before is not None:
        t.true(what + ': the file is as it was', pathlib.Path(db).read_bytes() == before)


def make_state(lab_):
    db = lab_.path('db')
    server = lab_.serve(lab_.capture('demo'), state=db)
    state(server, server.rows()[0]['stream_id'], note='kept')
    for i in range(50):
        rule(server, 'port', 1000 + i)
    server.stop()
    return db


def test_files_that_are_none(t, lab_):
    for what, data in [('text', b'this is no database\n' * 100), ('short', b'x'), ('100 bytes of text', b'precious ' * 11 + b'!'), ('a capture', open(lab_.capture('demo'), 'rb')
                       .read()), ('zeros', bytes(10000)), ('the start of one', b'SQLite format 3\0' + b'\xff' * 5000)]:
        db = lab_.path('db')
        pathlib.Path(db).write_bytes(data)
        unchanged(t, lab_, what, db)
    folder = lab_.path('folder')
    os.mkdir(folder)
    unchanged(t, lab_, 'a folder', folder)
    unchanged(t, lab_, 'in a folder that is not there', lab_.path('none') + '/x/state.db')


def test_damaged_state(t, lab_):
    db = make_state(lab_)
    good = pathlib.Path(db).read_bytes()
    t.true('all of it is in the file once it has ended', not os.path.exists(db + '-wal') or os.path.getsize(db + '-wal') == 0)
    for what, data in [('cut in half', good[:len(good) // 2]), ('without its end', good[:-100]),
                       ('the schema overwritten', good[:100] + b'\xff' * 1000 + good[1100:]),
                       ('all but the header', good[:100] + b'\xaa' * (len(good) - 100))]:
        bad = lab_.path('db')
        pathlib.Path(bad).write_bytes(data)
        unchanged(t, lab_, what, bad)


def test_foreign_database(t, lab_):
    """One of another program: with tables of the same or other names."""
    for what, sql in [('other tables', 'CREATE TABLE users(name TEXT); INSERT INTO users VALUES(1)'),
                      ('a table of the same name', 'CREATE TABLE stream(x TEXT); INSERT INTO stream VALUES(1)'),
                      ('a table of the same name at our version', 'CREATE TABLE item(x TEXT); CREATE TABLE stream(y TEXT); '
                       'PRAGMA user_version = 2')]:
        db = lab_.path('db')
        c = sqlite3.connect(db)
        c.executescript(sql)
        c.commit()
        c.close()
        unchanged(t, lab_, what, db)


def test_newer_schema(t, lab_):
    db = make_state(lab_)
    for version in (3, 99, 2**31 - 1, -1):
        c = sqlite3.connect(db)
        c.execute('PRAGMA user_version = %d' % version)
        c.commit()
        c.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        c.close()
        unchanged(t, lab_, 'version %d' % version, db, 'newer' if version > 0 else '')


def test_read_only(t, lab_):
    """Root writes where modes forbid it; so as somebody else, if there is a way."""
    db = make_state(lab_)
    os.chmod(db, 0o444)
    if os.geteuid() == 0:
        if not shutil.which('setpriv'):
            t.note('not tested: no setpriv')
            return
        os.chmod(lab_.folder, 0o755)
        server_args = lab_.sensor
        wrapper = lab_.path('sh')
        binary = lab_.path('bin')
        shutil.copy(server_args, binary)
        os.chmod(binary, 0o755)
        pathlib.Path(wrapper).write_text('#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups %s "$@"\n' % binary)
        os.chmod(wrapper, 0o755)
        capture = lab_.path('pcap')
        shutil.copy(lab_.capture('demo'), capture)
        os.chmod(capture, 0o644)
        lab_.sensor, lab_.capture = wrapper, lambda name: capture
    unchanged(t, lab_, 'read-only', db)


HOLD = '''
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
for x in sys.argv[2:]:
    c.execute(x)
print("held", flush=True)
sys.stdin.read()
'''


@contextlib.contextmanager
def held(db, *statements):
    """Another process holds a lock meanwhile (one of our own is lost when we read the file)."""
    child = subprocess.Popen([sys.executable, '-c', HOLD, db, *statements], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        yield
    finally:
        child.kill()
        child.communicate()


def test_locked(t, lab_):
    db = make_state(lab_)
    with held(db, 'PRAGMA locking_mode = EXCLUSIVE', 'BEGIN EXCLUSIVE'):
        start = time.monotonic()
        unchanged(t, lab_, 'locked', db, 'lock')
        t.true('it does not wait long for it', time.monotonic() - start < 8, time.monotonic() - start)
    # A lock that comes later: answers go on, and it is said once.
    server = lab_.serve(lab_.capture('demo'), state=db)
    stream = server.rows()[0]['stream_id']
    with held(db, 'BEGIN IMMEDIATE'):
        for i in range(3):
            t.equal('marks while it is locked', state(server, stream, note='n%d' % i)['note'], 'n%d' % i)
        lab.until('it is said', lambda: 'not saved' in server.said(), 5)
        t.equal('once', server.said().count('not saved'), 1)
        t.equal('health says so', server.get('/api/health')['view']['saved'], False)


def test_two_sensors(t, lab_):
    """Two that share a file: both go on, and what both saved is there."""
    db = lab_.path('db')
    one, two = lab_.serve(lab_.capture('demo'), state=db), lab_.serve(lab_.capture('http'), state=db)
    a, b = one.rows()[0]['stream_id'], two.rows()[0]['stream_id']
    for i in range(50):
        state(one, a, note='one %d' % i)
        state(two, b, note='two %d' % i)
    t.equal('both save', (one.get('/api/health')['view']['saved'], two.get('/api/health')['view']['saved']), (True, True))
    one.stop()
    two.stop()
    again = lab_.serve(lab_.capture('demo'), lab_.capture('http'), state=db)
    t.equal('both notes', (row_of(again, a)['note'], row_of(again, b)['note']), ('one 49', 'two 49'))


def test_default_place(t, lab_):
    """Without --state: in XDG_STATE_HOME, made when it is not there."""
    home = pathlib.Path(lab_.path('home'))
    env = {**os.environ, 'XDG_STATE_HOME': str(home), 'HOME': str(home)}
    server = lab.Server(lab_, lab_.capture('demo'), '--no-progress', env=env, state='none')
    t.equal('--state none saves nothing', (server.get('/api/health')['view']['saved'], home.exists()), (False, False))
    server.stop()


TESTS = [test_state, test_hide_rules, test_several_rules, test_profiles, test_profile_file, test_bad_profile_files, test_preferences,
         test_restart, test_favorites_stay, test_killed, test_files_that_are_none, test_damaged_state, test_foreign_database, test_newer_schema,
         test_read_only, test_locked, test_two_sensors, test_default_place]
