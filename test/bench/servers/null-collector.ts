import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { type FlagValues, parseFlags } from '../../../src/cli/flags.ts';
import { LIMIT_FLAGS } from '../../../src/cli/limit-flags.ts';
import { startCollector } from '../../../src/collector/collector.ts';
import type { Outcome, ReportStore } from '../../../src/report/report-sink.ts';
import { createNetworks } from '../../../src/runtime/addresses.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { UNLIMITED_CLIENTS } from '../../support/collector-program.ts';

/**
 * The collector with a store that keeps nothing, so that the way to the store is measured and not the database. Prints its port.
 *
 * - `--stuck`: no write ends, so that all requests after the first are rejected for capacity
 * - `--tokens FILE`: as --ingest-tokens-file
 * - `--address-rate COUNT`: as --max-address-rate
 */
const { values } = parseArgs({
  options: { stuck: { type: 'boolean' }, tokens: { type: 'string' }, 'address-rate': { type: 'string' } },
});
const STORED: Outcome = { status: 'stored' };
const store: ReportStore = {
  put: (entries) => (values.stuck === true ? new Promise(() => undefined) : Promise.resolve(entries.map(() => STORED))),
  hasReportsFrom: () => Promise.resolve(true),
  check: () => Promise.resolve(),
  close: () => Promise.resolve(),
};
const silent = (): void => undefined;
const limits = parseFlags(
  LIMIT_FLAGS,
  [
    ...UNLIMITED_CLIENTS.filter((flag) => values['address-rate'] === undefined || !flag.includes('address-rate')),
    ...(values['address-rate'] === undefined ? [] : [`--max-address-rate=${values['address-rate']}`]),
    ...(values.stuck === true ? ['--max-pending-reports=1'] : []),
  ],
  {},
).values as FlagValues<typeof LIMIT_FLAGS>;
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
const collector = await startCollector(
  {
    port: 0,
    host: '127.0.0.1',
    database: { kind: 'stdout' },
    ...(values.tokens === undefined ? {} : { ingestTokensFile: values.tokens }),
    limits,
    recordPeer: 'none',
    trustedProxies: createNetworks([]),
    keepCountry: false,
    storeTimeoutMs: 10_000,
    shutdownGraceMs: 200,
  },
  {
    clock: systemClock,
    randomBytes,
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    stdout: process.stdout,
    openStore: () => Promise.resolve(store),
    version: 'bench',
  },
);
if (values.stuck === true)
  void fetch(`${collector.url}/api/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"clusterID": "first"}',
  }).catch(() => undefined);
process.stdout.write(`${collector.port}\n`);
stop.signal.addEventListener('abort', () => void collector.close().then(() => process.exit(0)));
