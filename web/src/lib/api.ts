// The sensor's HTTP API: shared/API.md is the contract, /api/openapi.json the same for machines.

export type Side = 'a_to_b' | 'b_to_a';

export interface Row {
	stream_id: string;
	first_seen: string;
	last_seen: string;
	first_seen_us: number;
	last_seen_us: number;
	duration: number;
	protocol: string;
	endpoint_a: { addr: string; port: number };
	endpoint_b: { addr: string; port: number };
	client: string;
	server: string;
	service: { name: string; confidence: number; source: string; evidence: string };
	profile: string | null;
	status: string;
	content_kind: string;
	packets: number;
	bytes: number;
	stream_bytes: number;
	bytes_to_server: number;
	bytes_to_client: number;
	messages: number;
	match_count: number;
	pattern_ids: string[];
	favorite: boolean;
	hidden: boolean;
	hidden_reason: string | null;
	note: string;
	color: string;
	first_line: string;
	flags: string[];
}

export interface Page {
	rows: Row[];
	next_cursor: string | null;
	prev_cursor: string | null;
	total: number;
	rank?: number;
	instance: string;
	latest_cursor: number;
}

export interface Match {
	stream_id: string;
	pattern_id: string;
	pattern_name: string;
	pattern_type: string;
	direction: Side;
	where: string;
	tx_id?: number;
	logical_start: number;
	logical_end: number;
	match_base64: string;
	/** null where a rescan found it and the packet is not known any more */
	timestamp: string | null;
	packet?: number;
}

export interface Hole {
	start: number;
	end: number;
	direction?: Side;
	kind?: string;
}

export interface DirectionInfo {
	direction: Side;
	packets: number;
	bytes: number;
	payload_bytes: number;
	stream_bytes: number;
	gap_count: number;
	gap_bytes: number;
	cut_bytes: number;
	retransmitted_bytes: number;
	overlap_bytes: number;
	conflict_bytes: number;
	out_of_order_segments: number;
	content_kind: string;
}

export interface Stream {
	row: Row;
	directions: DirectionInfo[];
	matches: Match[];
	gaps: (Hole & { direction: Side })[];
	anomalies: Record<string, number>;
	messages: { count: number; dropped: number };
	content_kept: boolean;
	conflicts: number;
	handshake_rtt_us: number;
	midstream: boolean;
	ended: string | null;
	first_packet: number;
	last_packet: number;
}

export interface Segment {
	logical_start: number;
	logical_end: number;
	base64: string;
	packets?: { start: number; number?: number; timestamp: string }[];
}

export interface Highlight {
	pattern_id: string;
	pattern_name: string;
	logical_start: number;
	logical_end: number;
}

export interface Conflict {
	start: number;
	end: number;
	kept_packet?: number;
	other_packet?: number;
	other_base64: string;
}

export interface Step {
	requested: string;
	applied: string;
	status: 'applied' | 'noop' | 'failed';
	input_bytes: number;
	output_bytes: number;
	truncated_by_limit: boolean;
	notes: string[];
}

export interface Transform {
	requested: string;
	status: string;
	input_bytes: number;
	output_bytes: number;
	truncated_by_limit: boolean;
	source_logical_start: number;
	source_logical_end: number;
	whole_message: boolean;
	steps: Step[];
	segments: Segment[];
}

export interface Content {
	segments: Segment[];
	next_start: number;
	stream_length: number;
	gaps: Hole[];
	evicted: Hole[];
	highlights: Highlight[];
	conflicts: Conflict[];
	transforms?: Transform[];
}

export interface Turn {
	direction: Side;
	kind: string;
	start: number;
	end: number;
	timestamp?: string;
	first_packet?: number;
	last_packet?: number;
	content?: { bytes_len: number; base64: string };
}

export interface Message {
	message_id: string;
	protocol: string;
	kind: string;
	status: string;
	direction: Side;
	tx_id: number;
	ordinal: number;
	summary: string;
	logical_start: number;
	logical_end: number;
	header_start: number | null;
	header_end: number | null;
	body_start: number | null;
	body_end: number | null;
	body_bytes: number;
	http: {
		start_line: string;
		method?: string;
		target?: string;
		version: string;
		status_code?: string;
		reason?: string;
		headers: { name: string; value: string }[];
		headers_truncated: boolean;
	} | null;
}

export interface Pattern {
	id: string;
	definition: {
		name?: string;
		kind?: string;
		pattern?: string;
		case?: string | boolean;
		direction?: string;
		service?: string;
		ports?: unknown;
		colour?: string;
	};
	saved: boolean;
	matches: number;
	streams: number;
}

export interface Patterns {
	patterns: Pattern[];
	limit: number;
	rescan: { state: string; scanned_streams: number; streams: number };
}

export interface Profile {
	profile: {
		id: string;
		name: string;
		description: string;
		protocol: string | null;
		services: string[];
		ports: number[];
		default_mode: string;
		default_transform: string;
		hide_rules: { kind: string; value: string }[];
		preset?: { filters?: Record<string, string>; sort?: string };
	};
	stats: {
		total_streams: number;
		visible_streams: number;
		hidden_streams: number;
		matched_streams: number;
		favorite_streams: number;
	};
	active: boolean;
}

export interface HideRules {
	rules: { id: number; index: number; label: string; rule: { kind: string; value: string } }[];
	view: { tracked_streams: number; manually_hidden_streams: number; hide_rules: number };
}

export interface Bucket {
	time: string;
	packets: number;
	bytes: number;
	streams: number;
	matches: number;
	services: { service: string; packets: number; bytes: number; streams: number; matches: number }[];
}

export interface Timeline {
	bucket_seconds: number;
	buckets: Bucket[];
}

export interface TopRow {
	name: string;
	packets: number;
	bytes: number;
	streams: number;
	matches: number;
}

export interface Worker {
	id: number;
	packets: number;
	busy_milli: number;
	handed_out: number;
	handed_in: number;
	view_waits: number;
	flows: number;
	cycles_per_packet: Record<string, number>;
	drops: Record<string, number>;
}

export interface Queues {
	queues: {
		interface: string;
		queue: number;
		worker: number;
		packets: number;
		bytes: number;
		drops: Record<string, number>;
		fill: number[];
	}[];
	workers: Worker[];
	worker_packet_skew_ratio_milli: number;
	findings: string[];
}

export interface Health {
	status: string;
	run_status: string;
	instance: string;
	uptime: number;
	balance: { in: number; flow: number; other: number; dropped: number; waiting: number; ok: boolean };
	drops: Record<string, number>;
	shard_pressure: { state: string; warnings: string[] };
	view: Record<string, number | boolean>;
	caps: { name: string; used: number; cap: number; refused: number }[];
	stats: { decoder?: { drops?: Record<string, number> }; workers?: { worker: number; flows: number }[] };
	latest_delta_cursor: number;
}

export class ApiError extends Error {
	constructor(
		readonly status: number,
		readonly code: string,
		message: string,
	) {
		super(message);
	}
}

/** Called where a token is wanted. */
let locked: () => void = () => {};
export function onLocked(run: () => void): void {
	locked = run;
}

export async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
	let answer: Response;
	try {
		answer = await fetch(path, {
			method,
			signal: signal ?? null,
			...(body === undefined
				? {}
				: { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
		});
	} catch (e) {
		if (signal?.aborted) throw e;
		throw new ApiError(0, 'unreachable', 'the sensor does not answer');
	}
	const text = await answer.text();
	if (answer.ok) return JSON.parse(text) as T;
	if (answer.status === 401) locked();
	let error = { code: String(answer.status), message: text.slice(0, 200) };
	try {
		error = (JSON.parse(text) as { error: typeof error }).error;
	} catch {
		/* not of ours */
	}
	throw new ApiError(answer.status, error.code, error.message);
}

export function get<T>(path: string, query: Record<string, string | number> | URLSearchParams = {}, signal?: AbortSignal): Promise<T> {
	const q = query instanceof URLSearchParams ? query : new URLSearchParams(Object.entries(query).map(([k, v]) => [k, String(v)]));
	const text = q.toString();
	return call<T>('GET', text ? `${path}?${text}` : path, undefined, signal);
}

/** A stream's path: 0x says that an id without letters is hexadecimal too. */
export function streamPath(id: string, rest = ''): string {
	return `/api/streams/0x${id}${rest}`;
}

export function aborted(e: unknown): boolean {
	return e instanceof DOMException && e.name === 'AbortError';
}

export function said(e: unknown): string {
	return e instanceof Error ? e.message : String(e);
}
