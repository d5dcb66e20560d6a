// "Five minutes with rm-xdp", step by step as the README has it; and its screenshots.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, sleep, until } from './lab.mjs';

function steps() {
	const text = readFileSync(join(ROOT, 'README.md'), 'utf8');
	const part = text.split('## Five minutes with rm-xdp')[1].split('\n![')[0];
	return part.split(/\n(?=\d+\. )/).slice(1);
}

export async function five_minutes(t, lab) {
	let page;
	let sensor;
	for (const step of steps()) {
		const number = step.match(/^\d+/)[0];
		for (const [, code, typed, seen] of step.matchAll(/`([^`]+)`|“([^”]+)”|\*\*([^*]+)\*\*/g)) {
			if (code?.startsWith('.out/rm-xdp ')) {
				const args = code.split(' ').slice(1);
				const files = args.filter((a) => a.endsWith('.pcap')).map((a) => join(ROOT, a));
				sensor = await lab.serve([...files, ...args.slice(files.length, args.indexOf('--api-listen'))]);
				page = await lab.page(t, sensor.url);
			} else if (code === 'H') {
				continue; // the step says what it would do
			} else if (code) {
				await page.keyboard.press(code);
				await sleep(150);
			} else if (typed) {
				await page.keyboard.type(typed);
			} else {
				const close = (x) => x.replace(/\s+/g, ''); // cells of hex stand apart by their looks
				const has = async () => close(await page.locator('body').innerText()).includes(close(seen));
				await until(`step ${number}: “${seen}” is seen`, has, 5000).catch((e) => t.fail(e.message));
				t.true(`step ${number}: “${seen}”`, await has());
			}
		}
	}
	t.true('all steps', steps().length >= 10);
	const row = (await sensor.get('/api/streams?has=note')).rows;
	t.equal('the note was saved', row.map((r) => r.note), ['the leak']);
}
