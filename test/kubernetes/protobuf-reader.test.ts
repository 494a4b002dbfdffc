import { create, type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  file_spartakus_kubernetes_v1_kubernetes,
  NodeListSchema,
  NodeStatusSchema,
  PartialObjectMetadataListSchema,
  StatusSchema,
  UnknownSchema,
} from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { readMessage } from '../../src/kubernetes/protobuf-reader.ts';
import { readFixture } from '../support/kube-api.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);

const CAPTURED: readonly [string, DescMessage][] = [
  ['nodes-page1', NodeListSchema],
  ['nodes-page2', NodeListSchema],
  ['pods-metadata', PartialObjectMetadataListSchema],
  ['namespaces-metadata', PartialObjectMetadataListSchema],
  ['pods-forbidden', StatusSchema],
];

/** The decoded message as plain data; "rejected" where the reader throws. */
function decoded(read: () => object): unknown {
  let message: object;
  try {
    message = read();
  } catch {
    return 'rejected';
  }
  return plain(message);
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return new Map(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([name, each]) => [name, plain(each)]),
  );
}

const ours = (schema: DescMessage, bytes: Uint8Array): unknown => decoded(() => readMessage(schema, bytes));

const theirs = (schema: DescMessage, bytes: Uint8Array): unknown =>
  decoded(() => fromBinary(schema, bytes, { readUnknownFields: false }));

async function captured(name: string): Promise<Uint8Array> {
  const body = await readFixture(`kubernetes/${name}.pb`);
  return fromBinary(UnknownSchema, new Uint8Array(body.subarray(4))).raw;
}

/** A message of random fields: declared ones of the right and of the wrong type, unknown ones, and groups. */
const wireMessage = fc.letrec<{ message: Uint8Array }>((tie) => ({
  message: fc
    .array(
      fc.tuple(
        fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 11 }) }, fc.constantFrom(16, 2047, 2 ** 29 - 1)),
        fc.oneof(
          { depthSize: 'small', withCrossShrink: true },
          fc.tuple(
            fc.constant('bytes' as const),
            fc.string({ unit: 'binary', maxLength: 80 }).map((text) => new TextEncoder().encode(text)),
          ),
          fc.tuple(
            fc.constant('bytes' as const),
            fc
              .constantFrom('cpu', 'memory', '__proto__', '1', 'toString')
              .map((text) => new TextEncoder().encode(text)),
          ),
          fc.tuple(fc.constant('bytes' as const), fc.uint8Array({ maxLength: 80 })),
          fc.tuple(fc.constant('varint' as const), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
          fc.tuple(fc.constantFrom('fixed' as const, 'double' as const), fc.constant(7)),
          fc.tuple(fc.constantFrom('bytes' as const, 'bytes' as const, 'group' as const), tie('message')),
        ),
      ),
      { maxLength: 6 },
    )
    .map((fields) => {
      const writer = new BinaryWriter();
      for (const [number, [kind, value]] of fields) {
        if (typeof value === 'bigint') writer.tag(number, WireType.Varint).uint64(value);
        else if (kind === 'fixed') writer.tag(number, WireType.Bit32).fixed32(7);
        else if (typeof value === 'number') writer.tag(number, WireType.Bit64).double(value);
        else if (kind === 'bytes') writer.tag(number, WireType.LengthDelimited).bytes(value);
        else writer.tag(number, WireType.StartGroup).raw(value).tag(number, WireType.EndGroup);
      }
      return writer.finish();
    }),
})).message;

test('all messages of kubernetes.proto are supported', () => {
  for (const schema of file_spartakus_kubernetes_v1_kubernetes.messages)
    expect(readMessage(schema, new Uint8Array())).toMatchObject({ $typeName: schema.typeName });
});

test.each(CAPTURED)('the captured %s is decoded as by protobuf-es', async (name, schema) => {
  const bytes = await captured(name);

  expect(ours(schema, bytes)).toStrictEqual(theirs(schema, bytes));
  expect(Object.keys(readMessage(schema, bytes)).length).toBeGreaterThan(1);
});

test('non-ASCII strings, unusual keys and repeated message fields are decoded as by protobuf-es', () => {
  const texts = ['é', 'Ã', '\uFEFFbom', '', 'a'.repeat(1000), '__proto__', '1', '😀'];
  const capacity = Object.fromEntries(texts.map((text) => [text, { string: text }]));
  Object.defineProperty(capacity, '__proto__', { value: { string: 'own' }, enumerable: true });
  const once = toBinary(
    NodeStatusSchema,
    create(NodeStatusSchema, { capacity, nodeInfo: { osImage: 'é', architecture: 'arm64' } }),
  );
  const twice = toBinary(NodeStatusSchema, create(NodeStatusSchema, { nodeInfo: { osImage: 'Ã' } }));

  const bytes = Buffer.concat([once, twice]);

  expect(ours(NodeStatusSchema, bytes)).toStrictEqual(theirs(NodeStatusSchema, bytes));
  expect(readMessage(NodeStatusSchema, bytes).nodeInfo).toMatchObject({ osImage: 'Ã', architecture: 'arm64' });
  expect(ours(NodeStatusSchema, Buffer.concat([bytes, Buffer.from([0x3a, 3, 0x2a, 1, 0xc3])]))).toBe('rejected');
});

test('unsupported field types are a TypeError', () => {
  expect(() => readMessage(ReportSchema, new Uint8Array())).toThrow(TypeError);
});

describe(`broken bytes (seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`, () => {
  test('messages of random fields are decoded or rejected as by protobuf-es', () => {
    const schemas = fc.constantFrom<DescMessage>(
      NodeListSchema,
      NodeStatusSchema,
      PartialObjectMetadataListSchema,
      UnknownSchema,
    );
    fc.assert(
      fc.property(schemas, wireMessage, (schema, bytes) => {
        expect(ours(schema, bytes)).toStrictEqual(theirs(schema, bytes));
      }),
      { seed: SEED, numRuns: 3000 },
    );
  });

  test.each(CAPTURED)(
    '%s, truncated and with flipped bits, is decoded or rejected as by protobuf-es',
    async (name, schema) => {
      const bytes = await captured(name);
      const at = fc.nat(bytes.length - 1);
      const corruption = fc.tuple(
        fc.array(fc.tuple(at, fc.integer({ min: 1, max: 255 })), { maxLength: 4 }),
        fc.option(at, { nil: bytes.length }),
      );
      fc.assert(
        fc.property(corruption, ([flips, end]) => {
          const broken = bytes.slice();
          for (const [place, bits] of flips) broken[place] = (broken[place] ?? 0) ^ bits;
          const cut = broken.subarray(0, end);
          expect(ours(schema, cut)).toStrictEqual(theirs(schema, cut));
        }),
        { seed: SEED, numRuns: 400 },
      );
    },
  );
});
