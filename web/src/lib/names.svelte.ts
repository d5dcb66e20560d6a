// Names that chips and cells speak of: patterns, profiles, services.
import { get, type Pattern, type Patterns, type Profile } from './api';
import { sensor } from './sensor.svelte';

class Names {
	patterns = $state.raw<Pattern[]>([]);
	rescan = $state.raw<Patterns['rescan']>({ state: 'idle', scanned_streams: 0, streams: 0 });
	profiles = $state.raw<Profile[]>([]);
	readonly byName = $derived(new Map(this.patterns.map((p) => [p.definition.name || p.definition.pattern || p.id, p.id])));
	readonly byId = $derived(new Map(this.patterns.map((p) => [p.id, p])));

	async load(): Promise<void> {
		const [p, f] = await Promise.allSettled([get<Patterns>('/api/patterns'), get<{ profiles: Profile[] }>('/api/service-profiles')]);
		if (p.status === 'fulfilled') {
			this.patterns = p.value.patterns;
			this.rescan = p.value.rescan;
		}
		if (f.status === 'fulfilled') this.profiles = f.value.profiles;
	}

	name(id: string): string {
		const d = this.byId.get(id)?.definition;
		return d?.name || d?.pattern || id;
	}

	color(id: string): string {
		const c = this.byId.get(id)?.definition.colour;
		if (c && /^#[0-9a-f]{6}$/i.test(c)) return c;
		const all = ['#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7', '#4a4f57'];
		let h = 0;
		for (const ch of id) h = (h * 31 + ch.charCodeAt(0)) >>> 0;
		return all[h % all.length]!;
	}
}

export const names = new Names();
sensor.on('view', () => void names.load());
