// Packets that come while somebody looks; a sensor that goes and comes back.
import { execFileSync } from 'node:child_process';
import { openSync, writeSync, closeSync } from 'node:fs';
import { capture, sleep, until } from './lab.mjs';
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
