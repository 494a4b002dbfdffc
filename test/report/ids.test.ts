import { createHash, createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  createClusterId,
  createKubermaticUuids,
  createLegacyKubermaticUuid,
  createLegacyNodeId,
  createNodeIdentifier,
  type IdContext,
} from '../../src/report/ids.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const CONTEXT: IdContext = {
  secret: 'a secret of 32 random characters',
  clusterId: '2f9c93d3-156c-47aa-8802-578ffca9b50e',
  scope: 'collector.example.com',
};
const NODE = { name: 'node-1', machineId: 'm1', systemUuid: 's1' };

/** HKDF as RFC 5869 defines it, for one block of SHA-256, and without Node.js' own HKDF. */
function hkdf(secret: string | Uint8Array, info: Uint8Array): Buffer {
  const pseudorandomKey = createHmac('sha256', Buffer.alloc(32)).update(secret).digest();
  return createHmac('sha256', pseudorandomKey).update(info).update('\u0001').digest();
}

const fields = (...texts: readonly string[]) =>
  Buffer.concat(
    texts.flatMap((text) => {
      const length = new DataView(new ArrayBuffer(4));
      length.setUint32(0, Buffer.byteLength(text));
      return [Buffer.from(length.buffer), Buffer.from(text)];
    }),
  );

const keyOf = (kind: string, { secret, clusterId, scope }: IdContext) => hkdf(secret, fields(kind, clusterId, scope));

const hmac = (key: Uint8Array, ...texts: readonly string[]) =>
  createHmac('sha256', key)
    .update(fields(...texts))
    .digest('hex')
    .slice(0, 32);

/** The 122 bits of a UUIDv8 that its version and its variant leave. */
const bitsOf = (hex: string) => {
  const digits = hex.replaceAll('-', '');
  return [
    digits.slice(0, 12),
    digits.slice(13, 16),
    Number.parseInt(digits.charAt(16), 16) % 4,
    digits.slice(17),
  ] as const;
};
const UUID_V8 = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("the test's own HKDF gives the values of RFC 5869, appendix A.3", () => {
  expect(hkdf(Buffer.alloc(22, 0x0b), Buffer.alloc(0)).toString('hex')).toBe(
    '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d',
  );
});

test('a node id is the first 16 bytes of the documented HMAC, in hexadecimal', () => {
  const info = '\0\0\0\x07node-id\0\0\0\x242f9c93d3-156c-47aa-8802-578ffca9b50e\0\0\0\x15collector.example.com';
  const key = hkdf(CONTEXT.secret, Buffer.from(info, 'latin1'));
  const input = '\0\0\0\x06node-1\0\0\0\x02m1\0\0\0\x02s1';
  const expected = createHmac('sha256', key).update(input, 'latin1').digest('hex').slice(0, 32);

  expect(createNodeIdentifier(CONTEXT)(NODE)).toBe(expected);
});

test(`secrets, scopes and names of every length give the documented ids (seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`, () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 300 });
  const short = fc.string({ maxLength: 64 });
  const context = fc.record({
    secret: fc.oneof(fc.uint8Array({ maxLength: 200 }), text),
    clusterId: short,
    scope: short,
  });
  fc.assert(
    fc.property(context, text, text, text, (drawn, name, machineId, systemUuid) => {
      expect(createNodeIdentifier(drawn)({ name, machineId, systemUuid })).toBe(
        hmac(keyOf('node-id', drawn), name, machineId, systemUuid),
      );
      expect(createNodeIdentifier(drawn, 'agent-node-id')({ name, machineId, systemUuid })).toBe(
        hmac(keyOf('agent-node-id', drawn), name, machineId, systemUuid),
      );
      expect(bitsOf(createKubermaticUuids(drawn)('user', name))).toStrictEqual(
        bitsOf(hmac(keyOf('kubermatic-uuid', drawn), 'user', name)),
      );
      expect(bitsOf(createClusterId(drawn, name))).toStrictEqual(
        bitsOf(hmac(keyOf('cluster-id', { ...drawn, clusterId: '' }), name)),
      );
    }),
    { seed: SEED },
  );
});

// 64 bytes are what "openssl rand -hex 32" prints, and the block of SHA-256, around which HMAC treats keys differently.
test.each([16, 32, 63, 64, 65, 128])('a secret of %d bytes gives the documented id', (length) => {
  for (const secret of ['x'.repeat(length), new Uint8Array(length).fill(7)]) {
    const context = { ...CONTEXT, secret };
    const expected = hmac(keyOf('node-id', context), NODE.name, NODE.machineId, NODE.systemUuid);

    expect(createNodeIdentifier(context)(NODE)).toBe(expected);
  }
});

test('a node id is the same in every report', () => {
  expect(createNodeIdentifier({ ...CONTEXT })({ ...NODE })).toBe(createNodeIdentifier(CONTEXT)(NODE));
});

test.each([
  ['secret', { secret: 'another secret of 32 characters!' }],
  ['cluster id', { clusterId: '2f9c93d3-156c-47aa-8802-578ffca9b50f' }],
  ['scope', { scope: 'collector.example.org' }],
])('the same node has another id with another %s', (_what, change) => {
  expect(createNodeIdentifier({ ...CONTEXT, ...change })(NODE)).not.toBe(createNodeIdentifier(CONTEXT)(NODE));
});

test('text that moves from the cluster id to the scope gives another id', () => {
  const ids = [
    ['ab', 'c'],
    ['a', 'bc'],
    ['abc', ''],
    ['', 'abc'],
  ].map(([clusterId = '', scope = '']) => createNodeIdentifier({ ...CONTEXT, clusterId, scope })(NODE));

  expect(new Set(ids).size).toBe(4);
});

test('nodes whose name and ids join to the same text have different ids', () => {
  const identify = createNodeIdentifier(CONTEXT);
  const a = identify({ name: 'node-1', machineId: '1m', systemUuid: '' });
  const b = identify({ name: 'node-11', machineId: 'm', systemUuid: '' });
  const c = identify({ name: 'node-1', machineId: '', systemUuid: '1m' });

  expect(new Set([a, b, c]).size).toBe(3);
});

test('a secret may be any bytes', () => {
  const withSecret = (secret: string | Uint8Array) => createNodeIdentifier({ ...CONTEXT, secret })(NODE);

  expect(withSecret(Buffer.from(CONTEXT.secret))).toBe(withSecret(CONTEXT.secret));
  expect(withSecret(new Uint8Array([0xff, 0xfe]))).not.toBe(withSecret(new Uint8Array([0xff, 0xfd])));
});

test("the original's id is the MD5 of name, machine id and system UUID", () => {
  const expected = createHash('md5').update('node-1m1s1').digest('hex');

  expect(createLegacyNodeId(NODE)).toBe(expected);
});

test('cluster ids and UUIDs of records are UUIDv8s, one per kind and name', () => {
  const uuidOf = createKubermaticUuids(CONTEXT);
  const ids = [
    createClusterId(CONTEXT),
    createClusterId(CONTEXT, 'production'),
    createClusterId({ ...CONTEXT, scope: 'other' }),
    uuidOf('user', 'production'),
    uuidOf('project', 'production'),
  ];

  expect(ids.filter((id) => !UUID_V8.test(id))).toStrictEqual([]);
  expect(new Set(ids).size).toBe(5);
});

test('ids of this release are those of all releases before it', () => {
  expect(createNodeIdentifier(CONTEXT)(NODE)).toBe('b1d2313ff419ffd99b967a37129f8f69');
  expect(createNodeIdentifier({ ...CONTEXT, secret: 'k'.repeat(65) })({ ...NODE, name: 'é\ud800' })).toBe(
    '01f354c6bd7c4e5f59f91917ac67b280',
  );
  expect(createNodeIdentifier(CONTEXT, 'agent-node-id')(NODE)).toBe('4ca41a19f59a93e5818e33a95e3d2f68');
  expect(createClusterId(CONTEXT)).toBe('0965668b-88a6-8054-a5a7-cd3ac8ff4dbe');
  expect(createClusterId(CONTEXT, 'production')).toBe('ea650c32-172e-8719-83d9-cb24c5c87fd8');
  expect(createKubermaticUuids(CONTEXT)('ssh key', 'name')).toBe('abef7038-538b-869d-ae62-470bf654b845');
  expect(createLegacyKubermaticUuid('name')).toBe('60563bad-3d54-365e-ad05-3735ba72e711');
});

test('the ids of 5,000 nodes take one derivation, and one HMAC each', () => {
  const identify = createNodeIdentifier(CONTEXT);
  const ids = Array.from({ length: 5000 }, (_, index) => identify({ ...NODE, name: `node-${index}` }));

  expect(new Set(ids).size).toBe(5000);
});
