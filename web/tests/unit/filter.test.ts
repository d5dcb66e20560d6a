import { expect, test } from 'vitest';
import type { Row } from '../../src/lib/api';
import { chipText, inside, moment, parseChip, passes } from '../../src/lib/filter';

const names = { services: new Set(['http']), profiles: new Set(['tls']), patterns: new Map([['flag-out', 'regex:1']]), now: 1_700_000_000_000_000 };

test('words become parameters', () => {
	const rows: [string, unknown][] = [
		['service:http', { param: 'service', value: 'http' }],
		['-service:http,dns', { param: 'service', value: '!http,!dns' }],
		['proto:tcp', { param: 'protocol', value: 'tcp' }],
		['is:fav', { param: 'only_favorites', value: 'true' }],
		['is:matched', { param: 'only_matched', value: 'true' }],
		['show:hidden', { param: 'include_hidden', value: 'true' }],
		['bytes:>1M', { param: 'min_bytes', value: '1048576' }],
		['8080', { param: 'port', value: '8080' }],
		['10.0.0.0/8', { param: 'host', value: '10.0.0.0/8' }],
		['fd00::1', { param: 'host', value: 'fd00::1' }],
		['0123456789abcdef', { open: '0123456789abcdef' }],
		['http', { param: 'service', value: 'http' }],
		['tls', { param: 'profile', value: 'tls' }],
		['flag-out', { param: 'pattern_id', value: 'regex:1' }],
		['pattern:flag-out', { param: 'pattern_id', value: 'regex:1' }],
		['-5m', { param: 'since', value: '1699999700' }],
	];
	for (const [word, want] of rows) expect(parseChip(word, names), word).toEqual(want);
	for (const word of ['nonsense', 'bytes:many', 'since:never', '70000', 'what:ever']) expect(parseChip(word, names)).toHaveProperty('error');
});

test('a chip reads as it was typed', () => {
	expect(chipText('pattern_id', 'regex:1', names.patterns)).toBe('pattern:flag-out');
	expect(chipText('only_matched', 'true', names.patterns)).toBe('is:matched');
	expect(chipText('protocol', '!tcp', names.patterns)).toBe('proto:!tcp');
	for (const p of ['service', 'host', 'port']) expect(parseChip(chipText(p, '1', names.patterns), names)).toEqual({ param: p, value: '1' });
});

test('moments', () => {
	expect(moment('2023-11-14T22:13:20Z', 0)).toBe('1700000000');
	expect(moment('-2h', names.now)).toBe(String(1_700_000_000 - 7200));
	expect(moment('x', 0)).toBeUndefined();
});

test('addresses inside networks', () => {
	expect(inside('10.1.2.3', '10.0.0.0/8')).toBe(true);
	expect(inside('11.1.2.3', '10.0.0.0/8')).toBe(false);
	expect(inside('10.1.2.3', '10.1.2.3')).toBe(true);
	expect(inside('fd00:9::1', 'fd00:9::/32')).toBe(true);
	expect(inside('fd00:a::1', 'fd00:9::/32')).toBe(false);
	expect(inside('10.1.2.3', 'fd00::/8')).toBe(false);
	expect(inside('1.2.3.4', '0.0.0.0/0')).toBe(true);
});

test('rows pass as the server lets them', () => {
	const row = {
		service: { name: 'http' }, protocol: 'tcp', status: 'closed', content_kind: 'text', color: 'red', profile: 'http', bytes: 500, match_count: 1, pattern_ids: ['regex:1'],
		endpoint_a: { addr: '10.0.0.1', port: 5000 }, endpoint_b: { addr: '10.0.0.2', port: 80 }, favorite: false, hidden: false, note: '', flags: ['gap'],
		first_seen_us: 10e6, last_seen_us: 20e6,
	} as unknown as Row;
	const pass = (q: string) => passes(row, new URLSearchParams(q));
	for (const q of ['', 'service=http', 'service=dns,http', 'service=!dns', 'port=80', 'port=5000,1', 'host=10.0.0.0/24', 'only_matched=true', 'pattern_id=regex:1', 'has=gap', 'min_bytes=500', 'since=20', 'until=10', 'color=red']) expect(pass(q), q).toBe(true);
	for (const q of ['service=dns', 'service=!http', 'service=http,!http', 'port=81', 'host=10.0.0.3', 'only_favorites=true', 'pattern_id=x', 'has=gap,note', 'min_bytes=501', 'since=21', 'until=9', 'status=open']) expect(pass(q), q).toBe(false);
	expect(passes({ ...row, hidden: true }, new URLSearchParams())).toBe(false);
	expect(passes({ ...row, hidden: true }, new URLSearchParams('include_hidden=true'))).toBe(true);
});
