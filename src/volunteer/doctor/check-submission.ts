import { create } from '@bufbuild/protobuf';
import type { ServiceError } from '@grpc/grpc-js';
import {
  CollectorService,
  SubmitReportRequestSchema,
} from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Database } from '../../delivery/open-sink.ts';
import { excerpt } from '../../delivery/transport/excerpt.ts';
import type { TransportOptions } from '../../delivery/transport/sink.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';
import { type Check, fail, ok, warn } from './check.ts';

const NAME = 'reports';

/**
 * Checks whether a collector accepts reports of this client, with the token, by a request that no collector can store: one without a report
 * (docs/decisions/029-validate-only.md).
 *
 * @param tokenFile --token-file
 */
export function checkSubmission(
  database: Exclude<Database, { readonly transport: 'stdout' }>,
  tokenFile: string | undefined,
  options: TransportOptions,
): Promise<Check> {
  return database.transport === 'grpc'
    ? submitNothing(database.spec, tokenFile, options)
    : postNothing(database.url, tokenFile, options);
}

async function submitNothing(url: string, tokenFile: string | undefined, options: TransportOptions): Promise<Check> {
  // Imported when used, as in open-sink.ts.
  const [{ openGrpcClient }, { status: Code }] = await Promise.all([
    import('../../delivery/transport/grpc-client.ts'),
    import('@grpc/grpc-js'),
  ]);
  const client = openGrpcClient(url, options);
  try {
    await client.unary(CollectorService.method.submitReport, create(SubmitReportRequestSchema, { validateOnly: true }));
    return accepted(tokenFile);
  } catch (error) {
    if (error instanceof SpartakusError) return fail(NAME, error.message);
    const { code = Code.UNKNOWN, details = messageOf(error) } = error as Partial<ServiceError>;
    const text = `${url}: ${excerpt(details)} (gRPC code ${code})`;
    // Of a collector that does not know validate_only, for the missing report: it has authenticated before.
    if (code === Code.INVALID_ARGUMENT) return accepted(tokenFile);
    if (code === Code.UNAUTHENTICATED) return unauthenticated(tokenFile);
    if (code === Code.PERMISSION_DENIED) return forbidden(text);
    if (code === Code.RESOURCE_EXHAUSTED) return busy(text);
    if (code === Code.UNIMPLEMENTED)
      return warn(NAME, `not checked: ${url} has no method SubmitReport. Is it a collector?`);
    return fail(NAME, `${text}. Does a proxy in between let gRPC pass to the collector?`);
  } finally {
    client.close();
  }
}

/** Collectors reject an empty body as invalid JSON, after authentication. */
async function postNothing(url: URL, tokenFile: string | undefined, options: TransportOptions): Promise<Check> {
  const { openHttpClient } = await import('../../delivery/transport/http-client.ts');
  const shown = maskUrl(url.href);
  const client = openHttpClient(url, options);
  try {
    const response = await client.request('POST', '');
    response.resume();
    const { statusCode = 0 } = response;
    const text = `${shown} responds to an empty body with ${statusCode}`;
    switch (statusCode) {
      case 400:
        return accepted(tokenFile);
      case 401:
        return unauthenticated(tokenFile);
      case 403:
        return forbidden(text);
      case 404:
      case 405:
        return fail(NAME, `${text}. Is the path in --database right?`);
      case 429:
        return busy(text);
      default:
        return warn(NAME, `not checked: ${text}, and a collector with 400`);
    }
  } catch (error) {
    if (error instanceof SpartakusError) return fail(NAME, error.message);
    return fail(NAME, `${shown}: ${excerpt(messageOf(error))}`);
  } finally {
    client.close();
  }
}

function accepted(tokenFile: string | undefined): Check {
  const by = tokenFile === undefined ? 'without a token' : 'with the token in --token-file';
  return ok(NAME, `the collector accepts them ${by}; nothing was stored for this check`);
}

/** Quotes nothing of the response, which could repeat the token. */
function unauthenticated(tokenFile: string | undefined): Check {
  if (tokenFile === undefined)
    return fail(NAME, 'the collector requires a token: ask its operator for one, and give its file with --token-file');
  return fail(
    NAME,
    `the collector rejects the token in --token-file ${tokenFile}: ask its operator for a valid one, and write it to that file`,
  );
}

function forbidden(text: string): Check {
  const advice = 'Is the token in --token-file, or the certificate in --cert-file, one for this collector?';
  return fail(NAME, `${text}: reports of this client are not permitted. ${advice}`);
}

function busy(text: string): Check {
  return warn(NAME, `not checked: ${text}. The collector has too many requests now; reports are sent again later.`);
}
