// Bytes to characters and lines: every glyph knows its bytes, so marks, copies and links are byte offsets.
import { glyph } from './visible';

export interface Glyph {
	at: number; // byte offset in the stream
	len: number; // bytes
	text: string;
	kind: 'text' | 'box' | 'bad' | 'end';
	cols: number;
	/** it stands on the character before */
	mark?: boolean;
}

export interface Line {
	from: number;
	to: number;
	glyphs: Glyph[];
}

export function unbase64(text: string): Uint8Array {
	const raw = atob(text);
	const out = new Uint8Array(raw.length);
	for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
	return out;
}

export function base64(bytes: Uint8Array): string {
	let raw = '';
	for (const b of bytes) raw += String.fromCharCode(b);
	return btoa(raw);
}

/** Length of the UTF-8 sequence at `i`, 0 where there is none (RFC 3629). */
export function sequence(b: Uint8Array, i: number): number {
	const c = b[i]!;
	if (c < 0x80) return 1;
	const n = c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
	if (!n || i + n > b.length) return 0;
	for (let k = 1; k < n; k++) if ((b[i + k]! & 0xc0) !== 0x80) return 0;
	const d = b[i + 1]!;
	if ((c === 0xe0 && d < 0xa0) || (c === 0xed && d > 0x9f) || (c === 0xf0 && d < 0x90) || (c === 0xf4 && d > 0x8f)) return 0;
	return n;
}

const decoder = new TextDecoder();
const WIDE = /[\u1100-\u115f\u2e80-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]|[\u{20000}-\u{3fffd}]/u;
const MARK = /\p{M}/u;

function character(b: Uint8Array, i: number, at: number, marks: number): Glyph {
	const n = sequence(b, i);
	if (!n) {
		const text = `<${b[i]!.toString(16).padStart(2, '0')}>`;
		return { at, len: 1, text, kind: 'bad', cols: text.length };
	}
	const ch = n === 1 ? String.fromCharCode(b[i]!) : decoder.decode(b.subarray(i, i + n));
	const mark = n > 1 && MARK.test(ch);
	if (mark && marks >= 4) {
		const text = `<u+${ch.codePointAt(0)!.toString(16).padStart(4, '0')}>`;
		return { at, len: n, text, kind: 'box', cols: text.length, mark };
	}
	const g = glyph(ch);
	const cols = g.box ? g.text.length : mark ? 0 : n > 2 && WIDE.test(ch) ? 2 : 1;
	return { at, len: n, text: g.text, kind: g.box ? 'box' : 'text', cols, mark };
}

/** C escapes, ASCII only. */
function escape(b: Uint8Array, i: number, at: number): Glyph {
	const c = b[i]!;
	const short: Record<number, string> = { 7: '\\a', 8: '\\b', 9: '\\t', 10: '\\n', 11: '\\v', 12: '\\f', 13: '\\r', 92: '\\\\' };
	const text = short[c] ?? (c >= 0x20 && c < 0x7f ? String.fromCharCode(c) : `\\x${c.toString(16).padStart(2, '0')}`);
	return { at, len: 1, text, kind: text.length > 1 ? 'box' : 'text', cols: text.length };
}

/**
 * Lines of `cols` columns from bytes that begin at stream offset `base`: broken behind CR LF, LF or CR, and where the
 * grid ends (not where cols is Infinity).  At most `most` lines, of at most 4,096 glyphs.
 */
export function lines(b: Uint8Array, base: number, cols: number, most: number, raw = false): Line[] {
	const out: Line[] = [];
	let line: Line = { from: base, to: base, glyphs: [] };
	let width = 0;
	let marks = 0;
	const end = () => {
		out.push(line);
		line = { from: line.to, to: line.to, glyphs: [] };
		width = 0;
	};
	let i = 0;
	while (i < b.length && out.length < most) {
		let g = raw ? escape(b, i, base + i) : character(b, i, base + i, marks);
		const c = b[i]!;
		if (!raw && c === 9) g.cols = Math.min(8 - (width % 8), Math.max(1, cols - width));
		const feeds = c === 10 || (c === 13 && !raw && b[i + 1] !== 10);
		if (!raw && c === 13 && b[i + 1] === 10) {
			g = { at: base + i, len: 2, text: '←↓', kind: 'end', cols: 2 };
		} else if (feeds && !raw) {
			g = { ...g, text: c === 10 ? '↓' : '←', kind: 'end', cols: 1 };
		}
		marks = g.mark ? marks + 1 : 0;
		const breaks = feeds || (!raw && g.len === 2 && c === 13);
		if (!breaks && (width + g.cols > cols || line.glyphs.length >= 4096) && line.glyphs.length) {
			end();
			if (out.length === most) break;
		}
		line.glyphs.push(g);
		line.to = g.at + g.len;
		width += g.cols;
		i += g.len;
		if (breaks) end();
	}
	if (line.glyphs.length && out.length < most) out.push(line);
	return out;
}

export interface Mark {
	from: number;
	to: number;
	id: string; // of the pattern
	current?: boolean;
	selected?: boolean;
	conflict?: boolean;
}

export interface Piece {
	from: number;
	to: number;
	text: string;
	kind: Glyph['kind'];
	marks: Mark[];
}

/** Glyphs of a line joined where they look the same: each byte is drawn once, whatever overlaps. */
export function pieces(line: Line, marks: readonly Mark[]): Piece[] {
	const here = marks.filter((m) => m.from < line.to && m.to > line.from);
	const out: Piece[] = [];
	let last: Piece | undefined;
	for (const g of line.glyphs) {
		const on = here.length ? here.filter((m) => m.from < g.at + g.len && m.to > g.at) : here;
		const text = g.kind === 'box' && g.text === '→' ? '→' + ' '.repeat(Math.max(0, g.cols - 1)) : g.text;
		if (last && last.kind === g.kind && last.marks.length === on.length && last.marks.every((m, i) => m === on[i])) {
			last.text += text;
			last.to = g.at + g.len;
		} else {
			last = { from: g.at, to: g.at + g.len, text, kind: g.kind, marks: on };
			out.push(last);
		}
	}
	return out;
}

export interface HexCell {
	at: number;
	hex: string;
	ascii: string;
	marks: Mark[];
}

export function hexRow(b: Uint8Array, base: number, from: number, marks: readonly Mark[], width = 16): (HexCell | null)[] {
	const here = marks.filter((m) => m.from < from + width && m.to > from);
	return Array.from({ length: width }, (_, k) => {
		const at = from + k;
		const c = b[at - base];
		if (c === undefined || at < base) return null;
		return {
			at,
			hex: c.toString(16).padStart(2, '0'),
			ascii: c >= 0x20 && c < 0x7f ? String.fromCharCode(c) : '·',
			marks: here.filter((m) => m.from <= at && m.to > at),
		};
	});
}
