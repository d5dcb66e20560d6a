// What is wrong, in sentences; worst first.
import type { Health, Queues } from './api';
import { count } from './format';

export interface Verdict {
	kind: 'error' | 'warn' | 'ok';
	text: string;
}

export function verdicts(h: Health, q: Queues): Verdict[] {
	const out: Verdict[] = [];
	if (!h.balance.ok) out.push({ kind: 'error', text: 'The books do not balance: packets went in that are counted nowhere. This is a fault of ours; please report it.' });
	for (const x of q.queues) {
		const lost = Object.entries(x.drops).filter(([, n]) => n > 0);
		const w = q.workers.find((y) => y.id === x.worker);
		if (lost.length)
			out.push({
				kind: 'error',
				text: `Queue ${x.queue} of ${x.interface} dropped ${count(lost.reduce((n, [, k]) => n + k, 0))} packets (${lost.map(([k]) => k).join(', ')}): worker ${x.worker} is at ${w ? Math.round(w.busy_milli / 10) : '?'} %. Try more --workers or a capture filter.`,
			});
	}
	for (const text of q.findings) out.push({ kind: 'warn', text });
	for (const text of h.shard_pressure.warnings)
		out.push({ kind: 'warn', text: text === 'packets_lost' ? 'Packets were lost: see drops.' : `${text.replaceAll('_', ' ')}.` });
	for (const c of h.caps) {
		if (c.refused > 0) out.push({ kind: 'warn', text: `--${c.name} refused ${count(c.refused)} times at its cap of ${count(c.cap)}: give it more.` });
		else if (c.cap && c.used > 0.9 * c.cap) out.push({ kind: 'warn', text: `--${c.name} is ${Math.round((100 * c.used) / c.cap)} % full.` });
	}
	const seen = new Set<string>();
	const list = out.filter((v) => !seen.has(v.text) && seen.add(v.text));
	const order = { error: 0, warn: 1, ok: 2 };
	list.sort((a, b) => order[a.kind] - order[b.kind]);
	if (!list.length)
		list.push({
			kind: 'ok',
			text: `All is well: ${count(h.balance.in)} packets in, all accounted for, ${h.balance.dropped ? `${count(h.balance.dropped)} dropped as what they were` : 'none dropped'}, no cap near its end.`,
		});
	return list;
}
