// A sensor, a browser, and checks that say what was wrong.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const capture = (name) => join(ROOT, 'tests/captures', `${name}.pcap`);
export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

export async function until(what, test, ms = 10_000) {
	const end = Date.now() + ms;
	for (;;) {
		const got = await test();
		if (got) return got;
		if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
		await sleep(30);
	}
}

export class Sensor {
	constructor(lab, args, port = 0) {
		this.said = '';
		const [command, ...before] = [...(lab.inside ?? []), join(lab.out, 'rm-xdp')];
		this.child = spawn(command, [...before, ...args, '--api-listen', `127.0.0.1:${port}`, '--no-progress', ...(args.includes('--state') ? [] : ['--state', 'none'])], {
			stdio: ['ignore', 'ignore', 'pipe'],
		});
		this.child.stderr.on('data', (d) => (this.said += d));
		this.gone = new Promise((r) => this.child.once('exit', r));
	}
	async ready(finished = true) {
		const at = await until(`the API is there: ${this.said}`, () => {
			if (this.child.exitCode !== null) throw new Error(`it ended: ${this.said}`);
			return this.said.match(/API at (http:\S+)/);
		});
		this.url = at[1].replace(/#.*/, '');
		this.link = at[1];
		if (finished) await until('the replay ends', async () => (await this.get('/api/health')).run_status !== 'running', 60_000);
		return this;
	}
	async call(method, path, body) {
		const a = await fetch(new URL(path, this.url), { method, ...(body ? { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } } : {}) });
		return a.json();
	}
	get(path) {
		return this.call('GET', path);
	}
	async stop() {
		this.child.kill('SIGINT');
		await this.gone;
	}
}

export class Lab {
	constructor(out) {
		this.out = resolve(out);
		this.dir = mkdtempSync(join(tmpdir(), 'rm-xdp-web-'));
		this.sensors = [];
	}
	path(name) {
		return join(this.dir, name);
	}
	async serve(args, { finished = true, port = 0 } = {}) {
		const s = new Sensor(this, args, port);
		this.sensors.push(s);
		return s.ready(finished);
	}
	async open(executablePath = '/usr/bin/chromium') {
		this.browser = await chromium.launch({
			executablePath,
			args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
		});
	}
	async close() {
		await this.browser?.close();
		for (const s of this.sensors) if (s.child.exitCode === null) s.child.kill('SIGKILL');
		rmSync(this.dir, { recursive: true, force: true });
	}
	/** A page; what it must never do is noted in t. */
	async page(t, url, { width = 1280, height = 800, dark = false, wait = true } = {}) {
		const context = await this.browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', locale: 'en-GB', timezoneId: 'UTC', permissions: ['clipboard-read', 'clipboard-write'] });
		const page = await context.newPage();
		const origin = new URL(url).origin;
		await page.exposeFunction('tellViolation', (text) => t.fail('no policy is violated', text));
		await page.addInitScript(() => addEventListener('securitypolicyviolation', (e) => window.tellViolation(`${e.violatedDirective}: ${e.blockedURI} ${e.sample}`)));
		page.on('request', (r) => {
			if (new URL(r.url()).origin !== origin) t.fail('requests go to the sensor only', r.url());
		});
		page.on('pageerror', (e) => t.fail('no error in the page', `${e.message} ${(e.stack ?? '').split('\n').slice(1, 4).join(' ')}`));
		page.on('dialog', (d) => {
			t.fail('nothing of an opponent runs', d.message());
			void d.dismiss();
		});
		await page.goto(url);
		if (wait) await page.waitForSelector('.bottom');
		t.pages.push(page);
		return page;
	}
}

export class Verdict {
	constructor() {
		this.passed = 0;
		this.failures = [];
		this.pages = [];
	}
	true(what, ok, detail = '') {
		if (ok) this.passed++;
		else this.fail(what, detail);
		return ok;
	}
	equal(what, got, want) {
		return this.true(what, JSON.stringify(got) === JSON.stringify(want), `got ${JSON.stringify(got)?.slice(0, 400)}, not ${JSON.stringify(want)?.slice(0, 400)}`);
	}
	fail(what, detail = '') {
		if (!this.failures.some((f) => f.startsWith(what))) this.failures.push(`${what}: ${detail}`);
	}
}
