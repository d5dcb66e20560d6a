// Keys: only unmodified or Shift keys, dead while somebody types; `?` shows those that work now.

export interface Binding {
	keys: string;
	label: string;
	group: string;
	run: () => void;
}

interface Layer {
	bindings: Binding[];
	/** takes every key: a dialog, a menu */
	modal: boolean;
}

let layers: Layer[] = []; // nothing is drawn from it while it changes
let on = $state(true);

export const keys = {
	get layers(): Layer[] {
		return layers;
	},
	get on(): boolean {
		return on;
	},
	set on(value: boolean) {
		on = value;
	},
};

/** Binds until the returned function is called: as an $effect's body. */
export function bind(bindings: Binding[], modal = false): () => void {
	const layer = { bindings, modal };
	layers = [...layers, layer];
	return () => {
		layers = layers.filter((l) => l !== layer);
	};
}

export function typing(target: EventTarget | null): boolean {
	return (
		target instanceof HTMLElement &&
		(target.isContentEditable || target.matches('textarea, select, input:not([type=checkbox]):not([type=button])'))
	);
}

/** The key by its letter; by its place where the layout has other letters. */
export function keyOf(e: Pick<KeyboardEvent, 'key' | 'code' | 'shiftKey'>): string {
	if (e.key.length === 1 && e.key > '\x7f') {
		const letter = e.code.match(/^Key([A-Z])$/)?.[1];
		if (letter) return e.shiftKey ? letter : letter.toLowerCase();
		if (e.code === 'Slash') return e.shiftKey ? '?' : '/';
		if (e.code === 'Period') return '.';
	}
	if (e.shiftKey && e.key.length > 1) return `Shift+${e.key}`;
	return e.key;
}

function find(key: string): Binding | undefined {
	for (let i = layers.length - 1; i >= 0; i--) {
		const layer = layers[i]!;
		const b = layer.bindings.find((x) => x.keys.split(' ').includes(key));
		if (b) return b;
		if (layer.modal) return undefined;
	}
	return undefined;
}

addEventListener('keydown', (e) => {
	if (e.ctrlKey || e.altKey || e.metaKey || e.isComposing || e.defaultPrevented) return;
	const key = keyOf(e);
	if (typing(e.target) && key !== 'Escape') return;
	if (!on && /^[^ ]$/.test(key) && key !== '?') return;
	if ((key === 'Enter' || key === ' ') && e.target instanceof Element && e.target.closest('button, a, [role=button], summary')) return;
	const b = find(key);
	if (!b) return;
	e.preventDefault();
	b.run();
});
