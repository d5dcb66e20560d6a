import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// One program and one style sheet under fixed names: the sensor embeds them, and its ETags tell versions apart.
export default defineConfig({
	plugins: [svelte({ compilerOptions: { runes: true } })],
	build: {
		target: 'es2022',
		assetsInlineLimit: 0,
		cssCodeSplit: false,
		modulePreload: false,
		rollupOptions: { output: { entryFileNames: 'app.js', assetFileNames: 'app.[ext]', inlineDynamicImports: true } },
	},
	test: { include: ['tests/unit/*.test.ts'] },
	// `npx vite` beside a sensor, for work on the pages
	server: { proxy: { '/api': 'http://127.0.0.1:8080' } },
});
