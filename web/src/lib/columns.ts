// Columns of the list of streams; those with a high `leaves` go first where it is narrow.
export interface Column {
	id: string;
	label: string;
	width: number;
	/** how the API sorts by it */
	sort?: string;
	right?: boolean;
	leaves: number;
	/** only where chosen, or where those it sums up have left */
	extra?: boolean;
}

export const COLUMNS: readonly Column[] = [
	{ id: 'mark', label: '', width: 28, leaves: 0 },
	{ id: 'time', label: 'Time', width: 100, sort: 'last_seen', leaves: 0 },
	{ id: 'client', label: 'Client', width: 164, leaves: 0 },
	{ id: 'server', label: 'Server', width: 164, leaves: 0 },
	{ id: 'service', label: 'Service', width: 84, leaves: 0 },
	{ id: 'kind', label: 'Kind', width: 52, leaves: 5 },
	{ id: 'up', label: '↑', width: 56, sort: 'bytes', right: true, leaves: 2 },
	{ id: 'down', label: '↓', width: 56, sort: 'bytes', right: true, leaves: 2 },
	{ id: 'bytes', label: 'Bytes', width: 60, sort: 'bytes', right: true, leaves: 0, extra: true },
	{ id: 'packets', label: 'Packets', width: 64, sort: 'packets', right: true, leaves: 4, extra: true },
	{ id: 'duration', label: 'Dur', width: 64, right: true, leaves: 3 },
	{ id: 'matches', label: 'Matches', width: 120, sort: 'match_count', leaves: 0 },
	{ id: 'status', label: 'Status', width: 66, leaves: 0 },
	{ id: 'flags', label: 'Flags', width: 50, leaves: 4 },
	{ id: 'first', label: 'First line', width: 200, leaves: 6 },
];

const MIN = 40;

/** Those that fit, and their widths; the last one takes the rest. */
export function fit(width: number, chosen: string[] | null, widths: Record<string, number>): { column: Column; width: number }[] {
	let list = COLUMNS.filter((c) => c.id === 'mark' || (chosen ? chosen.includes(c.id) : !c.extra));
	const of = (c: Column) => Math.max(c.id === 'mark' ? 28 : MIN, widths[c.id] ?? c.width);
	const sum = () => list.reduce((n, c) => n + of(c), 0);
	while (sum() > width) {
		const most = Math.max(...list.map((c) => c.leaves));
		if (most === 0) break;
		list = list.filter((c) => c.leaves !== most);
		if (!chosen && !list.some((c) => c.id === 'up')) list = COLUMNS.filter((c) => c.id === 'bytes' || list.includes(c));
	}
	const rest = width - sum();
	const share = rest < 0 ? width / sum() : 1; // none can leave any more: all of them give way
	return list.map((column, i) => ({ column, width: Math.floor(of(column) * share) + (i === list.length - 1 && rest > 0 ? rest : 0) }));
}
