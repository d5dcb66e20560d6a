// What an opponent wrote, made visible: what has no shape of its own as <1b> or <u+202e>.
// (The pictures ␀ to ␡ are in few fonts: where they are not, all look alike.)

const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/u;
const ALL_HIDDEN = new RegExp(HIDDEN.source, 'gu');
const MARK = /\p{M}/u;

/** How one character is drawn; `box` where that is not the character itself. */
export function glyph(ch: string): { text: string; box: boolean } {
	const code = ch.codePointAt(0)!;
	if (code === 9) return { text: '→', box: true };
	if (code < 0x20 || code === 0x7f) return { text: `<${code.toString(16).padStart(2, '0')}>`, box: true };
	if (HIDDEN.test(ch)) return { text: `<u+${code.toString(16).padStart(4, '0')}>`, box: true };
	return { text: ch, box: false };
}

/** A short text for a cell, a title or a label. */
export function clean(text: string, most = 200): string {
	const cut = text.length > most ? text.slice(0, most) + '…' : text;
	let marks = 0;
	return cut.replace(ALL_HIDDEN, (ch) => glyph(ch).text).replace(/./gsu, (ch) => {
		marks = MARK.test(ch) ? marks + 1 : 0;
		return marks > 4 ? `<u+${ch.codePointAt(0)!.toString(16).padStart(4, '0')}>` : ch;
	});
}

/** Safe to paste in a shell: \x1b, \u202e. */
export function escaped(text: string): string {
	return text.replace(ALL_HIDDEN, (ch) => {
		const code = ch.codePointAt(0)!;
		if (code === 10 || code === 13 || code === 9) return ch;
		if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
		if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`;
		return `\\U${code.toString(16).padStart(8, '0')}`;
	});
}
