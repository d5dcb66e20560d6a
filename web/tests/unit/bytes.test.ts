import { describe, expect, test } from 'vitest';
import { base64, hexRow, lines, pieces, sequence, unbase64, type Line } from '../../src/lib/bytes';

const of = (text: string) => new TextEncoder().encode(text);
const shown = (l: Line) => l.glyphs.map((g) => g.text).join('');

describe('sequence', () => {
	test('as RFC 3629 has it', () => {
		const good = ['a', 'é', '€', '😀', '\u07ff', '\u0800', '\uffff', '\u{10ffff}'];
		for (const ch of good) expect(sequence(of(ch), 0)).toBe(of(ch).length);
		const bad = [[0x80], [0xc0, 0x80], [0xc1, 0xbf], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x80, 0x80, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xff], [0xe2, 0x82], [0xc3, 0x28]];
		for (const b of bad) expect(sequence(new Uint8Array(b), 0)).toBe(0);
	});
	test('agrees with the decoder of the platform, on any bytes', () => {
		let seed = 7;
		const next = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 16;
		for (let round = 0; round < 300; round++) {
			const b = Uint8Array.from({ length: 40 }, () => (next() % 3 ? 0x80 + (next() % 128) : next() % 128));
			for (let i = 0; i < b.length; i++) {
				const n = sequence(b, i);
				if (!n) continue;
				expect(() => new TextDecoder('utf-8', { fatal: true }).decode(b.subarray(i, i + n))).not.toThrow();
			}
		}
	});
});

describe('lines', () => {
	test('end at CR LF, LF and CR, and say where', () => {
		const l = lines(of('ab\r\nc\nd\re'), 100, 80, 99);
		expect(l.map((x) => [x.from, x.to])).toEqual([[100, 104], [104, 106], [106, 108], [108, 109]]);
		expect(l.map(shown)).toEqual(['ab←↓', 'c↓', 'd←', 'e']);
	});
	test('wrap on the grid, wide characters too', () => {
		expect(lines(of('abcdef'), 0, 4, 99).map(shown)).toEqual(['abcd', 'ef']);
		expect(lines(of('ab漢字'), 0, 4, 99).map(shown)).toEqual(['ab漢', '字']);
		expect(lines(of('x'.repeat(5000)), 0, Infinity, 99).map((l) => l.glyphs.length)).toEqual([4096, 904]);
	});
	test('have every byte once, whatever it is', () => {
		const b = Uint8Array.from({ length: 1024 }, (_, i) => (i * 37 + (i >> 3)) & 255);
		for (const raw of [false, true]) {
			let at = 50;
			for (const l of lines(b, 50, 33, Infinity, raw)) for (const g of l.glyphs) {
				expect(g.at).toBe(at);
				at += g.len;
			}
			expect(at).toBe(50 + 1024);
		}
	});
	test('show what has no shape', () => {
		const text = shown(lines(of('\x1b[31m\u202eabc\u200b\0'), 0, 200, 9)[0]!);
		expect(text).toBe('<1b>[31m<u+202e>abc<u+200b><00>');
		expect(shown(lines(new Uint8Array([0xff, 0x41]), 0, 80, 9)[0]!)).toBe('<ff>A');
		expect(shown(lines(of('e' + '\u0301'.repeat(7)), 0, 80, 9)[0]!)).toBe('e' + '\u0301'.repeat(4) + '<u+0301>'.repeat(3));
		expect(shown(lines(of('a\t\\é"'), 0, 80, 9, true)[0]!)).toBe('a\\t\\\\\\xc3\\xa9"');
	});
	test('stop where they are told', () => {
		expect(lines(of('a\nb\nc\n'), 0, 80, 2)).toHaveLength(2);
		expect(lines(new Uint8Array(), 0, 80, 2)).toEqual([]);
	});
});

test('overlapping marks give each byte once', () => {
	const l = lines(of('0123456789'), 0, 80, 1)[0]!;
	const a = { from: 2, to: 6, id: 'a' };
	const b = { from: 4, to: 8, id: 'b' };
	const p = pieces(l, [a, b, { from: 20, to: 30, id: 'c' }]);
	expect(p.map((x) => [x.text, x.marks.map((m) => m.id).join()])).toEqual([['01', ''], ['23', 'a'], ['45', 'a,b'], ['67', 'b'], ['89', '']]);
	const wide = pieces(lines(of('é'), 0, 80, 1)[0]!, [{ from: 1, to: 2, id: 'half' }]);
	expect(wide[0]!.marks).toHaveLength(1); // grown to the whole character
});

test('hex rows keep their places', () => {
	const row = hexRow(of('AB'), 17, 16, [{ from: 18, to: 19, id: 'x' }]);
	expect(row[0]).toBeNull();
	expect(row[1]).toMatchObject({ at: 17, hex: '41', ascii: 'A', marks: [] });
	expect(row[2]!.marks).toHaveLength(1);
	expect(row[3]).toBeNull();
});

test('base64 there and back', () => {
	const b = Uint8Array.from({ length: 300 }, (_, i) => i & 255);
	expect(unbase64(base64(b))).toEqual(b);
});
