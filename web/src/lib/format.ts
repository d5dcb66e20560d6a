// Numbers and times for people.

/** Three digits, base 1024: 612 1.24K 18.3K 9.31G. */
export function bytes(n: number): string {
	const units = ['', 'K', 'M', 'G', 'T', 'P'];
	let unit = 0;
	while (n >= 1024 && unit < units.length - 1) {
		n /= 1024;
		unit++;
	}
	return unit ? three(n) + units[unit] : String(n);
}

function three(n: number): string {
	return n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2);
}

export function count(n: number): string {
	return n.toLocaleString('en-US');
}

/** 412µs 1.24ms 12.4s 2m04s 1h12m 3d04h. */
export function duration(s: number): string {
	if (s < 0.001) return `${Math.round(s * 1e6)}µs`;
	if (s < 1) return `${three(s * 1000)}ms`;
	if (s < 60) return `${three(s)}s`;
	const two = (n: number) => String(Math.floor(n)).padStart(2, '0');
	if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
	if (s < 86400) return `${Math.floor(s / 3600)}h${two((s % 3600) / 60)}m`;
	return `${Math.floor(s / 86400)}d${two((s % 86400) / 3600)}h`;
}

export type TimeMode = 'local' | 'utc' | 'start' | 'ago';
export const TIME_MODES: readonly TimeMode[] = ['local', 'utc', 'start', 'ago'];

/** A packet's time in µs; `start` and `now` are packet times too. */
export function time(us: number, mode: TimeMode, start: number, now: number): string {
	const d = new Date(us / 1000);
	const p = (n: number, w = 2) => String(n).padStart(w, '0');
	switch (mode) {
		case 'local':
			return `${p(d.getHours())}:${p(d.getMinutes())}:${p(d.getSeconds())}.${p(d.getMilliseconds(), 3)}`;
		case 'utc':
			return d.toISOString().slice(11, 23) + 'Z';
		case 'start': {
			const s = Math.max(0, us - start) / 1e6;
			return `+${Math.floor(s / 3600)}:${p(Math.floor(s / 60) % 60)}:${(s % 60).toFixed(3).padStart(6, '0')}`;
		}
		case 'ago':
			return `${duration(Math.max(0, now - us) / 1e6)} ago`;
	}
}

/** 2026-11-20T21:46:37.769757+0000, in µs since 1970: Date has milliseconds only.  0 where it is not known. */
export function micros(iso: string | null | undefined): number {
	if (!iso) return 0;
	const at = iso.match(/^(.{19})\.(\d{6})\+0000$/);
	return at ? Date.parse(at[1] + 'Z') * 1000 + Number(at[2]) : Date.parse(iso) * 1000;
}
