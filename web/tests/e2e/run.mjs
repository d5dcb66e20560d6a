// The pages in Chromium against the real sensor.
//
// usage: run.mjs [--out FOLDER] [WORD...]   (WORDs choose tests by their names)
import { Lab, Verdict } from './lab.mjs';
import * as hostile from './hostile.mjs';
import * as list from './list.mjs';
import * as live from './live.mjs';
import * as stream from './stream.mjs';
import * as tour from './tour.mjs';
import * as views from './views.mjs';

const args = process.argv.slice(2);
const at = args.indexOf('--out');
const out = at >= 0 ? args.splice(at, 2)[1] : '.out';
const tests = Object.entries({ tour, list, stream, hostile, views, live })
	.flatMap(([name, module]) => Object.entries(module).map(([test, run]) => [`${name}/${test}`, run]))
	.filter(([name]) => !args.length || args.some((w) => name.includes(w)));

const lab = new Lab(out);
let passed = 0;
let failed = 0;
await lab.open();
try {
	for (const [name, run] of tests) {
		const t = new Verdict();
		const began = Date.now();
		try {
			await run(t, lab);
		} catch (e) {
			t.fail('it comes to its end', `${e.message} ${(e.stack ?? '').split('\n').filter((l) => l.includes('e2e/')).slice(0, 2).join(' ').trim()}`);
		}
		if (t.failures.length && process.env.SHOTS) for (const p of t.pages) await p.screenshot({ path: `${process.env.SHOTS}/${name.replace('/', '-')}.png` }).catch(() => {});
		for (const p of t.pages) await p.context().close().catch(() => {});
		passed += t.passed;
		failed += t.failures.length;
		console.log(`${t.failures.length ? 'FAILED ' : 'ok     '} ${name} (${t.passed}, ${((Date.now() - began) / 1000).toFixed(1)} s)`);
		for (const f of t.failures) console.log(`        ${f}`);
	}
} finally {
	await lab.close();
}
console.log(`web: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
