// Images of opponents: four raster formats, by their first bytes, of a bounded size; drawn on a canvas, never loaded.

export interface Picture {
	type: string;
	width: number;
	height: number;
}

export const PIXELS_MAX = 16 << 20;

function ascii(b: Uint8Array, at: number, text: string): boolean {
	return [...text].every((c, i) => b[at + i] === c.charCodeAt(0));
}

/** What the header says, or null where it is none of them. */
export function picture(b: Uint8Array): Picture | null {
	const v = new DataView(b.buffer, b.byteOffset, b.byteLength);
	if (b.length > 24 && b[0] === 0x89 && ascii(b, 1, 'PNG\r\n\x1a\n')) return { type: 'image/png', width: v.getUint32(16), height: v.getUint32(20) };
	if (b.length > 10 && ascii(b, 0, 'GIF8')) return { type: 'image/gif', width: v.getUint16(6, true), height: v.getUint16(8, true) };
	if (b.length > 30 && ascii(b, 0, 'RIFF') && ascii(b, 8, 'WEBP')) {
		if (ascii(b, 12, 'VP8X'))
			return { type: 'image/webp', width: 1 + (v.getUint32(24, true) & 0xffffff), height: 1 + (v.getUint32(26, true) >>> 8) };
		if (ascii(b, 12, 'VP8 ')) return { type: 'image/webp', width: v.getUint16(26, true) & 0x3fff, height: v.getUint16(28, true) & 0x3fff };
		if (ascii(b, 12, 'VP8L')) {
			const n = v.getUint32(21, true);
			return { type: 'image/webp', width: 1 + (n & 0x3fff), height: 1 + ((n >>> 14) & 0x3fff) };
		}
		return null;
	}
	if (b.length > 4 && b[0] === 0xff && b[1] === 0xd8) {
		for (let i = 2; i + 9 < b.length && b[i] === 0xff; ) {
			const kind = b[i + 1]!;
			if (kind >= 0xc0 && kind <= 0xcf && kind !== 0xc4 && kind !== 0xc8 && kind !== 0xcc)
				return { type: 'image/jpeg', width: v.getUint16(i + 7), height: v.getUint16(i + 5) };
			i += 2 + v.getUint16(i + 2);
		}
	}
	return null;
}
