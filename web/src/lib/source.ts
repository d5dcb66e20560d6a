// A direction's bytes, by windows of 64 KiB, with what is missing in them and what was found.
import { get, streamPath, type Conflict, type Content, type Highlight, type Hole, type Side } from './api';
import { unbase64 } from './bytes';

export const WINDOW = 65536;
const KEPT = 32;

export interface Part {
	from: number;
	to: number;
	kind: 'data' | 'gap' | 'evicted';
	bytes: Uint8Array;
}

export interface Packet {
	start: number;
	number?: number;
	timestamp: string;
}

export interface Window {
	from: number;
	parts: Part[];
	highlights: Highlight[];
	conflicts: Conflict[];
	packets: Packet[];
}

export class Source {
	length: number;
	private windows = new Map<number, Window>();
	private asked = new Map<number, Promise<Window>>();

	constructor(
		readonly id: string,
		readonly side: Side,
		length: number,
	) {
		this.length = length;
	}

	/** More may have come: what is at the end is asked for again. */
	grown(length: number): void {
		if (length <= this.length) return;
		this.windows.delete(Math.floor(this.length / WINDOW));
		this.windows.delete(Math.floor(length / WINDOW));
		this.length = length;
	}

	window(i: number): Window | undefined {
		return this.windows.get(i);
	}

	async load(i: number, signal?: AbortSignal): Promise<Window> {
		const have = this.windows.get(i) ?? this.asked.get(i);
		if (have) return have;
		const asked = this.fetch(i, signal);
		this.asked.set(i, asked);
		try {
			const w = await asked;
			this.windows.set(i, w);
			if (this.windows.size > KEPT) {
				let far = i;
				for (const k of this.windows.keys()) if (Math.abs(k - i) > Math.abs(far - i)) far = k;
				this.windows.delete(far);
			}
			return w;
		} finally {
			this.asked.delete(i);
		}
	}

	private async fetch(i: number, signal?: AbortSignal): Promise<Window> {
		const c = await get<Content>(
			streamPath(this.id, '/content'),
			{ direction: this.side, start: i * WINDOW, len: WINDOW, mode: 'raw' },
			signal,
		);
		this.length = Math.max(this.length, c.stream_length);
		const from = i * WINDOW;
		const end = Math.min(from + WINDOW, this.length);
		const hole = (kind: 'gap' | 'evicted') => (h: Hole) => ({
			from: Math.max(h.start, from),
			to: Math.min(h.end, end),
			kind,
			bytes: new Uint8Array(),
		});
		const parts: Part[] = [
			...c.segments.map((s) => ({
				from: s.logical_start,
				to: s.logical_end,
				kind: 'data' as const,
				bytes: unbase64(s.base64),
			})),
			...c.gaps.map(hole('gap')),
			...c.evicted.map(hole('evicted')),
		]
			.filter((p) => p.to > p.from)
			.sort((a, b) => a.from - b.from);
		return { from, parts, highlights: c.highlights, conflicts: c.conflicts, packets: c.segments.flatMap((s) => s.packets ?? []) };
	}

	/** Parts between two offsets, joined over windows; only what is loaded. */
	parts(from: number, to: number): Part[] {
		const out: Part[] = [];
		for (let i = Math.floor(from / WINDOW); i * WINDOW < to && i * WINDOW < this.length; i++) {
			const w = this.windows.get(i);
			if (!w) break;
			for (const p of w.parts) {
				const a = Math.max(p.from, from);
				const b = Math.min(p.to, to);
				if (b <= a) continue;
				const cut = { ...p, from: a, to: b, bytes: p.bytes.subarray(a - p.from, b - p.from) };
				const last = out[out.length - 1];
				if (last && last.kind === p.kind && last.to === a) {
					if (p.kind === 'data') {
						const joined = new Uint8Array(last.bytes.length + cut.bytes.length);
						joined.set(last.bytes);
						joined.set(cut.bytes, last.bytes.length);
						last.bytes = joined;
					}
					last.to = b;
				} else {
					out.push(cut);
				}
			}
		}
		return out;
	}

	/** From where on all windows up to the one of `at` are there. */
	since(at: number): number {
		let i = Math.floor(at / WINDOW);
		while (i > 0 && this.windows.has(i - 1)) i--;
		return i * WINDOW;
	}

	/** All bytes between two offsets, fetched where they are not there; holes are left out. */
	async read(from: number, to: number, signal?: AbortSignal): Promise<Uint8Array> {
		for (let i = Math.floor(from / WINDOW); i * WINDOW < to; i++) await this.load(i, signal);
		const data = this.parts(from, to).filter((p) => p.kind === 'data');
		const out = new Uint8Array(data.reduce((n, p) => n + p.bytes.length, 0));
		let at = 0;
		for (const p of data) {
			out.set(p.bytes, at);
			at += p.bytes.length;
		}
		return out;
	}

	highlights(from: number, to: number): Highlight[] {
		const seen = new Map<string, Highlight>();
		for (let i = Math.floor(from / WINDOW); i * WINDOW < to; i++)
			for (const h of this.windows.get(i)?.highlights ?? []) {
				if (h.logical_end <= from || h.logical_start >= to) continue;
				seen.set(`${h.pattern_id} ${h.logical_start} ${h.logical_end}`, h);
			}
		return [...seen.values()];
	}

	conflicts(from: number, to: number): Conflict[] {
		const out = new Map<string, Conflict>();
		for (let i = Math.floor(from / WINDOW); i * WINDOW < to; i++)
			for (const c of this.windows.get(i)?.conflicts ?? []) if (c.end > from && c.start < to) out.set(`${c.start} ${c.end} ${c.other_packet} ${c.other_base64}`, c);
		return [...out.values()];
	}

	packet(at: number): Packet | undefined {
		let found: Packet | undefined;
		for (const p of this.windows.get(Math.floor(at / WINDOW))?.packets ?? []) if (p.start <= at) found = p;
		return found;
	}
}
