// Streams that are known, by id, and a list of them as it is looked at.
import { aborted, call, get, said, streamPath, type Page, type Row } from './api';
import { passes, sortKey } from './filter';
import { sensor } from './sensor.svelte';
import { toasts, undoable } from './toasts.svelte';

const PAGE = 256;
const KEPT = 20_000;

/** A stretch of the sensor's list, without a hole; and what came since that does not stand in it yet. */
export class StreamList {
	version = $state(0);
	total = $state(0);
	loading = $state(false);
	failed = $state('');
	fresh = $state(0);
	base = 0; // rank of ids[0]
	ids: string[] = [];
	readonly rows = new Map<string, Row>();
	/** when a row changed last, ms: drawn bold for a second */
	readonly changed = new Map<string, number>();
	/** still shown, but no longer of the list */
	readonly left = new Set<string>();
	/** the stream that was selected last, for who comes back */
	cursor = '';
	query = new URLSearchParams();
	sort = '-last_seen';
	private next: string | null = null;
	private prev: string | null = null;
	private known = new Set<string>();
	private arrived = new Set<string>();
	private pending = new Map<string, Row>();
	private timer = 0;
	private fetching: AbortController | null = null;
	private generation = 0;

	row(rank: number): Row | undefined {
		const id = this.ids[rank - this.base];
		return id === undefined ? undefined : this.rows.get(id);
	}
	rankOf(id: string): number {
		const at = this.ids.indexOf(id);
		return at < 0 ? -1 : this.base + at;
	}

	private params(more: Record<string, string>): URLSearchParams {
		const q = new URLSearchParams(this.query);
		q.set('sort', this.sort);
		q.set('limit', String(PAGE));
		for (const [k, v] of Object.entries(more)) q.set(k, v);
		return q;
	}

	private async page(more: Record<string, string>): Promise<Page | null> {
		this.fetching?.abort();
		const fetching = (this.fetching = new AbortController());
		const generation = this.generation;
		this.loading = true;
		try {
			const p = await get<Page>('/api/streams', this.params(more), fetching.signal);
			if (generation !== this.generation) return null;
			this.failed = '';
			sensor.see(p.rows);
			return p;
		} catch (e) {
			if (!aborted(e) && generation === this.generation) this.failed = said(e);
			return null;
		} finally {
			if (this.fetching === fetching) {
				this.fetching = null;
				this.loading = false;
			}
		}
	}

	private replace(p: Page, base: number): void {
		this.total = p.total;
		this.ids = p.rows.map((r) => r.stream_id);
		this.rows.clear();
		this.left.clear();
		for (const r of p.rows) this.rows.set(r.stream_id, r);
		this.known = new Set(this.ids);
		this.base = base;
		this.next = p.next_cursor;
		this.prev = p.prev_cursor;
		this.version++;
	}

	/** The list from its top. */
	async head(query: URLSearchParams = this.query, sort = this.sort): Promise<boolean> {
		this.generation++;
		this.query = query;
		this.sort = sort;
		const p = await this.page({});
		if (!p) return false;
		this.replace(p, 0);
		this.arrived.clear();
		this.fresh = 0;
		return true;
	}

	/** The page that holds a stream; false where the list has it not. */
	async around(id: string): Promise<boolean> {
		const p = await this.page({ around: `0x${id}` });
		if (!p || p.rank === undefined) return false;
		this.replace(p, p.rank - p.rows.findIndex((r) => r.stream_id === id));
		return true;
	}

	/** The page of a rank, far from what is there. */
	async jump(rank: number): Promise<void> {
		const p = await this.page({ around: `rank:${rank}` });
		if (p) this.replace(p, (p.rank ?? 0) - ((p.rank ?? 0) % PAGE));
	}

	/** What is seen soon is fetched. */
	async need(from: number, to: number): Promise<void> {
		if (this.fetching) return;
		const end = this.base + this.ids.length;
		if (to < this.base - PAGE || from > end + PAGE) {
			await this.jump(Math.max(0, from));
		} else if (to > end && this.next) {
			const p = await this.page({ cursor: this.next });
			if (p) this.append(p);
		} else if (from < this.base && this.prev !== null && this.base > 0) {
			const p = await this.page({ cursor: this.prev });
			if (p) this.prepend(p);
		} else if (to > end && !this.next && end < this.total) {
			await this.jump(Math.max(0, from)); // it has grown
		} else {
			return;
		}
		if (!this.failed) this.version++;
	}

	private append(p: Page): void {
		this.total = p.total;
		for (const r of p.rows) {
			if (!this.known.has(r.stream_id)) this.ids.push(r.stream_id);
			this.known.add(r.stream_id);
			this.rows.set(r.stream_id, r);
		}
		this.next = p.next_cursor;
		const surplus = this.ids.length - KEPT;
		if (surplus > 0) this.forget(this.ids.splice(0, surplus), surplus);
	}

	private forget(ids: string[], before: number): void {
		for (const id of ids) {
			this.rows.delete(id);
			this.known.delete(id);
		}
		this.base += before;
		if (before) this.prev = null;
		else this.next = null;
	}

	private prepend(p: Page): void {
		this.total = p.total;
		const rows = p.rows.filter((r) => !this.known.has(r.stream_id));
		this.ids.unshift(...rows.map((r) => r.stream_id));
		for (const r of rows) {
			this.known.add(r.stream_id);
			this.rows.set(r.stream_id, r);
		}
		this.base = p.prev_cursor === null ? 0 : Math.max(0, this.base - rows.length);
		this.prev = p.prev_cursor;
		const surplus = this.ids.length - KEPT;
		if (surplus > 0) this.forget(this.ids.splice(this.ids.length - surplus), 0);
	}

	/** Rows that changed, told by the sensor: merged at most every 100 ms. */
	take(rows: readonly Row[]): void {
		for (const r of rows) this.pending.set(r.stream_id, r);
		if (!this.timer) this.timer = setTimeout(() => this.merge(), 100) as unknown as number;
	}

	private merge(): void {
		this.timer = 0;
		const now = Date.now();
		const down = this.sort.startsWith('-');
		const first = this.ids[0] === undefined ? undefined : this.rows.get(this.ids[0]);
		const top = first && sortKey(first, this.sort);
		for (const [id, row] of this.pending) {
			const good = passes(row, this.query);
			const was = this.rows.get(id);
			if (was) {
				this.rows.set(id, row);
				this.changed.set(id, now);
				if (good) this.left.delete(id);
				else this.left.add(id);
			}
			if (!good) {
				this.arrived.delete(id);
				continue;
			}
			const key = sortKey(row, this.sort);
			if (!was || (top !== undefined && (down ? key > top : key < top))) this.arrived.add(id);
		}
		this.pending.clear();
		this.fresh = this.arrived.size;
		for (const [id, at] of this.changed) if (now - at > 1500) this.changed.delete(id);
		this.version++;
	}

	patch(id: string, change: Partial<Row>): void {
		const row = this.rows.get(id);
		if (!row) return;
		const after = { ...row, ...change };
		this.rows.set(id, after);
		if (passes(after, this.query)) this.left.delete(id);
		else this.left.add(id);
		this.version++;
	}
}

export const streams = new StreamList();
sensor.on('streams', (rows) => streams.take(rows));

type Marks = Partial<Pick<Row, 'favorite' | 'hidden' | 'note' | 'color'>>;
const queues = new Map<string, Promise<unknown>>();
const watchers = new Set<(id: string, change: Partial<Row>) => void>();

/** Told of every change of a stream's marks, at once. */
export function onMarks(run: (id: string, change: Partial<Row>) => void): () => void {
	watchers.add(run);
	return () => watchers.delete(run);
}

function show(id: string, change: Partial<Row>): void {
	streams.patch(id, change);
	for (const run of watchers) run(id, change);
}

/** Marks a stream: seen at once, sent in order, taken back where the sensor refuses. */
export function mark(row: Row, change: Marks, what: string, forUndo = true): void {
	const before: Marks = {};
	for (const k of Object.keys(change) as (keyof Marks)[]) before[k] = row[k] as never;
	if (!sensor.connected) {
		toasts.add(`not ${what}: the sensor does not answer`, true);
		return;
	}
	show(row.stream_id, change);
	const sent = (queues.get(row.stream_id) ?? Promise.resolve()).then(async () => {
		try {
			const answer = await call<{ row: Row }>('PATCH', streamPath(row.stream_id, '/state'), change);
			show(row.stream_id, answer.row);
			if (forUndo) undoable(`${what} ${row.client} ▸ ${row.server}`, () => mark({ ...row, ...change }, before, what, false));
		} catch (e) {
			show(row.stream_id, before);
			toasts.add(`not ${what}: ${row.client} ▸ ${row.server}: ${said(e)}`, true);
		}
	});
	queues.set(row.stream_id, sent);
}
