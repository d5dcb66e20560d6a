// Captures for the tests: TCP connections and datagrams, written packet by packet.
import { closeSync, openSync, writeSync } from 'node:fs';

export function header() {
	const h = Buffer.alloc(24);
	h.writeUInt32LE(0xa1b2c3d4, 0);
	h.writeUInt16LE(2, 4);
	h.writeUInt16LE(4, 6);
	h.writeUInt32LE(262144, 16);
	h.writeUInt32LE(1, 20);
	return h;
}

function sum(b, start = 0) {
	let s = start;
	for (let i = 0; i + 1 < b.length; i += 2) s += b.readUInt16BE(i);
	if (b.length & 1) s += b[b.length - 1] << 8;
	while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
	return s;
}

const octets = (addr) => Buffer.from(addr.split('.').map(Number));

function record(us, proto, src, dst, body) {
	const rec = Buffer.alloc(16 + 14 + 20 + body.length);
	rec.writeUInt32LE(Math.floor(us / 1e6), 0);
	rec.writeUInt32LE(us % 1e6, 4);
	rec.writeUInt32LE(34 + body.length, 8);
	rec.writeUInt32LE(34 + body.length, 12);
	rec.writeUInt16BE(0x0800, 28);
	const ip = rec.subarray(30, 50);
	ip[0] = 0x45;
	ip.writeUInt16BE(20 + body.length, 2);
	ip[8] = 64;
	ip[9] = proto;
	octets(src).copy(ip, 12);
	octets(dst).copy(ip, 16);
	ip.writeUInt16BE(~sum(ip) & 0xffff, 10);
	body.copy(rec, 50);
	return rec;
}

export function udp(us, src, sport, dst, dport, data) {
	const b = Buffer.alloc(8 + data.length);
	b.writeUInt16BE(sport, 0);
	b.writeUInt16BE(dport, 2);
	b.writeUInt16BE(b.length, 4);
	data.copy(b, 8);
	return record(us, 17, src, dst, b);
}

export class Talk {
	constructor({ client = '10.0.0.1', cport = 40000, server = '10.0.0.2', sport = 80, at = 1_700_000_000_000_000, step = 1000 } = {}) {
		this.ends = [
			[client, cport],
			[server, sport],
		];
		this.us = at;
		this.step = step;
		this.next = [1000, 5000];
		this.out = [];
		this.send(0, 2);
		this.send(1, 18);
		this.send(0, 16);
	}
	send(side, flags, data = Buffer.alloc(0)) {
		const [a, ap] = this.ends[side];
		const [b, bp] = this.ends[1 - side];
		const t = Buffer.alloc(20 + data.length);
		t.writeUInt16BE(ap, 0);
		t.writeUInt16BE(bp, 2);
		t.writeUInt32BE(this.next[side] >>> 0, 4);
		t.writeUInt32BE(flags & 16 ? this.next[1 - side] >>> 0 : 0, 8);
		t[12] = 0x50;
		t[13] = flags;
		t.writeUInt16BE(65535, 14);
		data.copy(t, 20);
		const pseudo = Buffer.concat([octets(a), octets(b), Buffer.from([0, 6, t.length >> 8, t.length & 255])]);
		t.writeUInt16BE(~sum(t, sum(pseudo)) & 0xffff, 16);
		this.out.push(record(this.us, 6, a, b, t));
		this.next[side] += data.length + (flags & 3 ? 1 : 0);
		this.us += this.step;
	}
	/** Bytes of a side; `lost` of them never reach the capture. */
	data(side, bytes, lost) {
		const b = Buffer.from(bytes);
		for (let i = 0; i < b.length; i += 1400) {
			if (lost !== undefined && i >= lost[0] && i < lost[1]) {
				this.next[side] += Math.min(1400, b.length - i);
				continue;
			}
			this.send(side, 24, b.subarray(i, i + 1400));
		}
		return this;
	}
	pause(us) {
		this.us += us;
		return this;
	}
	end() {
		this.send(0, 17);
		this.send(1, 17);
		this.send(0, 16);
		return this;
	}
	take() {
		const all = Buffer.concat(this.out);
		this.out = [];
		return all;
	}
}

export function write(path, ...talks) {
	const fd = openSync(path, 'w');
	writeSync(fd, header());
	for (const t of talks) writeSync(fd, t instanceof Talk ? t.take() : t);
	closeSync(fd);
	return path;
}

/** As many streams of one datagram each. */
export function many(path, n) {
	const fd = openSync(path, 'w');
	writeSync(fd, header());
	const data = Buffer.from('some bytes of a datagram');
	for (let i = 0; i < n; ) {
		const piece = [];
		for (const end = Math.min(n, i + 20000); i < end; i++)
			piece.push(udp(1_700_000_000_000_000 + i * 100, `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`, 1024 + (i % 60000), `192.168.${i % 7}.${1 + (i % 200)}`, i % 3 ? 9000 : 53, data));
		writeSync(fd, Buffer.concat(piece));
	}
	closeSync(fd);
	return path;
}
