// The other views; and whether all of them can be used by everybody.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, ROOT, sleep, until } from './lab.mjs';

const hash = (page) => page.evaluate(() => location.hash);
let shared;
async function sensor(lab) {
	shared ??= await lab.serve([...['demo', 'http', 'http-encoded', 'websocket', 'loss'].map(capture), '--pack', 'flags', '--pattern', 'GET']);
	return shared;
}

export async function overview(t, lab) {
	const s = await sensor(lab);
	const page = await lab.page(t, `${s.url}#/overview`);
	await page.waitForSelector('.plot canvas');
	t.equal('four bands', await page.locator('.plot canvas').count(), 4);
	const over = page.locator('.plot .u-over').first();
	const box = await over.boundingBox();
	await page.mouse.move(box.x + 20, box.y + 30);
	await page.mouse.down();
	await page.mouse.move(box.x + 200, box.y + 30, { steps: 5 });
	await page.mouse.up();
	await until('a brush sets the time', async () => /since=\d+&until=\d+/.test(await hash(page)));
	const q = new URLSearchParams((await hash(page)).split('?')[1]);
	await page.getByText('streams of this time').click();
	await page.waitForSelector('.bottom');
	t.true('the streams of it', (await hash(page)).includes(`since=${q.get('since')}`) && (await hash(page)).startsWith('#/streams'));
	const want = (await s.get(`/api/streams?limit=1&since=${q.get('since')}&until=${q.get('until')}`)).total;
	await until('as many', async () => (await page.locator('.bottom').innerText()).startsWith(`${want} streams`));
	await page.goBack();
	await page.waitForSelector('.plot canvas');
	await page.locator('.plot .u-over').first().dblclick();
	await until('a double click takes it away', async () => !/since/.test(await hash(page)));
	const top = (await s.get('/api/stats/top?by=service&limit=12')).rows;
	const names = () => page.locator('section').first().locator('tbody a').allInnerTexts();
	await until('services', async () => (await names()).join() === top.map((r) => r.name).join());
	t.true('services', true);
	await page.getByRole('button', { name: 'as a table' }).click();
	t.true('a table for readers', (await page.locator('.page table').first().innerText()).includes('Packets'));
}

export async function matches(t, lab) {
	const s = await sensor(lab);
	const page = await lab.page(t, `${s.url}#/matches`);
	await page.waitForSelector('.row');
	const want = await s.get('/api/matches?limit=1');
	t.true('how many', (await page.locator('.bottom').innerText()).includes(`${want.total} matches`));
	await page.keyboard.press('j');
	await page.keyboard.press('Enter');
	await page.waitForSelector('.of');
	t.true('Enter opens at the bytes', (await hash(page)).includes(`/s/${want.matches[0].stream_id}`), await hash(page));
	await page.goto(`${s.url}#/matches?pattern_id=pack:0`);
	const flags = (await s.get('/api/matches?limit=1&pattern_id=pack:0')).total;
	await until('of one pattern', async () => (await page.locator('.bottom').innerText()).startsWith(`${flags} matches`));
	t.true('filtered', true);
}

export async function patterns(t, lab) {
	const s = await lab.serve([capture('demo'), capture('http'), '--pattern', 'GET']);
	const page = await lab.page(t, `${s.url}#/patterns`);
	await page.waitForSelector('.list');
	await page.getByLabel('Kind').selectOption('regex');
	await page.getByLabel('Pattern').fill('Host: [');
	await page.getByRole('button', { name: 'Add' }).click();
	await until('a refusal stands under the field', async () => (await page.locator('.edit .error').innerText()).length > 5);
	t.true('in words', true);
	await page.getByLabel('Pattern').fill('Host: [a-z.]+');
	await page.getByLabel('Name').fill('hosts');
	await page.getByRole('button', { name: 'Add' }).click();
	const find = async () => (await s.get('/api/patterns')).patterns.find((p) => p.definition.name === 'hosts');
	await until('it is there, and looked in what is kept', async () => (await find())?.matches > 0);
	await until('counts are live', async () => (await page.locator('tr', { hasText: 'hosts' }).innerText()).includes(String((await find()).matches)));
	await page.locator('tr', { hasText: 'hosts' }).getByRole('button', { name: 'delete' }).click();
	await until('deleted', async () => !(await find()));
	await page.keyboard.press('u');
	await until('and undone', async () => Boolean(await find()));
	t.true('add, delete, undo', true);
	await page.locator('tr', { hasText: 'hosts' }).getByText('edit').click();
	await page.getByLabel('Name').fill('names');
	await page.getByRole('button', { name: 'Save' }).click();
	await until('changed', async () => (await s.get('/api/patterns')).patterns.some((p) => p.definition.name === 'names'));
	t.true('edited', true);
}

export async function profiles(t, lab) {
	const s = await lab.serve([capture('demo'), capture('http')]);
	const page = await lab.page(t, `${s.url}#/profiles`);
	await page.waitForSelector('.list tbody a');
	const want = (await s.get('/api/service-profiles')).profiles;
	t.equal('all of them', await page.locator('.list tbody tr').count(), want.length);
	await page.locator('tr', { hasText: 'DNS' }).getByRole('button', { name: 'activate' }).click();
	await until('activated: its streams', async () => (await hash(page)).includes('profile=dns'));
	t.true('the sensor knows', (await s.get('/api/service-profiles')).profiles.find((p) => p.profile.id === 'dns').active);
	await page.goto(`${s.url}#/profiles`);
	await page.locator('tr', { hasText: 'DNS' }).getByRole('button', { name: 'hide' }).click();
	await until('its hide rules', async () => (await s.get('/api/view/hide-rules')).rules.length > 0);
	t.true('hidden by its rules', true);
}

export async function diagnostics(t, lab) {
	const s = await sensor(lab);
	const page = await lab.page(t, `${s.url}#/diag/balance`);
	await page.getByText('the books balance').waitFor();
	const h = await s.get('/api/health');
	t.true('packets in', (await page.locator('.list').first().innerText()).includes(h.balance.in.toLocaleString('en-US')));
	t.true('a sentence first', (await page.locator('.verdicts li').first().innerText()).length > 20);
	await page.goto(`${s.url}#/diag/queues`);
	await page.getByText('Skew').waitFor();
	t.equal('a row for each worker', await page.locator('.list').first().locator('tbody tr').count(), (await s.get('/api/perf/queues')).workers.length);
	await page.goto(`${s.url}#/diag/caps`);
	await page.getByText('--max-flows').waitFor();
	await page.route('**/api/perf/queues', (r) =>
		r.fulfill({ contentType: 'application/json', body: JSON.stringify({ queues: [{ interface: 'eth0', queue: 2, worker: 1, packets: 10, bytes: 10, drops: { ring_full: 77 }, fill: [1], batch: [] }], workers: [{ id: 1, packets: 1, busy_milli: 980, handed_out: 0, handed_in: 0, view_waits: 0, flows: 1, cycles_per_packet: {}, drops: {} }], worker_packet_skew_ratio_milli: 1000, findings: [] }) }),
	);
	await page.getByText('Queue 2 of eth0 dropped 77 packets').first().waitFor();
	t.true('what is wrong, by queue and worker', (await page.locator('.verdicts').innerText()).includes('worker 1 is at 98 %'));
}

export async function messages(t, lab) {
	const s = await sensor(lab);
	const page = await lab.page(t, `${s.url}#/messages`);
	await until('streams to choose from', async () => (await page.locator('.page select option').count()) > 2);
	await page.locator('.page select').selectOption({ index: 1 });
	await page.waitForSelector('.card');
	t.true('its messages', (await page.locator('.card').count()) > 0);
}

export async function narrow(t, lab) {
	const s = await sensor(lab);
	const id = (await s.get('/api/streams?limit=1&sort=-match_count')).rows[0].stream_id;
	for (const width of [640, 900]) { // 640: twice as large on 1280
		const page = await lab.page(t, s.url, { width, height: Math.round(width / 1.6) });
		for (const view of ['streams', 'overview', 'matches', 'patterns', 'profiles', 'rules', 'diag/queues', `s/${id}/conv`, `s/${id}/hex`, `s/${id}/http`]) {
			await page.goto(`${s.url}#/${view}`);
			await sleep(250);
			t.true(`${view} at ${width} px: no page scroll`, await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
			t.true(`${view} at ${width} px: the views can be reached`, await page.getByRole('link', { name: 'Diagnostics' }).isVisible());
		}
	}
}

export async function accessible(t, lab) {
	const s = await sensor(lab);
	const axe = readFileSync(join(ROOT, 'web/node_modules/axe-core/axe.min.js'), 'utf8');
	const id = (await s.get('/api/streams?limit=1&sort=-match_count')).rows[0].stream_id;
	for (const dark of [false, true]) {
		const page = await lab.page(t, s.url, { dark });
		for (const view of ['streams', 'overview', 'matches', 'patterns', 'profiles', 'rules', 'diag/balance', 'diag/queues', `messages?stream=${id}`, `s/${id}/conv`, `s/${id}/text`, `s/${id}/hex`, `s/${id}/http`, `s/${id}/info`]) {
			await page.goto(`${s.url}#/${view}`);
			await page.reload();
			await page.waitForSelector('.bottom');
			await sleep(400);
			await page.evaluate(axe); // by the debugger: the policy does not matter
			const r = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
			const bad = r.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
			t.equal(`${view}${dark ? ', dark' : ''}`, bad.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(' | ')}`), []);
		}
	}
}
