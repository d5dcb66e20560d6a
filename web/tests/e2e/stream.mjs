// One stream: conversation, text, hex, matches, gaps, messages, copying.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { capture, sleep, until } from './lab.mjs';
import { Talk, write } from './pcap.mjs';

const hash = (page) => page.evaluate(() => location.hash);
let shared;
async function made(lab) {
	if (shared) return shared;
	const long = 'é'.repeat(40000) + 'needle and overneedle' + 'x'.repeat(70000) + '\n' + 'y'.repeat(200);
	const file = write(
		lab.path('made.pcap'),
		new Talk({ cport: 41000, sport: 4000 }).data(0, 'first words\n').data(1, 'an answer\r\n').pause(2_400_000).data(0, long).data(1, 'bye\n').end(),
		new Talk({ cport: 41001, sport: 4000, at: 1_700_000_010_000_000 }).data(0, 'hello\n').data(1, 'z'.repeat(14000), [2800, 5600]).data(0, 'after\n').end(),
		new Talk({ cport: 41002, sport: 4000, at: 1_700_000_020_000_000 }).data(0, 'A'.repeat(1_000_000) + 'tail').end(),
	);
	const sensor = await lab.serve([file, '--pattern', 'over=overneedle', '--pattern', 'nee=needle', '--pattern', 'ed=ed']);
	const rows = (await sensor.get('/api/streams?limit=9&sort=first_seen')).rows;
	shared = { sensor, talk: rows[0].stream_id, lossy: rows[1].stream_id, line: rows[2].stream_id };
	return shared;
}

export async function conversation(t, lab) {
	const m = await made(lab);
	const page = await lab.page(t, `${m.sensor.url}#/s/${m.talk}/conv`);
	await page.waitForSelector('.turn');
	const want = (await m.sensor.get(`/api/streams/0x${m.talk}/conversation`)).turns;
	const turns = await page.$$eval('.turn', (all) => all.map((e) => [e.dataset.side, Number(e.dataset.start), e.getBoundingClientRect().y]).sort((a, b) => a[2] - b[2]).map((x) => x.slice(0, 2)));
	t.equal('turns in the order of the API', turns.slice(0, 3), want.slice(0, 3).map((w) => [w.direction, w.start]));
	t.true('sides are words too', (await page.locator('.turn.client h3').first().innerText()).includes('client') && (await page.locator('.turn.server h3').first().innerText()).includes('server'));
	t.true('a pause is shown', (await page.locator('.pause').first().innerText()).startsWith('2.4'), await page.locator('.pause').allInnerTexts());
	t.true('the text', (await page.locator('.turn .line').first().innerText()).startsWith('first words'));
	t.true('what is more is said', (await page.locator('.more').first().innerText()).includes('more'));
	await page.keyboard.press('J');
	t.equal('J: a turn', await page.locator('.turn.focused').count(), 1);
	await page.keyboard.press('Escape');
	await page.waitForSelector('.row[data-id]');
	t.true('Escape goes to the list, where a link led here', (await hash(page)).startsWith('#/streams'), await hash(page));
}

export async function matches(t, lab) {
	const m = await made(lab);
	const page = await lab.page(t, `${m.sensor.url}#/s/${m.talk}/text`);
	await page.waitForSelector('.bytes .line');
	const found = (await m.sensor.get(`/api/streams/0x${m.talk}`)).matches.sort((a, b) => a.logical_start - b.logical_start);
	t.true('there are some', found.length >= 4, found.length);
	const order = [];
	for (let i = 0; i < found.length; i++) {
		await page.keyboard.press('n');
		order.push(Number(new URLSearchParams((await hash(page)).split('?')[1]).get('at')));
	}
	t.equal('n: each once, in order', order, found.map((x) => x.logical_start));
	await page.keyboard.press('n');
	await page.getByText('from the first match on again').waitFor();
	t.true('and around, with a word', true);
	await until('the match is drawn', async () => (await page.locator('mark.current').count()) > 0);
	const text = (await page.locator('.bytes.client .line').allInnerTexts()).join('').replace(/[\d,]+\s/g, '');
	t.equal('overlapping matches: the text once', text.split('overneedle').length - 1, 1);
	const titles = await page.$$eval('mark[title]', (all) => all.map((e) => e.title));
	t.true('both are named', titles.some((x) => x.includes('over') && x.includes('nee')), titles);
	await page.keyboard.press('3');
	await page.waitForSelector('.bytes.hex .hexes');
	const at = Number(new URLSearchParams((await hash(page)).split('?')[1]).get('at'));
	const len = Number(new URLSearchParams((await hash(page)).split('?')[1]).get('len'));
	await until('in hex, too', async () => (await page.locator('.hexes .current').count()) > 0);
	const lit = await page.$$eval('.hexes .cell.current', (all) => all.map((c) => Number(c.dataset.from)));
	t.equal('lit cells are the range', lit, Array.from({ length: len }, (_, i) => at + i));
	await page.keyboard.press('p');
	t.true('p goes back', Number(new URLSearchParams((await hash(page)).split('?')[1]).get('at')) !== at);
}

export async function links(t, lab) {
	const m = await made(lab);
	const at = 80000 + 4;
	for (const mode of ['conv', 'text', 'hex', 'raw']) {
		const page = await lab.page(t, `${m.sensor.url}#/s/${m.talk}/${mode}?dir=a_to_b&at=${at + 12}&len=6`);
		await until(`${mode}: the bytes are selected`, async () => (await page.locator('.sel').count()) > 0);
		const cells = await page.$$eval('.sel[data-from]', (all) => [Math.min(...all.map((c) => Number(c.dataset.from))), Math.max(...all.map((c) => Number(c.dataset.to)))]);
		t.equal(`${mode}: exactly these`, cells, [at + 12, at + 18]);
		t.true(`${mode}: in sight`, await page.locator('.sel').first().isVisible());
	}
}

export async function characters_over_windows(t, lab) {
	const m = await made(lab);
	const page = await lab.page(t, `${m.sensor.url}#/s/${m.talk}/text?dir=a_to_b&at=65530&len=12`);
	await until('it is laid out', async () => (await page.locator('.sel').count()) > 0);
	const text = (await page.locator('mark.sel').allInnerTexts()).join('');
	t.true('no character is split where windows meet', /^é+$/.test(text) && text.length === 6 + (text.length - 6), text);
	t.equal('nor shown as broken', await page.locator('.bad').count(), 0);
}

export async function gaps(t, lab) {
	const m = await made(lab);
	const page = await lab.page(t, `${m.sensor.url}#/s/${m.lossy}/conv`);
	await page.waitForSelector('.hole.gap');
	t.true('a gap is said, with its length', (await page.locator('.hole.gap').first().innerText()).includes('2,800'), await page.locator('.hole.gap').first().innerText());
	await page.keyboard.press('b');
	await page.waitForSelector('.bytes .gap');
	t.true('b goes there', (await page.locator('.bytes .gap').first().innerText()).includes('never captured'));
	await page.keyboard.press('3');
	await page.waitForSelector('.bytes.hex .gap');
	t.true('in hex, too', (await page.locator('.bytes.hex .gap').first().innerText()).includes('2,800'));
}

export async function evicted(t, lab) {
	const file = write(lab.path('evicted.pcap'), new Talk({ cport: 41010, sport: 4000 }).data(0, 'q\n').data(1, 'e'.repeat(300_000)).end());
	execFileSync('gzip', ['-f', file]); // content of what is compressed is kept in memory
	const s = await lab.serve([`${file}.gz`, '--max-stream-content-bytes-per-stream', '65536']);
	const id = (await s.get('/api/streams?limit=1')).rows[0].stream_id;
	const want = (await s.get(`/api/streams/0x${id}/content?direction=b_to_a`)).evicted;
	t.true('some was let go', want.length > 0, want);
	const page = await lab.page(t, `${s.url}#/s/${id}/text?dir=b_to_a`);
	await page.waitForSelector('.bytes .line.evicted');
	const text = await page.locator('.bytes .line.evicted').first().innerText();
	t.true('it says so', text.includes('evicted') && text.includes('memory limit'), text);
	t.equal('and is no gap', await page.locator('.bytes .gap').count(), 0);
	await page.keyboard.press('1');
	await page.waitForSelector('.turn .hole.evicted');
	t.true('in the conversation, too', true);
}

export async function conflicts(t, lab) {
	const talk = new Talk({ cport: 41020, sport: 4000 }).data(0, 'the first version');
	talk.next[0] -= 7;
	talk.data(0, 'SECOND!').data(0, ' and on').end();
	const s = await lab.serve([write(lab.path('conflict.pcap'), talk)]);
	const id = (await s.get('/api/streams?limit=1')).rows[0].stream_id;
	const page = await lab.page(t, `${s.url}#/s/${id}/text?dir=a_to_b`);
	await page.waitForSelector('.conflicts');
	t.true('the bytes that were kept', (await page.locator('mark.conflict').allInnerTexts()).join('') === 'version');
	t.true('and what another packet said', (await page.locator('.conflicts').innerText()).includes('SECOND!'), await page.locator('.conflicts').innerText());
}

export async function long_lines(t, lab) {
	const m = await made(lab);
	const page = await lab.page(t, `${m.sensor.url}#/s/${m.line}/text?dir=a_to_b`);
	await page.waitForSelector('.bytes .line');
	t.true('no page scroll', await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
	await page.keyboard.press('End');
	await until('End: the last bytes', async () => (await page.locator('.bytes .content').last().innerText()).includes('tail'));
	t.true('the last bytes', true);
	await page.keyboard.press('Home');
	await until('Home: the first', async () => (await page.locator('.bytes .offset').first().innerText()) === '0');
	await page.keyboard.press(':');
	await page.keyboard.type('0x80000');
	await page.keyboard.press('Enter');
	await until(': 0x80000', async () => (await page.locator('.sel').count()) > 0);
	t.equal('goes to this byte', Number(await page.locator('.sel').first().getAttribute('data-from')), 0x80000);
	await page.keyboard.press('/');
	await page.keyboard.type('tail');
	await page.keyboard.press('Enter');
	await until('/ finds', async () => /at=1000000&len=4/.test(await hash(page)));
	t.true('found at its byte', true);
	await page.keyboard.press('Escape');
	await page.keyboard.press('w');
	await sleep(200);
	t.true('without wrapping the page does not scroll', await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
}

export async function wheel(t, lab) {
	const m = await made(lab);
	const page = await lab.page(t, `${m.sensor.url}#/s/${m.line}/hex?dir=a_to_b`);
	await page.waitForSelector('.bytes.hex .hexes');
	const first = () => page.locator('.bytes .offset').first().innerText();
	await page.mouse.move(500, 400);
	await page.mouse.wheel(0, 18 * 10);
	await until('ten rows down', async () => (await first()) === '000000a0');
	await page.mouse.wheel(0, -18 * 4);
	await until('four up', async () => (await first()) === '00000060');
	await page.locator('.bytes .scroller').evaluate((e) => (e.scrollTop = e.scrollHeight));
	await until('the thumb at the end', async () => (await page.locator('.bytes .ascii').last().innerText()).includes('tail'));
	t.true('wheel and thumb', true);
}

export async function http(t, lab) {
	const s = await lab.serve([capture('http'), capture('http-encoded'), '--pattern', 'GET']);
	const row = (await s.get('/api/streams?service=http&sort=-bytes&limit=1')).rows[0];
	const page = await lab.page(t, `${s.url}#/s/${row.stream_id}/http`);
	await page.waitForSelector('.card');
	const messages = (await s.get(`/api/streams/0x${row.stream_id}/messages?limit=512`)).messages;
	t.equal('a card for each transaction', await page.locator('.card').count(), new Set(messages.map((x) => x.tx_id)).size);
	const get = messages.find((x) => x.kind === 'request');
	t.true('its head has the request', (await page.locator('.card').first().innerText()).includes(`${get.http.method} ${get.http.target}`));
	await page.locator('.fold').first().click();
	await page.locator('.fold').first().click();
	await page.waitForSelector('.headers');
	const heads = await page.locator('.card').first().locator('.headers dt').allInnerTexts();
	t.true('headers in their order and letters', get.http.headers.every((h, i) => heads[i] === h.name), heads.join());
	const enc = (await s.get('/api/streams?service=http&limit=50')).rows;
	for (const r of enc) {
		const all = (await s.get(`/api/streams/0x${r.stream_id}/messages?limit=512`)).messages;
		const z = all.find((x) => x.http?.headers.some((h) => /content-encoding/i.test(h.name) && /gzip/.test(h.value)) && x.body_bytes > 0);
		if (!z) continue;
		const p = await lab.page(t, `${s.url}#/s/${r.stream_id}/http?dir=${z.direction}&at=${z.logical_start}`);
		await p.waitForSelector('.body');
		await until('the decoded body is offered', async () => (await p.getByRole('button', { name: 'decoded', exact: true }).count()) > 0);
		t.true('gzip is undone', true);
		break;
	}
	await page.goto(`${s.url}#/s/${row.stream_id}/text?dir=b_to_a&transform=auto&at=0`);
	await page.waitForSelector('.steps');
	t.true('transforms say their steps', (await page.locator('.steps').first().innerText()).length > 3);
}

export async function copying(t, lab) {
	const file = write(lab.path('copy.pcap'), new Talk({ cport: 42000, sport: 4100 }).data(0, 'a\x1b[31mb\u202ec').end());
	const s = await lab.serve([file]);
	const id = (await s.get('/api/streams?limit=1')).rows[0].stream_id;
	const page = await lab.page(t, `${s.url}#/s/${id}/text?dir=a_to_b&at=0&len=11`);
	await until('selected', async () => (await page.locator('.sel').count()) > 0);
	const clip = () => page.evaluate(() => navigator.clipboard.readText());
	await page.keyboard.press('c');
	await until('c copies', async () => (await clip()).startsWith('a'));
	t.equal('controls escaped', await clip(), 'a\\x1b[31mb\\u202ec');
	for (const [label, want] of [
		['raw characters', 'a\x1b[31mb\u202ec'],
		['hex', '611b5b33316d62e280ae63'],
		['base64', Buffer.from('a\x1b[31mb\u202ec').toString('base64')],
		['Python bytes', 'b"a\\x1b[31mb\\xe2\\x80\\xaec"'],
	]) {
		await page.keyboard.press('C');
		await page.getByRole('menuitem', { name: label, exact: true }).click();
		await until(label, async () => (await clip()) === want);
		t.true(`copied as ${label}`, true);
	}
	await page.keyboard.press('D');
	const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: 'client, raw' }).click()]);
	t.equal('downloaded', readFileSync(await download.path()).toString(), 'a\x1b[31mb\u202ec');
	await page.keyboard.press('y');
	await until('y copies the link', async () => (await clip()).includes(`#/s/${id}`));
	t.true('a link', true);
}

export async function strangers(t, lab) {
	const m = await made(lab);
	const page = await lab.page(t, `${m.sensor.url}#/s/0123456789abcdef/conv`);
	await page.getByText('It is not in this run').waitFor();
	t.true('an unknown stream says so', true);
	await page.goto(`${m.sensor.url}#/s/nothing`);
	await page.getByText('No such page').waitFor();
	t.true('what is no id, too', true);
}
