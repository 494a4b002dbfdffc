import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import type { KubeAnswer } from './response.ts';

/** What bodies are read into, one after the other: pages of a list are large, and make much garbage in no time. */
export interface BodyMemory {
  spare: Uint8Array;
}

const NOTHING = new Uint8Array();
const SMALLEST_BODY = 65_536;

/** One GET, fully made up. */
export interface KubeRequest {
  /** The API server, such as "https://10.0.0.1:443", with a path where it stands behind one. */
  readonly server: string;
  /** See KubeCredentials. */
  readonly alias?: string | undefined;
  /** Path and query, from "/api" or the like on. */
  readonly target: string;
  readonly accept: string;
  /** Authorization. */
  readonly headers: Readonly<Record<string, string>>;
  /** Agent and TLS material. */
  readonly options: https.RequestOptions;
  /** How long the whole answer may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How long a body may be. */
  readonly maxBodyBytes: number;
  /** The body of the answer is valid until the next request that has the same. */
  readonly memory: BodyMemory;
  /** Ends the request early. */
  readonly signal: AbortSignal;
}

/** Sends a GET and reads the whole answer, whatever its status. What fails on the way is a SpartakusError. */
export async function sendRequest(request: KubeRequest): Promise<KubeAnswer> {
  const url = new URL(request.server.replace(/\/+$/, '') + request.target);
  const path = request.target.split('?', 1)[0] ?? '';
  const deadline = AbortSignal.timeout(request.timeoutMs);
  try {
    const incoming = await send(url, request, AbortSignal.any([deadline, request.signal]));
    const body = await readBody(incoming, path, request.maxBodyBytes, request.memory);
    const retryAfterMs = secondsToMs(incoming.headers['retry-after']);
    return {
      path,
      status: incoming.statusCode ?? 0,
      contentType: incoming.headers['content-type'] ?? '',
      body,
      retryAfterMs,
    };
  } catch (error) {
    if (error instanceof SpartakusError) throw error;
    const asked = `GET ${path} of ${request.alias ?? url.origin}`;
    if (deadline.aborted) {
      throw new SpartakusError(
        'unavailable',
        `The Kubernetes API did not answer ${asked} within ${request.timeoutMs / 1000} s.`,
      );
    }
    if (request.signal.aborted)
      throw new SpartakusError('unavailable', `${asked} was given up, because the program stops.`);
    throw new SpartakusError(
      'unavailable',
      `The Kubernetes API did not answer ${asked}: ${request.alias === undefined ? messageOf(error) : codeOf(error)}.${adviceFor(error)}`,
    );
  }
}

async function send(
  url: URL,
  { options, headers, accept }: KubeRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  // Plain HTTP is the exception (kubectl proxy), and node:http as a module costs 8 MiB, for it brings Node's WebSocket along.
  const { request } = url.protocol === 'http:' ? await import('node:http') : https;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      ...options,
      method: 'GET',
      signal,
      // Without "identity" Kubernetes compresses long answers, which costs both sides more than a local network does.
      headers: { ...headers, accept, 'accept-encoding': 'identity', 'user-agent': 'spartakus-volunteer' },
    });
    outgoing.once('response', resolve);
    // For as long as the request lives: an error that comes when the answer has begun reaches the reader of the body as well.
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** The body, in memory that it is given and gives back: valid until the next body is read into the same. */
async function readBody(
  incoming: AsyncIterable<Uint8Array>,
  path: string,
  maxBodyBytes: number,
  memory: BodyMemory,
): Promise<Uint8Array> {
  // Not to be had by a second request at the same time.
  let body = memory.spare;
  memory.spare = NOTHING;
  let bytes = 0;
  for await (const chunk of incoming) {
    const needed = bytes + chunk.length;
    // Leaving the loop destroys the stream, and the connection with it.
    if (needed > maxBodyBytes) {
      throw new SpartakusError(
        'too-large',
        `The answer of the Kubernetes API to GET ${path} is longer than ${maxBodyBytes} bytes.`,
      );
    }
    if (needed > body.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * body.length, SMALLEST_BODY));
      larger.set(body.subarray(0, bytes));
      body = larger;
    }
    body.set(chunk, bytes);
    bytes = needed;
  }
  memory.spare = body;
  return body.subarray(0, bytes);
}

/** Kubernetes sends Retry-After in seconds, never as a date. */
function secondsToMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : undefined;
}

/** Node.js' word for what went wrong, such as "ECONNREFUSED": its sentences hold addresses and names. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'the connection failed';
}

function adviceFor(error: unknown): string {
  const code = codeOf(error);
  return /CERT|VERIFY|ISSUER|SELF_SIGNED/.test(code)
    ? " Its certificate does not hold against the CA of the service account or kubeconfig: is this the cluster's own CA and address?"
    : '';
}
