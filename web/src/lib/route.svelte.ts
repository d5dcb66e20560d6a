// Where we are: `#/streams?service=http&sel=ID`.  A hash keeps what is looked for out of logs.

export interface Place {
	path: string[];
	query: URLSearchParams;
}

export function parse(hash: string): Place {
	const text = hash.replace(/^#\/?/, '');
	const at = text.indexOf('?');
	const path = (at < 0 ? text : text.slice(0, at)).split('/').filter(Boolean);
	return {
		path: path.map((p) => {
			try {
				return decodeURIComponent(p);
			} catch {
				return p;
			}
		}),
		query: new URLSearchParams(at < 0 ? '' : text.slice(at + 1)),
	};
}

export function hashOf(path: string, query?: URLSearchParams | Record<string, string | undefined>): string {
	const q = new URLSearchParams();
	const from = query instanceof URLSearchParams ? [...query] : Object.entries(query ?? {});
	for (const [k, v] of from) if (v !== undefined && v !== '') q.set(k, v);
	const text = q.toString().replaceAll('%2C', ',').replaceAll('%3A', ':').replaceAll('%2F', '/').replaceAll('%21', '!');
	return `#/${path}${text ? '?' + text : ''}`;
}

let place = $state.raw<Place>(parse(location.hash));

export const route = {
	/** What a view still has to write into its address before another place is gone to. */
	leaving: null as (() => void) | null,
	get place(): Place {
		return place;
	},
	get view(): string {
		return place.path[0] ?? 'streams';
	},
	/** How many places of ours lie behind this one in the history. */
	get depth(): number {
		return (history.state as { depth?: number } | null)?.depth ?? 0;
	},
	/** A new entry of the history, or the same one. */
	go(hash: string, replace = false): void {
		if (hash === location.hash) return;
		const last = route.leaving;
		route.leaving = null;
		if (!replace) last?.();
		route.leaving = last;
		if (replace) history.replaceState(history.state, '', hash);
		else history.pushState({ depth: route.depth + 1 }, '', hash);
		place = parse(hash);
	},
	/** Changes some parameters of the place; `undefined` takes one away. */
	set(changes: Record<string, string | undefined>, replace = true): void {
		const q = new URLSearchParams(place.query);
		for (const [k, v] of Object.entries(changes)) {
			if (v === undefined || v === '') q.delete(k);
			else q.set(k, v);
		}
		route.go(hashOf(place.path.map(encodeURIComponent).join('/') || 'streams', q), replace);
	},
};

addEventListener('popstate', () => (place = parse(location.hash)));
addEventListener('hashchange', () => (place = parse(location.hash)));
