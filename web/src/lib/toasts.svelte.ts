// Short notes, read aloud by screen readers; and what `u` takes back.

export interface Toast {
	id: number;
	text: string;
	bad: boolean;
	undo: boolean;
}

let list = $state.raw<Toast[]>([]);
let next = 1;
const undone: { text: string; run: () => Promise<void> | void }[] = [];

export const toasts = {
	get list(): Toast[] {
		return list;
	},
	add(text: string, bad = false, undo = false): void {
		const id = next++;
		list = [...list.slice(-3), { id, text, bad, undo }];
		setTimeout(() => toasts.drop(id), 8000);
	},
	drop(id: number): void {
		list = list.filter((t) => t.id !== id);
	},
};

/** A change that can be taken back, ten deep. */
export function undoable(text: string, run: () => Promise<void> | void): void {
	undone.push({ text, run });
	if (undone.length > 10) undone.shift();
	toasts.add(text, false, true);
}

export async function undo(): Promise<void> {
	const last = undone.pop();
	if (!last) {
		toasts.add('nothing to undo');
		return;
	}
	await last.run();
	toasts.add(`undone: ${last.text}`);
}
