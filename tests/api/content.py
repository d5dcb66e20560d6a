# SPDX-License-Identifier: MIT
"""content - windows, conversations, messages, transforms and downloads of streams, held against bytes that the tests
put together themselves from the capture files."""
import base64
import gzip
import hashlib
import json
import os
import struct
import subprocess
import time
import zlib

import frames
import lab
import lists

LETTERS = ''.join('line %06d of a text that says nothing\n' % i for i in range(1, 1000)).encode()[:20000]
DIRECTIONS = ['a_to_b', 'b_to_a']
# Captures that frames.py understands, without holes.
SIMPLE = ['demo', 'http', 'http6', 'lo', 'loss', 'retransmit', 'upload', 'pipeline', 'redis', 'smtp', 'ssh', 'websocket',
          'zerowindow', 'udp', 'line', 'tls13', 'keepalive', 'http-encoded', 'abort', 'ftp', 'postgres', 'mptcp']


def content(server, stream, **params):
    return server.get('/api/streams/%s/content' % stream, **params)


def key_of(row):
    """The key of frames.flows for a row."""
    proto = {'tcp': 6, 'udp': 17}[row['protocol']]
    a, b = row['endpoint_a'], row['endpoint_b']
    return frozenset([proto, (a['addr'], a['port']), (b['addr'], b['port'])])


def client_of(row):
    return row['endpoint_a']['addr'], row['endpoint_a']['port']


def sent(row, packets):
    """What both directions of a TCP or UDP stream hold, put together here: [(bytes, holes)]."""
    client = client_of(row)
    if row['protocol'] == 'udp':
        return [(b''.join(p.payload for _, p in packets if ((p.src, p.sport) == client) == (d == 0)), []) for d in (0, 1)]
    return [(s.data(), s.holes()) for s in frames.sides(packets, client)]


def text_of(data):
    """Text as the API shows it."""
    out, at = [], 0
    # C1 controls, what turns the direction or ends lines, and Default_Ignorable_Code_Point of Unicode
    hidden = [(0x80, 0x9f), (0xad, 0xad), (0x34f, 0x34f), (0x61c, 0x61c), (0x115f, 0x1160), (0x17b4, 0x17b5), (0x180b, 0x180f),
              (0x200b, 0x200f), (0x2028, 0x202e), (0x2060, 0x206f), (0x3164, 0x3164), (0xfe00, 0xfe0f), (0xfeff, 0xfeff),
              (0xffa0, 0xffa0), (0xfff0, 0xfffb), (0x1bca0, 0x1bca3), (0x1d173, 0x1d17a), (0xe0000, 0xe0fff)]
    while at < len(data):
        for n in (1, 2, 3, 4):
            try:
                c = data[at:at + n].decode('utf-8')
            except UnicodeDecodeError:
                continue
            if len(c) == 1 and (c in '\n\r\t' or ' ' <= c != '\x7f') and not any(a <= ord(c) <= b for a, b in hidden):
                out.append(c)
                at += n
                break
        else:
            out.append('.')
            at += 1
    return ''.join(out)


def walk(t, server, stream, direction, length, mode='raw', what=''):
    """Window by window to the end: {offset: piece}, holes, evicted."""
    pieces, holes, evicted, at = {}, [], [], 0
    for _ in range(100000):
        w = content(server, stream, direction=direction, start=at, len=length, mode=mode)
        here = '%s window %d+%d of %s' % (what, at, length, direction)
        total = 0
        for s in w['segments']:
            data = base64.b64decode(s['base64'])
            total += len(data)
            if not (s['logical_start'] >= at and s['logical_end'] == s['logical_start'] + len(data) and
                    s['logical_end'] <= at + length and s['bytes_len'] == len(data)):
                t.true(here + ': its segments lie in it', False, (s['logical_start'], s['logical_end'], len(data)))
            pieces[s['logical_start']] = data
        if (w['returned_bytes'], w['requested_start'], w['requested_end']) != (total, at, at + length):
            t.true(here + ': what it says of itself', False, (w['returned_bytes'], w['requested_start'], w['requested_end'],
                   total))
        for list_, found in ((w['gaps'], holes), (w['evicted'], evicted)):
            for h in list_:
                if found and found[-1][0] == h['kind'] and found[-1][2] == h['start']:
                    found[-1] = (h['kind'], found[-1][1], h['end'])
                else:
                    found.append((h['kind'], h['start'], h['end']))
        if w['next_start'] >= w['stream_length']:
            return pieces, holes, evicted, w['stream_length']
        if w['next_start'] <= at:
            raise lab.Failed('%s goes on at %d' % (here, w['next_start']))
        at = w['next_start']
    raise lab.Failed('no end of windows')


def joined(pieces):
    return b''.join(pieces[k] for k in sorted(pieces))


def contiguous(pieces, holes):
    """Pieces and holes follow each other without anything between them."""
    spans = sorted([(k, k + len(v)) for k, v in pieces.items()] + [(a, b) for _, a, b in holes])
    return all(x[1] == y[0] for x, y in zip(spans, spans[1:])) and (not spans or spans[0][0] == 0)


def test_windows(t, lab_):
    """All bytes of all streams of many captures, by windows of several sizes."""
    seen = 0
    for name in SIMPLE:
        path = lab_.capture(name)
        server, flows = lab_.serve(path), frames.flows(frames.read(path))
        for row in server.rows(limit=512):
            if row['protocol'] not in ('tcp', 'udp') or key_of(row) not in flows:
                continue
            for d, (want, holes) in enumerate(sent(row, flows[key_of(row)])):
                what = '%s %s' % (name, row['stream_id'])
                for length in (65536, 4096 if len(want) > 10000 else 777) + ((64,) if len(want) < 3000 else ()):
                    pieces, gaps, evicted, n = walk(t, server, row['stream_id'], DIRECTIONS[d], length, what=what)
                    t.true('%s %s by %d: pieces follow each other' % (what, DIRECTIONS[d], length), contiguous(pieces, gaps))
                    if not t.true('%s %s by %d: bytes' % (what, DIRECTIONS[d], length), joined(pieces) == want,
                                  'expected %d, got %d' % (len(want), len(joined(pieces)))):
                        continue
                    t.equal('%s %s: length, holes' % (what, DIRECTIONS[d]), (n, len(gaps), evicted),
                            (len(want), len(holes), []))
                seen += len(want)
        server.stop()
    t.true('there was much to see', seen > 1000000, seen)


def test_windows_and_show(t, lab_):
    """As --show has it, for what frames.py does not understand (tunnels, fragments, holes)."""
    for name in ('gre', 'vxlan', 'vxlan-fragments', 'vlan', 'ipip', 'fragments', 'midstream', 'oneway', 'snaplen', 'fastopen',
                 'reuse', 'any', 'dns'):
        path = lab_.capture(name)
        server = lab_.serve(path)
        for row in server.rows(limit=512):
            if row['stream_bytes'] == 0:
                continue
            for d in DIRECTIONS:
                pieces = walk(t, server, row['stream_id'], d, 65536, what=name)[0]
                want = b''.join(lab_.show(path, row['stream_id'], d, at) for at in range(0, 1 << 17, 65536))
                t.true('%s %s %s' % (name, row['stream_id'], d), joined(pieces) == want, '%d, %d bytes' % (len(joined(pieces)),
                       len(want)))
        server.stop()


def test_bounds(t, lab_):
    """Windows at the ends and beyond, and of the largest sizes."""
    path = lab_.capture('upload')
    server = lab_.serve(path, '--max-stream-slice-bytes', 10000)
    row = server.get('/api/streams')['rows'][0]
    want = sent(row, frames.flows(frames.read(path))[key_of(row)])[0][0]
    n, stream = len(want), row['stream_id']
    for start, length, have in [(0, 1, 1), (n - 1, 1, 1), (n - 1, 100, 1), (n, 100, 0), (n + 1, 1, 0), (2**40, 5, 0),
                                (2**62, 65536, 0), (0, 10000, 10000), (0, 65536, 10000), (5, 10001, 10000)]:
        w = content(server, stream, start=start, len=length, mode='raw')
        data = b''.join(base64.b64decode(s['base64']) for s in w['segments'])
        t.true('%d bytes at %d of %d' % (length, start, n), data == want[start:start + have], len(data))
        t.equal('%d bytes at %d: returned_bytes, length' % (length, start), (w['returned_bytes'], w['stream_length']), (have, n))
        if have == 10000:
            t.equal('%d bytes at %d: cut by the limit' % (length, start), w['truncated_by_limit'], length > 10000)
        t.equal('%d bytes at %d: where to go on' % (length, start), w['next_start'] if have else 0, start + have if have else 0)
    w = content(server, stream)
    t.equal('without parameters', (w['direction'], w['requested_start'], w['returned_bytes'], w['segments'][0]['kind']),
            ('a_to_b', 0, 10000, 'text'))
    t.error('len 0', server.call('GET', '/api/streams/%s/content?len=0' % stream), 400, words='len')


TEXT = ('plain\r\n\ttext ümläut € 漢字 😀 ' + 'é' * 3000).encode() + b'\xff\xfe\x80bad\xc3(\xe2\x82\xf0\x9f\x98 \x00\x01\x1b[31m\x7f' + \
    '\u202eabc\u200b\u0085\u2028\ufeffend'.encode() + b'\xed\xa0\x80\xc0\xaf\xf4\x90\x80\x80'


def talk(lab_, ways, size=1400, ns=False, **more):
    """A capture of one connection: [(side, bytes)]."""
    made = []
    c = frames.Talk(made, **more)
    for side, data in ways:
        c.data(side, data, size)
    c.end()
    path = lab_.path('pcap')
    frames.write(path, made, ns=ns)
    return path


def only(server):
    rows = server.rows()
    if len(rows) != 1:
        raise lab.Failed('%d streams, not one' % len(rows))
    return rows[0]['stream_id']


def test_modes(t, lab_):
    """Text, hexadecimal and raw of bytes of all kinds; characters that packets and windows cut in two."""
    every = bytes(range(256))
    server = lab_.serve(talk(lab_, [(0, TEXT), (1, every * 3)], size=101))
    stream = only(server)
    w = content(server, stream)
    s = w['segments'][0]
    t.equal('text', s['text'], text_of(TEXT))
    t.equal('bytes beside it', base64.b64decode(s['base64']), TEXT)
    t.equal('some of it is no text', s['lossy'], True)
    check_map(t, 'text', s, TEXT)
    for d, data in zip(DIRECTIONS, (TEXT, every * 3)):
        for start, length in ((0, 65536), (1, 77), (16, 16), (17, 1), (5, 40), (255, 300), (37, 3000), (20, 1)):
            part = data[start:start + length]
            what = '%s %d+%d' % (d, start, length)
            s = content(server, stream, direction=d, start=start, len=length, mode='text')['segments'][0]
            t.equal(what + ': text', s['text'], text_of(part))
            t.equal(what + ': lossy', s['lossy'], text_of(part).encode() != part)
            check_map(t, what, s, part)
            s = content(server, stream, direction=d, start=start, len=length, mode='hex')['segments'][0]
            back, at = b'', start
            for r in s['rows']:
                row = bytes.fromhex(r['hex'])
                if r['logical_start'] != at or r['ascii'] != ''.join(chr(c) if 32 <= c < 127 else '.' for c in row) or \
                        r['hex'] != row.hex(' ') or (at + len(row)) % 16 and at + len(row) != start + len(part):
                    t.true(what + ': a row', False, r)
                back, at = back + row, at + len(row)
            t.equal(what + ': hexadecimal', back, part)
            s = content(server, stream, direction=d, start=start, len=length, mode='raw')['segments'][0]
            t.equal(what + ': raw', (base64.b64decode(s['base64']), 'text' in s, 'rows' in s), (part, False, False))
    good = 'all good: ü € 😀\n'.encode() * 50
    server = lab_.serve(talk(lab_, [(0, good)], size=7))
    s = content(server, only(server))['segments'][0]
    t.equal('characters cut by packets', (s['text'], s['lossy']), (good.decode(), False))


def check_map(t, what, s, data):
    """What a client needs to find the character of a byte."""
    at, chars = 0, 0
    wide = {o: n for o, n in s['wide']}
    for c in s['text']:
        n = wide.get(at, 1)
        if c != '.' and c.encode() != data[at:at + n]:
            return t.true(what + ': map of bytes to characters', False, 'byte %d' % at)
        at, chars = at + n, chars + 1
    return t.equal(what + ': the map covers all bytes', at, len(data))


def test_gaps(t, lab_):
    capture = lab_.script('''
flow a tcp 10.0.0.1:50001 10.0.0.2:40001
a > S
a < SA
a > A
a > PA "0123456789"
a > PA "lost here!" lost
a > PA "abcdefghij"
a > PA fill z 100 snap 64
a > PA "the end"
a < PA "ok"
a > FA
a < FA
a > A
''')
    server = lab_.serve(capture)
    stream = only(server)
    detail = server.get('/api/streams/' + stream)
    gaps = [g for g in detail['gaps'] if g['direction'] == 'a_to_b']
    t.equal('gaps of the stream', [(g['kind'], g['start'], g['end']) for g in gaps], [('gap', 10, 20), ('cut', 40, 130)])
    t.equal('their number', detail['gap_total'], 2)
    side = detail['directions'][0]
    t.equal('what the direction says', (side['gap_count'], side['gap_bytes'], side['cut_bytes']), (1, 10, 90))
    w = content(server, stream, mode='raw')
    t.equal('segments', [(s['logical_start'], s['logical_end'], base64.b64decode(s['base64'])) for s in w['segments']],
            [(0, 10, b'0123456789'), (20, 40, b'abcdefghijzzzzzzzzzz'), (130, 137, b'the end')])
    t.equal('gaps', w['gaps'], [{'kind': 'gap', 'start': 10, 'end': 20}, {'kind': 'cut', 'start': 40, 'end': 130}])
    t.equal('length', w['stream_length'], 137)
    for start, length, want in [(12, 4, [('gap', 12, 16)]), (5, 10, [('gap', 10, 15)]), (15, 50, [('gap', 15, 20), ('cut', 40, 65)]),
                                (100, 40, [('cut', 100, 130)]), (20, 20, []), (130, 10, [])]:
        w = content(server, stream, start=start, len=length, mode='raw')
        t.equal('gaps in %d+%d' % (start, length), [(g['kind'], g['start'], g['end']) for g in w['gaps']], want)
    for length in (1, 3, 64):
        pieces, holes, _, n = walk(t, server, stream, 'a_to_b', length, what='gaps')
        t.equal('by windows of %d' % length, (joined(pieces), n, sorted(set(k for k, _, _ in holes))),
                (b'0123456789abcdefghijzzzzzzzzzzthe end', 137, ['cut', 'gap']))
    turns = conversation(server, stream)
    t.equal('turns', [(x['direction'], x['kind'], x['start'], x['end']) for x in turns if x['kind'] != 'data'],
            [('a_to_b', 'gap', 10, 20), ('a_to_b', 'cut', 40, 130)])
    path = lab_.capture('snaplen')
    server = lab_.serve(path)
    row = server.get('/api/streams', service='http')['rows'][0]
    for d, (s, length) in enumerate(zip(frames.sides(frames.flows(frames.read(path))[key_of(row)], client_of(row)),
                                        on_the_wire(path, row))):
        pieces, holes, _, n = walk(t, server, row['stream_id'], DIRECTIONS[d], 65536, what='snaplen')
        t.equal('snaplen %s: bytes that were captured' % DIRECTIONS[d], joined(pieces), s.data())
        t.equal('snaplen %s: length on the wire' % DIRECTIONS[d], n, length)
        t.equal('snaplen %s: kinds of holes' % DIRECTIONS[d], {k for k, _, _ in holes}, {'cut'} if s.data() and
                len(s.data()) < length else set())
        t.true('snaplen %s: nothing between them' % DIRECTIONS[d], contiguous(pieces, holes))


def on_the_wire(path, row):
    """Length of both directions by sequence numbers of a capture with a short snaplen."""
    ends, isn = [0, 0], [None, None]
    for f in frames.read(path):
        ip = frames.network(f)
        if not ip or ip[9] != 6:
            continue
        n, total = (ip[0] & 15) * 4, struct.unpack_from('>H', ip, 2)[0]
        sport, dport, seq, _, off, flags = struct.unpack_from('>HHIIBB', ip, n)
        d = sport != client_of(row)[1]
        if isn[d] is None:
            isn[d] = seq + 1 if flags & 2 else seq
        payload = total - n - (off >> 4) * 4
        ends[d] = max(ends[d], (seq - isn[d] + payload) % 2**32 if payload else 0)
    return ends


def test_evicted(t, lab_):
    """What was let go is said to be evicted, not to be a gap."""
    data = b''.join(b'%07d\n' % i for i in range(40000))
    plain = talk(lab_, [(0, data), (1, b'thank you')])
    zipped = lab_.path('pcap.gz')
    with open(plain, 'rb') as f, gzip.open(zipped, 'wb') as g:
        g.write(f.read())
    server = lab_.serve(zipped, '--max-stream-content-bytes-per-stream', 100000)
    stream = only(server)
    pieces, holes, evicted, n = walk(t, server, stream, 'a_to_b', 65536)
    t.equal('length', n, len(data))
    t.true('the oldest are evicted', holes == [] and len(evicted) == 1 and evicted[0][:2] == ('evicted', 0), (holes, evicted))
    t.true('the rest is as it was', joined(pieces) == data[evicted[0][2]:])
    t.true('that is as much as may be kept', 50000 < len(joined(pieces)) <= 100000, len(joined(pieces)))
    raw = server.call('GET', '/api/streams/%s/download' % stream)
    t.true('the download has what there is', raw.body == joined(pieces), len(raw.body))
    server = lab_.serve(zipped, '--spool', lab_.folder)
    t.true('with a spool nothing is', joined(walk(t, server, only(server), 'a_to_b', 65536)[0]) == data)
    server = lab_.serve(plain, '--disable-stream-content')
    a = server.call('GET', '/api/streams/%s/content' % only(server))
    t.true('with no content kept: an error, or nothing, said to be so', a.status == 404 or a.status == 200 and
           a.json['returned_bytes'] == 0, a.body[:200])


def test_conflicts(t, lab_):
    capture = lab_.script('''
flow a tcp 10.0.0.1:50001 10.0.0.2:40001
a > S
a < SA
a > A
a > PA "GET /good"
a > PA @5 "evil"
a > PA " HTTP"
a < PA "answer"
''')
    server = lab_.serve(capture)
    stream = only(server)
    w = content(server, stream, mode='raw')
    t.equal('what is kept', base64.b64decode(w['segments'][0]['base64']), b'GET /good HTTP')
    if t.equal('conflicts', len(w['conflicts']), 1):
        c = w['conflicts'][0]
        t.equal('where and what', (c['start'], c['end'], base64.b64decode(c['other_base64'])), (5, 9, b'evil'))
        t.equal('packets', (c.get('other_packet'), c.get('kept_packet', 4)), (5, 4))
    t.equal('in another window', content(server, stream, start=10, mode='raw')['conflicts'], [])
    t.equal('in a window that touches it', len(content(server, stream, start=8, len=1, mode='raw')['conflicts']), 1)
    t.equal('of the other direction', content(server, stream, direction='b_to_a')['conflicts'], [])
    t.equal('of the stream', server.get('/api/streams/' + stream)['conflicts'], 1)
    t.equal('it can be found', [r['stream_id'] for r in server.rows(has='conflict')], [stream])


def test_highlights(t, lab_):
    data = b'..needle..' * 30
    server = lab_.serve(talk(lab_, [(0, data), (1, b'a needle here')], size=33), '--pattern', 'pin=needle', '--regex', 'dots=\\.{4}',
                        '--binary-pattern', 'hex=6e 65')
    stream = only(server)
    w = content(server, stream, start=4, len=21)
    want = [('substring:0', 'pin', 'substring', max(4, i), min(25, i + 6)) for i in range(2, 300, 10) if i < 25 and i + 6 > 4]
    want += [('binary:0', 'hex', 'binary', i, i + 2) for i in range(2, 300, 10) if 4 <= i and i + 2 <= 25]
    want += [('regex:0', 'dots', 'regex', max(4, i), min(25, i + 4)) for i in range(8, 300, 10) if i < 25 and i + 4 > 4]
    got = [(h['pattern_id'], h['pattern_name'], h['pattern_type'], h['logical_start'], h['logical_end']) for h in w['highlights']]
    t.equal('highlights, clipped to the window', sorted(got), sorted(want))
    for h in w['highlights']:
        s = w['segments'][h['segment_index']]
        t.equal('a highlight in its segment', (h['segment_start'], h['segment_end'], h['direction']),
                (h['logical_start'] - s['logical_start'], h['logical_end'] - s['logical_start'], 'a_to_b'))
    t.equal('of the other direction', [(h['pattern_id'], h['logical_start'], h['logical_end'])
            for h in content(server, stream, direction='b_to_a')['highlights'] if h['pattern_id'] == 'substring:0'],
            [('substring:0', 2, 8)])
    t.equal('none in a window without any', content(server, stream, start=0, len=2)['highlights'], [])
    w = content(server, stream, start=0)
    t.equal('all of them', len([h for h in w['highlights'] if h['pattern_id'] == 'substring:0']), 30)
    order = [(h['logical_start'], h['logical_end']) for h in w['highlights']]
    t.equal('sorted by where they begin', order, sorted(order))
    server = lab_.serve(talk(lab_, [(0, data)]), '--pattern', 'needle', '--max-stream-slice-highlights', 5)
    w = content(server, only(server))
    t.equal('no more than may be', (len(w['highlights']), w['dropped_highlights']), (5, 25))


# ---- conversations ----

def conversation(server, stream, pages=None, **params):
    found = []
    while True:
        page = server.get('/api/streams/%s/conversation' % stream, **params)
        found += page['turns']
        if pages is not None:
            pages.append(page['turns'])
        if page['next_cursor'] is None:
            return found
        params['cursor'] = page['next_cursor']


def test_conversation(t, lab_):
    """Both directions, each byte once, in the order of time, with packets and times as in the file."""
    for name in SIMPLE:
        path = lab_.capture(name)
        list_ = frames.read(path)
        server, flows = lab_.serve(path), frames.flows(list_)
        for row in server.rows(limit=512):
            if row['protocol'] not in ('tcp', 'udp') or key_of(row) not in flows:
                continue
            packets = flows[key_of(row)]
            check_turns(t, '%s %s' % (name, row['stream_id']), server, row, packets, list_,
                        ordered=name not in ('loss', 'retransmit', 'zerowindow'))
        server.stop()


def check_turns(t, what, server, row, packets, list_, ordered):
    pages = []
    whole = conversation(server, row['stream_id'], pages, mode='raw')
    want = sent(row, packets)
    client = client_of(row)
    by_number = {n: p for numbers, p in packets for n in numbers}
    isn = [s.isn for s in frames.sides(packets, client)]
    at, last, wrong = [0, 0], '', []
    for x in whole:
        d = DIRECTIONS.index(x['direction'])
        data = base64.b64decode(x['content']['base64'])
        if x['start'] != at[d] or x['end'] != at[d] + len(data) or want[d][0][x['start']:x['end']] != data:
            wrong.append('bytes %d-%d of %s' % (x['start'], x['end'], x['direction']))
        at[d] = x['end']
        for number, stamp, off in ((x['first_packet'], x['timestamp'], x['start']), (x['last_packet'], x['last_timestamp'],
                                                                                  x['end'] - 1)):
            p = by_number.get(number)
            if not p or list_[number - 1].ns // 1000 != lists.us(stamp) or ((p.src, p.sport) == client) != (d == 0):
                wrong.append('packet %d at %s' % (number, stamp))
            elif p.proto == 6 and not (p.seq - isn[d]) % 2**32 <= off < (p.seq - isn[d]) % 2**32 + len(p.payload):
                wrong.append('byte %d of %s is not in packet %d' % (off, x['direction'], number))
        if ordered and x['timestamp'] < last:
            wrong.append('turn at %s behind %s' % (x['timestamp'], last))
        last = x['timestamp']
    t.true(what + ': turns', not wrong, '; '.join(wrong[:4]))
    t.equal(what + ': all bytes', at, [len(w) for w, _ in want])
    split = [(a['direction'], a['start'], b['end']) for page in pages for a, b in zip(page, page[1:])
             if a['direction'] == b['direction']]
    t.true(what + ': neighbours on a page are of different directions', row['protocol'] == 'udp' or not ordered or not split, split)
    for limit in (1, 3):
        if len(whole) > 150 and limit == 1:
            continue
        parts = conversation(server, row['stream_id'], mode='raw', limit=limit)
        for d in (0, 1):
            mine = [(x['start'], x['end']) for x in parts if x['direction'] == DIRECTIONS[d]]
            data = b''.join(base64.b64decode(x['content']['base64']) for x in parts if x['direction'] == DIRECTIONS[d])
            t.true('%s: in pages of %d' % (what, limit), data == want[d][0] and
                   all(a[1] == b[0] for a, b in zip(mine, mine[1:])), '%d of %d bytes' % (len(data), len(want[d][0])))


def test_conversation_of_a_large_stream(t, lab_):
    """More than a page of turns and more than a window of bytes."""
    ways = [(i % 2, (b'%06d ' % i) * (1 + i % 400)) for i in range(600)] + [(1, bytes(300000))]
    server = lab_.serve(talk(lab_, ways))
    stream = only(server)
    for limit in (512, 128, 50):
        turns = conversation(server, stream, limit=limit, mode='raw')
        for d in (0, 1):
            got = b''.join(base64.b64decode(x['content']['base64']) for x in turns if x['direction'] == DIRECTIONS[d])
            t.true('all bytes of %s in pages of %d' % (DIRECTIONS[d], limit), got == b''.join(w for s, w in ways if s == d), len(got))
        order = [x['direction'] for x in turns if x['kind'] == 'data']
        t.true('they take turns (pages of %d)' % limit, len([1 for a, b in zip(order, order[1:]) if a != b]) == 599)
    texts = conversation(server, stream, limit=4)
    t.equal('as text', texts[1]['content']['text'], '000001 000001 ')
    t.equal('in hexadecimal', bytes.fromhex(server.get('/api/streams/%s/conversation' % stream, mode='hex', limit=1)['turns'][0]
            ['content']['rows'][0]['hex']), b'000000 ')
    for bad in ('x', '1', '1-', '1-2-3', '99999999999-5x'):
        t.error('cursor ' + bad, server.call('GET', '/api/streams/%s/conversation?cursor=%s' % (stream, bad)), 400, 'stale_cursor')


# ---- messages ----

def messages(server, stream, **params):
    found = []
    while True:
        page = server.get('/api/streams/%s/messages' % stream, **params)
        found += page['messages']
        if page['next_cursor'] is None:
            return found
        params['cursor'] = page['next_cursor']


def test_messages(t, lab_):
    """HTTP and WebSocket messages, as the records know them."""
    for name in ('http', 'http-encoded', 'pipeline', 'demo', 'websocket', 'midstream', 'abort', 'http6', 'upload'):
        path = lab_.capture(name)
        server = lab_.serve(path)
        records = [r for r in lab_.records(path) if r['event_type'] in ('http', 'websocket')]
        for stream in {r['stream_id'] for r in records}:
            what, want = '%s %s' % (name, stream), []
            for r in records:
                if r['stream_id'] != stream:
                    continue
                if r['event_type'] == 'websocket':
                    want.append(('websocket', 'a_to_b' if r['direction'] == 'to_server' else 'b_to_a', 'unknown',
                                 r['message']['start'], r['message']['end']))
                for kind, d in (('request', 'a_to_b'), ('response', 'b_to_a')):
                    if r['event_type'] == 'http' and kind in r['message']:
                        want.append(('http', d, kind, r['message'][kind]['start'], r['message'][kind]['end']))
            got = messages(server, stream)
            form = lambda m: (m['protocol'], m['direction'], m['kind'], m['logical_start'], m['logical_end'])
            t.equal(what + ': messages', sorted(map(form, got)), sorted(want))
            t.equal(what + ': ids differ', len({m['message_id'] for m in got}), len(got))
            for m in got:
                check_message(t, what, server, stream, m)
            for limit in (1, 2):
                t.equal('%s: in pages of %d' % (what, limit), [m['message_id'] for m in messages(server, stream, limit=limit)],
                        [m['message_id'] for m in got])
            for params, true in [
                    ({'direction': 'a_to_b'}, lambda m: m['direction'] == 'a_to_b'),
                    ({'direction': 'b_to_a'}, lambda m: m['direction'] == 'b_to_a'),
                    ({'protocol': 'http'}, lambda m: m['protocol'] == 'http'),
                    ({'protocol': 'websocket'}, lambda m: m['protocol'] == 'websocket'),
                    ({'kind': 'request'}, lambda m: m['kind'] == 'request'),
                    ({'kind': 'response', 'limit': 1}, lambda m: m['kind'] == 'response'),
                    ({'kind': 'unknown'}, lambda m: m['kind'] == 'unknown'),
                    ({'status': 'complete'}, lambda m: m['status'] == 'complete'),
                    ({'status': 'partial'}, lambda m: m['status'] == 'partial'),
                    ({'status': 'error'}, lambda m: m['status'] == 'error'),
                    ({'kind': 'request', 'direction': 'b_to_a'}, lambda m: False)]:
                t.equal('%s: messages with %r' % (what, params), [m['message_id'] for m in messages(server, stream, **params)],
                        [m['message_id'] for m in got if true(m)])
            detail = server.get('/api/streams/' + stream)
            t.equal(what + ': number of messages', detail['messages']['count'], len(got))
        server.stop()


def check_message(t, what, server, stream, m):
    start, end = m['logical_start'], m['logical_end']
    t.equal('%s: lengths of %s' % (what, m['summary']), (m['wire_bytes'], m['header_bytes'] + m['body_bytes']),
            (end - start, end - start))
    if m['protocol'] != 'http' or m['header_start'] is None:
        return
    t.equal(what + ': header and body', (m['header_start'], m['header_end'], m['body_end']), (start, m['body_start'], end))
    if m['header_end'] == start:
        return
    w = content(server, stream, direction=m['direction'], start=start, len=m['header_end'] - start, mode='raw')
    head = b''.join(base64.b64decode(s['base64']) for s in w['segments'])
    t.true(what + ': the header ends where it is said to', head.endswith(b'\r\n\r\n') and head.count(b'\r\n\r\n') == 1 and
           b'HTTP/1' in head.split(b'\r\n')[0], head[-20:])
    lines = head.decode('latin-1').split('\r\n')
    h = m['http']
    t.equal(what + ': start line', h['start_line'], lines[0])
    words = lines[0].split(' ', 2)
    t.equal(what + ': its words', (h.get('method'), h.get('target'), h['version']) if m['kind'] == 'request' else
            (h['version'], h.get('status_code'), h.get('reason')), tuple(words))
    t.equal(what + ': headers', [(x['name'].lower(), x['value']) for x in h['headers']],
            [(k.lower(), v.strip()) for k, v in (x.split(':', 1) for x in lines[1:-2])])


# ---- transforms ----

def transformed(server, stream, chain, **params):
    return content(server, stream, transform=chain, **{'mode': 'raw', **params})['transforms'][0]


def result(x):
    return b''.join(base64.b64decode(s['base64']) for s in x['segments'])


def test_http_encodings(t, lab_):
    """Each encoding undone, from any window of the message."""
    server = lab_.serve(lab_.capture('http-encoded'))
    stream = only(server)
    answers = messages(server, stream, kind='response')
    t.equal('answers', len(answers), 4)
    raw = server.call('GET', '/api/streams/%s/download?direction=b_to_a' % stream).body
    for m in answers:
        encoding = dict((x['name'].lower(), x['value']) for x in m['http']['headers']).get('content-encoding')
        body = raw[m['body_start']:m['logical_end']]
        for chain in ('http_chunked,http_gzip', 'http_chunked,http_gzip,url_decode', 'auto', 'profile') if encoding == 'gzip' else \
                ('http_chunked,http_gzip', 'http_gzip', 'auto', 'profile'):
            for start in (m['logical_start'], m['logical_start'] + 10, m['body_start'], m['body_start'] + 100, m['logical_end'] - 1):
                x = transformed(server, stream, chain, direction='b_to_a', start=start, len=50)
                what = '%s of %s from %d' % (chain, encoding, start - m['logical_start'])
                if chain == 'auto' and encoding == 'gzip':  # a step at a time: chunks first
                    t.equal(what, x['status'], 'applied')
                    continue
                t.true(what, x['status'] == 'applied' and result(x).endswith(LETTERS), (x['status'], len(result(x)),
                       [s['notes'] for s in x['steps']]))
                t.equal(what + ': the message', (x['source_logical_start'], x['source_logical_end'], x['whole_message']),
                        (m['logical_start'], m['logical_end'], True))
                t.equal(what + ': sizes', (x['input_bytes'], x['output_bytes']), (m['wire_bytes'], len(result(x))))
        if encoding != 'gzip':
            w = content(server, stream, direction='b_to_a', start=m['body_start'], len=10, transform='http_gzip')
            t.equal('the original beside it', base64.b64decode(w['segments'][0]['base64']), body[:10])
        x = transformed(server, stream, 'http_chunked,http_gzip', direction='b_to_a', start=m['body_start'], mode='text')
        t.true('as text', LETTERS.decode() in x['segments'][0]['text'])
    x = transformed(server, stream, 'http_chunked,http_gzip', direction='a_to_b')
    t.equal('a request has nothing to undo', (x['status'], x['applied'], [s['status'] for s in x['steps']]),
            ('noop', 'none', ['noop', 'noop']))
    limited = lab_.serve(lab_.capture('http-encoded'), '--max-stream-transform-bytes', 5000)
    x = transformed(limited, stream, 'http_gzip', direction='b_to_a', start=answers[1]['body_start'])
    t.true('bounded in output, and said so', x['truncated_by_limit'] and len(result(x)) < 6000, (x['truncated_by_limit'],
           len(result(x))))


def test_steps(t, lab_):
    """Steps on streams that belong to no message."""
    plain = b'some text, and then some more: ' * 40
    deflated = zlib.compressobj(9, zlib.DEFLATED, -15)
    bare = deflated.compress(plain) + deflated.flush()
    latin = 'Grüße aus Köln'.encode('latin-1')
    cases = [
        ('gzip', gzip.compress(plain), plain), ('deflate', zlib.compress(plain), plain), ('deflate', bare, plain),
        ('base64', base64.b64encode(plain), plain), ('base64', base64.encodebytes(plain), plain),
        ('hex', plain.hex().encode(), plain), ('hex', plain[:30].hex(' ').encode(), plain[:30]),
        ('url_decode', b'a=1+2%203&b=%C3%BC%26&c=%zz', b'a=1 2 3&b=\xc3\xbc&&c=%zz'),
        ('json', b'{"a":[1,2,{"b":"\xc3\xbc"}]}', None), ('charset:iso-8859-1', latin, latin.decode('latin-1').encode()),
        ('charset:utf-16le', 'Grüße €'.encode('utf-16-le'), 'Grüße €'.encode()),
        ('charset', 'Grüße €'.encode('utf-16'), 'Grüße €'.encode()),
        ('base64,gzip', base64.b64encode(gzip.compress(plain)), plain),
        ('hex,base64,url_decode', base64.b64encode(b'%41%42').hex().encode(), b'AB'),
    ]
    server = lab_.serve(*[talk(lab_, [(0, data)], client=('10.0.0.1', 20000 + i), at=(1700000000 + i) * 10**9)
                          for i, (_, data, _) in enumerate(cases)])
    for i, (chain, data, want) in enumerate(cases):
        stream = server.get('/api/streams', port=20000 + i)['rows'][0]['stream_id']
        x = transformed(server, stream, chain)
        what = '%s of %.30r' % (chain, data)
        t.equal(what + ': status', (x['status'], x['requested_chain']), ('applied', [c.split(':')[0] for c in chain.split(',')]))
        if want is None:
            t.equal(what, (json.loads(result(x)), b'\n' in result(x)), (json.loads(data), True))
        else:
            t.equal(what, result(x), want)
        t.equal(what + ': sizes', (x['input_bytes'], x['output_bytes']), (len(data), len(result(x))))
    def one(data):
        s = lab_.serve(talk(lab_, [(0, data)]))
        return s, only(s)
    server, stream = one(b'just words, nothing else')
    for chain in ('gzip', 'brotli', 'zstd', 'websocket_deflate', 'http_chunked', 'http_gzip', 'auto', 'json'):
        x = transformed(server, stream, chain)
        t.true('%s of words is noop or failed, without output' % chain, x['status'] in ('noop', 'failed') and x['segments'] == []
               and x['applied'] == 'none', x['status'])
    for chain in ('', 'none', 'raw'):
        w = content(server, stream, transform=chain)
        t.equal('transform=%s is none' % chain, w.get('transforms', []), [])
    server, stream = one(gzip.compress(plain)[:60])
    x = transformed(server, stream, 'gzip')
    t.true('half of a gzip file', x['status'] in ('applied', 'failed') and plain.startswith(result(x)), x['status'])
    server, stream = one(gzip.compress(plain)[:10] + b'\xff' * 40)
    x = transformed(server, stream, 'gzip,url_decode')
    t.equal('a damaged one ends the chain', (x['status'], len(x['steps'])), ('failed', 1))


def test_websocket(t, lab_):
    path = lab_.capture('websocket')
    server = lab_.serve(path)
    records = [r for r in lab_.records(path) if r['event_type'] == 'websocket' and r['websocket'].get('text')]
    packed = [r for r in records if r['websocket']['compressed']]
    t.true('there are compressed messages', len(packed) >= 4)
    for r in records:
        d = 'a_to_b' if r['direction'] == 'to_server' else 'b_to_a'
        for start in (r['message']['start'], r['message']['end'] - 1):
            x = transformed(server, r['stream_id'], 'websocket_deflate', direction=d, start=start, len=20)
            what = 'message at %d of %s of %s' % (start, d, r['stream_id'])
            if r['websocket']['compressed']:
                t.true(what, x['status'] == 'applied' and result(x).decode().startswith(r['websocket']['text'][:100]),
                       (x['status'], result(x)[:40], r['websocket']['text'][:40]))
                t.equal(what + ': its range', (x['source_logical_start'], x['source_logical_end']),
                        (r['message']['start'], r['message']['end']))
            p = transformed(server, r['stream_id'], 'profile', direction=d, start=start, len=20)
            t.equal(what + ': by the profile', (p['requested_chain'], p['status'] == 'applied' or not r['websocket']['compressed']),
                    (['websocket_deflate', 'url_decode'], True))


# ---- downloads ----

def test_downloads(t, lab_):
    """A whole direction: raw, text, hexadecimal, decoded."""
    text = 'wide: ü€😀 '.encode() * 20000  # longer than what is read at a time, and characters at all its ends
    captures = [lab_.capture(n) for n in ('demo', 'loss', 'lo', 'upload')] + [talk(lab_, [(0, text), (1, b'\0\xff' * 100000)])]
    for path in captures:
        server, flows = lab_.serve(path), frames.flows(frames.read(path))
        for row in server.rows(limit=512):
            if row['protocol'] not in ('tcp', 'udp') or key_of(row) not in flows:
                continue
            for d, (want, _) in enumerate(sent(row, flows[key_of(row)])):
                at = '/api/streams/%s/download' % row['stream_id']
                what = '%s %s' % (row['stream_id'], DIRECTIONS[d])
                a = server.call('GET', at, {'direction': DIRECTIONS[d]})
                t.true(what + ': raw', a.status == 200 and a.body == want, (a.status, len(a.body), len(want)))
                t.true(what + ': an attachment', a.header('content-type') == 'application/octet-stream' and
                       (a.header('content-disposition') or '').startswith('attachment; filename="' + row['stream_id']),
                       a.headers)
                a = server.call('GET', at, {'direction': DIRECTIONS[d], 'format': 'text'})
                t.true(what + ': text', a.body.decode() == text_of(want), first_difference(a.body.decode(), text_of(want)))
                a = server.call('GET', at, {'direction': DIRECTIONS[d], 'format': 'hex'})
                t.true(what + ': hexadecimal', dumped(a.body.decode()) == want, len(a.body))
                t.equal(what + ': HEAD', server.call('HEAD', at, {'direction': DIRECTIONS[d]}).status, 200)
        server.stop()


def first_difference(a, b):
    i = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return 'at %d of %d and %d: %r, %r' % (i, len(a), len(b), a[i:i + 20], b[i:i + 20])


def dumped(text):
    """Bytes of a dump whose rows begin with their offset, or None."""
    found = bytearray()
    for line in text.splitlines():
        at, data = int(line[:8], 16), bytes.fromhex(line[10:10 + 48].strip())
        if at != len(found) or line[59:] != ''.join(chr(c) if 32 <= c < 127 else '.' for c in data):
            return None
        found += data
    return bytes(found)


def test_decoded_downloads(t, lab_):
    server = lab_.serve(lab_.capture('http-encoded'))
    stream = only(server)
    raw = server.call('GET', '/api/streams/%s/download?direction=b_to_a' % stream).body
    want = b''.join(raw[m['logical_start']:m['header_end']] + LETTERS for m in messages(server, stream, kind='response'))
    for chain in ('http_chunked,http_gzip', 'profile', 'http_chunked,http_gzip,url_decode'):
        a = server.call('GET', '/api/streams/%s/download' % stream, {'direction': 'b_to_a', 'transform': chain})
        t.true('all messages decoded by ' + chain, a.body == want, first_difference(a.body.decode('latin-1'),
               want.decode('latin-1')))
        t.true('an attachment', 'attachment' in (a.header('content-disposition') or ''))
    a = server.call('GET', '/api/streams/%s/download' % stream, {'direction': 'b_to_a', 'transform': 'profile', 'format': 'text'})
    t.true('and as text', a.body.decode() == text_of(want))
    packed = gzip.compress(LETTERS * 100)
    server = lab_.serve(talk(lab_, [(0, packed)]))
    a = server.call('GET', '/api/streams/%s/download?transform=gzip' % only(server))
    t.true('a gzip file of 2 MB within its bound', (LETTERS * 100).startswith(a.body) and len(a.body) >= 1 << 20, len(a.body))
    big = b'not compressed at all ' * 200000
    server = lab_.serve(talk(lab_, [(0, big)]))
    a = server.call('GET', '/api/streams/%s/download?transform=gzip' % only(server))
    t.true('what cannot be decoded comes as it is, all of it', a.body == big, '%d of %d bytes' % (len(a.body), len(big)))


def test_packets(t, lab_):
    """The packets of a stream, as pcapng: exactly those of the file, for files of all kinds."""
    ns = lab_.path('pcap')
    made = []
    talk_ = frames.Talk(made, at=1700000000123456789, step=1234567)
    talk_.data(0, b'x' * 5000)
    talk_.end()
    frames.write(ns, made, ns=True)
    ng = lab_.path('pcapng')
    frames.write_pcapng(ng, [frames.Frame(at, 1, data, len(data) + 10) for at, data in made])
    sources = [[lab_.capture(n)] for n in ('demo', 'fragments', 'dns', 'udp', 'pcapng', 'any', 'vlan', 'snaplen', 'loss', 'line')]
    zipped = lab_.path('pcap.gz')
    with open(lab_.capture('http'), 'rb') as f, gzip.open(zipped, 'wb') as g:
        g.write(f.read())
    sources += [[ns], [ng], [zipped], split(lab_, lab_.capture('demo')), [lab_.capture('http'), lab_.capture('demo'), ng]]
    for files in sources:
        what = ' '.join(f.rsplit('/', 1)[1] for f in files)
        server = lab_.serve(*files)
        list_ = sorted((f for path in files for f in frames.read(path)), key=lambda f: f.ns) if len(files) > 1 else \
            frames.read(files[0])
        flows = frames.flows(list_)
        seen = 0
        for row in server.rows(limit=512):
            if row['protocol'] not in ('tcp', 'udp') or key_of(row) not in flows:
                continue
            seen += 1
            numbers = sorted(n for many, _ in flows[key_of(row)] for n in many)
            a = server.call('GET', '/api/streams/%s/pcap' % row['stream_id'])
            here = '%s %s' % (what, row['stream_id'])
            if not t.equal(here + ': status', a.status, 200):
                continue
            t.true(here + ': an attachment', a.header('content-type') == 'application/octet-stream' and
                   'attachment' in (a.header('content-disposition') or '') and '.pcapng' in a.header('content-disposition'))
            got = frames.unpack_pcapng(a.body)
            want = [list_[n - 1] for n in numbers]
            t.true(here + ': packets', got == want, '%d of %d; times %s, bytes %s, lengths %s, links %s' % (
                len(got), len(want), [f.ns for f in got] == [f.ns for f in want], [f.data for f in got] == [f.data for f in want],
                [f.wire for f in got] == [f.wire for f in want], {f.link for f in got}))
            d = server.get('/api/streams/' + row['stream_id'])
            if any(len(many) > 1 for many, _ in flows[key_of(row)]):
                continue  # a datagram's number is that of its last fragment
            t.equal(here + ': first and last', (d['first_packet'], d['last_packet']), (numbers[0], numbers[-1]))
        t.true(what + ': streams', seen, seen)
        server.stop()


def split(lab_, path):
    """One capture in two files, in the middle of its connections."""
    list_ = frames.read(path)
    paths = [lab_.path('pcap'), lab_.path('pcap')]
    frames.write(paths[0], list_[:len(list_) // 2])
    frames.write(paths[1], list_[len(list_) // 2:])
    return paths


def test_packets_of_others(t, lab_):
    """Tunnels, the same five-tuple again, one stream among the packets of many; replay again gives the stream."""
    for name in ('gre', 'vxlan', 'ipip', 'vxlan-fragments', 'reuse', 'ping', 'mptcp'):
        path = lab_.capture(name)
        server, list_ = lab_.serve(path), frames.read(path)
        all_ = 0
        for row in server.rows(limit=512):
            a = server.call('GET', '/api/streams/%s/pcap' % row['stream_id'])
            here = '%s %s' % (name, row['stream_id'])
            if not t.equal(here, a.status, 200):
                continue
            got = frames.unpack_pcapng(a.body)
            all_ += len(got)
            t.true(here + ': packets of the file', all(f in list_ for f in got))
            t.true(here + ': as many as the row says', len(got) == row['packets'] or name == 'vxlan-fragments' and
                   len(got) >= row['packets'], (len(got), row['packets']))
            again = lab_.path('pcapng')
            with open(again, 'wb') as f:
                f.write(a.body)
            second = lab_.flows(again)
            found = [r['conn']['bytes'] for r in second.values() if r['stream_id'] == row['stream_id'] or len(second) == 1]
            t.true(here + ': a replay of them is the stream again', row['bytes'] in found, (found, row['bytes']))
        if name == 'reuse':
            t.equal('each packet is of one connection', all_, len([f for f in list_ if frames.network(f)]))
        server.stop()
    server = lab_.serve(lab_.capture('demo'), '--max-packets', 100)
    t.equal('with --max-packets', server.call('GET', '/api/streams/%s/pcap' % server.rows()[0]['stream_id']).status, 200)


def test_packets_of_a_pipe(t, lab_):
    """There are none to be had: said so, and nothing hangs."""
    pipe = lab_.path('fifo')
    os.mkfifo(pipe)
    feeder = subprocess.Popen(['sh', '-c', 'cat "$1" > "$2"', 'sh', lab_.capture('demo'), pipe])
    try:
        server = lab_.serve(pipe)
        stream = server.rows()[0]['stream_id']
        t.error('of a pipe', server.call('GET', '/api/streams/%s/pcap' % stream, seconds=5), 409, 'no_packet_store')
    except lab.Failed as e:
        t.true('of a pipe', False, e)
    finally:
        feeder.kill()
        feeder.wait()
    t.equal('it ends', server.stop(seconds=5), 0)


def test_packets_in_segments(t, lab_):
    """Which packet a piece of a window came in."""
    for name in ('http', 'loss', 'udp'):
        path = lab_.capture(name)
        list_ = frames.read(path)
        server, flows = lab_.serve(path), frames.flows(list_)
        for row in server.rows(limit=512):
            if row['protocol'] not in ('tcp', 'udp'):
                continue
            packets = flows[key_of(row)]
            by_number = {n: p for numbers, p in packets for n in numbers}
            for d in (0, 1):
                w = content(server, row['stream_id'], direction=DIRECTIONS[d], mode='raw')
                isn = frames.sides(packets, client_of(row))[d].isn
                wrong, n = [], 0
                for s in w['segments']:
                    if not s['packets'] or s['packets'][0]['start'] != s['logical_start']:
                        wrong.append('segment at %d has no packet at its start' % s['logical_start'])
                    for x in s['packets']:
                        n += 1
                        p = by_number.get(x.get('number'))
                        if not p or lists.us(x['timestamp']) != list_[x['number'] - 1].ns // 1000 or \
                                ((p.src, p.sport) == client_of(row)) != (d == 0):
                            wrong.append('packet %r' % x)
                        elif p.proto == 6 and not (p.seq - isn) % 2**32 <= x['start'] < (p.seq - isn) % 2**32 + len(p.payload):
                            wrong.append('byte %d is not in packet %d' % (x['start'], x['number']))
                t.true('%s %s %s: %d packets' % (name, row['stream_id'], DIRECTIONS[d], n), not wrong, '; '.join(wrong[:3]))
        server.stop()


TESTS = [test_windows, test_windows_and_show, test_bounds, test_modes, test_gaps, test_evicted, test_conflicts, test_highlights,
         test_conversation, test_conversation_of_a_large_stream, test_messages, test_http_encodings, test_steps, test_websocket,
         test_downloads, test_decoded_downloads, test_packets, test_packets_of_others, test_packets_of_a_pipe, test_packets_in_segments]
