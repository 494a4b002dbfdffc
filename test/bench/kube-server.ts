import { readFile } from 'node:fs/promises';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  NodeListSchema,
  NodeSchema,
  PartialObjectMetadataSchema,
  UnknownSchema,
} from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';

/**
 * A simulated kube-apiserver in a process of its own. The first argument is its number of nodes: copies of the captured nodes with all their
 * fields (12 KB each as JSON, 9.7 KB as protobuf), in pages of protobuf or JSON. Prints its port.
 */
const count = Number(process.argv[2]);
const fixture = (name: string): Promise<Buffer> => readFile(new URL(`../fixtures/${name}`, import.meta.url));

const pages = [await fixture('kubernetes/nodes-page1.pb'), await fixture('kubernetes/nodes-page2.pb')];
const jsonPages = [await fixture('kubernetes/nodes-page1.json'), await fixture('kubernetes/nodes-page2.json')];
// Fields that the message does not declare are kept, so that a page has its real size.
const captured = pages.flatMap(
  (body) => fromBinary(NodeListSchema, fromBinary(UnknownSchema, body.subarray(4)).raw).items,
);
const capturedJson = jsonPages.flatMap(
  (body) => (JSON.parse(body.toString()) as { items: { metadata: { name: string } }[] }).items,
);

function wrap(raw: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('k8s\0'), toBinary(UnknownSchema, create(UnknownSchema, { raw }))]);
}

function protobufPage(start: number, end: number): Buffer {
  const items = Array.from({ length: end - start }, (_, index) => {
    const node = structuredClone(captured[(start + index) % captured.length]) ?? create(NodeSchema);
    if (node.metadata !== undefined) node.metadata.name = `node-${start + index}`;
    return node;
  });
  const metadata = end < count ? { continueToken: String(end) } : {};
  return wrap(toBinary(NodeListSchema, create(NodeListSchema, { metadata, items })));
}

function jsonPage(start: number, end: number): Buffer {
  const items = Array.from({ length: end - start }, (_, index) => {
    const node = capturedJson[(start + index) % capturedJson.length];
    return { ...node, metadata: { ...node?.metadata, name: `node-${start + index}` } };
  });
  const metadata = end < count ? { continue: String(end) } : {};
  return Buffer.from(JSON.stringify({ kind: 'NodeList', apiVersion: 'v1', metadata, items }));
}

/** Pages are made before they are requested, so that the server's work is not measured. */
const made = new Map<string, Buffer>();
function page(kind: 'protobuf' | 'json', start: number, limit: number): Buffer {
  const key = `${kind} ${start} ${limit}`;
  const end = Math.min(count, start + limit);
  const body = made.get(key) ?? (kind === 'json' ? jsonPage(start, end) : protobufPage(start, end));
  made.set(key, body);
  return body;
}
for (let start = 0; start < count; start += 100) page('protobuf', start, 100);
page('json', 0, count);

const kubeSystem = wrap(
  toBinary(
    PartialObjectMetadataSchema,
    create(PartialObjectMetadataSchema, {
      metadata: { name: 'kube-system', uid: '70cf978e-1be3-400e-bcc8-773a980e7485' },
    }),
  ),
);

const server = https.createServer(
  { cert: await fixture('tls/server.crt'), key: await fixture('tls/server.key') },
  (request, response) => {
    const url = new URL(request.url ?? '/', 'https://localhost');
    const json = !(request.headers.accept ?? '').includes('protobuf');
    const send = (body: Buffer | string, contentType: string): void =>
      void response.writeHead(200, { 'content-type': contentType }).end(body);
    if (url.pathname === '/version') send('{"gitVersion": "v1.31.4"}', 'application/json');
    else if (url.pathname === '/api/v1/nodes') {
      const body = page(
        json ? 'json' : 'protobuf',
        Number(url.searchParams.get('continue') ?? 0),
        Number(url.searchParams.get('limit') ?? count),
      );
      send(body, json ? 'application/json' : 'application/vnd.kubernetes.protobuf');
    } else send(kubeSystem, 'application/vnd.kubernetes.protobuf');
  },
);
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
