// What an opponent writes is text, and nothing else.
import { sleep, until } from './lab.mjs';
import { Talk, write } from './pcap.mjs';

const EVIL = '<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>';
const ODD = 'left\u202eright\u200b\x1b[31mred\x07';

async function sensor(lab) {
	const png = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d4948445200007530000075300802000000', 'hex'), Buffer.alloc(40)]);
	const svg = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(4)"><script>alert(5)</script></svg>';
	const ok = (type, body) => Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`), body]);
	const file = write(
		lab.path('hostile.pcap'),
		new Talk({ cport: 43000 })
			.data(0, `GET /${encodeURIComponent('a')}${EVIL.replaceAll(' ', '%20')} HTTP/1.1\r\nHost: ${EVIL.replaceAll(' ', '')}\r\nX-Odd: ${ODD.replace('\x07', '')}\r\nCookie: ${EVIL}\r\n\r\n`)
			.data(1, ok('text/html', Buffer.from(`<html>${EVIL}</html>`)))
			.data(0, 'GET /i.png HTTP/1.1\r\nHost: x\r\n\r\n')
			.data(1, ok('image/png', png))
			.data(0, 'GET /dot.png HTTP/1.1\r\nHost: x\r\n\r\n')
			.data(1, ok('image/png', Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAAEElEQVR4nGP4z8AARAwoFABE0AX7pM/egAAAAABJRU5ErkJggg==', 'base64')))
			.data(0, 'GET /i.svg HTTP/1.1\r\nHost: x\r\n\r\n')
			.data(1, ok('image/svg+xml', Buffer.from(svg)))
			.data(0, 'GET /j HTTP/1.1\r\nHost: x\r\n\r\n')
			.data(1, ok('application/json', Buffer.from(JSON.stringify({ __proto__x: 1, [EVIL]: [EVIL, ODD, { a: null }] }))))
			.end(),
		new Talk({ cport: 43001, sport: 4200, at: 1_700_000_001_000_000 }).data(0, `${EVIL}\n${ODD}\n`).data(1, '\0'.repeat(3000) + '\xff'.repeat(10)).end(),
		new Talk({ cport: 43002, sport: 4200, at: 1_700_000_002_000_000 }).data(0, `${'H'.repeat(60_000)}\n${'\u0301'.repeat(5000)}\n`).end(),
		new Talk({ cport: 43003, at: 1_700_000_003_000_000 }).data(0, `GET / HTTP/1.1\r\n${Array.from({ length: 300 }, (_, i) => `X-${i}: ${'v'.repeat(100)}\r\n`).join('')}\r\n`).end(),
	);
	const s = await lab.serve([file, '--pattern', `evil=${EVIL.slice(0, 20)}`]);
	await s.call('POST', '/api/patterns', { kind: 'substring', pattern: 'onerror', name: EVIL.slice(0, 60), rescan: true });
	const rows = (await s.get('/api/streams?limit=9')).rows;
	for (const r of rows) await s.call('PATCH', `/api/streams/0x${r.stream_id}/state`, { note: EVIL + ODD.replace('\x07', '').replace('\x1b', '') });
	await s.call('POST', '/api/view/hide-rules', { kind: 'port', value: 1 });
	return { s, rows };
}

export async function everywhere(t, lab) {
	const { s, rows } = await sensor(lab);
	const page = await lab.page(t, s.url);
	const clean = async (what) => {
		await sleep(250);
		const n = await page.evaluate(() => document.querySelectorAll('#app script, #app img, #app svg, #app iframe, #app object, #app style, body > script').length);
		t.equal(`${what}: no element of theirs`, n, 0);
		t.true(`${what}: no page scroll`, await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight));
	};
	await page.waitForSelector('.row[data-id]');
	await clean('streams');
	const text = await page.locator('.table').innerText();
	t.true('the note is text', text.includes(EVIL.slice(0, 40)));
	t.true('bidi and zero width are seen', text.includes('<u+202e>') && text.includes('<u+200b>'));
	for (const r of rows)
		for (const mode of ['conv', 'text', 'hex', 'raw', 'http', 'info']) {
			await page.goto(`${s.url}#/s/${r.stream_id}/${mode}`);
			await page.waitForSelector('.of');
			await clean(`${mode} of ${r.server}`);
			if (mode === 'http')
				while (await page.locator('.fold[aria-expanded=false]').count()) {
					await page.locator('.fold[aria-expanded=false]').first().click();
					await clean(`${mode} unfolded`);
				}
		}
	const plain = rows.find((r) => r.endpoint_a.port === 43001);
	await page.goto(`${s.url}#/s/${plain.stream_id}/text?dir=a_to_b`);
	await page.waitForSelector('.bytes .line');
	const shown = (await page.locator('.bytes .content').allInnerTexts()).join('');
	t.true('the script is there, as text', shown.includes(EVIL));
	for (const box of ['<u+202e>', '<u+200b>', '<1b>[31m', '<07>']) t.true(`${box} is seen`, shown.includes(box), shown.slice(0, 300));
	for (const view of ['overview', 'matches', 'messages', 'patterns', 'profiles', 'rules', 'diag/balance', 'diag/caps', `messages?stream=${rows[0].stream_id}`]) {
		await page.goto(`${s.url}#/${view}`);
		await clean(view);
	}
	await page.goto(`${s.url}#/patterns`);
	await page.getByText(EVIL.slice(0, 30)).first().waitFor();
	t.true('a pattern of that name is text', true);
	await page.goto(`${s.url}#/${encodeURIComponent(EVIL)}?x=${encodeURIComponent(EVIL)}`);
	await clean('an address of theirs');
}

export async function bodies(t, lab) {
	const { s, rows } = await sensor(lab);
	const web = rows.find((r) => r.endpoint_a.port === 43000);
	const page = await lab.page(t, `${s.url}#/s/${web.stream_id}/http`);
	await page.waitForSelector('.card');
	const card = async (name) => {
		const c = page.locator('.card', { hasText: name }).first();
		if ((await c.locator('.fold').getAttribute('aria-expanded')) === 'false') await c.locator('.fold').click();
		await c.locator('.body').first().waitFor();
		return c;
	};
	const png = await card('/i.png');
	await until('a picture of 30,000×30,000 is refused', async () => (await png.innerText()).includes('is not drawn'));
	t.true('refused, in words', true);
	const dot = await card('/dot.png');
	await until('a small one is drawn', async () => (await dot.locator('canvas').evaluate((c) => `${c.width}×${c.height}`)) === '2×3' || (await dot.innerText()).includes('damaged'));
	t.true('on a canvas', !(await dot.innerText()).includes('damaged'));
	const svg = await card('/i.svg');
	await until('SVG stays text', async () => (await svg.innerText()).includes('<svg'));
	t.equal('and draws nothing', await svg.locator('svg, canvas').count(), 0);
	const json = await card('GET /j');
	await json.getByRole('button', { name: 'JSON', exact: true }).click();
	t.true('JSON is a tree of text', (await json.locator('.json').first().innerText()).includes('<script>'));
}
