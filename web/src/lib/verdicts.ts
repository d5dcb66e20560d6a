// What is wrong, in sentences; worst first.
import type { Health, Queues } from './api';
import { count } from './format';

export interface Verdict {
	/** a note is no trouble by itself: work that is spread unevenly, say, while nothing is lost */
	kind: 'error' | 'warn' | 'ok' | 'note';
	text: string;
}

export function verdicts(h: Health, q: Queues): Verdict[] {
	const out: Verdict[] = [];
	if (!h.balance.ok) out.push({ kind: 'error', text: 'The books do not balance: packets went in that are counted nowhere. This is a fault of ours; please report it.' });
	if (h.run_status === 'failed') out.push({ kind: 'warn', text: 'Some of the input could not be read to its end, or is no capture: the sensor said which, where it was started.' });
	for (const x of q.queues) {
		const lost = Object.entries(x.drops).filter(([, n]) => n > 0);
		const w = q.workers.find((y) => y.id === x.worker);
		if (lost.length)
			out.push({
				kind: 'error',
				text: `Queue ${x.queue} of ${x.interface} dropped ${count(lost.reduce((n, [, k]) => n + k, 0))} packets (${lost.map(([k]) => k).join(', ')}): worker ${x.worker} is at ${w ? Math.round(w.busy_milli / 10) : '?'} %. Try more --workers or a capture filter.`,
			});
	}
	const lost = h.shard_pressure.warnings.includes('packets_lost');
	if (lost && !out.length) out.push({ kind: 'error', text: 'Packets were lost: see drops.' });
	for (const text of q.findings) if (!/ lost \d+ packets/.test(text)) out.push({ kind: lost ? 'warn' : 'note', text: `${text[0]!.toUpperCase()}${text.slice(1)}.` });
	for (const c of h.caps) {
		if (c.refused > 0) out.push({ kind: 'warn', text: `--${c.name} refused ${count(c.refused)} times at its cap of ${count(c.cap)}: give it more.` });
		else if (c.cap && c.used > 0.9 * c.cap) out.push({ kind: 'warn', text: `--${c.name} is ${Math.round((100 * c.used) / c.cap)} % full.` });
	}
	if (!out.some((v) => v.kind !== 'note'))
		out.push({
			kind: 'ok',
			text: `All is well: ${count(h.balance.in)} packets in, all accounted for, ${h.balance.dropped ? `${count(h.balance.dropped)} dropped as what they were` : 'none dropped'}, no cap near its end.`,
		});
	const order = { error: 0, warn: 1, ok: 2, note: 3 };
	return out.sort((a, b) => order[a.kind] - order[b.kind]);
}
