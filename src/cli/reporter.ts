import { openClientCredentials } from '../delivery/client-credentials.ts';
import { parseGrpcUrl } from '../delivery/transport/grpc-url.ts';
import { httpTarget, proxyFor } from '../delivery/transport/proxy.ts';
import { parseReportUrl } from '../kubermatic/http-sink.ts';
import { checkRecordDir } from '../kubermatic/record-dir.ts';
import { type ReporterConfig, type ReporterTransport, startReporter } from '../kubermatic/reporter.ts';
import { systemClock } from '../runtime/clock.ts';
import { ACCESS_FLAGS, pickAccess } from './access-flags.ts';
import { createCommand, type Io } from './command.ts';
import type { FlagValues } from './flags.ts';
import { errorsOf } from './gather-flags.ts';
import { createLogger, VERBOSE_FLAG } from './logger.ts';
import { RECORD_DIR_FLAG } from './record-flags.ts';
import { parseText, parseTimeoutMs } from './values.ts';

const FLAGS = {
  'record-dir': RECORD_DIR_FLAG,
  'client-uuid': {
    placeholder: 'UUID',
    variable: 'CLIENT_UUID',
    required: 'what tells this installation from others: a random UUID, made once',
    help: 'What tells this installation from others: a random UUID, made once.',
    parse: parseText,
  },
  verbose: VERBOSE_FLAG,
} as const;

const SENDING_FLAGS = {
  ...FLAGS,
  ...ACCESS_FLAGS,
  timeout: {
    placeholder: 'DURATION',
    default: '1m',
    help: 'How long it is tried in all; what is not stored by then goes with the next run.',
    parse: parseTimeoutMs,
  },
} as const;

const urlFlag = (help: string, required: string, check: (url: string) => unknown) =>
  ({
    placeholder: 'URL',
    variable: 'URL',
    required,
    help,
    parse: (text: string) => {
      check(text);
      return text;
    },
  }) as const;

/** `spartakus reporter stdout`: what would be sent. */
export const stdoutReporterCommand = createCommand({
  name: 'reporter stdout',
  summary: 'Prints one report of all records that agents wrote, as it would be sent, and removes none.',
  flags: FLAGS,
  check: ({ 'record-dir': dir }) => checkDir(dir),
  execute: (values, io) => run({ transport: 'stdout', timeoutMs: 0, ...pick(values) }, values, io),
});

/** `spartakus reporter http`: to this project's collector, or to Kubermatic's own. */
export const httpReporterCommand = createCommand({
  name: 'reporter http',
  summary:
    'Makes one report of all records that agents wrote, posts it as JSON, and removes those that were acknowledged (status 200 to 299). What\n' +
    'was not goes with the next run.',
  flags: {
    ...SENDING_FLAGS,
    url: urlFlag(
      'Where the report is posted, as it stands: https://HOST/api/kubermatic/v1.',
      'the whole URL, such as https://collector.example.com/api/kubermatic/v1',
      parseReportUrl,
    ),
  },
  check: async (values, { env }) => [
    ...(await checkDir(values['record-dir'])),
    ...(await checkWay('http', values, env)),
  ],
  execute: (values, io) =>
    run(
      { transport: 'http', timeoutMs: values.timeout, url: values.url, ...pick(values), ...pickAccess(values) },
      values,
      io,
    ),
});

/** `spartakus reporter grpc`: to this project's collector. */
export const grpcReporterCommand = createCommand({
  name: 'reporter grpc',
  summary:
    'Makes one report of all records that agents wrote, sends it over gRPC, and removes each record that was acknowledged. What was not\ngoes with the next run.',
  flags: {
    ...SENDING_FLAGS,
    url: urlFlag(
      'The collector: grpc://HOST:PORT, or grpcs://HOST:PORT with TLS.',
      'the collector, such as grpcs://collector.example.com:443',
      (url) => parseGrpcUrl(url, '--url'),
    ),
  },
  check: async (values, { env }) => [
    ...(await checkDir(values['record-dir'])),
    ...(await checkWay('grpc', values, env)),
  ],
  execute: (values, io) =>
    run(
      { transport: 'grpc', timeoutMs: values.timeout, url: values.url, ...pick(values), ...pickAccess(values) },
      values,
      io,
    ),
});

type Values = FlagValues<typeof FLAGS>;

function pick(values: Values): Pick<ReporterConfig, 'recordDir' | 'clientUuid'> {
  return { recordDir: values['record-dir'], clientUuid: values['client-uuid'] };
}

function checkDir(dir: string | undefined): Promise<readonly string[]> {
  return dir === undefined ? Promise.resolve([]) : errorsOf(() => checkRecordDir(dir));
}

/** What is wrong with the way to the collector: its proxy, and the files that it takes. */
async function checkWay(
  transport: Exclude<ReporterTransport, 'stdout'>,
  values: Partial<FlagValues<typeof SENDING_FLAGS>> & { readonly url?: string },
  env: NodeJS.ProcessEnv,
): Promise<readonly string[]> {
  const { url } = values;
  if (url === undefined) return [];
  const checkProxy = (): void => {
    if (transport === 'http') proxyFor(httpTarget(parseReportUrl(url)), env);
    else proxyFor(parseGrpcUrl(url, '--url'), env);
  };
  return [
    ...(await errorsOf(checkProxy)),
    ...(await errorsOf(() => openClientCredentials(pickAccess(values), url, '--url'))),
  ];
}

async function run(config: ReporterConfig, values: Values, io: Io): Promise<number> {
  const reporter = await startReporter(config, {
    clock: systemClock,
    random: Math.random,
    logger: createLogger(io, values.verbose),
    stdout: io.stdout,
    env: io.env,
  });
  io.stop.addEventListener('abort', () => void reporter.close(), { once: true });
  const { status } = await reporter.done;
  return status === 'done' ? 0 : 1;
}
