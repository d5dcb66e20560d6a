// To the clipboard, in forms that are safe to paste.
import { base64 } from './bytes';
import { toasts } from './toasts.svelte';
import { escaped } from './visible';

export type Form = 'text' | 'raw' | 'hex' | 'hexdump' | 'base64' | 'python';
export const FORMS: [Form, string][] = [
	['text', 'text, controls escaped'],
	['raw', 'raw characters'],
	['hex', 'hex'],
	['hexdump', 'hexdump'],
	['base64', 'base64'],
	['python', 'Python bytes'],
];

export const COPY_MAX = 1 << 20;

export function format(b: Uint8Array, form: Form, base = 0): string {
	const hex = (c: number) => c.toString(16).padStart(2, '0');
	switch (form) {
		case 'text':
			return escaped(new TextDecoder().decode(b));
		case 'raw':
			return new TextDecoder().decode(b);
		case 'hex':
			return Array.from(b, hex).join('');
		case 'base64':
			return base64(b);
		case 'python':
			return (
				'b"' +
				Array.from(b, (c) =>
					c === 34 || c === 92 ? '\\' + String.fromCharCode(c) : c >= 32 && c < 127 ? String.fromCharCode(c) : `\\x${hex(c)}`,
				).join('') +
				'"'
			);
		case 'hexdump': {
			const out: string[] = [];
			for (let i = 0; i < b.length; i += 16) {
				const row = b.subarray(i, i + 16);
				const left = Array.from(row, hex).join(' ').padEnd(47);
				const right = Array.from(row, (c) => (c >= 32 && c < 127 ? String.fromCharCode(c) : '.')).join('');
				out.push(`${(base + i).toString(16).padStart(8, '0')}  ${left}  |${right}|`);
			}
			return out.join('\n');
		}
	}
}

export async function copyText(text: string, what: string): Promise<void> {
	try {
		if (navigator.clipboard && isSecureContext) {
			await navigator.clipboard.writeText(text);
		} else {
			const area = document.createElement('textarea');
			area.value = text;
			document.body.append(area);
			area.select();
			const done = document.execCommand('copy');
			area.remove();
			if (!done) throw new Error('the browser does not let us');
		}
		toasts.add(`copied ${what}`);
	} catch (e) {
		toasts.add(`not copied: ${e instanceof Error ? e.message : String(e)}`, true);
	}
}

export function copyBytes(b: Uint8Array, form: Form, base = 0): Promise<void> {
	if (b.length > COPY_MAX) {
		toasts.add('more than 1 MiB: download it (D)', true);
		return Promise.resolve();
	}
	return copyText(format(b, form, base), `${b.length.toLocaleString('en-US')} bytes as ${form}`);
}
