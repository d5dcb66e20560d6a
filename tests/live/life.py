# SPDX-License-Identifier: MIT
"""life - how a sensor ends, what it leaves behind, and what it says of bad days."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from accounting import balanced, end_points
from net import MODES, Failed, Process, Sensor, sent, until

NOBODY = 65534
# setpriv's names of what each mode asks for, and of what it cannot do without: CAP_SYS_ADMIN includes some.
NEEDS = {'tap': {'net_raw', 'bpf', 'perfmon'}, 'redirect': {'net_raw', 'net_admin', 'bpf', 'perfmon'},
         'mirror': {'sys_admin', 'net_admin', 'net_raw', 'bpf', 'perfmon'}, 'pcap': {'net_raw'}}
CANNOT_DO_WITHOUT = {'tap': {'net_raw', 'bpf'}, 'redirect': NEEDS['redirect'],
                     'mirror': {'sys_admin', 'net_admin', 'net_raw'}, 'pcap': {'net_raw'}}


def nothing_left(t, pair, before):
    """A namespace goes some milliseconds after the process that held it."""
    until('nothing is left behind: %s' % pair.left_behind(before), lambda: not pair.left_behind(before), 3)
    t.passed += 1


def traffic(lab, pair, count, rate=20000, seed=0, **more):
    return lab.send(pair, '--count', count, '--rate', rate, '--size', 128, '--flows', 64, '--seed', seed, **more)


def works(t, lab, pair, mode, label):
    """A sensor here and now captures what is sent."""
    sensor = lab.sensor_on(pair, mode, '-w', 2)
    n = traffic(lab, pair, 2000)
    t.equal(label + ': exit status', sensor.stop(), 0)
    balanced(t, label, sensor.stats(), n)
    return sensor


def refused(lab, pair, mode, *args, before=(), iface='b0'):
    """A sensor that must not start: what it says. Its exit status has to be 1."""
    sensor = Sensor(lab, pair, mode, *args, before=before, iface=iface, records='/dev/null')
    status = sensor.wait(20)
    if status != 1:
        raise Failed('%s: status %d, not 1: %s' % (mode, status, sensor.said()))
    return '\n'.join(sensor.lines())


# ---- how it ends ----

def test_drains(t, lab, mode):
    """SIGTERM in the middle of traffic: what came before it is in the records."""
    pair = lab.pair()
    sensor = lab.sensor_on(pair, mode, '-w', 2)
    first = traffic(lab, pair, 5000, 50000)
    sender = lab.send(pair, '--seconds', 3, '--rate', 20000, '--size', 128, '--flows', 64, '--seed', 9, wait=False)
    time.sleep(0.5)
    sensor.kill(signal.SIGTERM)
    t.equal('exit status', sensor.wait(10), 0)
    t.true('the sender still sends', sender.running())
    records = sensor.records()
    stats = records[-1]['stats']
    c = stats['capture']
    balanced(t, mode, stats, c['kernel_packets'])
    t.equal('lost', c['drops'], {})
    t.true('all of before, and some of what came in between', first + 1000 < c['packets'] < first + 60000, c)
    flows = collections_of(records)
    # 64 flows of each seed, whose ports differ
    t.equal('packets of the first 64 flows', sum(sorted(flows.values())[:64]), first)
    t.equal('packets of all flows', sum(flows.values()), c['packets'])
    nothing_left(t, pair, {'lo', 'b0'})
    sent(sender)


def collections_of(records):
    return {end_points(r): r['conn']['packets'] for r in records if r['event_type'] == 'flow'}


def test_last_block(t, lab):
    """A tap's last block comes when its timer ends, however late that is."""
    pair = lab.pair()
    sensor = lab.sensor_on(pair, 'tap', '-w', 2, '--capture-read-timeout-ms', 1000)
    n = traffic(lab, pair, 400)
    t.equal('exit status', sensor.stop(), 0)
    stats = sensor.stats()
    t.equal('lost', balanced(t, 'tap', stats, n), {})
    t.equal('read', stats['capture']['packets'], n)


def test_max_packets(t, lab, mode):
    """--max-packets ends with the last of them, not with one more."""
    pair = lab.pair()
    sensor = lab.sensor_on(pair, mode, '-w', 2, '--max-packets', 2000)
    n = traffic(lab, pair, 2000)
    t.equal('exit status', sensor.wait(10), 0)
    t.equal('read', sensor.stats()['capture']['packets'], n)


def test_killed(t, lab, mode):
    """SIGKILL: no program, no link is left, and the next start works at once."""
    pair = lab.pair()
    before = set(pair.links())
    sensor = lab.sensor_on(pair, mode, '-w', 2)
    t.equal('while it runs', [x.split('rmx')[0] for x in pair.left_behind(before)],
            {'redirect': ['XDP on b0'], 'mirror': ['link ', *['tc program on b0'] * 2]}.get(mode, []))
    sender = traffic(lab, pair, 200000, wait=False)
    time.sleep(0.2)
    sensor.kill(signal.SIGKILL)
    t.equal('it is dead', sensor.wait(), -signal.SIGKILL)
    again = Sensor(lab, pair, mode, '-w', 2).ready()  # at once
    t.equal('stops', again.stop(), 0)
    sender.end()
    with open(sensor.records_path, 'rb') as f:
        t.true('whole lines', f.read()[-1:] in (b'', b'\n'))
    nothing_left(t, pair, before)
    works(t, lab, pair, mode, 'afterwards')


def test_foreign_program(t, lab):
    """An XDP program of somebody else is named and left alone; tap and mirror work beside it."""
    pair = lab.pair()
    pair.ip('b', 'link', 'set', 'dev', 'b0', 'xdp', 'obj', lab.out / 'steer.bpf.o', 'sec', 'xdp.frags')
    number = pair.links()['b0']['xdp']['prog']['id']
    said = refused(lab, pair, 'redirect')
    t.true('its id is named', re.search(r'\b%d\b' % number, said), said)
    t.equal('it is still there', pair.links()['b0']['xdp']['prog']['id'], number)


def test_two_sensors(t, lab):
    """A second one that redirects is refused, and does not disturb the first; copies can be had twice."""
    pair = lab.pair()
    first = lab.sensor_on(pair, 'redirect')
    said = refused(lab, pair, 'redirect')
    t.true('says that there is another', 'another' in said, said)
    n = traffic(lab, pair, 2000)
    t.equal('the first one works', first.stop(), 0)
    balanced(t, 'the first one', first.stats(), n)
    four = [lab.sensor_on(pair, mode, '-w', 2) for mode in ('tap', 'tap', 'mirror', 'mirror')]
    n = traffic(lab, pair, 2000)
    for sensor in four:
        t.equal('exit status', sensor.stop(), 0)
        balanced(t, 'one of two, ' + sensor.mode, sensor.stats(), n)


def test_forced(t, lab):
    """An interface with an address is not redirected; --force does, and says what that means."""
    pair = lab.pair(raw=False)
    said = refused(lab, pair, 'redirect')
    t.true('the reason is the address', '10.77.0.2' in said and 'force' in said, said)
    t.equal('it has no program', pair.left_behind({'lo', 'b0'}), [])
    sensor = lab.sensor_on(pair, 'redirect', '--force')
    n = traffic(lab, pair, 2000)
    t.equal('exit status', sensor.stop(), 0)
    t.true('it captures', sensor.stats()['capture']['packets'] >= n)


def test_forced_says(t, lab):
    pair = lab.pair(raw=False)
    sensor = lab.sensor_on(pair, 'redirect', '--force')
    t.true('what it means for the host', any('10.77.0.2' in x or 'host' in x for x in sensor.lines()), sensor.said())
    t.equal('exit status', sensor.stop(), 0)


# ---- interfaces ----

def test_missing(t, lab):
    pair = lab.pair()
    for mode in [*MODES, 'auto']:
        said = refused(lab, pair, mode, iface='nosuch0')
        t.true(mode + ': names it', 'nosuch0' in said and 'no such' in said.lower(), said)


def test_removed(t, lab, mode):
    """The interface goes away while it is captured."""
    pair = lab.pair()
    sensor = lab.sensor_on(pair, mode, '-w', 2)
    n = traffic(lab, pair, 2000)
    pair.ip('b', 'link', 'delete', 'b0')
    t.equal('exit status', sensor.wait(10), 1)
    t.true('says so', 'b0: the interface is gone: its capture ends here' in sensor.said(), sensor.said())
    balanced(t, mode, sensor.stats(), n)
    nothing_left(t, pair, {'lo'})


def test_down_and_up(t, lab, mode):
    """Captured again once it is up again."""
    pair = lab.pair()
    sensor = lab.sensor_on(pair, mode, '-w', 2)
    n = traffic(lab, pair, 2000)
    pair.ip('b', 'link', 'set', 'b0', 'down')
    until('says that it is down', lambda: 'brought down' in sensor.said(), 5)
    t.true('still runs', sensor.running(), sensor.said())
    pair.ip('b', 'link', 'set', 'b0', 'up')
    until('says that it is up', lambda: 'brought up' in sensor.said(), 5)
    n += traffic(lab, pair, 2000)
    t.equal('exit status', sensor.stop(), 0)
    stats = sensor.stats()
    balanced(t, mode, stats, n)
    wakeups = sum(q['wakeups'] for q in stats['capture']['queues'])
    t.true('nothing wakes the workers while nothing comes', wakeups < 2 * n, wakeups)


def test_renamed(t, lab, mode):
    pair = lab.pair()
    sensor = lab.sensor_on(pair, mode, '-w', 2)
    n = traffic(lab, pair, 2000)
    pair.ip('b', 'link', 'set', 'b0', 'down')
    pair.ip('b', 'link', 'set', 'b0', 'name', 'newname0')
    pair.ip('b', 'link', 'set', 'newname0', 'up')
    until('says the new name', lambda: any('newname0' in x for x in sensor.lines()), 5)
    n += traffic(lab, pair, 2000)
    t.equal('exit status', sensor.stop(), 0)
    balanced(t, mode, sensor.stats(), n)


def test_queues_changed(t, lab):
    """Queues that nobody listens to would go unseen: that ends the capture."""
    pair = lab.pair(4)
    for side in 'ab':
        pair.run(side, 'ethtool', '-L', side + '0', 'rx', 2, 'tx', 2)
    sensor = lab.sensor_on(pair, 'redirect', '-w', 2)
    n = traffic(lab, pair, 2000)
    pair.run('b', 'ethtool', '-L', 'b0', 'rx', 4)
    t.equal('exit status', sensor.wait(10), 1)
    t.true('says so', 'number of receive queues' in sensor.said(), sensor.said())
    balanced(t, 'redirect', sensor.stats(), n)


def test_two_interfaces(t, lab, mode):
    """One sensor on two; the one goes on when the other is gone, and the exit status tells."""
    pair = lab.pair()
    pair.ip('a', 'link', 'add', 'a1', 'type', 'veth', 'peer', 'name', 'b1', 'netns', pair.b)
    for side in 'ab':
        pair.ip(side, 'link', 'set', side + '1', 'addrgenmode', 'none')
        pair.ip(side, 'link', 'set', side + '1', 'up')
    sensor = lab.sensor_on(pair, mode, '-w', 2, '--iface', 'b1')
    n = [traffic(lab, pair, 2000, seed=1), traffic(lab, pair, 3000, seed=2, iface='a1')]
    pair.ip('b', 'link', 'delete', 'b1')
    until('says which one is gone', lambda: 'b1: the interface is gone' in sensor.said(), 5)
    n[0] += traffic(lab, pair, 2000, seed=3)
    t.equal('exit status', sensor.stop(), 1)
    records = sensor.records()
    balanced(t, mode, records[-1]['stats'], sum(n))
    got = {'b0': 0, 'b1': 0}
    for r in records:
        if r['event_type'] == 'flow':
            got[r['in_iface']] += r['conn']['packets']
    t.equal('packets by interface', got, {'b0': n[0], 'b1': n[1]})


DATAGRAMS = '''
import socket
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.bind(("127.0.0.1", 9))
for n in range(100):
    here.sendto(b"%d" % n, ("127.0.0.1", 9))
    here.recv(10)
'''


def test_loopback(t, lab, mode):
    """What is sent there is received there: counted once."""
    pair = lab.pair()
    sensor = lab.sensor_on(pair, mode, '-w', 2, iface='lo')
    pair.run('b', sys.executable, '-c', DATAGRAMS)
    t.equal('exit status', sensor.stop(), 0)
    balanced(t, mode, sensor.stats(), 100)


TUN = """
import fcntl, os, struct, subprocess, time
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH", b"tun0", 0x1001))
subprocess.run(["ip", "link", "set", "tun0", "addrgenmode", "none"])
subprocess.run(["ip", "link", "set", "tun0", "up"])
print("up", flush=True)
input()
for n in range(1000):
    udp = struct.pack("!4H", 20000 + n % 50, 9000 + n % 2, 12, 0) + b"data"
    if n % 50 < 25:
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 32, 0, 0, 64, 17, 0, bytes([10, 99, 0, 2]), bytes([10, 99, 0, 1]))
    else:
        ip = struct.pack("!IHBB16s16s", 6 << 28, 12, 17, 64, bytes(15) + b"1", bytes(15) + b"2")
    os.write(tun, ip + udp)
    time.sleep(0.001)
print("sent", flush=True)
input()
"""


def test_without_ethernet(t, lab):
    """A tunnel, whose packets begin with IP: the flows are found, and steered by the kernel."""
    pair = lab.pair()
    tun = Process(lab, pair.inside('b', sys.executable, '-c', TUN), stdin=subprocess.PIPE)
    until('the tunnel is up', lambda: 'up' in tun.printed())
    plain = lab.sensor_on(pair, 'auto', '-w', 2, iface='tun0')
    some = lab.sensor_on(pair, 'tap', '-w', 2, '--capture-filter', 'port 9000', '--offload', 'count', '--offload-rule',
                         '20000', iface='tun0')
    tun.child.stdin.write(b'\n')
    tun.child.stdin.flush()
    until('all is sent', lambda: 'sent' in tun.printed())
    for sensor in (plain, some):
        t.equal('exit status', sensor.stop(), 0)
        balanced(t, 'tun0', sensor.stats(), 1000)
    t.equal('flows', sorted(collections_of(plain.records()).values()), [20] * 50)
    t.equal('handed over', [w.get('handed_out', 0) for w in plain.stats()['workers']], [0, 0])
    t.true('each worker has some', all(q['packets'] for q in plain.stats()['capture']['queues']))
    t.equal('flows of the filter', sorted(collections_of(some.records()).values()), [20] * 25)
    kernel = some.stats()['capture']['kernel']
    t.true('filtered and counted in the kernel', kernel['filtered'] == 500 and kernel['counted'] > 0, kernel)
    for mode in ('redirect', 'mirror'):
        said = refused(lab, pair, mode, iface='tun0')
        t.true(mode + ' is refused', 'is no Ethernet' in said, said)


# ---- too much ----

def test_burst(t, lab, mode):
    """More than the rings hold while the sensor stands still: each packet is read or lost by name."""
    pair = lab.pair()
    sensor = lab.sensor_on(pair, mode, '-w', 2, '--capture-buffer-size', '4M')
    sensor.kill(signal.SIGSTOP)
    n = lab.send(pair, '--count', 300000, '--rate', 0, '--size', 512, '--flows', 256)
    sensor.kill(signal.SIGCONT)
    n += traffic(lab, pair, 6400, seed=9)  # it has recovered
    t.equal('exit status', sensor.stop(), 0)
    drops = balanced(t, mode, sensor.stats(), n)
    t.true('lost for want of room', drops.get('ring_full', 0) + drops.get('fill_empty', 0) > 200000, drops)
    t.true('by no other cause', set(drops) <= {'ring_full', 'fill_empty'}, drops)
    flows = collections_of(sensor.records())
    t.equal('flows of afterwards that are whole', list(flows.values()).count(100), 64)


def test_pause(t, lab, mode):
    """A second in which the sensor does not run, and few packets come: there is room for all of them."""
    pair = lab.pair()
    sensor = lab.sensor_on(pair, mode, '-w', 2)
    sensor.kill(signal.SIGSTOP)
    n = traffic(lab, pair, 1000, 1000)
    sensor.kill(signal.SIGCONT)
    t.equal('exit status', sensor.stop(), 0)
    t.equal('lost', balanced(t, mode, sensor.stats(), n), {})


def test_jumbo(t, lab, mode):
    """Frames of 8000 bytes, longer than a buffer."""
    pair = lab.pair()
    for side in 'ab':
        pair.ip(side, 'link', 'set', side + '0', 'mtu', 9000)
    sensor = lab.sensor_on(pair, mode, '-w', 2)
    n = lab.send(pair, '--count', 5000, '--rate', 5000, '--size', 8000, '--flows', 64, '--tcp')
    t.equal('exit status', sensor.stop(), 0)
    records = sensor.records()
    stats = records[-1]['stats']
    t.equal('lost', balanced(t, mode, stats, n), {})
    flows = [r['conn'] for r in records if r['event_type'] == 'flow']
    payload = (n - 6 * 64) * (8000 - 54)
    t.equal('delivered bytes', sum(c['stream_bytes'] for c in flows), payload)
    t.equal('gaps', sum(d['gap_count'] for c in flows for d in c['directions'].values()), 0)


# ---- privileges ----

def as_user(*caps):
    """A command prefix: an ordinary user with these capabilities."""
    have = ','.join('+' + c for c in caps)
    return ['setpriv', '--reuid', NOBODY, '--regid', NOBODY, '--clear-groups', '--inh-caps', '-all' + (
        ',' + have if have else ''), '--ambient-caps', '-all' + (',' + have if have else ''), '--bounding-set',
            '-all' + (',' + have if have else '')]


def test_no_privileges(t, lab, mode):
    """The line that refuses names the capabilities that are missing."""
    pair = lab.pair()
    said = refused(lab, pair, mode, before=as_user())
    t.true('none: the line names some', 'CAP_' in said, said)
    for cap in sorted(CANNOT_DO_WITHOUT[mode]):
        said = refused(lab, pair, mode, before=as_user(*(NEEDS[mode] - {cap}), 'ipc_lock'))
        t.true('all but %s: it is named' % cap, 'CAP_' + cap.upper() in said, said)
    nothing_left(t, pair, {'lo', 'b0'})


def test_enough_privileges(t, lab, mode):
    """The capabilities that the messages name are enough, without being root."""
    pair = lab.pair()
    folder = pathlib.Path(lab.path('user'))
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    sensor = lab.sensor_on(pair, mode, '-w', 2, before=as_user(*NEEDS[mode], 'ipc_lock'),
                           records=str(folder / 'out.jsonl'))
    n = traffic(lab, pair, 2000)
    t.equal('exit status', sensor.stop(), 0)
    balanced(t, mode, sensor.stats(), n)


def test_locked_memory(t, lab, mode):
    """A small RLIMIT_MEMLOCK without CAP_IPC_LOCK is named."""
    pair = lab.pair()
    said = refused(lab, pair, mode, before=['prlimit', '--memlock=65536:65536', *as_user(*NEEDS[mode])])
    t.true('the limit is named', 'RLIMIT_MEMLOCK' in said and 'CAP_IPC_LOCK' in said, said)


def test_dropped(t, lab, mode):
    """Once it captures, no thread has a capability or a way to one, and it is nobody."""
    pair = lab.pair()
    sensor = lab.sensor_on(pair, mode, '-w', 2)
    threads = list(pathlib.Path('/proc/%d/task' % sensor.pid).iterdir())
    t.true('workers, writer, main', len(threads) >= 4, len(threads))
    for thread in threads:
        rows = dict(x.split(':\t', 1) for x in (thread / 'status').read_text().splitlines() if ':\t' in x)
        for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'):
            t.equal('%s of thread %s' % (name, thread.name), int(rows[name], 16), 0)
        t.equal('uid of thread %s' % thread.name, rows['Uid'].split(), [str(NOBODY)] * 4)
        t.equal('gid of thread %s' % thread.name, rows['Gid'].split(), [str(NOBODY)] * 4)
        t.equal('groups of thread %s' % thread.name, rows['Groups'].split(), [])
        t.equal('no_new_privs of thread %s' % thread.name, rows['NoNewPrivs'], '1')
    t.equal('exit status', sensor.stop(), 0)
    nothing_left(t, pair, {'lo', 'b0'})


# ---- rotation ----

def new_file(path, old):
    try:
        return os.stat(path).st_ino != old
    except FileNotFoundError:
        return False


def test_rotates(t, lab):
    """SIGHUP begins a new file, between two lines; nothing is lost, also when it comes twice in a second."""
    pair = lab.pair()
    folder = pathlib.Path(lab.path('rotated'))
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    sensor = lab.sensor_on(pair, 'tap', '-w', 2, '--mode', 'dump', records=str(folder / 'out.jsonl'))
    counts = []
    for turn in range(4):
        counts.append(traffic(lab, pair, 500))
        if turn < 3:
            old = os.stat(sensor.records_path).st_ino
            sensor.kill(signal.SIGHUP)
            until('a new file', lambda: new_file(sensor.records_path, old), 5)
    t.equal('exit status', sensor.stop(), 0)
    files = sorted(folder.iterdir())
    t.equal('files', len(files), 4)
    lines = [x.read_bytes() for x in files]
    t.true('whole lines', all(x.endswith(b'\n') for x in lines))
    t.equal('packets in all files', sum(x.count(b'"event_type":"packet"') for x in lines), sum(counts))


def test_moved_away(t, lab):
    """As logrotate does it: the file is renamed, then SIGHUP; the old one keeps its name."""
    pair = lab.pair()
    folder = pathlib.Path(lab.path('rotated'))
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    sensor = lab.sensor_on(pair, 'tap', '--mode', 'dump', records=str(folder / 'out.jsonl'))
    n = traffic(lab, pair, 2000)
    time.sleep(0.3)
    os.rename(folder / 'out.jsonl', folder / 'out.1')
    sensor.kill(signal.SIGHUP)
    until('a new file', lambda: (folder / 'out.jsonl').exists(), 5)
    n += traffic(lab, pair, 1000)
    t.equal('exit status', sensor.stop(), 0)
    t.equal('files', sorted(x.name for x in folder.iterdir()), ['out.1', 'out.jsonl'])
    t.equal('packets', [x.read_bytes().count(b'"event_type":"packet"') for x in sorted(folder.iterdir())],
            [2000, n - 2000])


def test_cannot_rotate(t, lab):
    """In a folder where nobody may write, records go on in the old file."""
    pair = lab.pair()
    sensor = lab.sensor_on(pair, 'tap', '--mode', 'dump')
    n = traffic(lab, pair, 500)
    sensor.kill(signal.SIGHUP)
    until('says so', lambda: 'cannot be rotated' in sensor.said(), 5)
    n += traffic(lab, pair, 500)
    t.equal('exit status', sensor.stop(), 0)
    t.equal('packets', sum(r['event_type'] == 'packet' for r in sensor.records()), n)


EACH_MODE = [test_drains, test_max_packets, test_killed, test_removed, test_burst, test_pause, test_jumbo,
             test_no_privileges, test_enough_privileges, test_dropped]
OURS = [mode for mode in MODES if mode != 'pcap']  # libpcap says nothing of these
TESTS = [(test, mode) for test in EACH_MODE for mode in MODES] + \
    [(test, mode) for test in (test_two_interfaces, test_down_and_up, test_renamed) for mode in OURS] + \
    [(test_locked_memory, mode) for mode in ('redirect', 'mirror')] + \
    [(test_loopback, mode) for mode in ('tap', 'mirror')] + \
    [(test,) for test in (test_last_block, test_foreign_program, test_two_sensors, test_forced, test_forced_says,
                             test_missing, test_without_ethernet, test_queues_changed, test_rotates, test_moved_away,
                             test_cannot_rotate)]
