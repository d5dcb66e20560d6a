// Packets that come while somebody looks; a sensor that goes and comes back.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { capture, Lab, sleep, until } from './lab.mjs';
import { header, Talk, udp } from './pcap.mjs';

const selected = (page) => page.locator('.row[aria-selected=true]').getAttribute('data-id');
let fifos = 0;

async function feed(lab, args = []) {
	const path = lab.path(`fifo${fifos++}`);
	execFileSync('mkfifo', [path]);
	const s = await lab.serve([path, ...args], { finished: false });
	const fd = openSync(path, 'w');
	writeSync(fd, header());
	return { s, send: (b) => writeSync(fd, b), close: () => closeSync(fd) };
}
const datagram = (i, n = 1, us = 1_700_000_000_000_000) => Buffer.concat(Array.from({ length: n }, (_, k) => udp(us + i * 1000 + k, `10.1.${i >> 8}.${i & 255}`, 2000, '10.2.0.1', 9000, Buffer.from(`datagram ${i}`))));

export async function rows_come(t, lab) {
	const f = await feed(lab, ['--pattern', 'needle']);
	const page = await lab.page(t, f.s.url);
	await page.getByText('Waiting for packets').waitFor();
	t.true('it waits', true);
	for (let i = 0; i < 5; i++) f.send(datagram(i));
	await until('rows come by themselves', async () => (await page.locator('.row[data-id]').count()) === 5);
	f.send(datagram(0, 40, 1_700_000_001_000_000));
	await until('a row changes', async () => (await page.locator('.row').filter({ hasText: '10.1.0.0' }).innerText()).includes('K'), 8000);
	t.true('in place', true);
	await page.goto(`${f.s.url}#/matches`);
	const talk = new Talk({ at: 1_700_000_002_000_000 }).data(0, 'a needle in it');
	f.send(talk.take());
	await until('a match comes', async () => (await page.locator('.row').filter({ hasText: 'needle' }).count()) === 1);
	t.true('matches are live', true);
	f.close();
	await until('finished', async () => (await page.locator('.run').innerText()).includes('finished'));
	t.true('the end is said', true);
}

export async function nothing_moves(t, lab) {
	const f = await feed(lab);
	for (let i = 0; i < 600; i++) f.send(datagram(i));
	await until('600 streams', async () => (await f.s.get('/api/streams?limit=1')).total === 600);
	const page = await lab.page(t, f.s.url);
	await page.waitForSelector('.row[data-id]');
	await page.locator('.table .scroller').evaluate((e) => (e.scrollTop = 1000));
	await sleep(400);
	const row = await page.locator('.row[data-id]').nth(20).getAttribute('data-id');
	const y = () => page.locator(`.row[data-id="${row}"]`).evaluate((e) => e.getBoundingClientRect().y);
	const was = await y();
	let moved = false;
	for (let k = 0; k < 30; k++) {
		for (let i = 0; i < 40; i++) f.send(datagram(1000 + k * 40 + i, 1, 1_700_000_010_000_000));
		await sleep(60);
		moved ||= (await y()) !== was;
	}
	t.true('the row stays where it is', !moved);
	await until('N new', async () => (await page.locator('.fresh').innerText()).startsWith('1,200 new'));
	t.true('as many as came', true);
	await page.keyboard.press('.');
	await until('. shows them', async () => (await page.locator('.fresh').innerText()).startsWith('0 new'));
	t.equal('at the top', await page.locator('.table .scroller').evaluate((e) => e.scrollTop), 0);
	t.equal('the newest', await page.locator('.row[data-id]').first().getAttribute('data-id'), (await f.s.get('/api/streams?limit=1')).rows[0].stream_id);
	await page.keyboard.press('l');
	t.true('paused, loud', (await page.locator('.live').innerText()).includes('paused'));
	for (let i = 0; i < 50; i++) f.send(datagram(5000 + i, 1, 1_700_000_020_000_000));
	await until('counted meanwhile', async () => (await page.locator('.fresh').innerText()).startsWith('50 new'));
	await sleep(2600);
	t.true('the picture stops', (await page.locator('.fresh').innerText()).startsWith('50 new'));
	await page.keyboard.press('l');
	await until('resumed: all are there', async () => (await page.locator('.bottom').innerText()).startsWith('1,850 streams'), 8000);
	t.true('none is missing', true);
	f.close();
}

export async function restarts(t, lab) {
	const files = [capture('demo'), capture('http'), '--state', lab.path('state')];
	let s = await lab.serve(files);
	const port = Number(new URL(s.url).port);
	const page = await lab.page(t, s.url);
	await page.waitForSelector('.row[data-id]');
	await page.keyboard.press('j');
	await page.keyboard.press('j');
	const sel = await selected(page);
	await s.stop();
	await page.locator('.strip.down').waitFor({ timeout: 4000 });
	t.true('the strip says so', (await page.locator('.strip').innerText()).includes('Connection lost'));
	t.true('rows stay', (await page.locator('.row[data-id]').count()) > 5);
	await page.keyboard.press('f');
	await page.locator('.toast.bad').waitFor();
	t.true('a change is refused aloud', (await page.locator('.toast.bad').innerText()).includes('does not answer'));
	s = await lab.serve(files, { port });
	await page.locator('.strip.down').waitFor({ state: 'detached', timeout: 20_000 }).catch(() => {});
	await until('the strip is gone', async () => (await page.locator('.strip.down').count()) === 0, 20_000);
	await page.getByText('was started anew').waitFor();
	t.equal('the selection is kept', await selected(page), sel);
	await page.reload();
	await page.waitForSelector('.row[data-id]');
	t.true('a reload finds all', (await page.locator('.row[data-id]').count()) > 5);
}

export async function skipped(t, lab) {
	const f = await feed(lab, ['--api-delta-capacity', '65536']);
	for (let i = 0; i < 300; i++) f.send(datagram(i));
	await until('300', async () => (await f.s.get('/api/streams?limit=1')).total === 300);
	const page = await lab.page(t, f.s.url);
	await page.waitForSelector('.row[data-id]');
	await page.context().setOffline(true);
	await page.evaluate(() => window.dispatchEvent(new Event('offline')));
	for (let i = 0; i < 3000; i++) f.send(datagram(1000 + i, 1, 1_700_000_030_000_000));
	await until('3300', async () => (await f.s.get('/api/streams?limit=1')).total === 3300);
	await page.context().setOffline(false);
	await page.evaluate(() => window.dispatchEvent(new Event('online')));
	await until('the list is fresh again', async () => (await page.locator('.bottom').innerText()).startsWith('3,300 streams'), 20_000);
	t.true('after what was missed', true);
	f.close();
}

export async function a_token(t, lab) {
	const file = lab.path('token');
	execFileSync('sh', ['-c', `echo a-token-of-sixteen-and-more > ${file} && chmod 600 ${file}`]);
	const s = await lab.serve([capture('demo'), '--api-token-file', file], { finished: false });
	const page = await lab.page(t, s.url, { wait: false });
	await page.waitForSelector('.login');
	t.true('a login page', true);
	await page.getByLabel('Token').fill('wrong');
	await page.getByRole('button', { name: 'Enter' }).click();
	await until('wrong is said', async () => (await page.locator('.error').innerText()).length > 3);
	await page.getByLabel('Token').fill('a-token-of-sixteen-and-more');
	await page.getByRole('button', { name: 'Enter' }).click();
	await page.waitForSelector('.row[data-id]');
	t.true('and in', true);
	const other = await lab.page(t, `${s.url}#token=a-token-of-sixteen-and-more`);
	await other.waitForSelector('.row[data-id]');
	t.true('by the link that the sensor prints', !(await other.evaluate(() => location.href)).includes('token='));
}

/** A live run on a veth pair: sensor and browser in one network of their own, who talks in another. */
export async function a_wire(t, lab) {
	if (process.getuid() !== 0) {
		console.log('        (needs root: left out)');
		return;
	}
	const [here, there] = [`rm-web-a-${process.pid}`, `rm-web-b-${process.pid}`];
	const ip = (...args) => execFileSync('ip', args);
	const talkers = [];
	const wire = new Lab(lab.out);
	wire.inside = ['ip', 'netns', 'exec', here];
	try {
		for (const ns of [here, there]) ip('netns', 'add', ns);
		ip('link', 'add', 'rmw0', 'netns', here, 'type', 'veth', 'peer', 'name', 'rmw1', 'netns', there);
		for (const [ns, dev, addr] of [[here, 'rmw0', '10.77.0.1/24'], [there, 'rmw1', '10.77.0.2/24']]) {
			ip('-n', ns, 'addr', 'add', addr, 'dev', dev);
			ip('-n', ns, 'link', 'set', dev, 'up');
			ip('-n', ns, 'link', 'set', 'lo', 'up');
		}
		const browser = wire.path('browser');
		writeFileSync(browser, `#!/bin/sh\nexec ip netns exec ${here} /usr/bin/chromium "$@"\n`);
		chmodSync(browser, 0o755);
		await wire.open(browser);
		const s = await wire.serve(['--iface', 'rmw0', '--pattern', 'needle', '--max-seconds', '60'], { finished: false });
		const page = await wire.page(t, s.link);
		await page.waitForSelector('.filterbar');
		t.true('the link let us in, and is gone from the address', !(await page.evaluate(() => location.href)).includes('token'));
		const serve = "require('net').createServer((c) => c.on('data', (d) => c.write('answer to ' + d))).listen(7777)";
		const ask = "const c = require('net').connect(7777, '10.77.0.2', () => { let n = 0; c.write('a needle 0\\n'); c.on('data', () => { if (++n < 60) setTimeout(() => c.write('word ' + n + '\\n'), 200); else c.end(); }); })";
		talkers.push(spawn('ip', ['netns', 'exec', there, process.execPath, '-e', serve], { stdio: 'ignore' }));
		await sleep(500);
		talkers.push(spawn('ip', ['netns', 'exec', here, process.execPath, '-e', ask], { stdio: 'ignore' }));
		const row = page.locator('.row', { hasText: '10.77.0.2:7777' });
		await row.first().waitFor({ timeout: 10_000 });
		t.true('a connection comes as it is made', true);
		await until('its match, too', async () => (await row.first().innerText()).includes('needle'), 10_000);
		await row.first().dblclick();
		await page.waitForSelector('.turn');
		const tall = () => page.locator('.conversation .spacer').evaluate((e) => e.clientHeight);
		const some = await tall();
		await until('the conversation goes on while it is looked at', async () => (await tall()) > some, 10_000);
		t.true('live conversation', true);
		t.true('the run is on', (await page.locator('.run').innerText()).includes('running'));
		await page.goto(`${s.url}#/diag/queues`);
		await page.getByText('rmw0').first().waitFor({ timeout: 10_000 });
		t.true('its queues', true);
		await page.context().close();
	} finally {
		for (const x of talkers) x.kill();
		await wire.close();
		for (const ns of [here, there])
			try {
				ip('netns', 'del', ns);
			} catch {
				/* it was never made */
			}
	}
}
