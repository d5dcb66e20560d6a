// The list of streams: rows, keys, filters, marks, history, a million rows.
import { capture, sleep, until } from './lab.mjs';
import { many } from './pcap.mjs';

const FILES = ['demo', 'http', 'http-encoded', 'websocket', 'loss', 'redis', 'smtp', 'dns'].map(capture);
let shared;
async function sensor(lab) {
	shared ??= await lab.serve([...FILES, '--pack', 'flags,secrets', '--pattern', 'GET', '--regex', 'host=Host: [a-z.]+']);
	return shared;
}
const selected = (page) => page.locator('.row[aria-selected=true]').getAttribute('data-id');
const ids = (page) => page.$$eval('.row[data-id]', (all) => all.map((r) => [r.getBoundingClientRect().y, r.dataset.id]).sort((a, b) => a[0] - b[0]).map((x) => x[1]));
const hash = (page) => page.evaluate(() => location.hash);

export async function rows(t, lab) {
	const s = await sensor(lab);
	const page = await lab.page(t, s.url);
	await page.waitForSelector('.row[data-id]');
	const want = await s.get('/api/streams?limit=20');
	t.equal('the newest first', (await ids(page)).slice(0, 20), want.rows.map((r) => r.stream_id));
	const first = want.rows[0];
	const text = await page.locator('.row').first().innerText();
	for (const v of [first.client, first.server, first.service.name, first.first_line]) t.true(`the row has ${v}`, text.includes(v), text);
	t.equal('aria-rowcount', await page.locator('.table').getAttribute('aria-rowcount'), String(want.total + 1));
	t.true('the bottom line says how many', (await page.locator('.bottom').innerText()).includes(`${want.total} streams`));
	await page.getByRole('button', { name: '↓' }).first().click();
	await until('it is sorted by bytes', async () => (await hash(page)).includes('sort=-bytes'));
	const by = await s.get('/api/streams?limit=10&sort=-bytes');
	await until('the rows follow', async () => (await ids(page))[0] === by.rows[0].stream_id);
	t.equal('sorted by bytes', (await ids(page)).slice(0, 10), by.rows.map((r) => r.stream_id));
}

export async function keys(t, lab) {
	const s = await sensor(lab);
	const page = await lab.page(t, s.url);
	await page.waitForSelector('.row[data-id]');
	const want = (await s.get('/api/streams?limit=60')).rows.map((r) => r.stream_id);
	const entries = await page.evaluate(() => history.length);
	for (let i = 0; i < 30; i++) await page.keyboard.press('j');
	t.equal('30 × j', await selected(page), want[29]);
	t.true('it is in sight', await page.locator('.row[aria-selected=true]').isVisible());
	await page.keyboard.press('k');
	t.equal('k', await selected(page), want[28]);
	t.equal('selecting is no history', await page.evaluate(() => history.length), entries);
	await page.keyboard.press('Home');
	t.equal('Home', await selected(page), want[0]);
	await page.keyboard.press('End');
	const total = (await s.get('/api/streams?limit=1')).total;
	t.equal('End', await page.locator('.row[aria-selected=true]').getAttribute('aria-rowindex'), String(total + 1));
	await page.keyboard.press('g');
	t.true('g waits', await page.locator('.chooser').isVisible());
	await sleep(300);
	await page.keyboard.press('g');
	await until('g g: the first row', async () => (await selected(page)) === want[0]);
	await page.evaluate(() => document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key: 'о', code: 'KeyJ', bubbles: true, cancelable: true })));
	t.equal('j on a Cyrillic keyboard', await selected(page), want[1]);
	await page.keyboard.press('/');
	await page.keyboard.type('jjj');
	t.equal('typing moves nothing', await selected(page), want[1]);
	t.equal('it is in the box', await page.locator('input[aria-label=Filter]').inputValue(), 'jjj');
	await page.keyboard.press('Escape');
	await page.keyboard.press('g');
	await page.keyboard.press('h');
	t.true('g h: hide rules', (await hash(page)).startsWith('#/rules'));
	t.equal('and hides nothing', (await s.get('/api/health')).view.manually_hidden_streams, 0);
	await page.goBack();
	await page.waitForSelector('.row[data-id]');
	await page.keyboard.press('?');
	t.true('? shows keys', await page.locator('dialog.help').isVisible());
	const help = await page.locator('dialog.help').innerText();
	for (const word of ['next row', 'favourite', 'hide', 'filter', 'undo', 'copy']) t.true(`? has ${word}`, help.includes(word));
	await page.locator('dialog.help input[type=checkbox]').uncheck();
	await page.keyboard.press('Escape');
	t.equal('Escape closes it', await page.locator('dialog.help').count(), 0);
	const was = await selected(page);
	await page.keyboard.press('j');
	t.equal('letters switched off do nothing', await selected(page), was);
	await page.keyboard.press('?');
	await page.locator('dialog.help input[type=checkbox]').check();
	await page.getByRole('button', { name: 'Close' }).click();
	await page.keyboard.press('j');
	t.true('and switched on again', (await selected(page)) !== was);
	await sleep(400); // the preference is saved
}

export async function a_held_key(t, lab) {
	const s = await sensor(lab);
	const page = await lab.page(t, s.url);
	await page.waitForSelector('.row[data-id]');
	await page.keyboard.press('j');
	await page.keyboard.press('i');
	await page.waitForSelector('.preview .turn');
	await sleep(300);
	let done = 0;
	page.on('requestfinished', (r) => (done += /\/streams\/0x/.test(r.url())));
	for (let i = 0; i < 25; i++) {
		await page.keyboard.press('j');
		await sleep(25);
	}
	const held = done;
	t.true('what is passed over is not fetched', held <= 3, held);
	const id = await selected(page);
	await until('where it rests is shown', async () => (await page.locator('.preview code').innerText()) === id);
	await page.keyboard.press('Escape');
	t.equal('Escape closes the preview', await page.locator('.preview').count(), 0);
}

export async function filters(t, lab) {
	const s = await sensor(lab);
	const page = await lab.page(t, s.url);
	await page.waitForSelector('.row[data-id]');
	const type = async (text) => {
		await page.keyboard.press('/');
		await page.keyboard.type(text);
		await page.keyboard.press('Enter');
	};
	const same = async (what, query) => {
		const want = (await s.get(`/api/streams?limit=25&${query}`)).rows.map((r) => r.stream_id);
		await until(what, async () => JSON.stringify((await ids(page)).slice(0, 25)) === JSON.stringify(want));
		t.true(what, true);
	};
	await type('service:http is:matched');
	await same('two chips', 'service=http&only_matched=true');
	t.true('they are in the address', /service=http/.test(await hash(page)) && /only_matched=true/.test(await hash(page)), await hash(page));
	t.equal('and to be seen', await page.locator('.chip').count(), 2);
	await page.locator('input[aria-label=Filter]').press('Escape');
	await page.keyboard.press('j');
	const sel = await selected(page);
	await until('the address has it', async () => (await hash(page)).includes(sel));
	await page.reload();
	await same('again after a reload', 'service=http&only_matched=true');
	t.equal('with what was selected', await selected(page), sel);
	await page.getByRole('button', { name: 'remove is:matched' }).click();
	await same('one chip less', 'service=http');
	await page.goBack();
	await same('back brings it back', 'service=http&only_matched=true');
	await type('nonsense');
	t.true('what is no field is said', (await page.locator('.under').innerText()).includes('nonsense'));
	await same('and the list stays', 'service=http&only_matched=true');
	await page.locator('input[aria-label=Filter]').fill('');
	await page.locator('input[aria-label=Filter]').press('Backspace');
	t.true('Backspace takes the last chip back', (await page.locator('input[aria-label=Filter]').inputValue()).length > 0);
	await page.goto(`${s.url}#/streams?service=nosuch`);
	await page.reload();
	await page.waitForSelector('.empty');
	t.true('an empty list says why', (await page.locator('.empty').innerText()).length > 5);
	await page.goto(`${s.url}#/streams?port=99`);
	await page.getByText('No stream passes this filter').waitFor();
	await page.getByRole('button', { name: 'Clear the filter' }).click();
	await same('cleared', '');
	await page.keyboard.press('j');
	await page.keyboard.press('a');
	await page.keyboard.press('s');
	t.true('a s filters by the service of the row', /service=/.test(await hash(page)), await hash(page));
	await page.goto(`${s.url}#/streams?since=-5`);
	await page.goto(`${s.url}#/nowhere`);
	await page.getByText('No such page').waitFor();
	t.true('an unknown page says so', true);
}

export async function marks(t, lab) {
	const s = await lab.serve([...FILES, '--pattern', 'GET']);
	const page = await lab.page(t, s.url);
	await page.waitForSelector('.row[data-id]');
	const total = (await s.get('/api/streams?limit=1')).total;
	await page.keyboard.press('j');
	const one = await selected(page);
	let held;
	await page.route('**/state', async (r) => {
		await new Promise((go) => (held = go));
		await r.continue();
	});
	await page.keyboard.press('f');
	await until('a star before the answer', async () => (await page.locator(`.row[data-id="${one}"] .star.on`).count()) === 1);
	held();
	await until('the sensor has it', async () => (await s.get(`/api/streams/0x${one}`)).row.favorite);
	t.true('favourite', true);
	await page.unroute('**/state');
	await page.route('**/state', (r) => r.fulfill({ status: 503, contentType: 'application/json', body: '{"error":{"code":"overloaded","message":"busy"}}' }));
	await page.keyboard.press('f');
	await page.locator('.toast.bad').waitFor();
	t.true('a refusal is said', (await page.locator('.toast.bad').innerText()).includes('busy'));
	t.equal('and taken back', await page.locator(`.row[data-id="${one}"] .star.on`).count(), 1);
	await page.unroute('**/state');
	await page.keyboard.press('h');
	await until('hidden', async () => (await s.get(`/api/streams/0x${one}`)).row.hidden);
	t.true('the cursor goes on', (await selected(page)) !== one);
	await page.locator('.toast', { hasText: 'undo' }).last().waitFor();
	await page.keyboard.press('u');
	await until('h then u', async () => !(await s.get(`/api/streams/0x${one}`)).row.hidden);
	t.equal('as before', (await s.get('/api/streams?limit=1')).total, total);
	await page.keyboard.press('m');
	await page.keyboard.press('2');
	await until('a colour', async () => (await s.get('/api/streams?color=orange')).total === 1);
	await page.keyboard.press('e');
	await page.keyboard.type('look here');
	await page.keyboard.press('Enter');
	await until('a note', async () => (await s.get('/api/streams?has=note')).total === 1);
	await page.getByText('✎ look here').first().waitFor();
	t.true('the note is in the row', true);
	await page.keyboard.press('H');
	await page.keyboard.press('s');
	await until('a hide rule', async () => (await s.get('/api/view/hide-rules')).rules.length === 1);
	await page.locator('a.hidden').waitFor();
	t.true('the bar says so', (await page.locator('a.hidden').innerText()).includes('1 rule'));
	const hidden = total - (await s.get('/api/streams?limit=1')).total;
	await until('how many', async () => (await page.locator('a.hidden').innerText()).includes(`${hidden} hidden`));
	await page.locator('a.hidden').click();
	await page.locator('tr[data-rule]').waitFor();
	await until('its count', async () => (await page.locator('tr[data-rule] .num').innerText()) === String(hidden));
	await page.getByRole('button', { name: 'undo this rule' }).click();
	await until('it is gone', async () => (await s.get('/api/view/hide-rules')).rules.length === 0);
	t.equal('all are there again', (await s.get('/api/streams?limit=1')).total, total);
	await page.goto(`${s.url}#/streams`);
	await page.waitForSelector('.row[data-id]');
	await page.keyboard.press('Home');
	for (const key of ['x', 'Shift+ArrowDown', 'Shift+ArrowDown', 'f']) await page.keyboard.press(key);
	await until('three at once', async () => (await s.get('/api/streams?only_favorites=true')).total >= 3);
	t.true('ticks', (await page.locator('.row.ticked').count()) === 3);
}

export async function history(t, lab) {
	const s = await sensor(lab);
	const page = await lab.page(t, s.url, { height: 400 });
	await page.waitForSelector('.row[data-id]');
	await page.locator('.table .scroller').evaluate((e) => (e.scrollTop = 250));
	await sleep(200);
	for (let i = 0; i < 3; i++) await page.keyboard.press('j');
	const sel = await selected(page);
	const y = await page.locator(`.row[data-id="${sel}"]`).evaluate((e) => e.getBoundingClientRect().y);
	await page.keyboard.press('Enter');
	await page.waitForSelector('.turn');
	t.true('the stream is open', (await hash(page)).includes(sel));
	await page.goBack();
	await page.waitForSelector('.row[aria-selected=true]');
	t.equal('back: the same is selected', await selected(page), sel);
	await until('back: at the same place', async () => Math.abs((await page.locator(`.row[data-id="${sel}"]`).evaluate((e) => e.getBoundingClientRect().y)) - y) <= 1);
	t.true('the scroll position is restored', true);
}

export async function columns(t, lab) {
	const s = await lab.serve([...FILES]);
	const page = await lab.page(t, s.url);
	await page.waitForSelector('.row[data-id]');
	const edge = page.locator('.head > div').nth(2).locator('.edge');
	const box = await edge.boundingBox();
	const width = () => page.locator('.head > div').nth(2).evaluate((e) => e.getBoundingClientRect().width);
	const was = await width();
	await page.mouse.move(box.x + 3, box.y + 10);
	await page.mouse.down();
	await page.mouse.move(box.x + 43, box.y + 10, { steps: 4 });
	await page.mouse.up();
	t.true('a column is wider', (await width()) === was + 40, await width());
	await page.getByRole('button', { name: 'Columns ▾' }).click();
	await page.getByLabel('Kind').uncheck();
	await page.keyboard.press('Escape');
	await sleep(500);
	await page.reload();
	await page.waitForSelector('.row[data-id]');
	await until('still wider after a reload', async () => (await width()) === was + 40);
	t.true('and without the other', !(await page.locator('.head').innerText()).includes('Kind'));
	await page.setViewportSize({ width: 900, height: 700 });
	await sleep(200);
	t.true('no page scroll at 900 px', await page.evaluate(() => document.documentElement.scrollWidth <= 900));
	const head = await page.locator('.head').innerText();
	for (const c of ['Time', 'Client', 'Server', 'Service', 'Matches', 'Status']) t.true(`at 900 px: ${c}`, head.includes(c), head);
}

export async function a_million(t, lab) {
	const file = many(lab.path('many.pcap'), 1_000_000);
	const s = await lab.serve([file]);
	const page = await lab.page(t, s.url);
	await page.waitForSelector('.row[data-id]');
	await page.keyboard.press('End');
	const last = (await s.get('/api/streams?limit=1&sort=last_seen')).rows[0].stream_id;
	await until('End shows the last row', async () => (await page.locator(`.row[data-id="${last}"]`).count()) === 1);
	t.equal('of the last rank', await page.locator(`.row[data-id="${last}"]`).getAttribute('aria-rowindex'), '1000001');
	const scroller = page.locator('.table .scroller');
	await scroller.evaluate((e) => (e.scrollTop = (e.scrollHeight - e.clientHeight) / 2));
	await until('half way is rank 500,000', async () => {
		const middle = await page.$$eval('.row[data-id]', (all) => all.map((r) => Number(r.getAttribute('aria-rowindex'))));
		return middle.length > 20 && middle.every((r) => Math.abs(r - 500_000) < 100);
	});
	t.true('half way', true);
	for (let i = 0; i < 40; i++) await page.mouse.move(600, 400).then(() => page.mouse.wheel(0, 700));
	await until('rows come while it scrolls', async () => (await page.locator('.row.unseen').count()) === 0);
	t.true('few elements', (await page.evaluate(() => document.querySelectorAll('*').length)) <= 3000);
	await page.keyboard.press('/');
	await page.keyboard.type('port:53 host:10.3.0.0/16');
	await page.keyboard.press('Enter');
	const want = (await s.get('/api/streams?limit=1&port=53&host=10.3.0.0/16')).total;
	await until('a filter over all of them', async () => (await page.locator('.bottom').innerText()).includes(`${want.toLocaleString('en-US')} streams`));
	t.true('filtered', want > 1000, want);
	const heap = await page.evaluate(() => performance.memory?.usedJSHeapSize ?? 0);
	t.true('the heap stays small', heap < 200 << 20, heap);
	await s.stop();
}
