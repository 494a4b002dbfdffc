import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import type { ClusterCredentials } from './credentials.ts';
import { JSON_TYPE, type KubernetesResponse, pathOf } from './response.ts';

const MIN_BUFFER_BYTES = 65_536;

export interface KubernetesRequest extends ClusterCredentials {
  readonly target: string;
  readonly accept: string;
  readonly method: NonNullable<KubernetesResponse['method']>;
  /** The JSON of a POST or a PUT; a GET has none. */
  readonly content?: string | undefined;
  /** Used for HTTPS where requestOptions has none. */
  readonly agent: https.Agent;
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  /** Reused by each request, because pages of lists are large. */
  readonly buffer: { bytes: Uint8Array };
  readonly signal: AbortSignal;
}

/** Sends a request, and reads the whole response, of any status. Rejects with a SpartakusError where there is none. */
export async function sendRequest(request: KubernetesRequest): Promise<KubernetesResponse> {
  const { server, method, target, displayName, timeoutMs, signal } = request;
  const url = new URL(server.replace(/\/+$/, '') + target);
  const path = pathOf(target);
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    const incoming = await send(url, request, AbortSignal.any([deadline, signal]));
    const { statusCode: status = 0, headers } = incoming;
    const body = await readBody(incoming, path, request);
    // Kubernetes sends Retry-After in seconds, never as a date.
    const retryAfter = /^\d{1,6}$/.exec(headers['retry-after'] ?? '')?.[0];
    const retryAfterMs = retryAfter === undefined ? undefined : Number(retryAfter) * 1000;
    return { method, path, status, contentType: headers['content-type'] ?? '', body, retryAfterMs };
  } catch (error) {
    if (error instanceof SpartakusError) throw error;
    const name = `${method} ${path} of ${displayName ?? url.origin}`;
    const fail = (message: string): SpartakusError => new SpartakusError('unavailable', message);
    if (deadline.aborted) throw fail(`The Kubernetes API did not respond to ${name} within ${timeoutMs / 1000} s.`);
    if (signal.aborted) throw fail(`${name} was cancelled because the program is stopping.`);
    const code = codeOf(error);
    const advice = /CERT|VERIFY|ISSUER|SELF_SIGNED/.test(code)
      ? ' The CA of the service account or kubeconfig does not verify its certificate: are they of the same cluster?'
      : '';
    const reason = displayName === undefined ? messageOf(error) : code;
    throw fail(`The Kubernetes API did not respond to ${name}: ${reason}.${advice}`);
  }
}

async function send(url: URL, request: KubernetesRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { method, agent, requestOptions, headers, accept, content } = request;
  // Imported when used (kubectl proxy): node:http takes 8 MiB of memory.
  const isHttp = url.protocol === 'http:';
  const { request: open } = isHttp ? await import('node:http') : https;
  return new Promise((resolve, reject) => {
    const outgoing = open(url, {
      ...(isHttp ? {} : { agent }),
      ...requestOptions,
      method,
      signal,
      headers: {
        ...headers,
        accept,
        // Compression costs more than it saves in a local network.
        'accept-encoding': 'identity',
        'user-agent': 'spartakus-volunteer',
        ...(content !== undefined && { 'content-type': JSON_TYPE }),
      },
    });
    outgoing.once('response', resolve);
    // Not `once`: errors after the response headers are emitted here too.
    outgoing.on('error', reject);
    outgoing.end(content);
  });
}

function readBody(incoming: IncomingMessage, path: string, request: KubernetesRequest): Promise<Uint8Array> {
  const { method, maxBodyBytes, buffer } = request;
  // Removed meanwhile, so that concurrent requests do not share the memory.
  let body = buffer.bytes;
  buffer.bytes = new Uint8Array();
  let length = 0;
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  // Not `for await`, which takes more time for each chunk.
  incoming.on('data', (chunk: Buffer) => {
    const needed = length + chunk.length;
    if (needed > maxBodyBytes) {
      const message = `The response of the Kubernetes API to ${method} ${path} is longer than ${maxBodyBytes} bytes.`;
      incoming.destroy(new SpartakusError('too-large', message));
      return;
    }
    if (needed > body.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * body.length, MIN_BUFFER_BYTES));
      larger.set(body.subarray(0, length));
      body = larger;
    }
    body.set(chunk, length);
    length = needed;
  });
  incoming.once('error', reject);
  incoming.once('end', () => {
    buffer.bytes = body;
    resolve(body.subarray(0, length));
  });
  return promise;
}

/** The code of a system error, such as "ECONNREFUSED": its message contains addresses and names. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'the connection failed';
}
