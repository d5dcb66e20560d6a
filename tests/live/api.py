# SPDX-License-Identifier: MIT
"""api - the HTTP API while packets come from an interface: who may ask, what is told, what is left out."""
import json
import re

from net import Failed, until
from traffic import FILES, fetch, serve

PORT = 8077


class Client:
    """curl in the namespace a, against the sensor in b."""

    def __init__(self, pair, sensor, address='10.77.0.2'):
        self.pair, self.sensor, self.base = pair, sensor, 'http://%s:%d' % (address, PORT)
        found = re.search(r'#token=([0-9a-f]{32})', sensor.said())
        self.token = found.group(1) if found else None

    def raw(self, path, *args, token=True):
        """Status and body."""
        words = ['-H', 'Authorization: Bearer ' + self.token] if token and self.token else []
        said = self.pair.run('a', 'curl', '-sS', '--max-time', '20', '-w', '\n%{http_code}', *words, *args,
                             self.base + path)
        body, _, status = said.rpartition('\n')
        return int(status), body

    def get(self, path):
        status, body = self.raw(path)
        if status != 200:
            raise Failed('%s: %d %s' % (path, status, body[:200]))
        return json.loads(body)

    def change(self, method, path, body):
        status, said = self.raw(path, '-X', method, '-H', 'Content-Type: application/json', '-d', json.dumps(body))
        if status != 200:
            raise Failed('%s %s: %d %s' % (method, path, status, said[:200]))
        return json.loads(said)

    def rows(self, query=''):
        return self.get('/api/streams?limit=512' + query)['rows']


def serving(lab, pair, mode, *args):
    sensor = lab.sensor_on(pair, mode, '--api-listen', '10.77.0.2:%d' % PORT, '--state', 'none', *args)
    return sensor, Client(pair, sensor)


def test_token(t, lab, mode):
    """A token is needed though the address is one's own; it is shown once; wrong ones are throttled."""
    pair = lab.pair(raw=False)
    sensor, client = serving(lab, pair, mode)
    t.true('a token is shown', client.token)
    t.equal('without', client.raw('/api/health', token=False)[0], 401)
    t.equal('with', client.raw('/api/health')[0], 200)
    statuses = [client.raw('/api/health', '-H', 'Authorization: Bearer ' + 'x' * 32, token=False)[0]
                for _ in range(3)]
    t.true('wrong ones: %s' % statuses, set(statuses) <= {401, 429})
    t.equal('another Host', client.raw('/api/health', '-H', 'Host: evil.example')[0], 403)
    t.equal('exit status', sensor.stop(), 0)


def test_self(t, lab, mode):
    """The API's own connections are left out and counted; with --capture-self they are there."""
    for given in (False, True):
        pair = lab.pair(raw=False)
        sensor, client = serving(lab, pair, mode, *(['--capture-self'] if given else []))
        for _ in range(5):
            client.get('/api/health')
        own = client.rows('&port=%d' % PORT)
        until('rows', lambda: not given or client.rows('&port=%d' % PORT))
        t.equal('exit status', sensor.stop(), 0)
        stats = sensor.stats()
        left_out = stats['capture']['kernel'].get('filtered_self', 0)
        t.true('balance', stats['balance']['ok'] and stats['capture']['ok'])
        if given:
            t.equal('left out', left_out, 0)
        else:
            t.equal('streams of the API', own, [])
            t.true('left out: %d' % left_out, left_out >= 5 * 8)


def test_content(t, lab, mode):
    """Files by nginx: rows, conversation, content and messages while it runs; nothing to read a pcap from."""
    pair = lab.pair(raw=False)
    www = serve(lab, pair)
    sensor, client = serving(lab, pair, mode, '-w', 2, '--pattern', 'nginx=Server: nginx')
    fetch(lab, pair, www, ['one', 'small'])
    until('both streams have ended', lambda: len(client.rows('&status=closed&service=http')) == 2)
    rows = sorted(client.rows('&service=http'), key=lambda r: r['bytes'])
    for row, name in zip(rows, ('one', 'small')):
        path = '/api/streams/%s' % row['stream_id']
        body = (www / name).read_bytes()
        t.equal('%s: first line' % name, row['first_line'], 'GET /%s HTTP/1.1' % name)
        got = client.get(path)
        t.equal('%s: no gaps' % name, got['gaps'], [])
        t.equal('%s: matches' % name, [m['pattern_name'] for m in got['matches']], ['nginx'])
        messages = client.get(path + '/messages')['messages']
        t.equal('%s: messages' % name, [m['kind'] for m in messages], ['request', 'response'])
        t.equal('%s: body' % name, messages[1]['body_bytes'], len(body))
        turns = client.get(path + '/conversation?mode=raw')['turns']
        t.equal('%s: turns' % name, turns[0]['direction'], 'a_to_b')
        t.true('%s: times' % name, all('timestamp' in x for x in turns))
        status, raw = client.raw(path + '/download?direction=b_to_a&format=hex')
        t.equal('%s: download' % name, status, 200)
        t.true('%s: all of it' % name, len(raw.splitlines()) >= len(body) // 16)
        t.equal('%s: no packets are kept' % name,
                json.loads(client.raw(path + '/pcap')[1])['error']['code'], 'no_packet_store')
    t.equal('exit status', sensor.stop(), 0)


def test_patterns(t, lab, mode):
    """A pattern that comes while it runs finds what was there and what comes."""
    pair = lab.pair(raw=False)
    www = serve(lab, pair)
    sensor, client = serving(lab, pair, mode, '-w', 2)
    fetch(lab, pair, www, ['one'])
    until('the stream has ended', lambda: client.rows('&status=closed&service=http'))
    made = client.change('POST', '/api/patterns', {'name': 'get', 'kind': 'regex', 'pattern': 'GET /[a-z]+',
                                                   'rescan': True})
    t.equal('its name', made['pattern']['definition']['name'], 'get')
    until('the old one is found', lambda: client.get('/api/matches')['total'] == 1)
    fetch(lab, pair, www, ['small'])
    until('the new one is found', lambda: client.get('/api/matches')['total'] == 2)
    t.equal('counts', [(p['matches'], p['streams']) for p in client.get('/api/patterns')['patterns']], [(2, 2)])
    t.equal('exit status', sensor.stop(), 0)


def test_load(t, lab, mode):
    """100,000 packets at 20,000/s while lists and content are asked for: none is lost, all are shown."""
    pair = lab.pair(raw=True) if mode == 'redirect' else lab.pair(raw=False)
    sensor = lab.sensor_on(pair, mode, '--api-listen', '127.0.0.1:%d' % PORT, '--state', 'none', '-w', 2)
    client = Client(pair, sensor, '127.0.0.1')
    client.pair = type('There', (), {'run': lambda self, side, *a, **k: pair.run('b', *a, **k)})()
    pair.ip('b', 'link', 'set', 'lo', 'up')
    sender = lab.send(pair, '--count', 100000, '--rate', 20000, '--size', 200, '--flows', 2000, '--udp', wait=False)
    asked = 0
    while sender.running():
        rows = client.rows('&sort=-bytes')
        if rows:
            client.get('/api/streams/%s/content' % rows[0]['stream_id'])
        asked += 1
    until('all streams are shown', lambda: client.get('/api/streams?limit=1&protocol=udp&port=!5353')['total'] >= 2000)
    health = client.get('/api/health')
    t.true('asked %d times' % asked, asked > 3)
    t.equal('rows lost', health['view']['rows_not_shown'] + health['view']['streams_not_shown'], 0)
    t.equal('exit status', sensor.stop(), 0)
    stats = sensor.stats()
    t.equal('lost', stats['capture']['kernel_drops'], 0)
    t.true('balance', stats['balance']['ok'] and stats['capture']['ok'])
    t.true('all came', stats['capture']['packets'] >= 100000)


TESTS = [(test_token, 'tap'), (test_self, 'tap'), (test_self, 'mirror'), (test_content, 'tap'),
         (test_content, 'mirror'), (test_patterns, 'tap'), (test_load, 'tap'), (test_load, 'redirect')]
