// The README's screenshots, from recorded traffic.   usage: shots.mjs OUT FOLDER
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { capture, Lab, sleep, Verdict } from './lab.mjs';

const [out, folder] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const lab = new Lab(out);
const t = new Verdict();
await lab.open();
try {
	const s = await lab.serve([...['demo', 'http', 'http-encoded', 'websocket', 'loss', 'redis', 'smtp', 'upload'].map(capture), '--pack', 'flags', '--pattern', 'secret']);
	const rows = (await s.get('/api/streams?limit=200')).rows;
	const flag = (await s.get('/api/matches?pattern_id=pack:0&limit=1')).matches[0];
	await s.call('PATCH', `/api/streams/0x${flag.stream_id}/state`, { favorite: true, color: 'red', note: 'a flag leaves here' });
	const page = await lab.page(t, `${s.url}#/streams?sel=${rows[4].stream_id}`);
	const take = async (name) => {
		await sleep(600);
		await page.screenshot({ path: join(folder, `${name}.png`) });
	};
	await page.waitForSelector('.row[data-id]');
	await take('streams');
	await page.goto(`${s.url}#/s/${flag.stream_id}/conv?at=${flag.logical_start}&len=${flag.logical_end - flag.logical_start}`);
	await page.waitForSelector('.turn');
	await page.keyboard.press('n');
	await take('conversation');
	await page.goto(`${s.url}#/overview`);
	await page.waitForSelector('.plot canvas');
	await take('overview');
	console.log(`${folder}: 3 screenshots${t.failures.length ? `, but ${t.failures.join('; ')}` : ''}`);
} finally {
	await lab.close();
}
