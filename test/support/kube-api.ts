import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TLSSocket } from 'node:tls';
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import {
  NodeListSchema,
  PartialObjectMetadataListSchema,
  PartialObjectMetadataSchema,
  StatusSchema,
  UnknownSchema,
} from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import index from '../fixtures/kubernetes/index.json' with { type: 'json' };
import { listen, shut } from './listen.ts';

const FIXTURES = new URL('../fixtures/', import.meta.url);
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const METADATA = `${PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1`;
/** The media type of a list of metadata. */
export const METADATA_LIST = `${PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`;
const MAGIC = Buffer.from('k8s\0', 'latin1');

/** The uid of kube-system in the fixtures. */
export const KUBE_SYSTEM_UID = '70cf978e-1be3-400e-bcc8-773a980e7485';

/** The namespace of a mounted service account. */
const POD_NAMESPACE = 'kubermatic';

/** The page size that the fixtures were captured with. */
export const FIXTURE_PAGE_SIZE = 3;

export interface KubeApiOptions {
  /** The accepted bearer token; changed later by `acceptToken`. */
  readonly token?: string;
  /** Paths, without a query, with the response 403. */
  readonly forbidden?: readonly string[];
  /** Paths, without a query, without a response. */
  readonly silent?: readonly string[];
  /** How many requests with a continue token get 410 first. */
  readonly expirations?: number;
  /** The response to this many requests first. */
  readonly failures?: { readonly times: number; readonly response: FakeResponse };
  /** The number of pods on each page, for requests with limit=2. */
  readonly pagedPods?: readonly number[];
  /** The objects of lists in JSON, by path: paginated by `limit`, complete or as metadata only. */
  readonly lists?: Readonly<Record<string, readonly object[]>>;
  /** Whether a request is permitted; others get 403. */
  readonly authorize?: (method: string, target: string) => boolean;
  /** The namespace of `secrets`: by default that of openServiceAccount(). */
  readonly namespace?: string;
  /** The Secrets that exist, by path; those that are created are added. */
  readonly secrets?: Map<string, unknown>;
  /** Whether requests to create Secrets get 403. */
  readonly forbidCreation?: boolean;
  /** Whether requests to update Secrets get 403. */
  readonly forbidUpdate?: boolean;
  /** Responses that replace those of the fixtures, by path and query. */
  readonly responses?: Readonly<Record<string, FakeResponse>>;
}

export interface FakeResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ReceivedRequest {
  readonly method: string;
  readonly target: string;
  readonly accept: string;
}

interface KeptSecret {
  readonly metadata?: { readonly resourceVersion?: string };
  readonly immutable?: boolean;
}

/** A fake kube-apiserver on 127.0.0.1, over HTTPS, with the responses in test/fixtures/kubernetes, which were captured from a real one. */
export interface KubeApi {
  readonly url: string;
  /** The variables of a pod that contain its address. */
  readonly env: { readonly KUBERNETES_SERVICE_HOST: string; readonly KUBERNETES_SERVICE_PORT: string };
  /** All requests in order, including rejected ones. */
  readonly requests: readonly ReceivedRequest[];
  /** Resolves when the first request is received. */
  firstRequest(): Promise<void>;
  /** The number of connections so far. */
  connections(): number;
  /** Replaces the accepted token. */
  acceptToken(token: string): void;
  close(): Promise<void>;
}

/** Reads a file of test/fixtures. */
export function readFixture(name: string): Promise<Buffer> {
  return readFile(new URL(name, FIXTURES));
}

export async function startKubeApi(options: KubeApiOptions = {}): Promise<KubeApi> {
  const captures = {
    ...(await capturedResponses()),
    ...(await generatedResponses()),
    ...(await podPages(options.pagedPods ?? [])),
  };
  const unauthorized: FakeResponse = {
    status: 401,
    contentType: 'application/json',
    body: await readFixture('kubernetes/unauthorized.json'),
  };
  const forbidden: FakeResponse = {
    status: 403,
    contentType: PROTOBUF,
    body: await readFixture('kubernetes/pods-forbidden.pb'),
  };
  const requests: ReceivedRequest[] = [];
  const secrets = options.secrets ?? new Map<string, unknown>();
  let token = options.token ?? 'test-token';
  let expirations = options.expirations ?? 0;
  let failures = options.failures?.times ?? 0;
  let connections = 0;
  const first = Promise.withResolvers<void>();

  const updateSecret = (target: string, body: string): FakeResponse => {
    const contentType = 'application/json';
    if (options.forbidUpdate === true) return forbidden;
    const [old, secret] = [secrets.get(pathOf(target)), JSON.parse(body)] as readonly KeptSecret[];
    if (old === undefined) return notFound(pathOf(target));
    if (old.metadata?.resourceVersion !== secret?.metadata?.resourceVersion)
      return { status: 409, contentType, body: '{"kind":"Status","reason":"Conflict"}' };
    if (old.immutable === true) return { status: 422, contentType, body: '{"kind":"Status","reason":"Invalid"}' };
    if (!target.endsWith('?dryRun=All'))
      secrets.set(pathOf(target), { ...secret, metadata: { ...secret?.metadata, resourceVersion: '2' } });
    return { status: 200, contentType, body };
  };
  const respondToSecrets = (method: string | undefined, target: string, body: string): FakeResponse => {
    const contentType = 'application/json';
    const requested = pathOf(target);
    if (method === 'PUT') return updateSecret(target, body);
    if (body === '') {
      const secret = secrets.get(requested);
      return secret === undefined ? notFound(requested) : { status: 200, contentType, body: JSON.stringify(secret) };
    }
    if (options.forbidCreation === true) return forbidden;
    const secret = JSON.parse(body) as { readonly metadata: { readonly name: string } };
    const created = `${requested}/${secret.metadata.name}`;
    if (secrets.has(created)) return { status: 409, contentType, body: '{"kind":"Status","reason":"AlreadyExists"}' };
    if (!target.endsWith('?dryRun=All')) secrets.set(created, secret);
    return { status: 201, contentType, body };
  };
  const respond = (request: IncomingMessage, body: string): FakeResponse => {
    const target = request.url ?? '';
    const accept = request.headers.accept ?? '';
    requests.push({ method: request.method ?? '', target, accept });
    first.resolve();
    if (request.headers.authorization !== `Bearer ${token}` && !hasClientCertificate(request)) return unauthorized;
    if (options.failures !== undefined && failures > 0) {
      failures -= 1;
      return options.failures.response;
    }
    if (options.forbidden?.includes(pathOf(target)) === true) return forbidden;
    if (options.authorize?.(request.method ?? '', target) === false) return forbidden;
    if (target.includes('&continue=') && expirations > 0) {
      expirations -= 1;
      return {
        status: 410,
        contentType: PROTOBUF,
        body: wrap(StatusSchema, create(StatusSchema, { reason: 'Expired' })),
      };
    }
    // Captured pages have a fixed length: three nodes for any limit, and whole lists for limit=1.
    const captured = target
      .replace(/(\/nodes\?limit=)\d+/, `$1${FIXTURE_PAGE_SIZE}`)
      .replace(/\?limit=1$/, '?limit=500');
    const isOwnSecret = pathOf(target).startsWith(`/api/v1/namespaces/${options.namespace ?? POD_NAMESPACE}/secrets`);
    if (isOwnSecret && options.responses?.[target] === undefined) return respondToSecrets(request.method, target, body);
    const objects = options.lists?.[pathOf(target)];
    if (objects !== undefined) return listPage(objects, target, accept);
    return options.responses?.[target] ?? captures[`${accept} ${captured}`] ?? notFound(target);
  };

  const server = https.createServer(
    {
      cert: await readFixture('tls/server.crt'),
      key: await readFixture('tls/server.key'),
      ca: await readFixture('tls/ca.crt'),
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      let body = '';
      request.setEncoding('utf8');
      request.on('data', (chunk: string) => {
        body += chunk;
      });
      request.on('end', () => {
        const reply = respond(request, body);
        if (options.silent?.includes(pathOf(request.url ?? '')) !== true) send(response, reply);
      });
    },
  );
  server.on('secureConnection', () => {
    connections += 1;
  });
  const port = await listen(server);

  return {
    url: `https://127.0.0.1:${port}`,
    env: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port) },
    requests,
    firstRequest: () => first.promise,
    connections: () => connections,
    acceptToken: (next) => {
      token = next;
    },
    close: () => shut(server),
  };
}

/** A mounted service account, with the CA of the fake API server by default. */
export interface ServiceAccount {
  readonly dir: string;
  writeToken(token: string): Promise<void>;
  close(): Promise<void>;
}

export async function openServiceAccount(
  token = 'test-token',
  caFixture = 'tls/ca.crt',
  namespace = POD_NAMESPACE,
): Promise<ServiceAccount> {
  const dir = await mkdtemp(path.join(tmpdir(), 'spartakus-service-account-'));
  const writeToken = (text: string) => writeFile(path.join(dir, 'token'), text);
  await writeToken(token);
  await writeFile(path.join(dir, 'ca.crt'), await readFixture(caFixture));
  await writeFile(path.join(dir, 'namespace'), namespace);
  return { dir, writeToken, close: () => rm(dir, { recursive: true, force: true }) };
}

/** Encodes a protobuf body of the Kubernetes API. */
export function wrap<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Uint8Array {
  const unknown = create(UnknownSchema, { raw: toBinary(schema, message) });
  return Buffer.concat([MAGIC, toBinary(UnknownSchema, unknown)]);
}

async function capturedResponses(): Promise<Record<string, FakeResponse>> {
  const entries = await Promise.all(
    index.map(async ({ file, path: target, accept, status, contentType }) => {
      const body = await readFixture(`kubernetes/${file}`);
      return [`${accept} ${target}`, { status, contentType, body }] as const;
    }),
  );
  return Object.fromEntries(entries);
}

/** Responses that were not captured: an empty last page of nodes, and the namespace kube-system. */
async function generatedResponses(): Promise<Record<string, FakeResponse>> {
  const second = unwrap(NodeListSchema, await readFixture('kubernetes/nodes-page2.pb'));
  // A PartialObjectMetadataList has the same field numbers as a NodeList.
  const namespaces = unwrap(NodeListSchema, await readFixture('kubernetes/namespaces-metadata.pb'));
  const kubeSystem = namespaces.items.find(({ metadata }) => metadata?.name === 'kube-system')?.metadata;
  if (kubeSystem === undefined) throw new Error('The fixtures have no kube-system.');
  const metadata = create(PartialObjectMetadataSchema, { metadata: kubeSystem });
  return {
    [`${PROTOBUF} /api/v1/nodes?limit=${FIXTURE_PAGE_SIZE}&continue=${second.metadata?.continueToken ?? ''}`]: {
      status: 200,
      contentType: PROTOBUF,
      body: wrap(NodeListSchema, create(NodeListSchema, { metadata: {} })),
    },
    [`${METADATA} /api/v1/namespaces/kube-system`]: {
      status: 200,
      contentType: PROTOBUF,
      body: wrap(PartialObjectMetadataSchema, metadata),
    },
  };
}

/** The pods of the fixtures in pages, whose continue tokens are the numbers of the next pages. */
async function podPages(lengths: readonly number[]): Promise<Record<string, FakeResponse>> {
  const { items } = unwrap(PartialObjectMetadataListSchema, await readFixture('kubernetes/pods-metadata.pb'));
  const pages = lengths.map((length, number) => {
    const metadata = { continueToken: number + 1 < lengths.length ? String(number + 1) : '' };
    const page = create(PartialObjectMetadataListSchema, { metadata, items: items.splice(0, length) });
    const more = number === 0 ? '' : `&continue=${number}`;
    return [
      `${METADATA_LIST} /api/v1/pods?limit=2${more}`,
      { status: 200, contentType: PROTOBUF, body: wrap(PartialObjectMetadataListSchema, page) },
    ] as const;
  });
  return Object.fromEntries(pages);
}

function unwrap<Desc extends DescMessage>(schema: Desc, body: Uint8Array): MessageShape<Desc> {
  return fromBinary(schema, fromBinary(UnknownSchema, body.subarray(MAGIC.length)).raw);
}

function hasClientCertificate(request: IncomingMessage): boolean {
  const { socket } = request;
  return (
    socket instanceof TLSSocket && socket.authorized && socket.getPeerCertificate().subject.CN === 'spartakus-test'
  );
}

function pathOf(target: string): string {
  return target.split('?', 1)[0] ?? '';
}

function notFound(target: string): FakeResponse {
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    message: `${target} does not exist`,
    reason: 'NotFound',
    code: 404,
  };
  return { status: 404, contentType: 'application/json', body: JSON.stringify(status) };
}

function send(response: ServerResponse, { status, contentType, body, headers = {} }: FakeResponse): void {
  response.writeHead(status, { 'content-type': contentType, ...headers }).end(body);
}

/** A page of objects as an API server sends custom resources. */
function listPage(objects: readonly object[], target: string, accept: string): FakeResponse {
  const query = new URL(target, 'https://kubernetes').searchParams;
  const from = Number(query.get('continue') ?? 0);
  const to = from + Number(query.get('limit') ?? objects.length);
  const isMetadataOnly = accept.includes('as=PartialObjectMetadataList');
  const items = objects
    .slice(from, to)
    .map((object) => (isMetadataOnly && 'metadata' in object ? { metadata: object.metadata } : object));
  const metadata = { resourceVersion: '1', continue: to < objects.length ? String(to) : '' };
  return { status: 200, contentType: 'application/json', body: JSON.stringify({ metadata, items }) };
}
