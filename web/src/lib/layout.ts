// Rows of a byte view: lines of text, rows of hex, and one row for each hole, from what is loaded.
import { lines, type Line } from './bytes';
import type { Part, Source } from './source';

export type Mode = 'text' | 'raw' | 'hex';

export interface Row {
	from: number;
	to: number;
	line?: Line;
	hex?: { bytes: Uint8Array; base: number };
	hole?: 'gap' | 'evicted';
}

const HEX = 16;

/** Rows of these parts; those of a hole stand for all of it. */
export function rowsOf(parts: readonly Part[], mode: Mode, cols: number, most: number): Row[] {
	const out: Row[] = [];
	for (const p of parts) {
		if (out.length >= most) break;
		if (p.kind !== 'data') {
			out.push({ from: p.from, to: p.to, hole: p.kind });
		} else if (mode === 'hex') {
			for (let at = p.from - (p.from % HEX); at < p.to && out.length < most; at += HEX)
				out.push({ from: Math.max(at, p.from), to: Math.min(at + HEX, p.to), hex: { bytes: p.bytes, base: p.from } });
		} else {
			for (const line of lines(p.bytes, p.from, cols, most - out.length, mode === 'raw')) out.push({ from: line.from, to: line.to, line });
		}
	}
	return out;
}

const AHEAD = 32768;

/** Rows from a row's start on. */
export function below(s: Source, from: number, mode: Mode, cols: number, most: number): Row[] {
	return rowsOf(s.parts(from, from + Math.max(AHEAD, most * 128)), mode, cols, most);
}

/** The start of the row `n` rows above the one that holds `at`. */
export function above(s: Source, at: number, n: number, mode: Mode, cols: number): number {
	const reach = Math.max(4096, (n + 2) * Math.min(cols, 512) * 2);
	let from = Math.max(s.since(at), at - reach);
	if (mode === 'hex') {
		from -= from % HEX;
	} else if (from > 0) {
		const back = Math.max(s.since(at), from - AHEAD);
		const parts = s.parts(back, at);
		from = back;
		for (const p of parts) { // behind the last line end that is far enough
			if (p.kind !== 'data') {
				if (p.to <= at - reach / 2) from = p.to;
				continue;
			}
			const end = Math.min(p.bytes.length, Math.max(0, Math.floor(at - reach / 2) - p.from));
			const nl = p.bytes.lastIndexOf(10, end - 1);
			if (end > 0 && nl >= 0) from = p.from + nl + 1;
		}
	}
	const rows = rowsOf(s.parts(from, at + 1), mode, cols, Infinity);
	let i = rows.findIndex((r) => r.to > at);
	if (i < 0) i = rows.length - 1;
	return rows[Math.max(0, i - n)]?.from ?? at;
}
