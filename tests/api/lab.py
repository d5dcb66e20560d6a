# SPDX-License-Identifier: MIT
"""lab - the sensor with its API, requests, and the answers to them, for the API tests.

Everything made here is remembered in a Lab, which ends and removes all of it, however a test ends. A test has a Lab
of its own, so that several run at a time.
"""
import http.client
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parents[2]
CAPTURES = TOP / 'tests/captures'
READY = re.compile(r'^rm-xdp: API at (\S+)$', re.M)
SAFE_HEADERS = {
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'content-security-policy': "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; "
                               "form-action 'self'",
}


class Failed(Exception):
    """A test cannot go on."""


def until(what, true, seconds=10.0, step=0.01):
    """Waits until true() is, which it must become."""
    end = time.monotonic() + seconds
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed('waited %g s in vain: %s' % (seconds, what))
        time.sleep(step)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.body = status, body
        self.headers = [(k.lower(), v) for k, v in headers]

    def header(self, name):
        found = [v for k, v in self.headers if k == name]
        return ', '.join(found) if found else None

    @property
    def json(self):
        try:
            return json.loads(self.body.decode('utf-8'), parse_constant=unknown_constant, object_pairs_hook=once)
        except (ValueError, UnicodeDecodeError) as e:
            raise Failed('the answer (%d) is no JSON: %s: %r' % (self.status, e, self.body[:200])) from None

    @property
    def error(self):
        """(code, message) of an error in our form, or None."""
        try:
            body = self.json
        except Failed:
            return None
        if not isinstance(body, dict) or list(body) != ['error'] or not isinstance(body['error'], dict):
            return None
        e = body['error']
        if set(e) != {'code', 'message'} or not all(isinstance(v, str) and v for v in e.values()):
            return None
        return (e['code'], e['message']) if self.header('content-type') == 'application/json' else None

    def unsafe(self):
        """Which of the headers that every answer has is missing."""
        return [k for k, v in SAFE_HEADERS.items() if self.header(k) != v]


def unknown_constant(name):
    raise ValueError('%s is no JSON' % name)


def once(pairs):
    """No member twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError('a member stands twice in %r' % [k for k, _ in pairs])
    return found


def query(params):
    return urllib.parse.urlencode({k: {True: 'true', False: 'false'}.get(v, v) if isinstance(v, bool) else v
                                   for k, v in params.items()})


class Server:
    """The sensor on captures, with its API; ready when its address is known."""

    def __init__(self, lab, *args, listen='127.0.0.1:0', state='none', wait=True, files=None, env=None):
        self.lab = lab
        self.err_path, self.out_path = lab.path('err'), lab.path('out')
        self.args = [str(lab.sensor), *map(str, args), '--api-listen', listen, '--state', str(state)]
        with open(self.err_path, 'wb') as err, open(self.out_path, 'wb') as out:
            limit = [] if files is None else ['sh', '-c', 'ulimit -n %d && exec "$@"' % files, 'sh']
            self.child = subprocess.Popen(limit + self.args, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=env)
        lab.servers.append(self)
        self.local = threading.local()
        self.token = self.tls = None
        until('the API is there: %s' % self.said()[-300:], lambda: READY.search(self.said()) or not self.running())
        found = READY.search(self.said())
        if not found:
            raise Failed('%s ended at once, status %d: %s' % (' '.join(self.args[1:6]), self.child.wait(),
                                                             self.said()[-400:]))
        self.url = urllib.parse.urlsplit(found.group(1))
        if self.url.fragment.startswith('token='):
            self.token = self.url.fragment.removeprefix('token=')
        if self.url.scheme == 'https':
            self.tls = ssl.create_default_context()
            self.tls.check_hostname = False
            self.tls.verify_mode = ssl.CERT_NONE
        self.address = None if listen.startswith('unix:') else (self.url.hostname, self.url.port)
        self.unix = listen.removeprefix('unix:') if listen.startswith('unix:') else None
        if wait and not self.token:
            self.finished()

    # -- the process

    def running(self):
        return self.child.poll() is None

    def said(self):
        return pathlib.Path(self.err_path).read_text(errors='replace')

    def memory(self):
        """Resident bytes."""
        text = pathlib.Path('/proc/%d/status' % self.child.pid).read_text()
        return int(re.search(r'VmRSS:\s+(\d+) kB', text).group(1)) * 1024

    def finished(self, seconds=60):
        """The input has ended."""
        return until('the replay ends', lambda: self.get('/api/health')['run_status'] != 'running', seconds)

    def stop(self, sig=signal.SIGTERM, seconds=10):
        """Its exit status."""
        if self.running():
            self.child.send_signal(sig)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed('it does not end within %g s' % seconds) from None

    def end(self):
        """For the Lab: whatever it does, it is over."""
        if self.running():
            self.child.kill()
        self.child.wait()

    # -- requests

    def connect(self, seconds=30.0):
        """A socket to it."""
        if self.unix:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(seconds)
            s.connect(self.unix)
            return s
        s = socket.create_connection(self.address, seconds)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tls.wrap_socket(s) if self.tls else s

    def authority(self):
        if self.unix:
            return 'localhost'
        name = self.address[0]
        return ('[%s]:%d' if ':' in name else '%s:%d') % (name, self.address[1])

    def call(self, method, path, params=None, body=None, headers=None, seconds=30.0):
        """An answer, whatever it is. A body that is no bytes is sent as JSON."""
        headers = {'Host': self.authority(), **(headers or {})}
        if self.token and 'Authorization' not in headers:
            headers['Authorization'] = 'Bearer ' + self.token
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault('Content-Type', 'application/json')
        if params:
            path += '?' + query(params)
        c = getattr(self.local, 'connection', None)
        for again in (c is not None, False):
            try:
                if c is None:
                    c = http.client.HTTPConnection('localhost', timeout=seconds)
                    c.sock, c.auto_open = self.connect(seconds), 0
                    self.local.connection = c
                c.sock.settimeout(seconds)
                c.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
                for k, v in headers.items():
                    if v is not None:
                        c.putheader(k, v)
                if body is not None:
                    c.putheader('Content-Length', str(len(body)))
                c.endheaders(body)
                r = c.getresponse()
                endless = r.getheader('content-type') == 'text/event-stream' and r.status == 200
                answer = Answer(r.status, r.getheaders(), b'' if endless else r.read())
                if endless:
                    c.close()
                if endless or r.will_close:
                    self.local.connection = None
                return answer
            except (http.client.HTTPException, OSError, AttributeError) as e:
                self.local.connection = c = None
                if not again or isinstance(e, TimeoutError):  # an idle connection may be closed at any time
                    raise Failed('%s %s: %s: %s' % (method, path[:100], type(e).__name__, e)) from None
        raise AssertionError

    def get(self, path, body=None, method='GET', **params):
        """JSON of a 200, which it must be."""
        a = self.call(method, path, params, body)
        if a.status != 200:
            raise Failed('%s %s: expected 200, got %d: %s' % (method, path + '?' + query(params), a.status,
                                                             a.body[:300]))
        return a.json

    def post(self, path, body=None):
        return self.get(path, body, 'POST')

    def patch(self, path, body):
        return self.get(path, body, 'PATCH')

    def delete(self, path):
        return self.get(path, None, 'DELETE')

    def rows(self, **params):
        """All rows of a list, page by page."""
        found = []
        while True:
            page = self.get('/api/streams', **params)
            found += page['rows']
            if page['next_cursor'] is None:
                return found
            params['cursor'] = page['next_cursor']

    def raw(self, data, seconds=15.0, shut=False):
        """What comes back for these bytes until it closes, or nothing comes for so long."""
        with self.connect(seconds) as s:
            s.sendall(data)
            if shut:
                s.shutdown(socket.SHUT_WR)
            return drain(s)


def drain(s):
    got = b''
    while True:
        try:
            more = s.recv(1 << 16)
        except (TimeoutError, ConnectionResetError):
            return got
        if not more:
            return got
        got += more


def split_answers(data, methods):
    """Answers one after another, to requests with these methods."""
    found = []
    for method in methods:
        head, gap, rest = data.partition(b'\r\n\r\n')
        if not gap:
            return found, data
        lines = head.decode('latin-1').split('\r\n')
        headers = [(k.strip().lower(), v.strip()) for k, v in (x.split(':', 1) for x in lines[1:])]
        length = dict(headers).get('content-length')
        if length is None:
            return found, data
        n = 0 if method == 'HEAD' else int(length)
        found.append(Answer(int(lines[0].split()[1]), headers, rest[:n]))
        data = rest[n:]
    return found, data


class Events:
    """Server-Sent Events of a connection, as they come."""

    def __init__(self, server, last_id=None, **params):
        self.socket = server.connect(10)
        head = 'GET /api/live/events?%s HTTP/1.1\r\nHost: %s\r\n' % (query(params), server.authority())
        if last_id is not None:
            head += 'Last-Event-ID: %s\r\n' % last_id
        self.socket.sendall((head + '\r\n').encode())
        self.buffer, self.text, self.closed = b'', b'', False
        while b'\r\n\r\n' not in self.buffer:
            if not self.more(5):
                raise Failed('no answer to a request for events')
        head, _, self.buffer = self.buffer.partition(b'\r\n\r\n')
        lines = head.decode('latin-1').split('\r\n')
        self.status = int(lines[0].split()[1])
        self.headers = {k.strip().lower(): v.strip() for k, v in (x.split(':', 1) for x in lines[1:])}
        self.chunked = self.headers.get('transfer-encoding') == 'chunked'

    def more(self, seconds):
        if self.closed or not select.select([self.socket], [], [], max(0, seconds))[0]:
            return False
        try:
            data = self.socket.recv(1 << 16)
        except OSError:
            data = b''
        self.closed = not data
        self.buffer += data
        return bool(data)

    def unchunk(self):
        while self.chunked:
            line, end, rest = self.buffer.partition(b'\r\n')
            if not end:
                return
            n = int(line, 16)
            if len(rest) < n + 2:
                return
            self.text += rest[:n]
            self.buffer = rest[n + 2:]
            if n == 0:
                self.closed = True
                return
        self.text, self.buffer = self.text + self.buffer, b''

    def next(self, seconds=5.0):
        """(id, event, data) or None."""
        end = time.monotonic() + seconds
        while True:
            self.unchunk()
            block, gap, rest = self.text.partition(b'\n\n')
            if gap:
                self.text = rest
                event = self.parse(block.decode('utf-8'))
                if event:
                    return event
                continue
            if not self.more(end - time.monotonic()):
                return None

    @staticmethod
    def parse(block):
        fields = {}
        for line in block.split('\n'):
            if line.startswith(':'):
                continue
            name, colon, value = line.partition(': ')
            if not colon or name not in ('id', 'event', 'data') or name in fields:
                raise Failed('no line of an event: %r' % line)
            fields[name] = value
        if not fields:
            return None
        return fields.get('id'), fields.get('event'), json.loads(fields['data'])

    def close(self):
        self.socket.close()


class Lab:
    """What a test makes."""

    def __init__(self, out):
        self.out = pathlib.Path(out).resolve()
        self.sensor, self.mkpcap = self.out / 'rm-xdp', self.out / 'mkpcap'
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='rm-xdp-api-'))
        self.servers, self.files = [], 0
        self.reports = []  # of sanitizers, where the sensor is built with one

    def path(self, ending):
        self.files += 1
        return str(self.folder / ('%04d.%s' % (self.files, ending)))

    def serve(self, *args, **more):
        return Server(self, *args, **more)

    def capture(self, name):
        """One of tests/captures."""
        return str(next(CAPTURES.glob(name + '.pcap*')))

    def captures(self):
        return sorted(map(str, CAPTURES.glob('*.pcap*')))

    def script(self, text, ending='pcap'):
        """A capture made by mkpcap."""
        script, capture = self.path('txt'), self.path(ending)
        pathlib.Path(script).write_text(text)
        self.run([self.mkpcap, script, capture])
        return capture

    def run(self, args, status=0, seconds=60, env=None):
        """(stdout, stderr) of a command, which must end so."""
        done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, timeout=seconds, env=env)
        if status is not None and done.returncode != status:
            raise Failed('%s: status %d: %s' % (' '.join(map(str, args))[:200], done.returncode,
                                               done.stderr.decode(errors='replace')[-400:]))
        return done.stdout, done.stderr.decode(errors='replace')

    def records(self, *args):
        """What the sensor writes about captures, without its API."""
        path = self.path('jsonl')
        self.run([self.sensor, *args, '-o', path, '--stream-events', '--state', 'none'])
        with open(path, encoding='utf-8') as f:
            return [json.loads(x) for x in f]

    def flows(self, *args):
        """The flow records, by stream."""
        return {r['stream_id']: r for r in self.records(*args) if r['event_type'] == 'flow'}

    def show(self, capture, stream, direction, start=0, length=65536, *more):
        """Bytes of a window, by --show."""
        return self.run([self.sensor, capture, '--show', stream, '--direction', direction, '--start', start,
                         '--len', length, '--view-mode', 'raw', '--state', 'none', *more])[0]

    def close(self):
        for s in reversed(self.servers):
            s.end()
            with open(s.err_path, errors='replace') as f:
                said = f.read()
            if 'Sanitizer' in said or 'runtime error:' in said:
                self.reports.append(said[:4000])
        self.servers.clear()
        for x in self.folder.rglob('*'):
            if not x.is_symlink():
                os.chmod(x, 0o700)
        shutil.rmtree(self.folder, ignore_errors=True)


def together(jobs):
    """Calls all of these at a time; their results, or the first exception."""
    results, problems = [None] * len(jobs), []

    def do(i):
        try:
            results[i] = jobs[i]()
        except BaseException as e:
            problems.append(e)
    threads = [threading.Thread(target=do, args=(i,)) for i in range(len(jobs))]
    for x in threads:
        x.start()
    for x in threads:
        x.join()
    if problems:
        raise problems[0]
    return results
