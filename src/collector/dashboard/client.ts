import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  type GetStatisticsRequestSchema,
  StatisticsService,
} from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { readStatistics, type Statistics } from './model.ts';

export interface StatisticsClient {
  /** @throws ConnectError */
  get(request: MessageInitShape<typeof GetStatisticsRequestSchema>): Promise<Statistics>;
  clear(): void;
}

const TIMEOUT_MS = 30_000;
const CODES: ReadonlyMap<string, Code> = new Map([
  ['invalid_argument', Code.InvalidArgument],
  ['unauthenticated', Code.Unauthenticated],
  ['permission_denied', Code.PermissionDenied],
  ['resource_exhausted', Code.ResourceExhausted],
  ['unavailable', Code.Unavailable],
]);

/** Keeps answers in memory, so that a switch back needs no request. */
export function createStatisticsClient(baseUrl: string, token: () => string | undefined): StatisticsClient {
  const client = createClient(StatisticsService, createTransport(baseUrl, token));
  const answers = new Map<string, Promise<Statistics>>();
  return {
    async get(request) {
      const key = JSON.stringify(request);
      const answer = answers.get(key) ?? client.getStatistics(request).then(readStatistics);
      answers.set(key, answer);
      answer.catch(() => answers.delete(key));
      return await answer;
    },
    clear: () => answers.clear(),
  };
}

/** Connect's unary protocol in protobuf. The transport of @connectrpc/connect-web would add 10 kB to the page for streams. */
function createTransport(baseUrl: string, token: () => string | undefined): Transport {
  return {
    async unary(method, signal, _timeoutMs, header, input) {
      const headers = new Headers(header);
      headers.set('content-type', 'application/proto');
      headers.set('connect-protocol-version', '1');
      const bearer = token();
      if (bearer !== undefined) headers.set('authorization', `Bearer ${bearer}`);
      const limit = AbortSignal.timeout(TIMEOUT_MS);
      const response = await fetch(`${baseUrl}${method.parent.typeName}/${method.name}`, {
        method: 'POST',
        headers,
        body: toBinary(method.input, create(method.input, input)),
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      }).catch((error: unknown) => {
        const reason = limit.aborted ? `no answer within ${TIMEOUT_MS / 1000} seconds` : 'no connection';
        throw new ConnectError(reason, Code.Unavailable, undefined, undefined, error);
      });
      if (!response.ok) throw await readError(response);
      return {
        stream: false,
        service: method.parent,
        method,
        header: response.headers,
        trailer: new Headers(),
        message: fromBinary(method.output, new Uint8Array(await response.arrayBuffer())),
      };
    },
    stream() {
      throw new ConnectError('the statistics service has no streams', Code.Unimplemented);
    },
  };
}

async function readError(response: Response): Promise<ConnectError> {
  const { status } = response;
  const text = await response.text().catch(() => '');
  try {
    const { code, message } = JSON.parse(text) as { code?: string; message?: string };
    return new ConnectError(message ?? `HTTP status ${status}`, CODES.get(code ?? '') ?? codeOf(status));
  } catch {
    return new ConnectError(`HTTP status ${status}`, codeOf(status));
  }
}

function codeOf(status: number): Code {
  if (status === 401) return Code.Unauthenticated;
  return status === 403 ? Code.PermissionDenied : Code.Unavailable;
}
