import { defineConfig } from 'vite';

/**
 * The page of the admin listener: one HTML file, one script, one stylesheet. `npm run build` writes them to dist/dashboard; a collector
 * that runs from its sources builds them when they are first requested (src/collector/serve/console/dashboard-files.ts).
 */
export default defineConfig({
  root: `${import.meta.dirname}/src/collector/dashboard`,
  // Relative addresses also work behind a proxy that adds a prefix.
  base: './',
  publicDir: false,
  build: {
    outDir: `${import.meta.dirname}/dist/dashboard`,
    emptyOutDir: true,
    target: 'es2023',
    modulePreload: false,
    // Data URLs would need an exception in the Content-Security-Policy.
    assetsInlineLimit: 0,
    rolldownOptions: { output: { entryFileNames: 'dashboard.js', assetFileNames: 'dashboard[extname]' } },
  },
});
