# SPDX-License-Identifier: MIT
"""safety - what hostile or broken clients do to it: forged names, wrong tokens, bytes that are no HTTP, too much of all."""
import contextlib
import gzip
import json
import os
import pathlib
import re
import resource
import select
import signal
import socket
import ssl
import stat
import subprocess
import threading
import time

import content
import frames
import lab

TOKEN = 'correct-horse-battery-staple'


def with_token(lab_, *args, **more):
    path = lab_.path('token')
    pathlib.Path(path).write_text(TOKEN + '\n')
    server = lab_.serve(lab_.capture('demo'), '--api-token-file', path, *args, wait=False, **more)
    server.token = TOKEN
    server.finished()
    return server


def test_host(t, lab_):
    server = lab_.serve(lab_.capture('demo'), '--api-host', 'sensor.example')
    port = server.address[1]
    for good in ('127.0.0.1:%d' % port, 'localhost:%d' % port, 'LOCALHOST:%d' % port, 'localhost', '[::1]:%d' % port, 'sensor.example',
                 'sensor.example:%d' % port, 'Sensor.Example:%d' % port):
        t.equal('Host: ' + good, server.call('GET', '/api/health', headers={'Host': good}).status, 200)
    for bad in ('evil.example', 'evil.example:%d' % port, '127.0.0.1.evil.example', 'localhost.evil.example:%d' % port, '10.0.0.1:%d' % port,
                'evil.example@127.0.0.1', '127.0.0.1:%d@evil.example' % port, '0.0.0.0:%d' % port, '127.0.0.1 evil', '2130706433', 'localhost:x',
                '', ' ', 'sensor.example.', 'xsensor.example'):
        for method, path, body in (('GET', '/api/health', None), ('GET', '/', None), ('GET', '/nonsense', None),
                                   ('POST', '/api/view/hide-rules', {'kind': 'port', 'value': 1}), ('POST', '/api/login', {'token': 'x'})):
            a = server.call(method, path, body=body, headers={'Host': bad})
            t.true('%s %s with Host: %s' % (method, path, bad), a.status in (400, 403) and a.error, (a.status, a.body[:100]))
    data = server.raw(b'GET /api/health HTTP/1.1\r\nConnection: close\r\n\r\n')
    t.true('no Host at all', data.split(b' ')[1] in (b'400', b'403'), data[:40])
    data = server.raw(b'GET http://evil.example/api/health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n' % port)
    t.true('another host in the request line', data.split(b' ')[1] in (b'400', b'403', b'404'), data[:40])
    data = server.raw(b'GET /api/health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nHost: evil.example\r\nConnection: close\r\n\r\n' % port)
    t.true('Host twice', data.split(b' ')[1] in (b'400', b'403'), data[:40])
    t.equal('nothing was changed', server.get('/api/view/hide-rules')['rules'], [])


def test_origin(t, lab_):
    server = lab_.serve(lab_.capture('demo'))
    own = 'http://' + server.authority()
    stream = server.rows()[0]['stream_id']
    changes = [('POST', '/api/view/hide-rules', {'kind': 'port', 'value': 1}), ('PATCH', '/api/streams/%s/state' % stream, {'favorite': True}),
               ('DELETE', '/api/view/hide-rules', None), ('PUT', '/api/view/preferences/x', {}), ('POST', '/api/service-profiles/http', None),
               ('POST', '/api/patterns', {'kind': 'substring', 'pattern': 'x'}), ('POST', '/api/login', {'token': 'x'}),
               ('POST', '/api/service-profiles/http/activate', None)]
    for bad in ('http://evil.example', 'null', 'https://' + server.authority(), own + '.evil.example', own + '0', 'http://localhost', 'http://',
                'http://127.0.0.1', 'file://', own + '/', 'http://evil.example@' + server.authority(), own + ' ', 'x'):
        if bad.strip() == own:
            continue
        for method, path, body in changes:
            t.error('%s %s with Origin: %s' % (method, path, bad), server.call(method, path, body=body, headers={'Origin': bad}), 403)
    t.equal('nothing was changed', (server.get('/api/view/hide-rules')['rules'], server.get('/api/streams/' + stream)['row']['favorite'],
            server.get('/api/patterns')['patterns']), ([], False, []))
    for method, path, body in changes:
        t.equal('%s %s with its own' % (method, path), server.call(method, path, body=body, headers={'Origin': own}).status, 200)
        t.equal('%s %s with none' % (method, path), server.call(method, path, body=body).status, 200)
    a = server.call('GET', '/api/health', headers={'Origin': 'http://evil.example'})
    t.true('reading is not shared with other origins', a.header('access-control-allow-origin') is None and a.status in (200, 403))
    a = server.call('OPTIONS', '/api/view/hide-rules', headers={'Origin': 'http://evil.example', 'Access-Control-Request-Method': 'POST'})
    t.true('no leave by a preflight', a.status >= 400 and a.header('access-control-allow-origin') is None, a.status)
    for kind in ('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'):
        a = server.call('POST', '/api/view/hide-rules', body=b'{"kind": "port", "value": 7}', headers={'Content-Type': kind})
        t.error('a form of another site: ' + kind, a, 415)


def test_token(t, lab_):
    server = with_token(lab_)
    server.token = None
    stream = '8139ce2ad335770b'
    routes = [(m, p, b) for m, p, b in [
        ('GET', '/api/health', None), ('GET', '/api/streams', None), ('GET', '/api/streams/%s/content' % stream, None),
        ('GET', '/api/streams/%s/download' % stream, None), ('GET', '/api/streams/%s/pcap' % stream, None), ('GET', '/metrics', None),
        ('GET', '/api/live/deltas', None), ('GET', '/api/live/events', None), ('GET', '/api/openapi.json', None),
        ('PATCH', '/api/streams/%s/state' % stream, {'favorite': True}), ('POST', '/api/patterns', {'kind': 'substring', 'pattern': 'x'}),
        ('DELETE', '/api/view/hide-rules', None), ('GET', '/nonsense', None), ('HEAD', '/api/health', None), ('POST', '/api/health', None)]]
    for method, path, body in routes:
        a = server.call(method, path, body=body)
        t.true('%s %s without a token' % (method, path), a.status == 401 and (method == 'HEAD' or a.error) and a.header('www-authenticate'),
               (a.status, a.body[:100]))
        t.equal('%s %s without a token: headers' % (method, path), a.unsafe(), [])
    t.equal('the page is there without one', server.call('GET', '/').status, 200)
    good = {'Authorization': 'Bearer ' + TOKEN}
    for method, path, body in routes[:9]:
        t.equal('%s %s with it' % (method, path), server.call(method, path, body=body, headers=good).status, 200)
    for form in ('bearer ' + TOKEN, 'BEARER ' + TOKEN):
        t.equal('scheme in other letters', server.call('GET', '/api/health', headers={'Authorization': form}).status, 200)
    wrong = ['Bearer ' + TOKEN + 'x', 'Bearer ' + TOKEN[:-1], 'Bearer x' + TOKEN[1:], 'Bearer', 'Bearer ', TOKEN, 'Basic ' + TOKEN, 'Bearer ' +
             TOKEN.upper(), 'Bearer  ' + TOKEN + ' x']
    for w in wrong:
        time.sleep(0.25)
        a = server.call('GET', '/api/health', headers={'Authorization': w})
        t.error('Authorization: ' + w, a, 401)
    t.true('a token in the query is none', server.call('GET', '/api/health?token=' + TOKEN).status in (400, 401))
    time.sleep(1.1)
    # The cookie.
    a = server.call('POST', '/api/login', body={'token': TOKEN})
    cookie = a.header('set-cookie') or ''
    t.equal('login', (a.status, a.json), (200, {'ok': True}))
    flags = {x.strip().lower().split('=')[0]: x.strip() for x in cookie.split(';')[1:]}
    t.true('HttpOnly, SameSite=Strict, Path=/', 'httponly' in flags and flags.get('samesite', '').lower() == 'samesite=strict' and
           flags.get('path') == 'Path=/' and 'domain' not in flags, cookie)
    pair = cookie.split(';')[0]
    for c in (pair, 'a=b; ' + pair, pair + '; c=d', 'x=; y; ' + pair + ';'):
        t.equal('Cookie: ' + c, server.call('GET', '/api/health', headers={'Cookie': c}).status, 200)
    for c in (pair + 'x', 'x' + pair, pair[:-1], pair.split('=')[0] + '=', 'a=' + pair.split('=')[1]):
        time.sleep(0.25)
        t.error('Cookie: ' + c, server.call('GET', '/api/health', headers={'Cookie': c}), 401)
    a = server.call('PATCH', '/api/streams/%s/state' % stream, body={'favorite': True}, headers={'Cookie': pair, 'Origin': 'http://evil.example'})
    t.error('a cookie does not help another origin', a, 403)
    t.equal('nor is it needed by ours', server.call('PATCH', '/api/streams/%s/state' % stream, body={'favorite': True}, headers={
        'Cookie': pair, 'Origin': 'http://' + server.authority()}).status, 200)
    for bad in ({'token': 5}, {}, {'token': None}, []):
        t.error('login with %s' % json.dumps(bad), server.call('POST', '/api/login', body=bad), 400)
    time.sleep(1.1)
    t.error('login with another one', server.call('POST', '/api/login', body={'token': 'wrong'}), 401)


def test_guessing(t, lab_):
    server = with_token(lab_)
    time.sleep(1.05 - time.time() % 1)
    got = [server.call('GET', '/api/health', headers={'Authorization': 'Bearer guess%d' % i}).status for i in range(40)]
    t.true('five guesses a second, then 429', got.count(401) <= 10 and got.count(429) >= 30 and set(got) == {401, 429}, got)
    a = server.call('GET', '/api/health', headers={'Authorization': 'Bearer guess'})
    t.true('429 says when to come again', a.status != 429 or a.header('retry-after'))
    got = [server.call('POST', '/api/login', body={'token': 'guess%d' % i}).status for i in range(40)]
    t.true('the login as well', got.count(401) <= 10 and got.count(429) >= 30, got)
    time.sleep(1.1)
    t.equal('then the right one is good again', server.call('GET', '/api/health').status, 200)
    t.true('they are counted', server.get('/api/health')['api']['refused_tokens'] >= 70)


def test_token_files(t, lab_):
    for what, text, good in [('16 characters', 'abcdefghijklmnop', True), ('with a line end', 'abcdefghijklmnop\r\nsecond line\n', True),
                             ('too short', 'short', False), ('empty', '', False), ('too long', 'x' * 200, False),
                             ('odd characters', 'abcdefghijklmnop"\\', False), ('a space', 'abcdefgh ijklmnop', False)]:
        path = lab_.path('token')
        pathlib.Path(path).write_text(text)
        try:
            server = lab_.serve(lab_.capture('demo'), '--api-token-file', path, wait=False)
            t.true('a token of ' + what, good)
            t.true('it is not shown', text[:16] not in server.said(), server.said())
            server.token = text[:16]
            t.equal('it works', server.call('GET', '/api/health').status, 200)
            server.end()
        except lab.Failed:
            t.true('no token: %s: refused with a line' % what, not good and 'token' in lab_.servers[-1].said(), lab_.servers[-1].said())
    # Anywhere but on loopback one is needed, made and shown once.
    server = lab_.serve(lab_.capture('demo'), listen='0.0.0.0:0', wait=False)
    t.true('made where anybody could come', server.token and len(server.token) >= 32 and server.said().count(server.token) == 1, server.said())
    t.true('and a warning that it is not encrypted', 'not encrypted' in server.said())
    local = {'Host': 'localhost:%d' % server.address[1]}
    server.address = ('127.0.0.1', server.address[1])
    made, server.token = server.token, None
    t.equal('it is needed', server.call('GET', '/api/health', headers=local).status, 401)
    t.equal('and good', server.call('GET', '/api/health', headers={**local, 'Authorization': 'Bearer ' + made}).status, 200)
    other = lab_.serve(lab_.capture('demo'), listen='0.0.0.0:0', wait=False)
    t.true('another one each time', other.token != made)
    open_ = lab_.serve(lab_.capture('demo'), '--api-no-token', listen='0.0.0.0:0', wait=False)
    t.true('--api-no-token warns', re.search('(?i)whoever|anybody', open_.said()), open_.said())
    open_.address = ('127.0.0.1', open_.address[1])
    t.equal('and is open', open_.call('GET', '/api/health', headers={'Host': 'localhost'}).status, 200)


def test_listen(t, lab_):
    for bad in ('', 'x', '127.0.0.1', ':80', '127.0.0.1:', '127.0.0.1:99999', '127.0.0.1:-1', 'evil.example:80', '[::1:80', '256.1.1.1:80',
                'unix:', 'unix:/nonexistent/folder/s', '127.0.0.1:http', 'unix:' + 'x' * 200):
        try:
            lab_.serve(lab_.capture('demo'), listen=bad, wait=False).end()
            t.true('--api-listen %.40s' % bad, False, 'it started')
        except lab.Failed:
            said = lab_.servers[-1].said()
            t.true('--api-listen %.40s: refused with a line' % bad, 'api-listen' in said and lab_.servers[-1].child.wait() != 0, said[-200:])
    one = lab_.serve(lab_.capture('demo'))
    try:
        lab_.serve(lab_.capture('demo'), listen='127.0.0.1:%d' % one.address[1], wait=False).end()
        t.true('an address in use', False, 'it started')
    except lab.Failed:
        t.true('an address in use', 'in use' in lab_.servers[-1].said(), lab_.servers[-1].said())
    six = lab_.serve(lab_.capture('demo'), listen='[::1]:0')
    t.equal('IPv6', six.call('GET', '/api/health').status, 200)
    t.error('its Host is checked', six.call('GET', '/api/health', headers={'Host': '[::2]:%d' % six.address[1]}), 403)


def test_unix(t, lab_):
    path = lab_.path('sock')
    old = os.umask(0)
    try:
        server = lab_.serve(lab_.capture('demo'), listen='unix:' + path)
    finally:
        os.umask(old)
    s = os.stat(path)
    t.equal('a socket for its owner alone', (stat.S_ISSOCK(s.st_mode), oct(s.st_mode & 0o777)), (True, '0o600'))
    t.equal('it answers', server.get('/api/health')['status'], 'ok')
    t.equal('changes too', server.call('POST', '/api/view/hide-rules', body={'kind': 'port', 'value': 1}).status, 200)
    server.stop()
    t.true('it goes with the process', not os.path.exists(path))
    server = lab_.serve(lab_.capture('demo'), listen='unix:' + path)
    server.child.kill()
    server.child.wait()
    t.true('one is left by a killed one', os.path.exists(path))
    t.equal('it is in nobody\'s way', lab_.serve(lab_.capture('demo'), listen='unix:' + path).get('/api/health')['status'], 'ok')
    other = lab_.path('file')
    pathlib.Path(other).write_text('mine')
    try:
        lab_.serve(lab_.capture('demo'), listen='unix:' + other, wait=False)
        t.true('a file is in the way', False, 'it started')
    except lab.Failed:
        t.equal('a file stays', pathlib.Path(other).read_text(), 'mine')


def test_tls(t, lab_):
    cert, key = lab_.path('crt'), lab_.path('key')
    lab_.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-subj', '/CN=localhost', '-days', 2])
    server = lab_.serve(lab_.capture('demo'), '--api-cert', cert, '--api-key', key)
    t.equal('https', (server.url.scheme, server.get('/api/health')['status']), ('https', 'ok'))
    t.equal('twice on a connection', server.get('/api/health')['status'], 'ok')
    stream = server.rows()[0]['stream_id']
    t.error('Origin of http', server.call('PATCH', '/api/streams/%s/state' % stream, body={}, headers={'Origin': 'http://' +
            server.authority()}), 403)
    t.equal('its own', server.call('PATCH', '/api/streams/%s/state' % stream, body={}, headers={'Origin': 'https://' + server.authority()})
            .status, 200)

    def shake(alpn=None, **limits):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        c.set_ciphers('ALL:@SECLEVEL=0')
        for k, v in limits.items():
            setattr(c, k, v)
        if alpn:
            c.set_alpn_protocols(alpn)
        with socket.create_connection(server.address, 5) as s:
            try:
                with c.wrap_socket(s) as w:
                    return w.version(), w.selected_alpn_protocol()
            except (ssl.SSLError, OSError) as e:
                return None, str(e)
    for name in ('TLSv1', 'TLSv1_1'):
        v = getattr(ssl.TLSVersion, name)
        t.equal(name + ' is refused', shake(minimum_version=v, maximum_version=v)[0], None)
    for name in ('TLSv1_2', 'TLSv1_3'):
        v = getattr(ssl.TLSVersion, name)
        t.equal(name, shake(minimum_version=v, maximum_version=v)[0], name.replace('_', '.'))
    for offer in (['h2', 'http/1.1'], ['http/1.1'], ['h2'], ['spdy/3', 'h2', 'h2c']):
        got = shake(offer)[1]
        t.true('ALPN of %s' % ','.join(offer), got in (None, 'http/1.1') or 'alert' in got, got)
    with socket.create_connection(server.address, 5) as s:
        s.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
        t.true('plain HTTP to it', not lab.drain(s).startswith(b'HTTP/1.1 200'))
    half = [socket.create_connection(server.address, 5) for _ in range(20)]
    for s in half:
        s.sendall(b'\x16\x03\x01\x02\x00\x01')
    t.equal('handshakes that do not go on', server.get('/api/health')['status'], 'ok')
    for s in half:
        s.close()
    login = with_token(lab_, '--api-cert', cert, '--api-key', key)
    t.true('its cookie is Secure', '; secure' in (login.call('POST', '/api/login', body={'token': TOKEN}).header('set-cookie') or '').lower())
    other = lab_.path('key')
    lab_.run(['openssl', 'genrsa', '-out', other, '2048'])
    for args in (['--api-cert', cert, '--api-key', other], ['--api-cert', key, '--api-key', key], ['--api-cert', cert], ['--api-key', key],
                 ['--api-cert', cert + '.none', '--api-key', key]):
        try:
            lab_.serve(lab_.capture('demo'), *args, wait=False)
            t.true('%s: it must not start' % args[::2], False)
        except lab.Failed:
            t.true('%s: refused with a line' % args[::2], '--api-' in lab_.servers[-1].said(), lab_.servers[-1].said())


def request(server, method='GET', path='/api/health', headers=(), body=b''):
    lines = ['%s %s HTTP/1.1' % (method, path), 'Host: ' + server.authority(), *headers]
    return '\r\n'.join(lines).encode() + b'\r\n\r\n' + body


LENIENT = ('upgrade to h2c', 'a folded header', 'no slash')  # may be answered as if they were none of it


def test_odd_requests(t, lab_):
    """Bytes that are no request, or hardly one: refused or closed at once, and the server goes on."""
    server = lab_.serve(lab_.capture('demo'))
    own = server.authority().encode()
    for what, data in [
            ('HTTP/2 preface', b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0'), ('nothing', b''), ('a line end', b'\r\n'), ('NULs', bytes(1000)),
            ('noise', bytes(range(256)) * 10), ('TLS', b'\x16\x03\x01\x00\xf5\x01\x00\x00\xf1\x03\x03' + bytes(200)), ('HTTP/0.9', b'GET /\r\n\r\n'),
            ('HTTP/3.7', b'GET / HTTP/3.7\r\nHost: ' + own + b'\r\n\r\n'), ('no version', b'GET /api/health\r\nHost: ' + own + b'\r\n\r\n'),
            ('a bad header', b'GET / HTTP/1.1\r\nHost: ' + own + b'\r\nno colon here\r\n\r\n'), ('a folded header', b'GET / HTTP/1.1\r\nHost: ' + own +
             b'\r\nA: b\r\n c\r\n\r\n'), ('a space before the colon', b'GET / HTTP/1.1\r\nHost : ' + own + b'\r\n\r\n'),
            ('a NUL in a header', b'GET / HTTP/1.1\r\nHost: ' + own + b'\r\nA: \0\r\n\r\n'), ('bad length', b'POST /api/view/hide-rules HTTP/1.1\r\nHost: ' +
             own + b'\r\nContent-Length: x\r\n\r\n'), ('negative length', b'POST /api/view/hide-rules HTTP/1.1\r\nHost: ' + own +
             b'\r\nContent-Length: -5\r\n\r\n'), ('a huge length', b'POST /api/view/hide-rules HTTP/1.1\r\nHost: ' + own +
             b'\r\nContent-Length: 99999999999999999999\r\n\r\n'), ('a bad chunk', b'POST /api/view/hide-rules HTTP/1.1\r\nHost: ' + own +
             b'\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'), ('two lengths', b'POST /api/view/hide-rules HTTP/1.1\r\nHost: ' + own +
             b'\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{"a":1'), ('length and chunks', b'POST /api/view/hide-rules HTTP/1.1\r\nHost: ' + own +
             b'\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'), ('CONNECT', b'CONNECT evil.example:80 HTTP/1.1\r\nHost: ' + own +
             b'\r\n\r\n'), ('*', b'GET * HTTP/1.1\r\nHost: ' + own + b'\r\n\r\n'), ('no slash', b'GET api/health HTTP/1.1\r\nHost: ' + own + b'\r\n\r\n'),
            ('upgrade to h2c', b'GET /api/health HTTP/1.1\r\nHost: ' + own + b'\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n'
             b'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n'), ('a thousand headers', b'GET /api/health HTTP/1.1\r\nHost: ' + own + b'\r\n' +
             b''.join(b'X-%d: y\r\n' % i for i in range(1000)) + b'\r\n')]:
        start = time.monotonic()
        got = server.raw(data, seconds=3, shut=True)
        status = got[9:12] if got.startswith(b'HTTP/1.') else b''
        t.true(what, b'HTTP/2' not in got and status not in (b'101', b'500', b'502') and (status != b'200' or what in LENIENT) and
               time.monotonic() - start < 3, (got[:60], '%.1f s' % (time.monotonic() - start)))
        t.equal(what + ': the server goes on', server.get('/api/health')['status'], 'ok')
    t.equal('nothing was changed', server.get('/api/view/hide-rules')['rules'], [])


def test_large(t, lab_):
    server = lab_.serve(lab_.capture('demo'))
    before = server.memory()
    for what, headers in [('one header of 1 MB', ['X: ' + 'y' * (1 << 20)]), ('1 MB of headers', ['X-%d: %s' % (i, 'y' * 1000) for i in range(1000)]),
                          ('a cookie of 1 MB', ['Cookie: ' + 'a=b; ' * 200000])]:
        got = send_much(server, request(server, headers=headers))
        t.true(what + ': refused or closed', not got.startswith(b'HTTP/1.1 200'), got[:60])
    got = send_much(server, request(server, path='/api/streams?service=' + 'x' * (1 << 20)))
    t.true('a path of 1 MB: refused or closed', not got.startswith(b'HTTP/1.1 200'), got[:60])
    got = send_much(server, request(server, path='/api/streams?' + '&'.join('a%d=1' % i for i in range(10000))))
    t.true('10,000 parameters: refused', not got.startswith(b'HTTP/1.1 200'), got[:60])
    json_type = ['Content-Type: application/json', 'Connection: close']
    for size in ((1 << 20) + 1, 9 << 20, 100 << 20):
        got = send_much(server, request(server, 'POST', '/api/view/hide-rules', json_type + ['Content-Length: %d' % size]), b'x' * size)
        answers, _ = lab.split_answers(got, ['POST'])
        t.true('a body of %d bytes: 413' % size, answers and answers[0].status == 413, got[:80])
        if size < 8 << 20:  # larger ones are refused before the program sees them
            t.true('a body of %d bytes: in the usual form, with the usual headers' % size,
                   answers and answers[0].error and not answers[0].unsafe(), got[:300])
    got = send_much(server, request(server, 'POST', '/api/view/hide-rules', json_type + ['Transfer-Encoding: chunked']),
                    b''.join(b'10000\r\n' + b'x' * 65536 + b'\r\n' for _ in range(400)) + b'0\r\n\r\n')
    t.true('the same in chunks', got.startswith(b'HTTP/1.1 413'), got[:60])
    t.true('memory is bounded', server.memory() - before < 100 << 20, '%d MB more' % ((server.memory() - before) >> 20))
    t.equal('the server goes on', server.get('/api/health')['status'], 'ok')


def send_much(server, *parts):
    """What comes back, also where it does not take all."""
    with server.connect(10) as s:
        s.settimeout(10)
        try:
            for data in parts:
                for i in range(0, len(data), 1 << 16):
                    s.sendall(data[i:i + (1 << 16)])
                    if select.select([s], [], [], 0)[0]:
                        return lab.drain(s)
        except OSError:
            pass
        return lab.drain(s)


def test_pages(t, lab_):
    """The user interface: its files whole and compressed, by ETag, under the policy, without a token."""
    server = with_token(lab_)
    server.token = None
    for path, kind in (('/', 'text/html'), ('/app.js', 'text/javascript'), ('/app.css', 'text/css'), ('/favicon.svg', 'image/svg+xml')):
        plain = server.call('GET', path)
        t.true(path, plain.status == 200 and plain.header('content-type').startswith(kind) and plain.header('content-encoding') is None and
               plain.header('vary') == 'accept-encoding' and "default-src 'self'" in plain.header('content-security-policy'), plain.headers)
        etags = {plain.header('etag')}
        for accept, coding in (('gzip', 'gzip'), ('br', 'br'), ('gzip, deflate, br', 'br'), ('br;q=0, gzip', 'gzip'), ('*', 'br'), ('*;q=0', None),
                               ('gzip;q=0.5', 'gzip'), ('gzip;q=0.0', None), ('identity', None), ('', None), ('xbr', None), ('br ; q=1', 'br'), (',,', None)):
            a = server.call('GET', path, headers={'Accept-Encoding': accept})
            t.equal('%s, Accept-Encoding: %s' % (path, accept), (a.status, a.header('content-encoding')), (200, coding))
            if coding == 'gzip':
                t.equal('the same bytes', gzip.decompress(a.body), plain.body)
            etags.add(a.header('etag'))
            again = server.call('GET', path, headers={'Accept-Encoding': accept, 'If-None-Match': a.header('etag')})
            t.equal('by its ETag', (again.status, again.body, again.header('etag')), (304, b'', a.header('etag')))
        t.equal('an ETag for each coding', len(etags), 3)
    t.error('what there is none of', server.call('GET', '/app.js.map'), 401)


def test_slow(t, lab_):
    """Requests that take forever are closed after about ten seconds; meanwhile others are served."""
    server = lab_.serve(lab_.capture('demo'))

    def trickle(data, rest):
        start = time.monotonic()
        with server.connect(30) as s:
            s.sendall(data)
            for c in rest:
                if select.select([s], [], [], 0.5)[0]:
                    break
                try:
                    s.sendall(c)
                except OSError:
                    break
            lab.drain(s)
            return time.monotonic() - start

    head = request(server, 'POST', '/api/view/hide-rules', ['Content-Type: application/json', 'Content-Length: 1000'])
    jobs = [('no byte at all', b'', []), ('half a request line', b'GET /api', []), ('a header byte by byte', b'GET / HTTP/1.1\r\nX: ', [b'y'] * 80),
            ('headers one by one', b'GET / HTTP/1.1\r\n', [b'X: y\r\n'] * 80), ('a body that does not come', head, []),
            ('a body byte by byte', head, [b'x'] * 80), ('chunks that do not end', request(server, 'POST', '/api/view/hide-rules', [
             'Content-Type: application/json', 'Transfer-Encoding: chunked']), [b'1\r\nx\r\n'] * 80)]
    over, slowest = threading.Event(), [0.0]

    def others():
        while not over.wait(0.05):
            start = time.monotonic()
            server.get('/api/streams', limit=1)
            slowest[0] = max(slowest[0], time.monotonic() - start)
    thread = threading.Thread(target=others)
    thread.start()
    try:
        times = lab.together([lambda j=j: trickle(j[1], j[2]) for j in jobs])
    finally:
        over.set()
        thread.join()
    for (what, _, _), took in zip(jobs, times):
        t.true(what + ': closed after about 10 s', 5 < took < 17, '%.1f s' % took)
    t.true('others are served', slowest[0] < 0.5, slowest[0])


def test_pipelined(t, lab_):
    """Requests written at once are answered in order, slow ones before quick ones too."""
    server = lab_.serve(lab_.capture('demo'), lab_.capture('lo'))
    stream = server.get('/api/streams', service='http')['rows'][0]['stream_id']
    latest = server.get('/api/live/deltas')['latest_cursor']
    paths = ['/api/streams/%s' % stream, '/api/live/deltas?wait_ms=300&cursor=%d' % latest, '/api/health', '/nonsense', '/api/streams/%s/download' % stream,
             '/api/streams?limit=1', '/api/streams/%s/pcap' % stream, '/api/view/hide-rules'] * 4
    data = b''.join(request(server, path=p) for p in paths[:-1]) + request(server, path=paths[-1], headers=['Connection: close'])
    got = server.raw(data, seconds=10)
    texts = []
    while got:
        head, _, rest = got.partition(b'\r\n\r\n')
        if b'content-length' in head.lower():
            n = int(re.search(rb'(?i)content-length: (\d+)', head)[1])
            body, got = rest[:n], rest[n:]
        else:
            body, got = unchunk(rest)
        texts.append((int(head.split()[1]), body))
    t.equal('as many answers', len(texts), len(paths))
    for i, (path, (status, body)) in enumerate(zip(paths, texts)):
        want = 404 if path == '/nonsense' else 200
        alone = server.call('GET', path.replace('wait_ms=300&', ''))
        same = body == alone.body or path in ('/api/health',) and b'"status":"ok"' in body
        if not (status == want and same):
            t.true('answer %d is that to %s' % (i, path), False, (status, body[:60]))
    with server.connect(5) as s:
        s.sendall(request(server, path='/api/streams/%s/download' % stream, headers=['Connection: close']))
        s.shutdown(socket.SHUT_WR)
        got = lab.drain(s)
        t.true('half-closed after a request: the answer comes', got.startswith(b'HTTP/1.1 200'), got[:50])
    with server.connect(5) as s:
        s.sendall(request(server, path='/api/health')[:-2])
        s.shutdown(socket.SHUT_WR)
        start = time.monotonic()
        lab.drain(s)
        t.true('half-closed in a request: closed', time.monotonic() - start < 2, time.monotonic() - start)


def unchunk(data):
    body = b''
    while True:
        line, _, data = data.partition(b'\r\n')
        n = int(line, 16)
        body, data = body + data[:n], data[n + 2:]
        if n == 0:
            return body, data


def test_crowd(t, lab_):
    """More connections at once than it takes: it goes on, in bounded memory, and serves whoever comes later."""
    want = 2300
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < want + 500:
        t.note('not tested: only %d files' % hard)
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], want + 500), hard))
    server = lab_.serve(lab_.capture('demo'))
    before = server.memory()
    first = server.connect(20)
    first.sendall(request(server))
    t.true('one that was there before', first.recv(100).startswith(b'HTTP/1.1 200'))
    crowd, refused = [], 0
    for i in range(want):
        s = socket.socket()
        s.setblocking(False)
        try:
            s.connect(server.address)
        except BlockingIOError:
            pass
        except OSError:
            refused += 1
        crowd.append(s)
    time.sleep(0.3)
    first.settimeout(5)
    start = time.monotonic()
    while first in select.select([first], [], [], 0.2)[0]:
        first.recv(1 << 16)
    first.sendall(request(server, path='/api/streams?limit=1'))
    t.true('it is still served', first.recv(100).startswith(b'HTTP/1.1 200') and time.monotonic() - start < 3)
    t.true('memory is bounded', server.memory() - before < 200 << 20, '%d MB more' % ((server.memory() - before) >> 20))
    for s in crowd:
        with_suppress(lambda: s.setblocking(True))
        with_suppress(lambda: s.close())
    lab.until('somebody new is served', lambda: works(server), 20, 0.2)
    t.true('somebody new is served', True)
    t.true('connections are counted', server.get('/api/health')['api']['connections'] <= server.get('/api/health')['api']['max_connections'])
    first.close()
    # A crowd that asks: many answers at once.
    jobs = [lambda: [server.call('GET', '/api/streams').status for _ in range(20)] for _ in range(30)]
    t.equal('600 requests of 30 at a time', {x for r in lab.together(jobs) for x in r}, {200})
    small = lab_.serve(lab_.capture('demo'), files=64)
    many = []
    for _ in range(100):
        try:
            many.append(small.connect(2))
        except OSError:
            break
    time.sleep(0.3)
    for s in many:
        s.close()
    t.true('with few files it goes on', lab.until('it goes on', lambda: works(small), 20, 0.2))
    a = small.call('GET', '/api/streams/%s/pcap' % small.rows()[0]['stream_id'])
    t.equal('and can still make files', a.status, 200)


def with_suppress(f):
    try:
        f()
    except OSError:
        pass


def works(server):
    try:
        server.local = threading.local()
        return server.call('GET', '/api/health', seconds=3).status == 200
    except lab.Failed:
        return False


def large(lab_, n=12 << 20):
    """A capture of one direction of n bytes."""
    made = []
    talk = frames.Talk(made, step=1000)
    talk.data(0, b'0123456789abcdef' * (n // 16), 60000)
    path = lab_.path('pcap')
    frames.write(path, made)
    return path


def test_never_reads(t, lab_):
    """A client that asks for much and reads nothing is closed after about 20 s; one that reads slowly is not."""
    server = lab_.serve(large(lab_, 24 << 20))
    stream = server.rows()[0]['stream_id']
    before = server.memory()

    def never(path):  # what closes it cannot reach a client that takes nothing: the server's own count tells
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(60)
        s.connect(server.address)
        s.sendall(request(server, path=path))
        return s

    def watched():
        start, times = time.monotonic(), []
        while time.monotonic() - start < 32 and len(times) < 3:
            n = server.get('/api/health')['api']['reaped']
            times += [time.monotonic() - start] * (n - len(times))
            time.sleep(0.2)
        return times

    def slowly():
        got, s = 0, socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.settimeout(10)
        s.connect(server.address)
        s.sendall(request(server, path='/api/streams/%s/download' % stream))
        end = time.monotonic() + 26
        while time.monotonic() < end:
            more = s.recv(30000)
            if not more:
                return -1
            got += len(more)
            time.sleep(0.1)
        s.close()
        return got

    def usual():
        n = server.call('GET', '/api/streams/%s/download' % stream, seconds=30)
        return len(n.body)
    mute = [never('/api/streams/%s/%s' % (stream, x)) for x in ('download', 'pcap', 'download?format=hex')]
    times = lab.together([watched, slowly, usual])
    t.true('those that take nothing are closed after about 20 s', len(times[0]) == 3 and all(15 < x < 30 for x in times[0]), times[0])
    lab.until('their connections are gone', lambda: server.get('/api/health')['api']['connections'] <= 3, 5)
    for s in mute:
        got = 0
        s.settimeout(3)
        with contextlib.suppress(OSError):
            while more := s.recv(1 << 20):
                got += len(more)
        t.true('they have not got all of it', got < 8 << 20, got)
        s.close()
    t.true('who reads slowly is served on', times[1] > 1 << 20, times[1])
    t.equal('others are served', times[2], 24 << 20)
    t.true('memory is bounded', server.memory() - before < 60 << 20, '%d MB more' % ((server.memory() - before) >> 20))
    t.true('they are counted', server.get('/api/health')['api']['reaped'] >= 3, server.get('/api/health')['api'])


def test_leaves(t, lab_):
    """Clients that leave in the middle of answers, polls and events are let go soon."""
    server = lab_.serve(large(lab_))
    stream = server.rows()[0]['stream_id']
    latest = server.get('/api/live/deltas')['latest_cursor']
    for path in ('/api/streams/%s/download' % stream, '/api/streams/%s/pcap' % stream, '/api/live/events',
                 '/api/live/deltas?wait_ms=30000&cursor=%d' % latest, '/api/streams/%s/content' % stream, '/api/streams/%s/conversation' % stream,
                 '/api/streams/%s/content?transform=auto' % stream):
        for cut in (0, 1, 5000):
            for _ in range(10):
                with server.connect(5) as s:
                    s.sendall(request(server, path=path))
                    if cut:
                        select.select([s], [], [], 0.05)
                        s.setblocking(False)
                        with_suppress(lambda: s.recv(cut))
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        t.equal(path.split('?')[0].split('/')[-1] + ': it goes on', server.get('/api/health')['status'], 'ok')
    lab.until('all are gone', lambda: server.get('/api/health')['api']['connections'] <= 3 and server.get('/api/health')['api']['polls'] == 0 and
              server.get('/api/health')['api']['event_clients'] == 0, 15, 0.2)
    t.equal('packets can still be had', server.call('GET', '/api/streams/%s/pcap' % stream).status, 200)


def test_at_a_time(t, lab_):
    """Changes by many at once while others list: no answer is broken, nothing is lost."""
    server = lab_.serve(*lab_.captures(), state=lab_.path('db'))
    ids = [r['stream_id'] for r in server.rows()][:40]

    def mark(k):
        for i in range(40):
            a = server.call('PATCH', '/api/streams/%s/state' % ids[(i + k) % 40], body={'note': '%d' % i, 'favorite': bool(i % 2)})
            assert a.status == 200 and a.json['row']['note'] == '%d' % i, a.body

    def rules(k):
        for i in range(30):
            a = server.call('POST', '/api/view/hide-rules', body={'kind': 'port', 'value': 20000 + k * 100 + i})
            mine = next(r for r in a.json['rules'] if r['rule']['value'] == str(20000 + k * 100 + i))
            assert server.call('DELETE', '/api/view/hide-rules/%d' % mine['id']).status == 200

    def list_(k):
        for i in range(30):
            rows = server.rows(limit=20, sort=('-bytes', 'first_seen', 'packets')[i % 3], include_hidden='true')
            assert len(rows) == len({r['stream_id'] for r in rows}) == 111, len(rows)

    def patterns(k):
        for i in range(5):
            a = server.call('POST', '/api/patterns', body={'kind': 'substring', 'pattern': 'p%d-%d' % (k, i)})
            assert a.status in (200, 503), a.body
            if a.status == 200:
                d = server.call('DELETE', '/api/patterns/' + a.json['pattern']['id'])
                assert d.status in (200, 503), d.body
    jobs = [lambda f=f, k=k: f(k) for f in (mark, rules, list_, patterns) for k in range(4)]
    try:
        lab.together(jobs)
        t.true('all went well', True)
    except (AssertionError, lab.Failed) as e:
        t.true('all went well', False, e)
    t.equal('no rule is left', server.get('/api/view/hide-rules')['rules'], [])
    t.true('every note is the last of somebody', all(r['note'] for r in server.rows(include_hidden='true') if r['stream_id'] in ids))


def test_stream_bytes(t, lab_):
    """What strangers sent is never a document of ours: an attachment, or within JSON."""
    evil = b'<html><script>alert(1)</script></html>\r\n<svg onload=alert(2)>'
    server = lab_.serve(content.talk(lab_, [(0, b'GET /<script> HTTP/1.1\r\nHost: <b>x</b>\r\n\r\n'), (1, b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n'
                                     b'Content-Length: %d\r\n\r\n' % len(evil) + evil)]))
    stream = content.only(server)
    for path in ('/download', '/download?direction=b_to_a', '/download?format=text&direction=b_to_a', '/download?format=hex', '/pcap',
                 '/download?direction=b_to_a&transform=auto', '/download?direction=b_to_a&transform=http_chunked,http_gzip&format=text'):
        a = server.call('GET', '/api/streams/%s%s' % (stream, path), headers={'Accept': 'text/html'})
        t.equal(path + ': type', a.header('content-type'), 'application/octet-stream')
        t.true(path + ': an attachment with a name of ours', re.fullmatch(r'attachment; filename="[0-9a-f]{16}[-_.a-z0-9]*"',
               a.header('content-disposition') or ''), a.header('content-disposition'))
        t.equal(path + ': headers', a.unsafe(), [])
    for path in ('', '/content?direction=b_to_a', '/conversation', '/messages', '/matches'):
        a = server.call('GET', '/api/streams/%s%s' % (stream, path), headers={'Accept': 'text/html'})
        t.equal('%s: JSON' % path, (a.status, a.header('content-type')), (200, 'application/json'))
    a = server.call('GET', '/<script>alert(1)</script>')
    t.equal('an error is JSON as well', (a.status, a.header('content-type'), a.unsafe()), (404, 'application/json', []))
    for path in ('/api/streams?%s=1' % 'x"<script>', '/api/streams?host=%0d%0aSet-Cookie:%20a=b', '/api/service-profiles/%0d%0aX:%20y',
                 '/api/view/preferences/%22%3e'):
        a = server.call('GET', path.replace('"', '%22').replace('<', '%3c').replace('>', '%3e'))
        t.true('%s: an error in the usual form, no header of theirs' % path, a.status in (400, 404) and a.error and not a.header('set-cookie') and
               not a.header('x'), a.body[:100])
    a = server.call('GET', '/')
    t.true('the page: HTML with an ETag', a.header('content-type') == 'text/html; charset=utf-8' and a.header('etag'))
    t.equal('the page: headers', a.unsafe(), [])
    t.true('the page has no script within', b'<script>' not in a.body.replace(b'<script src', b''))
    b = server.call('GET', '/', headers={'If-None-Match': a.header('etag')})
    t.equal('not modified', (b.status, b.body), (304, b''))
    t.equal('not modified: headers', b.unsafe(), [])
    for path in ('/metrics', '/api/openapi.json', '/api/health'):
        t.equal(path + ': headers', server.call('GET', path).unsafe(), [])
    e = lab.Events(server)
    t.equal('events: headers', [k for k, v in lab.SAFE_HEADERS.items() if e.headers.get(k) != v], [])
    e.close()


def test_end(t, lab_):
    """SIGTERM and SIGINT in the midst of requests of all kinds: it ends soon, with status 0 after a good replay."""
    path = large(lab_)
    for sig in (signal.SIGTERM, signal.SIGINT):
        server = lab_.serve(path, state=lab_.path('db'))
        stream = server.rows()[0]['stream_id']
        latest = server.get('/api/live/deltas')['latest_cursor']
        held = []
        for p in ('/api/live/events', '/api/live/deltas?wait_ms=30000&cursor=%d' % latest, '/api/streams/%s/download' % stream,
                  '/api/streams/%s/download?format=hex' % stream, '/api/streams/%s/pcap' % stream):
            s = server.connect(5)
            s.sendall(request(server, path=p))
            held.append(s)
        half = server.connect(5)
        half.sendall(b'GET /api/hea')
        held += [half, server.connect(5)]
        over = threading.Event()

        def busy():
            while not over.is_set():
                try:
                    server.call('GET', '/api/streams/%s/content' % stream, seconds=5)
                    server.call('PATCH', '/api/streams/%s/state' % stream, body={'note': 'x'}, seconds=5)
                except lab.Failed:
                    return
        threads = [threading.Thread(target=busy) for _ in range(3)]
        for x in threads:
            x.start()
        time.sleep(0.3)
        start = time.monotonic()
        status = server.stop(sig, 15)
        took = time.monotonic() - start
        over.set()
        for x in threads:
            x.join()
        for s in held:
            s.close()
        t.equal('%s: exit status' % sig.name, status, 0)
        t.true('%s: within 3 s' % sig.name, took < 3, '%.1f s' % took)
    server = lab_.serve(lab_.capture('demo'))
    server.call('POST', '/api/patterns', body={'kind': 'substring', 'pattern': 'x', 'rescan': True})
    t.equal('after a change of patterns', server.stop(), 0)
    bad = lab_.path('pcap')
    with open(lab_.capture('demo'), 'rb') as f:
        pathlib.Path(bad).write_bytes(f.read()[:-7])
    server = lab_.serve(bad)
    t.true('a cut capture is served all the same', server.rows())
    t.equal('its exit status is still 1', server.stop(), 1)
    server = lab_.serve(lab_.capture('demo'), '-o', lab_.path('jsonl'))
    t.equal('records are there while it still serves', len([x for x in open(server.args[server.args.index('-o') + 1]) if '"event_type":"flow"' in x]),
            len(server.rows()))


TESTS = [test_host, test_origin, test_token, test_guessing, test_token_files, test_listen, test_unix, test_tls, test_odd_requests, test_large,
         test_pages, test_slow, test_pipelined, test_crowd, test_never_reads, test_leaves, test_at_a_time, test_stream_bytes, test_end]
SLOW = [test_slow, test_never_reads, test_token]
