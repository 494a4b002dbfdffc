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
import { listAnswer } from './json-lists.ts';
import { listen, shut } from './listen.ts';

const FIXTURES = new URL('../fixtures/', import.meta.url);
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const METADATA = `${PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1`;
/** The media type of a list of metadata. */
export const METADATA_LIST = `${PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`;
const MAGIC = Buffer.from('k8s\0', 'latin1');

/** The uid of kube-system in the fixtures. */
export const KUBE_SYSTEM_UID = '70cf978e-1be3-400e-bcc8-773a980e7485';

/** The page size that the fixtures were captured with. */
export const FIXTURE_PAGE_SIZE = 3;

export interface KubeApiOptions {
  /** The bearer token that is let in; change it later with `letIn`. */
  readonly token?: string;
  /** Paths, without a query, that are answered with 403. */
  readonly forbidden?: readonly string[];
  /** Paths, without a query, that are never answered. */
  readonly silent?: readonly string[];
  /** How many requests for a further page are answered with 410 before one is answered well. */
  readonly expirations?: number;
  /** How many requests are answered so, before all others are answered well. */
  readonly unwell?: { readonly times: number; readonly answer: Answer };
  /** Pages of two pods each are asked for, and this many of the fixtures' pods stand on each. */
  readonly pagedPods?: readonly number[];
  /** The objects of lists that come as JSON, by path: served in pages of what is asked for, whole or their metadata alone. */
  readonly lists?: Readonly<Record<string, readonly object[]>>;
  /** Answers that replace those of the fixtures, by path and query. */
  readonly answers?: Readonly<Record<string, Answer>>;
}

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What was asked. */
export interface Asked {
  readonly method: string;
  readonly target: string;
  readonly accept: string;
}

/** An HTTPS server on 127.0.0.1 that answers as the kube-apiserver did from which test/fixtures/kubernetes was captured. */
export interface KubeApi {
  readonly url: string;
  /** What a pod's environment says of it. */
  readonly env: { readonly KUBERNETES_SERVICE_HOST: string; readonly KUBERNETES_SERVICE_PORT: string };
  /** Every request, in order, whether it was let in or not. */
  readonly asked: readonly Asked[];
  /** Resolves when the first request has come in. */
  firstRequest(): Promise<void>;
  /** How many connections were made. */
  connections(): number;
  /** From now on only this token is let in. */
  letIn(token: string): void;
  close(): Promise<void>;
}

/** Reads a file of test/fixtures. */
export function readFixture(name: string): Promise<Buffer> {
  return readFile(new URL(name, FIXTURES));
}

export async function startKubeApi(options: KubeApiOptions = {}): Promise<KubeApi> {
  const answers = {
    ...(await fixtureAnswers()),
    ...(await madeAnswers()),
    ...(await podPages(options.pagedPods ?? [])),
  };
  const unauthorized: Answer = {
    status: 401,
    contentType: 'application/json',
    body: await readFixture('kubernetes/unauthorized.json'),
  };
  const forbidden: Answer = {
    status: 403,
    contentType: PROTOBUF,
    body: await readFixture('kubernetes/pods-forbidden.pb'),
  };
  const asked: Asked[] = [];
  let token = options.token ?? 'test-token';
  let expirations = options.expirations ?? 0;
  let unwell = options.unwell?.times ?? 0;
  let connections = 0;
  const first = Promise.withResolvers<void>();

  const answer = (request: IncomingMessage): Answer => {
    const target = request.url ?? '';
    const accept = request.headers.accept ?? '';
    asked.push({ method: request.method ?? '', target, accept });
    first.resolve();
    if (request.headers.authorization !== `Bearer ${token}` && !hasClientCertificate(request)) return unauthorized;
    if (options.unwell !== undefined && unwell > 0) {
      unwell -= 1;
      return options.unwell.answer;
    }
    if (options.forbidden?.includes(pathOf(target)) === true) return forbidden;
    if (target.includes('&continue=') && expirations > 0) {
      expirations -= 1;
      return {
        status: 410,
        contentType: PROTOBUF,
        body: wrap(StatusSchema, create(StatusSchema, { reason: 'Expired' })),
      };
    }
    // An API server may answer fewer objects than the limit allows: these pages are three nodes long, whatever is asked. Or more, to who asks for one.
    const captured = target
      .replace(/(\/nodes\?limit=)\d+/, `$1${FIXTURE_PAGE_SIZE}`)
      .replace(/\?limit=1$/, '?limit=500');
    const objects = options.lists?.[pathOf(target)];
    if (objects !== undefined) return listAnswer(objects, target, accept);
    return options.answers?.[target] ?? answers[`${accept} ${captured}`] ?? notFound(target);
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
      const reply = answer(request);
      if (options.silent?.includes(pathOf(request.url ?? '')) !== true) send(response, reply);
    },
  );
  server.on('secureConnection', () => {
    connections += 1;
  });
  const port = await listen(server);

  return {
    url: `https://127.0.0.1:${port}`,
    env: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port) },
    asked,
    firstRequest: () => first.promise,
    connections: () => connections,
    letIn: (next) => {
      token = next;
    },
    close: () => shut(server),
  };
}

/** A folder as Kubernetes mounts it into a pod, with the CA of the test server unless another is given. */
export interface ServiceAccount {
  readonly dir: string;
  writeToken(token: string): Promise<void>;
  close(): Promise<void>;
}

export async function openServiceAccount(token = 'test-token', caFixture = 'tls/ca.crt'): Promise<ServiceAccount> {
  const dir = await mkdtemp(path.join(tmpdir(), 'spartakus-service-account-'));
  const writeToken = (text: string) => writeFile(path.join(dir, 'token'), text);
  await writeToken(token);
  await writeFile(path.join(dir, 'ca.crt'), await readFixture(caFixture));
  return { dir, writeToken, close: () => rm(dir, { recursive: true, force: true }) };
}

/** A body as the Kubernetes API sends protobuf. */
export function wrap<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Uint8Array {
  const unknown = create(UnknownSchema, { raw: toBinary(schema, message) });
  return Buffer.concat([MAGIC, toBinary(UnknownSchema, unknown)]);
}

async function fixtureAnswers(): Promise<Record<string, Answer>> {
  const entries = await Promise.all(
    index.map(async ({ file, path: target, accept, status, contentType }) => {
      const body = await readFixture(`kubernetes/${file}`);
      return [`${accept} ${target}`, { status, contentType, body }] as const;
    }),
  );
  return Object.fromEntries(entries);
}

/** What was not captured: the page behind the second, where this list ends, and kube-system by itself. */
async function madeAnswers(): Promise<Record<string, Answer>> {
  const second = unwrap(NodeListSchema, await readFixture('kubernetes/nodes-page2.pb'));
  // A list of metadata has the layout of a list of nodes.
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

/** The fixtures' pods in pages: the continue token of each is the number of the next. */
async function podPages(lengths: readonly number[]): Promise<Record<string, Answer>> {
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

function notFound(target: string): Answer {
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    message: `${target} is not there`,
    reason: 'NotFound',
    code: 404,
  };
  return { status: 404, contentType: 'application/json', body: JSON.stringify(status) };
}

function send(response: ServerResponse, { status, contentType, body, headers = {} }: Answer): void {
  response.writeHead(status, { 'content-type': contentType, ...headers }).end(body);
}
