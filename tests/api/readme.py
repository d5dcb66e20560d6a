# SPDX-License-Identifier: MIT
"""readme - the examples of the README's section on the HTTP API do what they say, with ids and port adapted."""
import json
import pathlib
import re
import shlex
import subprocess

from lab import TOP, Failed

EXAMPLE_ID = '8139ce2ad335770b'


def examples():
    """The curl commands of the section, each on one line."""
    text = pathlib.Path(TOP / 'README.md').read_text(encoding='utf-8')
    section = re.search(r'^## HTTP API\n(.*?)^## ', text, re.M | re.S)
    if not section:
        raise Failed('README has no section on the HTTP API')
    joined = re.sub(r' \\\n +', ' ', section.group(1))
    return re.findall(r'^    (curl .*)$', joined, re.M)


def test_examples(t, lab):
    server = lab.serve(lab.capture('http-encoded'), '--pack', 'flags')
    stream = max(server.rows(service='http'), key=lambda r: r['bytes'])['stream_id']
    folder = pathlib.Path(lab.path('d'))
    folder.mkdir()
    found = examples()
    t.true('ten of them at least: %d' % len(found), len(found) >= 10)
    for line in found:
        words = shlex.split(line.replace(EXAMPLE_ID, stream).replace('localhost:8080', server.authority()))
        events = '-N' in words
        done = subprocess.run([*words, '-sS', '--fail', '-g', '--max-time', '2' if events else '20'],
                              cwd=folder, capture_output=True, check=False)
        if events:  # has no end of its own
            t.equal(line + ': status', done.returncode, 28)
            continue
        t.equal('%s: status, %s' % (line, done.stderr.decode()), done.returncode, 0)
        if '-o' in words:
            t.true(line + ': a capture', (folder / words[words.index('-o') + 1]).read_bytes()[:4] == b'\x0a\x0d\x0d\x0a')
        else:
            t.true(line + ': an object', isinstance(json.loads(done.stdout or b'null'), dict))


TESTS = [test_examples]
