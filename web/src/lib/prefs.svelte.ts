// What a person chose, kept by the sensor with the view's state.
import { call, get } from './api';
import type { TimeMode } from './format';

export interface Prefs {
	theme: 'auto' | 'light' | 'dark';
	time: TimeMode;
	keys: boolean;
	columns: string[] | null;
	widths: Record<string, number>;
	saved: { name: string; query: string }[];
}

const NONE: Prefs = { theme: 'auto', time: 'local', keys: true, columns: null, widths: {}, saved: [] };

export const prefs = $state<Prefs>({ ...NONE });
let timer = 0;

export async function loadPrefs(): Promise<void> {
	try {
		const p = await get<{ value: Partial<Prefs> }>('/api/view/preferences/ui');
		if (p.value && typeof p.value === 'object') Object.assign(prefs, NONE, p.value);
	} catch {
		/* none yet */
	}
}

export function savePrefs(): void {
	clearTimeout(timer);
	timer = setTimeout(() => {
		call('PUT', '/api/view/preferences/ui', $state.snapshot(prefs)).catch(() => {});
	}, 300) as unknown as number;
}
