import { randomBytes } from 'node:crypto';
import { startCollector } from '../collector/collector.ts';
import { parseTrustedProxies, RECORD_PEER_MODES } from '../collector/serve/admission/request-origin.ts';
import { type ConsoleConfig, findConsoleProblem } from '../collector/serve/console/console.ts';
import type { ListenAddress } from '../collector/serve/listener.ts';
import type { TlsConfig } from '../collector/serve/tls.ts';
import { DATABASES, DEFAULT_DATABASE, findDatabase } from '../collector/store/open.ts';
import { systemClock } from '../runtime/clock.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { createCommand, programVersion } from './command.ts';
import { pasteableExamples } from './examples.ts';
import { LIMIT_FLAGS, limitsOf } from './limit-flags.ts';
import { createLogger, VERBOSE_FLAG } from './logger.ts';
import {
  parseChoice,
  parseDurationMs,
  parseListen,
  parsePort,
  parseSwitch,
  parseText,
  parseTimeoutMs,
} from './values.ts';

/** `spartakus collector`: takes reports and stores them. */
export const collectorCommand = createCommand({
  name: 'collector',
  summary: 'Takes reports over Connect, gRPC, gRPC-Web and plain JSON on one port, and stores them.',
  databases: DATABASES,
  flags: {
    port: {
      placeholder: 'PORT',
      default: '8080',
      help: 'The port to listen on; 0 takes any free one.',
      parse: parsePort,
    },
    host: { placeholder: 'ADDRESS', help: 'The address to listen on (default: all of them).', parse: parseText },
    'tls-cert': {
      placeholder: 'FILE',
      help: 'The certificate to show clients, with its chain, as PEM; with --tls-key. The port speaks TLS alone then. Followed when it changes.',
      parse: parseText,
    },
    'tls-key': {
      placeholder: 'FILE',
      help: 'The key of --tls-cert, as PEM. Followed when it changes.',
      parse: parseText,
    },
    'tls-client-ca': {
      placeholder: 'FILE',
      help: 'The CAs, as PEM, of which each client must show a certificate. Followed when it changes.',
      parse: parseText,
    },
    'ingest-tokens-file': {
      placeholder: 'FILE',
      help: 'The bearer tokens with which reports are let in, one a line (default: everybody may report). Followed when it changes.',
      parse: parseText,
    },
    'console-listen': {
      placeholder: 'ADDRESS:PORT',
      default: '127.0.0.1:8081',
      help: 'Where metrics, and everything else that reads, are served; off for nowhere.',
      parse: parseListen,
    },
    'console-token-file': {
      placeholder: 'FILE',
      help: 'The bearer tokens of operators, one a line, for the console; needed where other machines reach it. Followed when it changes.',
      parse: parseText,
    },
    database: {
      placeholder: 'SPEC',
      default: DEFAULT_DATABASE,
      help: 'Where reports are stored; --print-databases lists the kinds.',
      parse: (spec) => {
        findDatabase(spec);
        return spec;
      },
    },
    'report-period': {
      placeholder: 'DURATION',
      help: 'How long clients are asked to wait between two reports (default: as long as they wish).',
      parse: parseDurationMs,
    },
    'record-peer': {
      placeholder: RECORD_PEER_MODES.join('|'),
      default: 'none',
      help: "What of a client's address is stored with its report, as receivedFrom; hash cannot be computed back, and changes at each start.",
      parse: (text) => parseChoice(text, RECORD_PEER_MODES),
    },
    'trusted-proxies': {
      placeholder: 'NETWORKS',
      default: '',
      help: 'The proxies whose X-Forwarded-For is believed, by comma: 10.0.0.0/8,192.0.2.7.',
      parse: (text) => {
        const trustedProxies = text
          .split(',')
          .map((network) => network.trim())
          .filter((network) => network !== '');
        parseTrustedProxies(trustedProxies);
        return trustedProxies;
      },
    },
    'keep-country': {
      default: 'false',
      help: 'Keeps the countries that Kubermatic clients send, as two letters; any other place is always dropped.',
      parse: parseSwitch,
    },
    ...LIMIT_FLAGS,
    'store-timeout': {
      placeholder: 'DURATION',
      default: '10s',
      help: 'How long the database may take to store reports; after that they are refused, to be sent again.',
      parse: parseTimeoutMs,
    },
    'shutdown-grace': {
      placeholder: 'DURATION',
      default: '5s',
      help: 'How long it may take to stop once SIGTERM or SIGINT came; requests have four fifths of it.',
      parse: parseDurationMs,
    },
    examples: { default: 'false', help: 'Prints commands to paste once the collector listens.', parse: parseSwitch },
    verbose: VERBOSE_FLAG,
  },
  check: (values) => Promise.resolve([...checkTls(values), ...checkConsole(values)]),
  async execute(values, io) {
    const logger = createLogger(io, values.verbose);
    try {
      const collector = await startCollector(
        {
          port: values.port,
          host: values.host,
          ...pickTls(values),
          ingestTokensFile: values['ingest-tokens-file'],
          ...pickConsole(values),
          database: values.database,
          reportPeriodMs: values['report-period'],
          limits: limitsOf(values),
          recordPeer: values['record-peer'],
          trustedProxies: values['trusted-proxies'],
          keepCountry: values['keep-country'],
          storeTimeoutMs: values['store-timeout'],
          shutdownGraceMs: values['shutdown-grace'],
        },
        {
          clock: systemClock,
          randomBytes,
          logger,
          verbose: values.verbose,
          stdout: io.stdout,
          version: `v${programVersion()}`,
        },
      );
      const { url, consoleUrl } = collector;
      logger.info({ url, console: consoleUrl }, 'the collector listens');
      if (values.examples) io.stdout.write(`\n${pasteableExamples({ url, consoleUrl, program: programName() })}\n`);
      await untilAborted(io.stop);
      logger.info({}, 'stopping: answering what was accepted');
      await collector.close();
      logger.info({}, 'stopped');
      return 0;
    } catch (thrown) {
      const error = SpartakusError.from(thrown);
      io.stderr.write(`spartakus collector: ${error.message}\n`);
      return 1;
    }
  },
});

type TlsFlags = Partial<Readonly<Record<'tls-cert' | 'tls-key' | 'tls-client-ca', string | undefined>>>;

function checkTls({ 'tls-cert': cert, 'tls-key': key, 'tls-client-ca': clientCa }: TlsFlags): string[] {
  return [
    ...(cert !== undefined && key === undefined ? [`--tls-cert ${cert}: has no key: give --tls-key too.`] : []),
    ...(key !== undefined && cert === undefined ? [`--tls-key ${key}: has no certificate: give --tls-cert too.`] : []),
    ...(clientCa !== undefined && cert === undefined
      ? [`--tls-client-ca ${clientCa}: is of no use without TLS: give --tls-cert and --tls-key too.`]
      : []),
  ];
}

function pickTls({ 'tls-cert': certFile, 'tls-key': keyFile, 'tls-client-ca': clientCaFile }: TlsFlags): {
  readonly tls?: TlsConfig;
} {
  if (certFile === undefined || keyFile === undefined) return {};
  return { tls: { certFile, keyFile, clientCaFile } };
}

interface ConsoleFlags {
  readonly 'console-listen'?: ListenAddress | undefined;
  readonly 'console-token-file'?: string | undefined;
}

function checkConsole(flags: ConsoleFlags): string[] {
  const { console: config } = pickConsole(flags);
  const problem = config === undefined ? undefined : findConsoleProblem(config);
  return problem === undefined ? [] : [problem];
}

function pickConsole({ 'console-listen': listen, 'console-token-file': tokenFile }: ConsoleFlags): {
  readonly console?: ConsoleConfig;
} {
  if (listen === undefined) return {};
  return { console: { listen, tokenFile } };
}

/** How this program is called: in a clone it is run from its sources. */
function programName(): string {
  return import.meta.filename.endsWith('.ts') ? 'npm run -s spartakus --' : 'spartakus';
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
