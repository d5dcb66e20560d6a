// SPDX-License-Identifier: MIT
// Measures the pages in headless Chromium: first paint and rows with 200,000 streams, a key press to its paint,
// scrolling a million rows, the size of the program, and the heap under 500 updates a second.
//
// usage: web.mjs [--out FOLDER] [--soak MINUTES] [--baseline FILE]
import { execFileSync } from 'node:child_process';
import { appendFileSync, closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Lab, ROOT, sleep, until, Verdict } from '../web/tests/e2e/lab.mjs';
import { header, many, udp } from '../web/tests/e2e/pcap.mjs';

const option = (name, preset) => {
	const at = process.argv.indexOf(name);
	return at < 0 ? preset : process.argv[at + 1];
};
const lines = [];
const say = (text) => {
	console.log(text);
	lines.push(text);
};
const target = (what, value, most, unit, least = false) => say(`${(least ? value >= most : value <= most) ? 'PASS' : 'MISS'}  web: ${what}, ${unit} ${least ? '>=' : '<='} ${most}: ${value.toFixed(1)}`);
const at = (list, share) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))];

const lab = new Lab(option('--out', '.out'));
const t = new Verdict();
const git = (...args) => execFileSync('git', args, { cwd: ROOT }).toString().trim();
say(`date    ${new Date().toISOString().slice(0, 19)}Z`);
say(`cpu     ${cpus()[0].model}, ${cpus().length} cores, load ${loadavg().map((x) => x.toFixed(2)).join(' ')}`);
say(`kernel  ${release()}`);
await lab.open();
say(`browser ${lab.browser.version()}, headless`);
say(`commit  ${git('describe', '--always', '--dirty')}`);
say('');

async function paint() {
	const s = await lab.serve([many(lab.path('200k.pcap'), 200_000)]);
	const first = [];
	const rows = [];
	for (let i = 0; i < 7; i++) {
		const page = await lab.page(t, s.url, { wait: false });
		rows.push(
			await page.evaluate(
				() =>
					new Promise((done) => {
						const look = () => (document.querySelector('.row[data-id]') ? done(performance.now()) : requestAnimationFrame(look));
						look();
					}),
			),
		);
		first.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0));
		await page.context().close();
	}
	say(`200,000 streams, 7 times: first paint median ${at(first, 0.5).toFixed(0)} ms, max ${at(first, 1).toFixed(0)}; rows median ${at(rows, 0.5).toFixed(0)} ms, max ${at(rows, 1).toFixed(0)}`);
	target('first paint, median', at(first, 0.5), 1000, 'ms');
	target('rows, median', at(rows, 0.5), 1000, 'ms');
	const page = await lab.page(t, s.url);
	await page.waitForSelector('.row[data-id]');
	await page.evaluate(() => {
		window.spans = [];
		addEventListener('keydown', (e) => {
			const began = e.timeStamp;
			requestAnimationFrame(() => {
				const c = new MessageChannel(); // right behind the frame
				c.port1.onmessage = () => window.spans.push(performance.now() - began);
				c.port2.postMessage(0);
			});
		}, true);
	});
	for (let i = 0; i < 300; i++) {
		await page.keyboard.press('j');
		await sleep(33); // as a key that is held repeats
	}
	await sleep(200);
	const spans = await page.evaluate(() => window.spans);
	say(`300 × j, 30 a second: press to painted selection median ${at(spans, 0.5).toFixed(1)} ms, 95 % ${at(spans, 0.95).toFixed(1)}, max ${at(spans, 1).toFixed(1)}`);
	target('key press to paint, 95 of 100', at(spans, 0.95), 50, 'ms');
	await s.stop();
}

async function scroll() {
	const s = await lab.serve([many(lab.path('1m.pcap'), 1_000_000)]);
	const page = await lab.page(t, s.url);
	await page.waitForSelector('.row[data-id]');
	const frames = await page.evaluate(
		() =>
			new Promise((done) => {
				const box = document.querySelector('.table .scroller');
				const at = [];
				const step = (now) => {
					at.push(now);
					box.dispatchEvent(new WheelEvent('wheel', { deltaY: 240, bubbles: true, cancelable: true }));
					if (at.length < 600) requestAnimationFrame(step);
					else done(at.slice(1).map((x, i) => x - at[i]));
				};
				requestAnimationFrame(step);
			}),
	);
	const fps = 1000 / (frames.reduce((a, b) => a + b) / frames.length);
	say(`1,000,000 rows, 600 frames of 10 rows each: ${fps.toFixed(1)} frames a second; a frame median ${at(frames, 0.5).toFixed(1)} ms, 99 % ${at(frames, 0.99).toFixed(1)}, max ${at(frames, 1).toFixed(1)}`);
	target('frames a second while a million rows scroll', fps, 50, '1/s', true);
	await s.stop();
}

async function soak(minutes) {
	const path = lab.path('fifo');
	execFileSync('mkfifo', [path]);
	const s = await lab.serve([path], { finished: false });
	const fd = openSync(path, 'w');
	writeSync(fd, header());
	const page = await lab.page(t, s.url);
	const session = await page.context().newCDPSession(page);
	const heap = async () => {
		await session.send('HeapProfiler.collectGarbage');
		return (await session.send('Runtime.getHeapUsage')).usedSize / (1 << 20);
	};
	let n = 0;
	const begun = Date.now();
	const heaps = [];
	for (let look = 0; Date.now() - begun < minutes * 60_000; ) {
		const due = Math.floor((Date.now() - begun) / 2);
		const piece = [];
		for (; n < due; n++) {
			const i = n % 20_000; // 500 a second: first new streams, then ones that are known
			piece.push(udp(Date.now() * 1000, `10.1.${i >> 8}.${i & 255}`, 2000, '10.2.0.1', 9000, Buffer.from(`datagram ${n}`)));
		}
		if (piece.length) writeSync(fd, Buffer.concat(piece));
		if (Date.now() - begun >= look) {
			heaps.push(await heap());
			look += 30_000;
		}
		await sleep(20);
	}
	heaps.push(await heap());
	closeSync(fd);
	say(`${minutes} minutes of 500 updates a second: heap first ${heaps[0].toFixed(1)} MiB, max ${Math.max(...heaps).toFixed(1)}, at the end ${heaps[heaps.length - 1].toFixed(1)}`);
	target(`heap after ${minutes} minutes, at most`, Math.max(...heaps), 200, 'MiB');
	await until('the end', async () => (await s.get('/api/health')).run_status === 'completed');
	await s.stop();
}

try {
	await paint();
	await scroll();
	target('program, gzip', gzipSync(readFileSync(join(ROOT, 'web/dist/app.js')), { level: 9 }).length / 1024, 200, 'KiB');
	await soak(Number(option('--soak', '1')));
	for (const f of t.failures) say(`MISS  web: ${f}`);
	const baseline = option('--baseline');
	if (baseline) appendFileSync(baseline, `\n# web: node perf/web.mjs\n${lines.join('\n')}\n`);
} finally {
	await lab.close();
}
