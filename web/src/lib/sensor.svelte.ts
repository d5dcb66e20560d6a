// What the sensor tells by itself: its events, and whether it is there at all.
import { get, said, type Health, type Match, type Row } from './api';

interface Numbers {
	packets: number;
	bytes: number;
	flows: number;
	matches: number;
	lost: number;
	streams: number;
	matched_streams: number;
	favorite_streams: number;
	balanced: boolean;
}

interface Events {
	streams: Row[];
	matches: Match[];
	view: number;
	status: string;
	/** the picture is to be fetched again: updates were skipped, or it is another run */
	missed: 'skipped' | 'restarted';
}

const BACKOFF = [1, 2, 4, 8, 15];

class Sensor {
	instance = $state('');
	status = $state('');
	stats = $state.raw<Numbers | null>(null);
	pps = $state(0);
	bps = $state(0);
	lost = $state(0);
	connected = $state(false);
	begun = $state(false);
	downSince = $state(0); // ms, 0: it is up
	knownAt = $state(0);
	retryAt = $state(0);
	locked = $state(false);
	hiddenRules = $state(0);
	/** the newest packet's time that was seen, µs; the first one's */
	now = $state(0);
	start = $state(Infinity);

	private source: EventSource | null = null;
	private tries = 0;
	private timer = 0;
	private cursor = 0;
	private was: { at: number; packets: number; bytes: number } | null = null;
	private listeners: { [K in keyof Events]?: Set<(x: Events[K]) => void> } = {};

	on<K extends keyof Events>(kind: K, run: (x: Events[K]) => void): () => void {
		const set = ((this.listeners[kind] as Set<(x: Events[K]) => void> | undefined) ??= new Set() as never);
		set.add(run);
		return () => set.delete(run);
	}

	private tell<K extends keyof Events>(kind: K, x: Events[K]): void {
		for (const run of this.listeners[kind] ?? []) (run as (x: Events[K]) => void)(x);
	}

	see(rows: readonly Row[]): void {
		let now = this.now;
		let start = this.start;
		for (const r of rows) {
			if (r.last_seen_us > now) now = r.last_seen_us;
			if (r.first_seen_us < start) start = r.first_seen_us;
		}
		this.now = now;
		this.start = start;
	}

	async connect(): Promise<void> {
		clearTimeout(this.timer);
		this.source?.close();
		let health: Health;
		try {
			health = await get<Health>('/api/health');
		} catch (e) {
			this.down(said(e));
			return;
		}
		const other = this.instance !== '' && this.instance !== health.instance;
		const gone = this.downSince !== 0;
		this.instance = health.instance;
		this.status = health.run_status;
		this.hiddenRules = Number(health.view.hide_rules ?? 0);
		if (other || !this.begun) this.cursor = health.latest_delta_cursor;
		const source = new EventSource(`/api/live/events?cursor=${this.cursor}&instance=${this.instance}`);
		this.source = source;
		source.onopen = () => {
			this.tries = 0;
			this.connected = this.begun = true;
			this.downSince = 0;
			if (other || gone) this.tell('missed', other ? 'restarted' : 'skipped');
		};
		source.onerror = () => this.down('the connection was lost');
		const take = (kind: string, run: (data: never) => void) =>
			source.addEventListener(kind, (e) => {
				this.knownAt = Date.now();
				const at = e.lastEventId.split('-').pop();
				if (at && /^\d+$/.test(at)) this.cursor = Number(at);
				run(JSON.parse((e as MessageEvent<string>).data) as never);
			});
		take('streams', (d: { rows: Row[] }) => {
			this.see(d.rows);
			this.tell('streams', d.rows);
		});
		take('matches', (d: { matches: Match[] }) => this.tell('matches', d.matches));
		take('stats', (d: { stats: Numbers }) => this.numbers(d.stats));
		take('view', (d: { hide_rules?: number }) => {
			if (d.hide_rules !== undefined) this.hiddenRules = d.hide_rules;
			this.tell('view', this.hiddenRules);
		});
		take('status', (d: { run_status: string }) => {
			this.status = d.run_status;
			this.tell('status', d.run_status);
		});
		take('missed', (d: { latest_cursor: number; instance: string; run_status: string }) => {
			const restarted = d.instance !== this.instance;
			this.instance = d.instance;
			this.status = d.run_status;
			this.cursor = d.latest_cursor;
			this.tell('missed', restarted ? 'restarted' : 'skipped');
		});
	}

	private numbers(n: Numbers): void {
		const at = performance.now();
		if (this.was && at - this.was.at > 200) {
			const s = (at - this.was.at) / 1000;
			this.pps = Math.max(0, n.packets - this.was.packets) / s;
			this.bps = (Math.max(0, n.bytes - this.was.bytes) * 8) / s;
		}
		this.was = { at, packets: n.packets, bytes: n.bytes };
		this.stats = n;
		this.lost = n.lost;
	}

	private down(_why: string): void {
		this.source?.close();
		this.source = null;
		if (this.locked) return;
		this.connected = false;
		this.pps = this.bps = 0;
		this.downSince ||= Date.now();
		const wait = BACKOFF[Math.min(this.tries++, BACKOFF.length - 1)]!;
		this.retryAt = Date.now() + wait * 1000;
		clearTimeout(this.timer);
		this.timer = setTimeout(() => void this.connect(), wait * 1000) as unknown as number;
	}

	/** The network came back, or somebody looks again. */
	hurry(): void {
		if (this.downSince && !this.locked) void this.connect();
	}
}

export const sensor = new Sensor();
addEventListener('online', () => sensor.hurry());
addEventListener('focus', () => sensor.hurry());
