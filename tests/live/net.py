# SPDX-License-Identifier: MIT
"""net - namespaces, processes and the sensor, for live tests.

Everything made here is remembered in a Lab, which ends and removes all of it, however a test ends.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
PREFIX = 'rmlive'
MODES = ['tap', 'redirect', 'mirror', 'pcap']
HEALTH = re.compile(r'packets/s, .* lost, busiest worker')


# How many programs TCX has on b0: BPF_PROG_QUERY of both directions, which Debian 12's bpftool does not know.
QUERY = '''
import ctypes, platform, socket, struct
call = {"x86_64": 321}.get(platform.machine(), 280)
libc = ctypes.CDLL(None, use_errno=True)
for attach in (46, 47):
    attr = ctypes.create_string_buffer(struct.pack("4IQ2I4Q", socket.if_nametoindex("b0"), attach, *[0] * 9))
    if libc.syscall(call, 16, attr, len(attr) - 1) == 0:
        print("tc program on b0\\n" * struct.unpack_from("I", attr, 24)[0], end="")
'''


class Failed(Exception):
    """A test cannot go on."""


def until(what, true, seconds=10.0, step=0.02):
    """Waits until true() is, which it must become."""
    end = time.monotonic() + seconds
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed('waited %g s in vain: %s' % (seconds, what))
        time.sleep(step)


def output(*args, check=True):
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, timeout=60)
    if check and done.returncode:
        raise Failed('%s: status %d: %s' % (' '.join(map(str, args)), done.returncode, done.stdout.strip()))
    return done.stdout


class Pair:
    """Two namespaces, a with a0 and b with b0 (perf/netns)."""

    def __init__(self, name):
        self.name = name
        self.a, self.b = name + '-a', name + '-b'

    def inside(self, side, *args):
        return ['ip', 'netns', 'exec', getattr(self, side), *map(str, args)]

    def run(self, side, *args, check=True):
        return output(*self.inside(side, *args), check=check)

    def ip(self, side, *args, check=True):
        return output('ip', '-n', getattr(self, side), *args, check=check)

    def links(self, side='b'):
        """Name of each link and what `ip -d` says of it."""
        return {x['ifname']: x for x in json.loads(output('ip', '-j', '-d', '-n', getattr(self, side), 'link'))}


    def left_behind(self, before):
        """XDP and tc programs on b0, and links that were not there before, in the namespace b."""
        links = self.links()
        found = ['link ' + n for n in links if n not in before]
        if 'b0' in links:
            found += self.run('b', sys.executable, '-c', QUERY).splitlines()
            for side in ('ingress', 'egress'):  # refused where there is no qdisc for it
                said = self.run('b', 'tc', 'filter', 'show', 'dev', 'b0', side, check=False)
                found += [x for x in said.splitlines() if x.startswith('filter')]
            if links['b0'].get('xdp'):
                found.append('XDP on b0')
        return found


class Process:
    def __init__(self, lab, args, **more):
        self.lab = lab
        self.args = [str(a) for a in args]
        self.err_path = lab.path('err')
        self.out_path = lab.path('out')
        with open(self.err_path, 'wb') as err, open(self.out_path, 'wb') as out:
            self.child = subprocess.Popen(self.args, stdout=out, stderr=err, **{'stdin': subprocess.DEVNULL, **more})
        lab.processes.append(self)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def kill(self, sig):
        if self.running():
            self.child.send_signal(sig)

    def wait(self, seconds=30):
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed('%s does not end within %d s: %s' % (' '.join(self.args[:8]), seconds,
                                                            self.said()[-400:])) from None

    def said(self):
        return pathlib.Path(self.err_path).read_text(errors='replace')

    def printed(self):
        return pathlib.Path(self.out_path).read_text(errors='replace')

    def end(self):
        """For the Lab: whatever it does, it is over."""
        if self.running():
            self.child.send_signal(signal.SIGCONT)
            self.child.kill()
        self.child.wait()


class Sensor(Process):
    """rm-xdp on an interface of a pair. Ready when its first health line is there."""

    def __init__(self, lab, pair, mode, *args, iface='b0', side='b', before=(), records=None, **more):
        self.records_path = records or lab.path('jsonl')
        self.mode = mode
        command = [*before, lab.sensor, '--iface', iface, '--capture-mode', mode, '--health-interval-ms', '50',
                   '-o', self.records_path, *args]
        super().__init__(lab, pair.inside(side, *command), **more)

    def ready(self):
        until('%s is ready: %s' % (self.mode, self.said()), lambda: HEALTH.search(self.said()) or not self.running())
        if not self.running():
            raise Failed('%s: the sensor ended at once: %s' % (self.mode, self.said()))
        return self

    def lines(self):
        """What it said, without health lines."""
        return [x for x in self.said().splitlines() if not HEALTH.search(x)]

    def stop(self, sig=signal.SIGTERM):
        """Drains and ends; the exit status."""
        self.kill(sig)
        return self.wait()

    def records(self):
        with open(self.records_path, encoding='utf-8') as f:
            return [json.loads(x) for x in f]

    def stats(self):
        return closing(self.records())


def closing(records):
    if not records or records[-1]['event_type'] != 'stats':
        raise Failed('the last record is not stats')
    return records[-1]['stats']


class Lab:
    """What the tests of one run share."""

    def __init__(self, out):
        self.out = pathlib.Path(out).resolve()
        self.sensor, self.send_bin = self.out / 'rm-xdp', self.out / 'perf/send'
        self.tag = '%s%dn' % (PREFIX, os.getpid())
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='rm-xdp-live-'))
        self.folder.chmod(0o755)
        self.processes, self.pairs, self.files = [], [], 0

    def path(self, ending):
        self.files += 1
        return str(self.folder / ('%04d.%s' % (self.files, ending)))

    def pair(self, queues=1, raw=True):
        pair = Pair('%s%d' % (self.tag, len(self.pairs)))
        self.pairs.append(pair)
        output(TOP / 'perf/netns', 'up', pair.name, queues, *(['--raw'] if raw else []))
        return pair

    def start(self, *args, **more):
        return Process(self, args, **more)

    def sensor_on(self, pair, mode, *args, **more):
        return Sensor(self, pair, mode, *args, **more).ready()

    def send(self, pair, *args, iface='a0', side='a', wait=True):
        """perf/send; how many frames it has sent."""
        sender = Process(self, pair.inside(side, self.send_bin, iface, *args))
        if not wait:
            return sender
        return sent(sender)

    def forget(self):
        """Between tests: ends and removes all that there is."""
        for p in reversed(self.processes):
            p.end()
        for pair in self.pairs:
            with contextlib.suppress(Failed):
                output(TOP / 'perf/netns', 'down', pair.name)
        self.processes.clear()
        self.pairs.clear()
        for x in self.folder.iterdir():
            if x.is_dir():
                shutil.rmtree(x, ignore_errors=True)
            else:
                x.unlink()

    def close(self):
        self.forget()
        shutil.rmtree(self.folder, ignore_errors=True)


def sent(sender):
    status = sender.wait(120)
    found = re.match(r'sent (\d+) frames', sender.printed())
    if status or not found or 'dropped' in sender.said():
        raise Failed('send: status %d: %s %s' % (status, sender.printed(), sender.said()))
    time.sleep(0.1)  # the last ones are on their way
    return int(found.group(1))


def sweep():
    """Namespaces of runs that were killed."""
    for row in output('ip', 'netns', 'list').splitlines():
        found = re.match(PREFIX + r'(\d+)n\d+-', row)
        if found and not os.path.exists('/proc/%s' % found.group(1)):
            output('ip', 'netns', 'delete', row.split()[0], check=False)
