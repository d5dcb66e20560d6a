# SPDX-License-Identifier: MIT
"""walk - every route of the program's own OpenAPI document, with good and with bad parameters and bodies."""
import json
import urllib.parse

import lab
import schema

UNKNOWN = '00000000000000aa'
PATTERNS = ['--pattern', 'get=GET ', '--regex', 'error=HTTP/1\\.[01] [45]..', '--binary-pattern', 'zip=1f 8b', '--pack',
            'flags']
TIMES = ['2026-11-20T21:46:16Z', '2026-11-20T21:46:16.123456Z', '2026-11-20T21:46:16.123456+0000', '1795211176',
         '1795211176.25']

# Good values of parameters that are texts; ID stands for a stream.
TEXTS = {
    'profile': ['http', 'HTTP', 'matched'],
    'protocol': ['tcp', 'udp,icmpv6', '!tcp', '17'],
    'service': ['http', 'dns,!http', 'unknown'],
    'port': ['80', '80,443', '!53', '0', '65535'],
    'host': ['10.9.0.1', '10.9.0.0/24,fd00:9::/64', '!127.0.0.1', '::/0', '0.0.0.0/0'],
    'content_kind': ['text', 'binary,mixed', '!unknown'],
    'status': ['open', 'closed,reset', '!timeout', 'closing', 'evicted'],
    'pattern_id': ['substring:0', 'regex:0,binary:0', '!pack:0', 'substring:99'],
    'since': TIMES,
    'until': TIMES,
    'has': ['gap', 'anomaly,match', '!note', 'conflict', 'cut'],
    'color': ['none', 'red,blue', '!green'],
    'around': ['ID'],
    'cursor': ['0'],
    'transform': ['auto', 'none', 'raw', 'profile', '', 'url_decode', 'http_chunked,http_gzip,url_decode', 'gzip', 'deflate',
                  'brotli', 'zstd', 'charset', 'charset:iso-8859-1', 'base64', 'hex', 'websocket_deflate', 'json'],
    'instance': [],
}
# Of the same name elsewhere.
ELSEWHERE = {('/api/streams/{id}/messages', 'protocol'): ['http', 'websocket', 'http1', 'ws']}

BAD_TEXTS = {
    'profile': ['nonsense'],
    'protocol': ['nonsense', 'tcp,', '!', '256', '-1'],
    'service': ['nonsense', 'http,,dns', '!'],
    'port': ['65536', '-1', 'http', '80,', '80.5', '0x50', '!', ' 80'],
    'host': ['nonsense', '10.9.0', '300.1.1.1', '10.9.0.1/33', 'fd00::/129', '10.9.0.1/', '10.9.0.1/-1', '!', '10.9.0.1,'],
    'content_kind': ['nonsense', '!'],
    'status': ['nonsense', 'open,'],
    'since': ['yesterday', '2026-13-45T00:00:00Z', '-5', '2026-11-20T21:46:16+02:00x', '1e9', '99999999999999999999'],
    'until': ['tomorrow', '2026-02-30T00:00:00Z', '-5', '2026-11-20T25:46:16Z'],
    'has': ['nonsense', '!', 'gap,'],
    'color': ['nonsense', '!'],
    'around': ['nonsense', '0xzz'],
    'cursor': ['nonsense', '1-2-3-4', '-1', '0-0-0-0'],
    'pattern_id': [',', '!', 'regex:0,'],
    'transform': ['nonsense', 'gzip,nonsense', ','.join(['hex'] * 9)],
    'instance': [],
}
BAD_NUMBERS = ['abc', '-1', '1.5', '', '1e3', '0x10', '%201', '%2B1', '18446744073709551616', '99999999999999999999999']
BAD_FLAGS = ['yes', '2', '', 'truex', 'null']
BAD_CODING = ['%', '%4', '%zz', '%00', 'a%00b', '%ff', '%c3', '%ed%a0%80']


def start(lab_):
    return lab_.serve(*lab_.captures(), *PATTERNS)


def pick(server):
    """A stream with HTTP messages and matches."""
    return server.get('/api/streams', service='http', only_matched='true')['rows'][0]['stream_id']


def operations(document):
    for path, methods in document['paths'].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def place(server, path, stream):
    """The path with good values in it; makes what they name."""
    if '{name}' in path:
        server.get('/api/view/preferences/walk', {'a': 1}, 'PUT')
        return path.replace('{name}', 'walk')
    if '{id}' not in path:
        return path
    if path.startswith('/api/streams/'):
        return path.replace('{id}', stream)
    if path.startswith('/api/patterns/'):
        return path.replace('{id}', server.post('/api/patterns', {'kind': 'substring', 'pattern': 'walk-%s' % len(path)})
                            ['pattern']['id'])
    if path.startswith('/api/service-profiles/'):
        return path.replace('{id}', 'http')
    rules = server.post('/api/view/hide-rules', {'kind': 'port', 'value': 9})['rules']
    return path.replace('{id}', str(rules[-1]['id']))


BODIES = {
    ('POST', '/api/login'): [{'token': 'whatever'}],
    ('PATCH', '/api/streams/{id}/state'): [{'favorite': True}, {'hidden': False, 'note': 'seen', 'color': 'red'},
                                           {'favorite': False, 'note': '', 'color': 'none'}],
    ('POST', '/api/patterns'): [{'kind': 'substring', 'pattern': 'one'}, {'name': 'two', 'kind': 'regex', 'pattern': 't[vw]o',
                                'case': False, 'direction': 'b_to_a', 'service': 'http', 'ports': [80], 'colour': 'blue',
                                'rescan': True}],
    ('PATCH', '/api/patterns/{id}'): [{'name': 'other', 'colour': 'green'}, {'rescan': True}],
    ('POST', '/api/view/hide-rules'): [{'kind': 'port', 'value': 7}, {'kind': 'port', 'value': '9'}],
    ('PUT', '/api/view/preferences/{name}'): [{'columns': ['a', 'b'], 'width': 3.5, 'dark': None}],
}


def good_values(server, path, p, stream):
    s, name = p['schema'], p['name']
    if 'enum' in s:
        return s['enum']
    if s['type'] == 'boolean':
        return ['true', 'false', '1', '0']
    if s['type'] == 'integer':
        if name == 'wait_ms':
            return ['0', '1', '20']
        most = s.get('maximum', 2**40)
        if path in ('/api/live/deltas', '/api/live/events') and name == 'cursor':
            most = 0
        return sorted({str(v) for v in (s['minimum'], min(s['minimum'] + 1, most), most)} |
                      ({str(s['default'])} if 'default' in s else set()))
    found = ELSEWHERE.get((path, name), TEXTS[name])
    if name == 'instance':
        found = [server.get('/api/health')['instance']]
    return [v.replace('ID', stream) for v in found]


class Checker:
    def __init__(self, t, server):
        self.t, self.server = t, server
        self.document = server.get('/api/openapi.json')
        self.schemas = schema.Document(self.document)

    def answer(self, what, operation, a):
        """A 200, as the document says, with the headers that every answer has."""
        if not self.t.true(what, a.status == 200, 'expected 200, got %d: %r' % (a.status, a.body[:300])):
            return
        self.t.equal(what + ': headers that are missing', a.unsafe(), [])
        kind, content = next(iter(operation['responses']['200']['content'].items()))
        self.t.equal(what + ': Content-Type', (a.header('content-type') or '').split(';')[0], kind)
        if 'schema' in content:
            wrong = self.schemas.problems(a.json, content['schema'])
            self.t.true(what + ': schema', not wrong, '; '.join(wrong[:5]))

    def error(self, what, a, status, words=''):
        self.t.error(what, a, status, words=words)
        self.t.equal(what + ': headers that are missing', a.unsafe(), [])


def raw_query(path, pairs):
    return path + '?' + '&'.join('%s=%s' % (k, urllib.parse.quote(v, safe=',:/!.-_') if k != v else v) for k, v in pairs)


def test_document(t, lab_):
    server = start(lab_)
    document = server.get('/api/openapi.json')
    t.true('a version of OpenAPI 3', document['openapi'].startswith('3.'))
    t.true('title and version', document['info'].get('title') and document['info'].get('version'))
    names = {'%s %s' % (m, p) for p, m, _ in operations(document)}
    for want in CONTRACT:
        t.true('in the document: ' + want, want in names)
    for path, method, operation in operations(document):
        what = '%s %s' % (method, path)
        t.true(what + ' says what it is for', operation.get('summary') or operation.get('description'))
        t.true(what + ' describes its errors', 'default' in operation['responses'])
        listed = {p['name'] for p in operation['parameters'] if p['in'] == 'path'}
        t.equal(what + ': parts of its path', listed, {x.strip('{}') for x in path.split('/') if x.startswith('{')})
    for name, s in document['components']['schemas'].items():
        t.true('schema %s is closed' % name, s.get('additionalProperties') is not None or s == {} and
               name == 'PreferenceBody')
    # What a client sends is described as well.
    d = schema.Document(document)
    for (method, path), bodies in BODIES.items():
        described = document['paths'][path][method.lower()]['requestBody']['content']['application/json']['schema']
        for body in bodies:
            wrong = d.problems(body, described)
            t.true('%s %s takes %s by its schema' % (method, path, json.dumps(body)), not wrong, '; '.join(wrong))


CONTRACT = [
    'GET /', 'GET /api/health', 'GET /api/streams', 'GET /api/streams/{id}', 'PATCH /api/streams/{id}/state',
    'GET /api/streams/{id}/matches', 'GET /api/matches', 'GET /api/streams/{id}/messages', 'GET /api/streams/{id}/content',
    'GET /api/streams/{id}/conversation', 'GET /api/streams/{id}/download', 'GET /api/streams/{id}/pcap',
    'GET /api/patterns', 'POST /api/patterns', 'PATCH /api/patterns/{id}', 'DELETE /api/patterns/{id}',
    'GET /api/service-profiles', 'GET /api/service-profiles/{id}', 'POST /api/service-profiles/{id}',
    'POST /api/service-profiles/{id}/hide-rules', 'POST /api/service-profiles/{id}/activate', 'GET /api/view/hide-rules',
    'POST /api/view/hide-rules', 'DELETE /api/view/hide-rules', 'DELETE /api/view/hide-rules/{id}', 'GET /api/live/deltas',
    'GET /api/live/events', 'GET /api/stats/timeline', 'GET /api/stats/top', 'GET /api/view/preferences/{name}',
    'PUT /api/view/preferences/{name}', 'GET /api/perf/queues', 'GET /metrics', 'GET /api/openapi.json']


def test_good_parameters(t, lab_):
    server = start(lab_)
    c, stream = Checker(t, server), pick(server)
    for path, method, operation in operations(c.document):
        if method != 'GET' or path == '/api/live/events':
            continue
        at = place(server, path, stream)
        params = [p for p in operation['parameters'] if p['in'] == 'query']
        asked = [[]] + [[(p['name'], str(v))] for p in params for v in good_values(server, path, p, stream)]
        for pairs in asked:
            target = raw_query(at, pairs) if pairs else at
            c.answer('GET ' + target, operation, server.call('GET', target))
        # All of them together, and their defaults said aloud, which change nothing.
        both = [(p['name'], str(good_values(server, path, p, stream)[0])) for p in params if p['name'] != 'around']
        both = [x for x in both if x[0] != 'since']
        if both:
            target = raw_query(at, both)
            c.answer('GET ' + target, operation, server.call('GET', target))
        preset = [(p['name'], json.dumps(p['schema']['default']).strip('"')) for p in params if 'default' in p['schema']]
        if preset and path != '/api/live/deltas':
            t.equal('GET %s with its defaults' % path, server.call('GET', raw_query(at, preset)).body,
                    server.call('GET', at).body)
        head = server.call('HEAD', at)
        t.true('HEAD ' + at, head.status == 200 and head.body == b'', head.status)


def test_good_bodies(t, lab_):
    server = start(lab_)
    c, stream = Checker(t, server), pick(server)
    for path, method, operation in operations(c.document):
        if method == 'GET':
            continue
        for body in BODIES.get((method, path), [None]):
            at = place(server, path, stream)
            a = server.call(method, at, body=body)
            c.answer('%s %s %s' % (method, at, json.dumps(body)), operation, a)
        if (method, path) in BODIES and method != 'POST':
            a = server.call(method, at, body=json.dumps(body).encode(),
                            headers={'Content-Type': 'application/json; charset=utf-8'})
            t.equal('%s %s with a charset' % (method, at), a.status, 200)


def bad_values(path, p):
    s, name = p['schema'], p['name']
    if 'enum' in s:
        return ['nonsense', '', s['enum'][0] + 'x', s['enum'][0].upper(), '%20' + s['enum'][0]]
    if s['type'] == 'boolean':
        return BAD_FLAGS
    if s['type'] == 'integer':
        return BAD_NUMBERS + ([str(s['minimum'] - 1)] if s['minimum'] else []) + \
            ([str(s['maximum'] + 1)] if 'maximum' in s else [])
    found = [urllib.parse.quote(v) for v in BAD_TEXTS[name]] + ([] if name == 'transform' else [''])
    if (path, name) == ('/api/streams/{id}/messages', 'protocol'):
        found = ['nonsense', '', 'tls']
    return found + (['x' * (s['maxLength'] + 1)] if 'maxLength' in s else [])


def test_bad_parameters(t, lab_):
    server = start(lab_)
    c, stream = Checker(t, server), pick(server)
    for path, method, operation in operations(c.document):
        at = place(server, path, stream)
        bodies = BODIES.get((method, path), [None])
        for target in ('?nonsense=1', '?nonsense', '?limits=1', '?nonsense[]=1', '?%6eonsense=1'):
            word = 'limits' if 'limits' in target else 'nonsense'
            c.error('%s %s: unknown parameter' % (method, at + target), server.call(method, at + target, body=bodies[0]), 400,
                    word)
        for coding in BAD_CODING:
            a = server.call(method, '%s?nonsense=%s' % (at, coding), body=bodies[0])
            c.error('%s %s?nonsense=%s' % (method, at, coding), a, 400)
        for p in operation['parameters']:
            if p['in'] != 'query':
                continue
            name = p['name']
            for v in bad_values(path, p):
                c.error('%s %s?%s=%s' % (method, at, name, v[:60]), server.call(method, '%s?%s=%s' % (at, name, v)), 400,
                        name)
            for v in BAD_CODING:
                c.error('%s %s?%s=%s' % (method, at, name, v), server.call(method, '%s?%s=%s' % (at, name, v)), 400)
            good = good_values(server, path, p, stream)[0]
            c.error('%s %s: %s twice' % (method, at, name),
                    server.call(method, '%s?%s=%s&%s=%s' % (at, name, good, name, good)), 400, name)
            if p['schema'].get('type') != 'string' or 'enum' in p['schema']:
                c.error('%s %s: %s without a value' % (method, at, name), server.call(method, '%s?%s' % (at, name)), 400, name)
    t.equal('the server is well', server.get('/api/health')['status'], 'ok')


def test_streams_that_are_none(t, lab_):
    server = start(lab_)
    c, stream = Checker(t, server), pick(server)
    for path, method, operation in operations(c.document):
        if not path.startswith('/api/streams/{id}'):
            continue
        body = BODIES.get((method, path), [None])[0]
        for bad in ('nonsense', 'x', '0x', '0xzz', '-1', '1.5', stream + '0', stream[:15] + 'g', '99999999999999999999', '%00',
                    stream + '%00', '%ff', '%20', stream[:8], '0x1' + stream):
            if bad == stream[:8] and bad.isdigit():
                continue
            c.error('%s %s: %s' % (method, path, bad), server.call(method, path.replace('{id}', bad), body=body), 400)
        for unknown in (UNKNOWN, '0x1', '12345', '18446744073709551615'):
            c.error('%s %s: %s' % (method, path, unknown), server.call(method, path.replace('{id}', unknown), body=body), 404)
    c.error('around=' + UNKNOWN, server.call('GET', '/api/streams?around=' + UNKNOWN), 404)


def test_ids_in_each_form(t, lab_):
    server = start(lab_)
    for row in server.rows(include_hidden=True)[:40]:
        stream = row['stream_id']
        for form in (stream, stream.upper(), '0x' + stream, '0X' + stream.upper(), '0x%x' % int(stream, 16)):
            a = server.call('GET', '/api/streams/' + form)
            t.true('GET /api/streams/' + form, a.status == 200 and a.json['row']['stream_id'] == stream, a.status)
        number = str(int(stream, 16))
        if len(number) != 16:  # 16 digits are hexadecimal
            a = server.call('GET', '/api/streams/' + number)
            t.true('GET /api/streams/%s, that is %s' % (number, stream), a.status == 200 and
                   a.json['row']['stream_id'] == stream, a.status)


def test_other_ids_that_are_none(t, lab_):
    server = start(lab_)
    c = Checker(t, server)
    for method, path, status, body in [
            ('PATCH', '/api/patterns/nonsense', 404, {'name': 'x'}), ('DELETE', '/api/patterns/substring:77', 404, None),
            ('DELETE', '/api/patterns/pack:0x', 404, None), ('GET', '/api/service-profiles/nonsense', 404, None),
            ('POST', '/api/service-profiles/nonsense', 404, None), ('POST', '/api/service-profiles/nonsense/activate', 404, None),
            ('POST', '/api/service-profiles/nonsense/hide-rules', 404, None),
            ('GET', '/api/service-profiles/' + 'x' * 120, 404, None), ('DELETE', '/api/view/hide-rules/77', 404, None),
            ('DELETE', '/api/view/hide-rules/0', 404, None), ('DELETE', '/api/view/hide-rules/-1', 400, None),
            ('DELETE', '/api/view/hide-rules/x', 400, None), ('DELETE', '/api/view/hide-rules/1x', 400, None),
            ('DELETE', '/api/view/hide-rules/4294967297', 404, None),
            ('DELETE', '/api/view/hide-rules/99999999999999999999', 404, None),
            ('GET', '/api/view/preferences/none', 404, None), ('GET', '/api/view/preferences/a%20b', 400, None),
            ('GET', '/api/view/preferences/%ff', 400, None), ('GET', '/api/view/preferences/' + 'x' * 65, 400, None),
            ('PUT', '/api/view/preferences/a:b', 400, {}), ('PUT', '/api/view/preferences/a%00b', 400, {})]:
        c.error('%s %s' % (method, path[:80]), server.call(method, path, body=body), status)


def test_paths_and_methods(t, lab_):
    server = start(lab_)
    c, stream = Checker(t, server), pick(server)
    for path in ('/nonsense', '/api', '/api/', '/api/stream', '/api/streams/', '/api/streams/%s/' % stream,
                 '/api/streams/%s/nonsense' % stream, '/api/streams/%s/state/x' % stream, '/api/healthx', '/API/health',
                 '/api/streams//content', '/favicon.icox', '/api/openapi.yaml', '/metrics/', '/api/%68ealthx', '/..%2fetc/passwd',
                 '/api/' + 'x' * 4000, '/%00', '/%ff', '/%zz', '/' + 'a/' * 500):
        for method in ('GET', 'POST', 'DELETE'):
            a = server.call(method, path)
            c.error('%s %s' % (method, path[:60]), a, 404)
    for path, methods in c.document['paths'].items():
        at = place(server, path, stream)
        for method in ('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'get', 'X'):
            if method.lower() in methods and method != 'get':
                continue
            a = server.call(method, at)
            c.error('%s %s' % (method, at), a, 405)
            allow = {x.strip() for x in (a.header('allow') or '').split(',')} - {'HEAD'}
            t.equal('%s %s: Allow' % (method, at), allow, {m.upper() for m in methods})


def test_bad_bodies(t, lab_):
    server = start(lab_)
    c, stream = Checker(t, server), pick(server)
    json_type = {'Content-Type': 'application/json'}
    for path, method, operation in operations(c.document):
        at = place(server, path, stream)
        what = '%s %s: ' % (method, at)
        if 'requestBody' not in operation:
            for body in (b'{}', b'x', b'{"kind": "port", "value": 1}'):
                a = server.call(method, at, body=body, headers=json_type)
                c.error('%sa body where none is taken: %s' % (what, body), a, 400)
            continue
        good = json.dumps(BODIES[method, path][0]).encode()
        for bad in (b'', b'{', b'}', b'{"a":}', b'nonsense', b'{"a": 1,}', b'{"a": 1} x', b'{"a": 1}{}', b'\xff',
                    b'{"a": "\xff"}', b'{"\xc3": 1}', b'{"a": 01}', b'\0', b'[' * 5000, b'{"a":' * 5000, b'"' * 3,
                    b'{"a": 1e}', b'\xef\xbb\xbf' + good):
            c.error('%s%r' % (what, bad[:40]), server.call(method, at, body=bad, headers=json_type), 400)
        for kind in (None, 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x',
                     'application/jsonx', 'application/xml', 'json', '', 'text/plain; application/json'):
            a = server.call(method, at, body=good, headers={'Content-Type': kind})
            c.error('%sContent-Type %s' % (what, kind), a, 415)
        large = b'{"a": "' + b'x' * (1 << 20) + b'"}'
        c.error(what + 'more than 1 MiB', server.call(method, at, body=large, headers=json_type), 413)
        shapes = [[], 'text', 5, None, True, [{}]]
        if path != '/api/view/preferences/{name}':
            for bad in shapes + [{'nonsense': 1}, {**BODIES[method, path][0], 'nonsense': 1}]:
                a = server.call(method, at, body=json.dumps(bad).encode(), headers=json_type)
                status = 422 if '/patterns' in path and a.status == 422 else 400
                c.error('%s%s' % (what, json.dumps(bad)), a, status)
    t.equal('the server is well', server.get('/api/health')['status'], 'ok')


def test_bodies_that_are_nearly_json(t, lab_):
    """What other readers of JSON refuse must not be kept either: the one who reads it back is a browser."""
    server = start(lab_)
    c = Checker(t, server)
    for bad in (b'NaN', b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}', b"{'a': 1}", b'{"a": "\x01"}', b'{"a": "\t"}',
                b'{a: 1}', b'{"a": 1 /* x */}', b'{"a": TRUE}', b'{"a": nUll}', b'{"a": .5}', b'{"a": 1.}', b'[1,,2]',
                b'{"a": +1}', b'{"a": "\\x41"}'):
        a = server.call('PUT', '/api/view/preferences/nearly', body=bad, headers={'Content-Type': 'application/json'})
        c.error('a preference that is %r' % bad, a, 400)
    for good in ({'a': 1e300}, {'a': -0.0}, [], 0, '', 'x' * 60000, {'': {'': ''}}, {'ü€😀': '\u2028'}, [[[[[]]]]],
                 {'a': 2**53}, {'a': 0.1}, {'a': '\u0000b'}):
        server.call('PUT', '/api/view/preferences/good', body=good)
        t.equal('a preference that is %.40r' % (good,), server.get('/api/view/preferences/good')['value'], good)
    server.call('PUT', '/api/view/preferences/good', body=b'null', headers={'Content-Type': 'application/json'})
    t.equal('a preference that is null', server.get('/api/view/preferences/good')['value'], None)


# ---- what clients of the program before ours send ----

def test_predecessor(t, lab_):
    """The routes, parameters and names that its users know (ids are texts here, and so are cursors)."""
    server = start(lab_)
    stream = pick(server)
    web = server.get('/api/streams', service='websocket')['rows'][0]['stream_id']
    health = server.get('/api/health')
    for name in ('status', 'run_status', 'stats', 'queue_summary', 'shard_pressure', 'view', 'content_shards',
                 'active_content_shards', 'latest_delta_cursor', 'dropped_delta_cursor'):
        t.true('health has ' + name, name in health)
    for name in ('tracked_streams', 'favorite_streams', 'manually_hidden_streams', 'matched_streams', 'stored_matches',
                 'dropped_matches', 'orphan_matches', 'evicted_streams', 'hide_rules'):
        t.true('health.view has ' + name, name in health['view'])
    t.equal('health: status', (health['status'], health['run_status']), ('ok', 'completed'))
    for target, names in [
            ('/api/streams?limit=50&cursor=0', 'rows next_cursor'),
            ('/api/streams?profile=http', 'rows'), ('/api/streams?include_hidden=true', 'rows'),
            ('/api/streams?only_favorites=true', 'rows'), ('/api/streams?only_matched=true', 'rows'),
            ('/api/streams?protocol=tcp&service=http&port=80', 'rows'), ('/api/streams?content_kind=text&status=closed', 'rows'),
            ('/api/streams?pattern_id=substring:0', 'rows'),
            ('/api/streams/%s' % stream, 'row directions matches content_shard'),
            ('/api/streams/%s/matches' % stream, 'stream_id stream_id_hex matches'),
            ('/api/streams/%s/messages' % stream, 'stream_id stream_id_hex messages next_cursor'),
            ('/api/streams/%s/messages?direction=a_to_b&protocol=http1&kind=request&status=complete&limit=16&cursor=0' % stream,
             'messages'),
            ('/api/streams/%s/messages?protocol=websocket' % web, 'messages'),
            ('/api/streams/%s/content?direction=a_to_b&start=0&len=4096&mode=text' % stream,
             'stream_id stream_id_hex direction requested_start requested_end returned_bytes truncated_by_limit segments '
             'highlights dropped_highlights'),
            ('/api/streams/%s/content?direction=b_to_a&start=0&len=4096&mode=hex' % stream, 'segments'),
            ('/api/streams/%s/content?direction=b_to_a&mode=raw' % stream, 'segments'),
            ('/api/streams/%s/content?transform=auto' % stream, 'transforms'),
            ('/api/streams/%s/content?transform=profile' % stream, 'transforms'),
            ('/api/streams/%s/content?direction=b_to_a&transform=http_chunked,http_gzip,url_decode' % stream, 'transforms'),
            ('/api/streams/%s/content?transform=url_decode' % stream, 'transforms'),
            ('/api/streams/%s/content?transform=gzip' % stream, 'transforms'),
            ('/api/streams/%s/content?transform=websocket_deflate' % web, 'transforms'),
            ('/api/service-profiles', 'profiles'), ('/api/service-profiles/http', 'profile stats'),
            ('/api/view/hide-rules', 'rules view'),
            ('/api/live/deltas?cursor=0&limit=1024&wait_ms=0', 'deltas next_cursor latest_cursor dropped_before missed '
             'run_status'),
            ('/api/live/deltas?cursor=%d&wait_ms=10' % health['latest_delta_cursor'], 'deltas')]:
        a = server.call('GET', target)
        if t.equal('GET ' + target, a.status, 200):
            for name in names.split():
                t.true('GET %s: %s' % (target, name), name in a.json)
    row = server.get('/api/streams/' + stream)['row']
    for name in ('stream_id', 'stream_id_hex', 'content_shard', 'first_seen_us', 'last_seen_us', 'protocol', 'endpoint_a',
                 'endpoint_b', 'service', 'status', 'content_kind', 'packets', 'bytes', 'payload_bytes', 'stream_bytes',
                 'stream_chunks', 'match_count', 'stored_match_count', 'pattern_ids', 'favorite', 'hidden', 'hidden_reason'):
        t.true('a row has ' + name, name in row)
    match = server.get('/api/streams/%s/matches' % stream)['matches'][0]
    for name in ('stream_id', 'stream_id_hex', 'pattern_id', 'pattern_name', 'pattern_type', 'direction', 'logical_start',
                 'logical_end', 'match_len', 'match_text'):
        t.true('a match has ' + name, name in match)
    message = server.get('/api/streams/%s/messages' % stream)['messages'][0]
    for name in ('message_id', 'protocol', 'kind', 'status', 'direction', 'summary', 'logical_start', 'logical_end',
                 'header_start', 'header_end', 'body_start', 'body_end', 'wire_bytes', 'header_bytes', 'body_bytes', 'http'):
        t.true('a message has ' + name, name in message)
    for method, target, body, names in [
            ('PATCH', '/api/streams/%s/state' % stream, {'favorite': True}, 'row view'),
            ('PATCH', '/api/streams/%s/state' % stream, {'hidden': True}, 'row view'),
            ('POST', '/api/view/hide-rules', {'kind': 'service', 'value': 'dns'}, 'rules view'),
            ('POST', '/api/view/hide-rules', {'kind': 'stream_id', 'value': stream}, 'rules view'),
            ('POST', '/api/view/hide-rules', {'kind': 'stream', 'value': '0x' + stream}, 'rules view'),
            ('POST', '/api/view/hide-rules', {'kind': 'protocol', 'value': 'udp'}, 'rules view'),
            ('POST', '/api/view/hide-rules', {'kind': 'port', 'value': 443}, 'rules view'),
            ('POST', '/api/view/hide-rules', {'kind': 'kind', 'value': 'binary'}, 'rules view'),
            ('POST', '/api/view/hide-rules', {'kind': 'content_kind', 'value': 'mixed'}, 'rules view'),
            ('POST', '/api/view/hide-rules', {'kind': 'status', 'value': 'closed'}, 'rules view'),
            ('POST', '/api/view/hide-rules', {'kind': 'pattern', 'value': 'substring:0'}, 'rules view'),
            ('POST', '/api/view/hide-rules', {'kind': 'pattern_id', 'value': 'regex:0'}, 'rules view'),
            ('POST', '/api/service-profiles/http', None, 'rules view'),
            ('POST', '/api/service-profiles/dns/hide-rules', None, 'rules view'),
            ('DELETE', '/api/view/hide-rules', None, 'rules view')]:
        a = server.call(method, target, body=body)
        what = '%s %s %s' % (method, target, json.dumps(body))
        if t.equal(what, a.status, 200):
            for name in names.split():
                t.true('%s: %s' % (what, name), name in a.json)


TESTS = [test_document, test_good_parameters, test_good_bodies, test_bad_parameters, test_streams_that_are_none,
         test_ids_in_each_form, test_other_ids_that_are_none, test_paths_and_methods, test_bad_bodies,
         test_bodies_that_are_nearly_json, test_predecessor]
