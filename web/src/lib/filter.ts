// The filter bar's words and the API's parameters: one chip is one parameter.
import type { Row } from './api';

/** What a chip is called, and its parameter. */
export const FIELDS: Record<string, string> = {
	service: 'service',
	port: 'port',
	host: 'host',
	proto: 'protocol',
	kind: 'content_kind',
	status: 'status',
	pattern: 'pattern_id',
	profile: 'profile',
	since: 'since',
	until: 'until',
	has: 'has',
	bytes: 'min_bytes',
	color: 'color',
};
const FLAGS: Record<string, string> = {
	'is:fav': 'only_favorites',
	'is:favorite': 'only_favorites',
	'is:matched': 'only_matched',
	'show:hidden': 'include_hidden',
};
export const SORTS = ['last_seen', 'first_seen', 'bytes', 'packets', 'match_count'] as const;
export const PARAMS = [...Object.values(FIELDS), 'only_favorites', 'only_matched', 'include_hidden'];

export interface Names {
	services: Set<string>;
	profiles: Set<string>;
	patterns: Map<string, string>; // name to id
	/** newest packet's time, µs */
	now: number;
}

export type Parsed = { param: string; value: string } | { open: string } | { error: string };

function size(text: string): string | undefined {
	const m = text.match(/^>?=?(\d+(?:\.\d+)?)([KMGT]?)$/i);
	return m ? String(Math.round(Number(m[1]) * 1024 ** ' KMGT'.indexOf((m[2] || ' ').toUpperCase()))) : undefined;
}

/** -5m, 12:30, 2026-11-20T12:30:00Z, or a number, as seconds. */
export function moment(text: string, now: number): string | undefined {
	const ago = text.match(/^-(\d+)([smhd])$/);
	if (ago) return String(Math.floor(now / 1e6) - Number(ago[1]) * { s: 1, m: 60, h: 3600, d: 86400 }[ago[2] as 's']!);
	const clock = text.match(/^(\d{1,2}):(\d\d)(?::(\d\d))?$/);
	if (clock) {
		const d = new Date(now / 1000);
		d.setHours(Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0), 0);
		return String(d.getTime() / 1000);
	}
	if (/^\d+(\.\d+)?$/.test(text)) return text;
	const t = Date.parse(text);
	return Number.isNaN(t) ? undefined : String(t / 1000);
}

export function parseChip(text: string, names: Names): Parsed {
	const word = text.trim();
	const flag = FLAGS[word.toLowerCase()];
	if (flag) return { param: flag, value: 'true' };
	const colon = word.match(/^(-?)([a-z]+):(.+)$/i);
	const param = colon && FIELDS[colon[2]!.toLowerCase()];
	if (colon && param) {
		let value = colon[3]!.trim();
		if (param === 'min_bytes') {
			const n = size(value);
			return n ? { param, value: n } : { error: `bytes takes a size like 10K, not “${value}”` };
		}
		if (param === 'since' || param === 'until') {
			const t = moment(value, names.now);
			return t ? { param, value: t } : { error: `${colon[2]} takes a time like -5m or 12:30, not “${value}”` };
		}
		if (param === 'pattern_id')
			value = value
				.split(',')
				.map((v) => names.patterns.get(v.replace(/^!/, '')) ?? v)
				.join(',');
		if (colon[1]) value = value.split(',').map((v) => '!' + v).join(',');
		return { param, value };
	}
	if (/^[0-9a-f]{16}$/i.test(word)) return { open: word.toLowerCase() };
	if (/^\d{1,5}$/.test(word) && Number(word) <= 65535) return { param: 'port', value: word };
	if (/^(\d{1,3}\.){3}\d{1,3}(\/\d+)?$/.test(word) || (/^[0-9a-f:.]+(\/\d+)?$/i.test(word) && word.split(':').length > 2))
		return { param: 'host', value: word };
	if (/^-\d+[smhd]$/.test(word) || /^\d{1,2}:\d\d(:\d\d)?$/.test(word)) return { param: 'since', value: moment(word, names.now)! };
	if (names.services.has(word)) return { param: 'service', value: word };
	if (names.profiles.has(word)) return { param: 'profile', value: word };
	const pattern = names.patterns.get(word);
	if (pattern) return { param: 'pattern_id', value: pattern };
	return { error: `No such field: “${word}”. Try service:http, host:10.0.0.0/8, is:matched, -5m` };
}

/** A parameter as the chip that gives it. */
export function chipText(param: string, value: string, patterns: Map<string, string>): string {
	for (const [text, p] of Object.entries(FLAGS)) if (p === param) return text;
	const field = Object.keys(FIELDS).find((f) => FIELDS[f] === param) ?? param;
	if (param === 'pattern_id')
		for (const [name, id] of patterns) if (id === value) return `${field}:${name}`;
	if ((param === 'since' || param === 'until') && /^\d/.test(value))
		return `${field}:${new Date(Number(value) * 1000).toISOString().slice(0, 19)}Z`;
	return `${field}:${value}`;
}

function number(text: string): bigint | undefined {
	try {
		if (text.includes(':')) {
			const [head, tail] = text.split('::') as [string, string | undefined];
			const a = head ? head.split(':') : [];
			const b = tail ? tail.split(':') : [];
			const all = tail === undefined ? a : [...a, ...Array<string>(8 - a.length - b.length).fill('0'), ...b];
			return all.reduce((n, x) => (n << 16n) | BigInt('0x' + (x || '0')), 0n);
		}
		return text.split('.').reduce((n, x) => (n << 8n) | BigInt(x), 0n);
	} catch {
		return undefined;
	}
}

export function inside(addr: string, cidr: string): boolean {
	const [net, bits] = cidr.split('/');
	if (addr.includes(':') !== cidr.includes(':')) return false;
	const size = addr.includes(':') ? 128 : 32;
	const a = number(addr);
	const b = number(net!);
	if (a === undefined || b === undefined) return false;
	const shift = BigInt(size - Number(bits ?? size));
	return a >> shift === b >> shift;
}

/** Whether a list with these parameters has this row, by the server's rules. */
export function passes(row: Row, q: URLSearchParams): boolean {
	const any = (param: string, test: (v: string) => boolean): boolean => {
		const text = q.get(param);
		if (!text) return true;
		const values = text.split(',').map((v) => v.trim());
		const not = values.filter((v) => v.startsWith('!')).map((v) => v.slice(1));
		const yes = values.filter((v) => !v.startsWith('!'));
		return !not.some(test) && (!yes.length || yes.some(test));
	};
	const same = (x: string) => (v: string) => x.toLowerCase() === v.toLowerCase();
	if (row.hidden && q.get('include_hidden') !== 'true') return false;
	if (q.get('only_favorites') === 'true' && !row.favorite) return false;
	if (q.get('only_matched') === 'true' && !row.match_count) return false;
	const since = Number(q.get('since') ?? NaN);
	const until = Number(q.get('until') ?? NaN);
	return (
		any('service', same(row.service.name)) &&
		any('protocol', same(row.protocol)) &&
		any('content_kind', same(row.content_kind)) &&
		any('status', same(row.status)) &&
		any('color', same(row.color)) &&
		any('profile', same(row.profile ?? '')) &&
		any('port', (v) => row.endpoint_a.port === Number(v) || row.endpoint_b.port === Number(v)) &&
		any('host', (v) => inside(row.endpoint_a.addr, v) || inside(row.endpoint_b.addr, v)) &&
		any('pattern_id', (v) => row.pattern_ids.includes(v)) &&
		(q.get('has') ?? '').split(',').filter(Boolean).every((f) => (f === 'note' ? row.note !== '' : row.flags.includes(f))) &&
		row.bytes >= Number(q.get('min_bytes') ?? 0) &&
		!(row.last_seen_us / 1e6 < since) &&
		!(row.first_seen_us / 1e6 > until)
	);
}

/** The value that a list is sorted by. */
export function sortKey(row: Row, sort: string): number {
	switch (sort.replace(/^-/, '')) {
		case 'first_seen':
			return row.first_seen_us;
		case 'bytes':
			return row.bytes;
		case 'packets':
			return row.packets;
		case 'match_count':
			return row.match_count;
		default:
			return row.last_seen_us;
	}
}
