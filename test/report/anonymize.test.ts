import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { createNodeId } from '../../src/report/anonymize.ts';

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

test('the same node has another id under another key', () => {
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
