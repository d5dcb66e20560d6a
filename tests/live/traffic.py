# SPDX-License-Identifier: MIT
"""traffic - nginx and curl with offloads as the kernel has them: what was served is what was seen."""
import hashlib
import pathlib
import random

from accounting import balanced
from net import Failed, Process, until

FILES = {'one': 1, 'small': 100 * 1000, 'large': 20 * 1000 * 1000}
CONFIG = '''daemon off; master_process off; pid {0}/nginx.pid; error_log {0}/error.log;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f;
uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; sendfile on;
server {{ listen 10.77.0.2:80; root {0}/www; }} }}
'''


def serve(lab, pair):
    """nginx in the namespace b; the folder that it serves."""
    home = pathlib.Path(lab.path('nginx'))
    (home / 'www').mkdir(parents=True)
    home.chmod(0o755)
    rnd = random.Random(7)
    for name, size in FILES.items():
        (home / 'www' / name).write_bytes(rnd.randbytes(size))
    (home / 'conf').write_text(CONFIG.format(home))
    nginx = Process(lab, pair.inside('b', 'nginx', '-c', home / 'conf', '-p', home, '-e', home / 'error.log'))
    until('nginx listens', lambda: not nginx.running() or ':80' in pair.run('b', 'ss', '-ltn'))
    if not nginx.running():
        raise Failed('nginx: ' + nginx.said())
    return home / 'www'


def fetch(lab, pair, www, names):
    """Whether curl got what is there."""
    for name in names:
        out = pathlib.Path(lab.path('body'))
        pair.run('a', 'curl', '-sS', '--fail', '--max-time', '30', '-o', out, 'http://10.77.0.2/' + name)
        if out.read_bytes() != (www / name).read_bytes():
            raise Failed('curl got another %s than there is' % name)
        out.unlink()


def test_http(t, lab, mode):
    """Files of 1 B, 100 kB and 20 MB, three times each: every body's hash, no gap, no bad checksum."""
    pair = lab.pair(raw=False)
    www = serve(lab, pair)
    sensor = lab.sensor_on(pair, mode, '-w', 2, '--file-hash', 'sha256', '--stream-hash', 'sha256')
    names = list(FILES) * 3
    fetch(lab, pair, www, names)
    t.equal('exit status', sensor.stop(), 0)
    records = sensor.records()
    stats = records[-1]['stats']
    drops = balanced(t, mode, stats, stats['capture']['kernel_packets'])
    t.equal('lost', drops, {})
    for name in FILES:
        want = hashlib.sha256((www / name).read_bytes()).hexdigest()
        infos = [r['fileinfo'] for r in records if r['event_type'] == 'fileinfo' and
                 r['fileinfo']['filename'].endswith(name)]
        t.equal('%s: state, size, hash of each' % name, [(i['state'], i['size'], i['sha256'], i['gaps']) for i in infos],
                [('CLOSED', FILES[name], want, False)] * 3)
        https = [r['http'] for r in records if r['event_type'] == 'http' and r['http'].get('url') == '/' + name]
        t.equal('%s: transactions' % name, [(h['status'], h['length']) for h in https], [(200, FILES[name])] * 3)
    flows = [r for r in records if r['event_type'] == 'flow' and r['proto'] == 'TCP']
    t.equal('connections', len(flows), len(names))
    for r in flows:
        sides = r['conn']['directions']
        t.equal('gaps of port %d' % r['src_port'], [(d['gap_count'], d['gap_bytes'], d['cut_bytes'])
                                                    for d in sides.values()], [(0, 0, 0)] * 2)
    events = {r['anomaly']['event'] for r in records if r['event_type'] == 'anomaly'}
    t.equal('anomalies of checksums', {e for e in events if 'checksum' in e}, set())
    bad = {k: v for k, v in stats['decoder'].items() if 'bad_checksum' in k and v}
    t.equal('bad checksums', bad, {})


TESTS = [(test_http, mode) for mode in ('tap', 'mirror')]
