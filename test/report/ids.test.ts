import { createHash, createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  createClusterId,
  createKubermaticUuids,
  createLegacyKubermaticUuid,
  createLegacyNodeId,
  createNodeIdentifier,
} from '../../src/report/ids.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const KEY = '70cf978e-1be3-400e-bcc8-773a980e7485';
const NODE = { name: 'node-1', machineId: 'm1', systemUuid: 's1' };

test('a node id is the first 16 bytes of the documented HMAC, in hexadecimal', () => {
  const input = '\0\0\0\x14spartakus node id v1\0\0\0\x06node-1\0\0\0\x02m1\0\0\0\x02s1';
  const expected = createHmac('sha256', KEY).update(input, 'latin1').digest('hex').slice(0, 32);

  expect(createNodeIdentifier(KEY)(NODE)).toBe(expected);
});

test(`keys and names of every length give the HMAC that Node.js gives (seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`, () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 300 });
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array({ maxLength: 200 }), text),
      fc.array(fc.record({ name: text, machineId: text, systemUuid: text }), { maxLength: 4 }),
      (key, nodes) => {
        const identify = createNodeIdentifier(key);
        for (const { name, machineId, systemUuid } of nodes) {
          const hmac = createHmac('sha256', key);
          for (const field of ['spartakus node id v1', name, machineId, systemUuid]) {
            const length = Buffer.alloc(4);
            length.writeUInt32BE(Buffer.byteLength(field));
            hmac.update(length).update(field);
          }
          expect(identify({ name, machineId, systemUuid })).toBe(hmac.digest('hex').slice(0, 32));
        }
      },
    ),
    { seed: SEED },
  );
});

test('a node id is the same at every report', () => {
  expect(createNodeIdentifier(KEY)({ ...NODE })).toBe(createNodeIdentifier(KEY)(NODE));
});

test('the complaint "ids that can be guessed": the same node has another id under another key', () => {
  expect(createNodeIdentifier('another cluster')(NODE)).not.toBe(createNodeIdentifier(KEY)(NODE));
});

test('nodes whose name and ids join to the same text have different ids', () => {
  const a = createNodeIdentifier(KEY)({ name: 'node-1', machineId: '1m', systemUuid: '' });
  const b = createNodeIdentifier(KEY)({ name: 'node-11', machineId: 'm', systemUuid: '' });
  const c = createNodeIdentifier(KEY)({ name: 'node-1', machineId: '', systemUuid: '1m' });

  expect(new Set([a, b, c]).size).toBe(3);
});

test('lengths count bytes, so a name outside ASCII is hashed as its UTF-8', () => {
  const input = Buffer.from('\0\0\0\x14spartakus node id v1\0\0\0\x02é\0\0\0\0\0\0\0\0', 'utf8');
  const expected = createHmac('sha256', KEY).update(input).digest('hex').slice(0, 32);

  expect(createNodeIdentifier(KEY)({ name: 'é', machineId: '', systemUuid: '' })).toBe(expected);
});

test('a key may be any bytes', () => {
  expect(createNodeIdentifier(Buffer.from(KEY))(NODE)).toBe(createNodeIdentifier(KEY)(NODE));
  expect(createNodeIdentifier(new Uint8Array([0xff, 0xfe]))(NODE)).not.toBe(
    createNodeIdentifier(new Uint8Array([0xff, 0xfd]))(NODE),
  );
});

test("the original's id is the MD5 of name, machine id and system UUID", () => {
  const expected = createHash('md5').update('node-1m1s1').digest('hex');

  expect(createLegacyNodeId(NODE)).toBe(expected);
});

test('a cluster id is a UUIDv8 of the documented HMAC', () => {
  const input = '\0\0\0\x17spartakus cluster id v1';
  const hmac = createHmac('sha256', KEY).update(input, 'latin1').digest('hex');

  const id = createClusterId(KEY);

  const hex = id.replaceAll('-', '');
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect([hex.slice(0, 12), hex.slice(13, 16), hex.slice(17)]).toStrictEqual([
    hmac.slice(0, 12),
    hmac.slice(13, 16),
    hmac.slice(17, 32),
  ]);
  expect(createClusterId('another cluster')).not.toBe(id);
});

test('ids of this release are those of all releases before it', () => {
  expect(createNodeIdentifier(KEY)(NODE)).toBe('28ef02d7574aa656cc8c8bf7ba5507ca');
  expect(createNodeIdentifier('k'.repeat(65))({ name: 'é\ud800', machineId: '', systemUuid: 's' })).toBe(
    '55045611d8af7acf6ab47e651c4e2104',
  );
  expect(createClusterId(KEY)).toBe('1cb6e6fa-0cbf-8e09-8444-0c90c1719916');
  expect(createKubermaticUuids(KEY)('ssh key', 'name')).toBe('06d9fd2e-fcb1-8d99-a111-dfb65d2c61f8');
  expect(createLegacyKubermaticUuid('name')).toBe('60563bad-3d54-365e-ad05-3735ba72e711');
});
