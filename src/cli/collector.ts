import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type CollectorConfig, startCollector } from '../collector/collector.ts';
import { estimateMemory } from '../collector/serve/admission/memory-limiter.ts';
import { RECORD_PEER_MODES } from '../collector/serve/admission/request-origin.ts';
import { type ConsoleConfig, findConsoleProblem } from '../collector/serve/console/console.ts';
import type { TlsConfig } from '../collector/serve/tls.ts';
import { DATABASES, DEFAULT_DATABASE, describeDatabase, parseDatabase } from '../collector/store/database-spec.ts';
import { NO_NETWORKS } from '../runtime/addresses.ts';
import { systemClock } from '../runtime/clock.ts';
import { createCommand } from './command.ts';
import { pasteableExamples } from './examples.ts';
import { type Flags, type FlagsFor, group, type PartialValues } from './flags.ts';
import { LIMIT_FLAGS } from './limit-flags.ts';
import { parseActiveDays, parseSmallestGroup } from './statistics-flags.ts';
import {
  DAYS,
  DURATION,
  FILE,
  parseBytes,
  parseChoice,
  parseListen,
  parseNetworks,
  parseQualifiedNames,
  parseText,
  PORT,
  SWITCH,
  TIMEOUT,
} from './values.ts';
import { PROGRAM_VERSION } from './version.ts';

const FLAGS = {
  ...group('Listen', {
    port: { name: 'port', ...PORT, default: '8080', help: 'Listen on this port; 0 selects any free port.' },
    host: {
      name: 'host',
      placeholder: 'ADDRESS',
      help: 'Listen on this address. By default, listen on all addresses.',
      parse: parseText,
    },
    reusePort: {
      name: 'reuse-port',
      ...SWITCH,
      help: 'Share the port with other collectors on this machine that have this flag: the kernel distributes connections among them. They need one database server, and each its own --console-listen. Limits are those of each. Not on macOS and Windows.',
    },
    trustedProxies: {
      name: 'trusted-proxies',
      placeholder: 'NETWORKS',
      default: '',
      help: 'Trust the X-Forwarded-For header of these proxies: comma-separated addresses and networks, such as 10.0.0.0/8,192.0.2.7.',
      parse: parseNetworks,
    },
    proxyProtocol: {
      name: 'proxy-protocol',
      ...SWITCH,
      help: 'Require a header of the PROXY protocol, version 1 or 2, at the start of each connection of --trusted-proxies, before TLS. Load balancers that forward TCP name their clients with it.',
    },
  }),
  tls: group('TLS', {
    certFile: {
      name: 'tls-cert',
      ...FILE,
      help: 'PEM file with the server certificate and its chain. Requires --tls-key. The port then accepts TLS only. Reloaded on change.',
    },
    keyFile: { name: 'tls-key', ...FILE, help: 'PEM file with the private key of --tls-cert. Reloaded on change.' },
    clientCaFile: {
      name: 'tls-client-ca',
      ...FILE,
      help: 'PEM file with the CAs that verify client certificates. Clients must then present a certificate. Reloaded on change.',
    },
  }),
  ...group('Authentication', {
    ingestTokensFile: {
      name: 'ingest-tokens-file',
      ...FILE,
      help: 'File with bearer tokens, one per line. Clients must then send one of them. By default, clients need no token. Reloaded on change.',
    },
  }),
  console: group('Admin listener', {
    listen: {
      name: 'console-listen',
      placeholder: 'ADDRESS:PORT',
      default: '127.0.0.1:8081',
      help: 'Serve the dashboard, statistics, health and metrics on this address and port; off disables the admin listener.',
      parse: parseListen,
    },
    tokenFile: {
      name: 'console-token-file',
      ...FILE,
      help: 'File with the bearer tokens of operators, one per line. Required when other machines can reach the admin listener. Reloaded on change.',
    },
    isPublic: {
      name: 'console-public',
      ...SWITCH,
      help: 'Let anyone read the statistics and the dashboard on the admin listener, rounded and with larger groups. Metrics still need a token.',
    },
    smallestGroup: {
      name: 'smallest-group',
      placeholder: 'CLUSTERS',
      help: 'Hide groups of fewer clusters in statistics; at least 3. Default: 5, and 10 with --console-public.',
      parse: parseSmallestGroup,
    },
  }),
  ...group('Database', {
    database: {
      name: 'database',
      placeholder: 'SPEC',
      default: DEFAULT_DATABASE,
      help: 'Store reports in this database. --print-databases lists the supported forms.',
      parse: parseDatabase,
    },
    storeTimeoutMs: {
      name: 'store-timeout',
      ...TIMEOUT,
      default: '10s',
      help: 'Maximum duration of a database write. Reports that are not stored in time are rejected, and clients send them again.',
    },
    diskReserveBytes: {
      name: 'disk-reserve',
      placeholder: 'BYTES',
      help: 'With --database embedded: reject reports while the file system of the database has less free space than this; 0 never rejects them, and the engine stops on a full disk until there is space. By default, 512Mi, or 5 % of the file system if that is less.',
      parse: (text) => (text === '0' ? 0 : parseBytes(text)),
    },
  }),
  statistics: group('Database', {
    retainMs: {
      name: 'retain',
      ...DAYS,
      default: '400d',
      help: 'Delete reports so long after they were received; 0 keeps them for ever. Statistics of their days stay.',
    },
    activeWindowDays: {
      name: 'active-days',
      placeholder: 'DAYS',
      default: '30',
      help: 'Count a cluster as active for so many days after its last report.',
      parse: parseActiveDays,
    },
    countedExtensions: {
      name: 'count-extension-values',
      placeholder: 'NAMES',
      help: 'Count these extensions by value, not only by name: comma-separated, such as example.com/tier,example.com/env.',
      parse: parseQualifiedNames,
    },
  }),
  ...group('Privacy', {
    recordPeer: {
      name: 'record-peer',
      placeholder: RECORD_PEER_MODES.join('|'),
      default: 'none',
      help: 'Store the client address with each report (receivedFrom): not at all, as a keyed hash whose key changes at each start, or unchanged.',
      parse: (text) => parseChoice(text, RECORD_PEER_MODES),
    },
    keepCountry: {
      name: 'keep-country',
      ...SWITCH,
      help: 'Keep the country codes (ISO 3166-1 alpha-2) that Kubermatic clients send. Other locations are always dropped.',
    },
    keepUnknownFields: {
      name: 'keep-unknown-fields',
      ...SWITCH,
      help: 'Store protobuf fields that the schema of this release does not have, undecoded. By default they are dropped and counted.',
    },
    normaliseLegacy: {
      name: 'normalise-legacy',
      ...SWITCH,
      help: 'Store what clients of older systems send only in the forms that new clients send: known names, versions and rounded quantities. By default, it is stored as it is sent.',
    },
  }),
  ...group('Limits', {
    reportPeriodMs: {
      name: 'report-period',
      ...DURATION,
      help: 'Ask clients to wait this long between two reports. By default, clients decide.',
    },
  }),
  limits: LIMIT_FLAGS,
  ...group('Timeouts', {
    startTimeoutMs: {
      name: 'start-timeout',
      ...TIMEOUT,
      default: '2m',
      help: 'Maximum duration of the start, until the collector listens. The recovery of a large database takes most of it.',
    },
    shutdownGraceMs: {
      name: 'shutdown-grace',
      ...DURATION,
      default: '5s',
      help: 'Maximum duration of a graceful shutdown after SIGTERM or SIGINT. Requests have four fifths of it, the database the rest.',
    },
  }),
  ...group('General', {
    examples: { name: 'examples', ...SWITCH, help: 'Print example commands once the collector listens.' },
  }),
} satisfies FlagsFor<Omit<CollectorConfig, 'console'>> & { readonly console: Flags };

export const collectorCommand = createCommand({
  name: 'collector',
  description:
    'Receives reports over gRPC, gRPC-Web, Connect and plain JSON on one port, and stores them in a database.',
  databases: DATABASES,
  flags: FLAGS,
  validate,
  async run({ verbose, examples, ...values }, { stdout, logger, stop, abandon }) {
    const config = { ...values, tls: tlsOf(values.tls), console: consoleOf(values.console) };
    const options = { clock: systemClock, randomBytes, logger, verbose, stdout, version: PROGRAM_VERSION, stop };
    const collector = await startCollector(config, options).catch((error: unknown) => {
      abandon?.();
      if (!stop.aborted) throw error;
    });
    if (collector === undefined) {
      logger.info({}, 'The collector was stopped before it had started.');
      return 0;
    }
    const { url, consoleUrl } = collector;
    logger.info({ url, console: consoleUrl }, 'The collector listens.');
    if (examples) stdout.write(`\n${pasteableExamples({ url, consoleUrl })}\n`);
    if (!stop.aborted) await once(stop, 'abort');
    logger.info({}, 'The collector is stopping.');
    await collector.close();
    logger.info({}, 'The collector has stopped.');
    return 0;
  },
});

function tlsOf({ certFile, keyFile, clientCaFile }: Values['tls']): TlsConfig | undefined {
  return certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile, clientCaFile };
}

function consoleOf({ listen, ...values }: Values['console']): ConsoleConfig | undefined {
  return listen === undefined ? undefined : { listen, ...values };
}

type Values = PartialValues<typeof FLAGS>;

function validate({ tls: { certFile, keyFile, clientCaFile }, ...values }: Values): string[] {
  const consoleConfig = consoleOf(values.console);
  const { maxBodyBytes = Infinity, maxJsonBytes = 0, maxProtobufBytes = 0 } = values.limits;
  const leastBytes = estimateMemory(Math.max(maxJsonBytes, maxProtobufBytes));
  const problems = [
    certFile !== undefined && keyFile === undefined && `--tls-cert ${certFile}: has no key: give --tls-key too.`,
    keyFile !== undefined && certFile === undefined && `--tls-key ${keyFile}: has no certificate: give --tls-cert too.`,
    clientCaFile !== undefined &&
      certFile === undefined &&
      `--tls-client-ca ${clientCaFile}: has no effect without TLS: give --tls-cert and --tls-key too.`,
    values.diskReserveBytes !== undefined &&
      values.database !== undefined &&
      values.database.kind !== 'embedded' &&
      `--disk-reserve: has no effect with --database ${describeDatabase(values.database)}: it is for embedded:DIR.`,
    values.reusePort === true &&
      values.database?.kind === 'embedded' &&
      `--reuse-port: one collector at a time can use --database ${describeDatabase(values.database)}: use a MongoDB server.`,
    maxBodyBytes < leastBytes &&
      `--max-body-memory ${maxBodyBytes}: a report of the maximum size takes ${leastBytes} bytes: raise it, or lower --max-json-size and --max-report-size.`,
    consoleConfig !== undefined && findConsoleProblem(consoleConfig),
    values.proxyProtocol === true &&
      values.trustedProxies === NO_NETWORKS &&
      '--proxy-protocol: no proxy is trusted: give --trusted-proxies too.',
  ];
  return problems.filter((problem) => typeof problem === 'string');
}
