import { createHash, createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { createClusterId, createLegacyNodeId, createNodeId } from '../../src/report/anonymize.ts';

const KEY = '70cf978e-1be3-400e-bcc8-773a980e7485';
const NODE = { name: 'node-1', machineId: 'm1', systemUuid: 's1' };

test('a node id is the first 16 bytes of the documented HMAC, in hexadecimal', () => {
  const input = '\0\0\0\x14spartakus node id v1\0\0\0\x06node-1\0\0\0\x02m1\0\0\0\x02s1';
  const expected = createHmac('sha256', KEY).update(input, 'latin1').digest('hex').slice(0, 32);

  expect(createNodeId(KEY, NODE)).toBe(expected);
});

test('a node id is the same at every report', () => {
  expect(createNodeId(KEY, { ...NODE })).toBe(createNodeId(KEY, NODE));
});

test('the complaint "ids that can be guessed": the same node has another id under another key', () => {
  expect(createNodeId('another cluster', NODE)).not.toBe(createNodeId(KEY, NODE));
});

test('nodes whose name and ids join to the same text have different ids', () => {
  const a = createNodeId(KEY, { name: 'node-1', machineId: '1m', systemUuid: '' });
  const b = createNodeId(KEY, { name: 'node-11', machineId: 'm', systemUuid: '' });
  const c = createNodeId(KEY, { name: 'node-1', machineId: '', systemUuid: '1m' });

  expect(new Set([a, b, c]).size).toBe(3);
});

test('lengths count bytes, so a name outside ASCII is hashed as its UTF-8', () => {
  const input = Buffer.from('\0\0\0\x14spartakus node id v1\0\0\0\x02é\0\0\0\0\0\0\0\0', 'utf8');
  const expected = createHmac('sha256', KEY).update(input).digest('hex').slice(0, 32);

  expect(createNodeId(KEY, { name: 'é', machineId: '', systemUuid: '' })).toBe(expected);
});

test('a key may be any bytes', () => {
  expect(createNodeId(Buffer.from(KEY), NODE)).toBe(createNodeId(KEY, NODE));
  expect(createNodeId(new Uint8Array([0xff, 0xfe]), NODE)).not.toBe(createNodeId(new Uint8Array([0xff, 0xfd]), NODE));
});

test("the original's id is the MD5 of name, machine id and system UUID", () => {
  const expected = createHash('md5').update('node-1m1s1').digest('hex');

  expect(createLegacyNodeId(NODE)).toBe(expected);
});

test('a cluster id is a UUIDv8 of the documented HMAC, and tells nothing of node ids', () => {
  const input = '\0\0\0\x17spartakus cluster id v1';
  const hmac = createHmac('sha256', KEY).update(input, 'latin1').digest('hex');

  const id = createClusterId(KEY);

  const hex = id.replaceAll('-', '');
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect([hex.slice(0, 12), hex.slice(13, 16), hex.slice(17)]).toStrictEqual([hmac.slice(0, 12), hmac.slice(13, 16), hmac.slice(17, 32)]);
  expect(createClusterId('another cluster')).not.toBe(id);
});
