import { expect, test } from 'vitest';
import { fit } from '../../src/lib/columns';
import { bytes, duration, micros, time } from '../../src/lib/format';
import { picture } from '../../src/lib/image';
import { rowsOf } from '../../src/lib/layout';
import { verdicts } from '../../src/lib/verdicts';
import { SPACER_MAX, Viewport } from '../../src/lib/viewport';
import { clean, escaped } from '../../src/lib/visible';

test('three digits', () => {
	expect([612, 1270, 18700, 10e9, 0, 1024].map(bytes)).toEqual(['612', '1.24K', '18.3K', '9.31G', '0', '1.00K']);
	expect([0.000412, 0.00124, 12.4, 124, 4320, 273600].map(duration)).toEqual(['412µs', '1.24ms', '12.4s', '2m04s', '1h12m', '3d04h']);
});

test('times keep their microseconds', () => {
	const us = micros('2026-11-20T21:46:37.769757+0000');
	expect(us).toBe(1795211197769757);
	expect(time(us, 'utc', 0, 0)).toBe('21:46:37.769Z');
	expect(time(us, 'start', us - 723_123_000, 0)).toBe('+0:12:03.123');
	expect(time(us, 'ago', 0, us + 5e6)).toBe('5.00s ago');
});

test('a thumb for a million rows', () => {
	const v = new Viewport(24, 1_000_000, 672);
	expect(v.spacer).toBe(SPACER_MAX);
	v.top = v.most;
	expect(v.scrollTop()).toBe(SPACER_MAX - 672);
	expect(v.first() + v.visible()).toBe(1_000_000);
	v.scrolled((SPACER_MAX - 672) / 2);
	expect(Math.abs(v.first() - 500_000)).toBeLessThan(28);
	const was = v.top;
	v.scrolled(v.scrollTop()); // what we set is no news
	expect(v.top).toBe(was);
	v.top += 24;
	v.scrollTop();
	expect(v.top).toBe(was + 24); // true pixels, though the thumb hardly moves
	const small = new Viewport(24, 10, 672);
	small.top = 99999;
	small.clamp();
	expect(small.top).toBe(0);
	small.show(9);
	expect(small.top).toBe(0);
});

test('columns leave in their order', () => {
	const ids = (w: number) => fit(w, null, {}).map((c) => c.column.id);
	expect(ids(1280)).toContain('first');
	expect(ids(900)).toEqual(['mark', 'time', 'client', 'server', 'service', 'up', 'down', 'matches', 'status']);
	expect(ids(800)).toEqual(['mark', 'time', 'client', 'server', 'service', 'bytes', 'matches', 'status']);
	for (const w of [320, 640, 790, 900, 1000, 1280, 2000]) expect(fit(w, null, {}).reduce((n, c) => n + c.width, 0)).toBeLessThanOrEqual(w);
	expect(fit(1280, ['time', 'client'], { time: 5 }).map((c) => c.column.id)).toEqual(['mark', 'time', 'client']);
});

test('what an opponent wrote', () => {
	expect(clean('a\u202eb\u200b\x1b[0m\u0000')).toBe('a<u+202e>b<u+200b><1b>[0m<00>');
	expect(clean('x'.repeat(300))).toHaveLength(201);
	expect(clean('<script>')).toBe('<script>');
	expect(clean('a\u00a0b')).toBe('a<u+00a0>b');
	expect(escaped('\x1b[31m\u202e\u{e0001}\n')).toBe('\\x1b[31m\\u202e\\U000e0001\n');
});

test('images by their heads', () => {
	const png = new Uint8Array(33);
	png.set([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52, 0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
	expect(picture(png)).toEqual({ type: 'image/png', width: 30000, height: 30000 });
	expect(picture(new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg"></svg>'))).toBeNull();
	for (let n = 0; n < 33; n++) picture(png.subarray(0, n));
	expect(picture(new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 2, 0xff, 0xc0, 0, 11, 8, 0, 7, 0, 9, 3]))).toEqual({ type: 'image/jpeg', width: 9, height: 7 });
	expect(picture(new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 0, 0xff, 0xc0]))).toBeNull();
});

test('holes are rows of their own', () => {
	const b = (n: number) => new Uint8Array(n).fill(65);
	const parts = [
		{ from: 0, to: 20, kind: 'data' as const, bytes: b(20) },
		{ from: 20, to: 1000, kind: 'gap' as const, bytes: b(0) },
		{ from: 1000, to: 1003, kind: 'data' as const, bytes: b(3) },
	];
	expect(rowsOf(parts, 'hex', 80, 99).map((r) => [r.from, r.to, r.hole])).toEqual([[0, 16, undefined], [16, 20, undefined], [20, 1000, 'gap'], [1000, 1003, undefined]]);
	expect(rowsOf(parts, 'text', 10, 99).map((r) => [r.from, r.to])).toEqual([[0, 10], [10, 20], [20, 1000], [1000, 1003]]);
	expect(rowsOf(parts, 'text', 10, 2)).toHaveLength(2);
});

test('a sentence for what is wrong', () => {
	const health = { balance: { in: 10, flow: 8, other: 1, dropped: 1, waiting: 0, ok: true }, shard_pressure: { state: 'healthy', warnings: [] }, caps: [] } as never;
	const queues = { queues: [{ interface: 'eth0', queue: 2, worker: 1, drops: { ring_full: 7 }, fill: [] }], workers: [{ id: 1, busy_milli: 980 }], findings: [] } as never;
	expect(verdicts(health, queues)[0]).toEqual({ kind: 'error', text: 'Queue 2 of eth0 dropped 7 packets (ring_full): worker 1 is at 98 %. Try more --workers or a capture filter.' });
	expect(verdicts(health, { queues: [], workers: [], findings: [] } as never)[0]!.kind).toBe('ok');
	expect(verdicts({ ...(health as object), run_status: 'failed' } as never, { queues: [], workers: [], findings: [] } as never)[0]!.kind).toBe('warn');
	const uneven = verdicts(health, { queues: [], workers: [], findings: ['worker 1 has 1.9 times its share of the packets'] } as never);
	expect(uneven.map((v) => v.kind)).toEqual(['ok', 'note']);
});
