import { type ClientCredentialsConfig, openClientCredentials } from '../delivery/client-credentials.ts';
import { parseGrpcUrl } from '../delivery/transport/grpc-url.ts';
import { httpTarget, proxyFor } from '../delivery/transport/proxy.ts';
import { parseReportUrl } from '../kubermatic/http-sink.ts';
import { checkRecordDir } from '../kubermatic/record-dir.ts';
import { type ReporterConfig, startReporter } from '../kubermatic/reporter.ts';
import { systemClock } from '../runtime/clock.ts';
import { createCommand, errorsOf, type RunOptions, waitFor } from './command.ts';
import { type Flag, group } from './flags.ts';
import { AGREE_FLAG, CREDENTIALS_FLAGS, RECORD_DIR_FLAG } from './shared-flags.ts';
import { checkedBy, parseUuid, TIMEOUT } from './values.ts';

const FLAGS = group('Report', {
  recordDir: RECORD_DIR_FLAG,
  agree: AGREE_FLAG,
  clientUuid: {
    name: 'client-uuid',
    placeholder: 'UUID',
    variables: ['SPARTAKUS_CLIENT_UUID', 'CLIENT_UUID'],
    required: 'a random UUID that identifies this installation, generated once',
    help: 'Identify this installation by this UUID, which is random and generated once.',
    parse: parseUuid,
  },
});

function deliveryFlags(url: Pick<Flag<string>, 'help' | 'parse'> & { readonly required: string }) {
  return {
    ...FLAGS,
    ...group('Delivery', {
      url: { name: 'url', placeholder: 'URL', variables: ['SPARTAKUS_URL', 'URL'], ...url },
      timeoutMs: {
        name: 'timeout',
        ...TIMEOUT,
        default: '1m',
        help: 'Maximum duration of all delivery attempts together. Records that are not stored by then remain for the next run.',
      },
    }),
    ...CREDENTIALS_FLAGS,
  };
}

export const stdoutReporterCommand = createCommand({
  name: 'reporter stdout',
  description:
    'Prints one report of all records that agents wrote, in the form in which it would be sent. Removes no records.',
  flags: FLAGS,
  validate: ({ recordDir }) => errorsOf(recordDir !== undefined && (() => checkRecordDir(recordDir))),
  run: (values, options) => runReporter({ transport: 'stdout', timeoutMs: 0, ...values }, options),
});

export const httpReporterCommand = createCommand({
  name: 'reporter http',
  description:
    "Sends one report of all records that agents wrote as JSON over HTTP, to this project's collector or to Kubermatic's. Removes the " +
    'records that were acknowledged (status 200 to 299); the others remain for the next run.',
  flags: deliveryFlags({
    required: 'the complete URL, such as https://collector.example.com/api/kubermatic/v1',
    help: 'Post the report to this URL, such as https://collector.example.com/api/kubermatic/v1.',
    parse: checkedBy(parseReportUrl),
  }),
  validate: (values, env) => validateDelivery(values, (url) => proxyFor(httpTarget(parseReportUrl(url)), env)),
  run: (values, options) => runReporter({ transport: 'http', ...values }, options),
});

export const grpcReporterCommand = createCommand({
  name: 'reporter grpc',
  description:
    "Sends one report of all records that agents wrote over gRPC, to this project's collector. Removes the records that were " +
    'acknowledged; the others remain for the next run.',
  flags: deliveryFlags({
    required: 'the collector, such as grpcs://collector.example.com:443',
    help: 'Send the report to this collector: grpc://HOST:PORT, or grpcs://HOST:PORT with TLS.',
    parse: checkedBy((text) => parseGrpcUrl(text, '--url')),
  }),
  validate: (values, env) => validateDelivery(values, (url) => proxyFor(parseGrpcUrl(url, '--url'), env)),
  run: (values, options) => runReporter({ transport: 'grpc', ...values }, options),
});

function validateDelivery(
  values: ClientCredentialsConfig & { readonly recordDir: string | undefined; readonly url: string | undefined },
  checkProxy: (url: string) => void,
): Promise<readonly string[]> {
  const { recordDir, url } = values;
  return errorsOf(
    recordDir !== undefined && (() => checkRecordDir(recordDir)),
    url !== undefined && (() => checkProxy(url)),
    url !== undefined && (() => openClientCredentials(values, url, '--url')),
  );
}

async function runReporter(config: ReporterConfig, { logger, stdout, env, stop }: RunOptions): Promise<number> {
  const options = { clock: systemClock, random: Math.random, logger, stdout, env };
  return waitFor(await startReporter(config, options), stop);
}
