import { describe, expect, test } from 'vitest';
import type { ForwardedClient } from '../../../../src/collector/serve/admission/proxy-protocol.ts';
import {
  createOriginFinder,
  type OriginOptions,
  type OriginRequest,
} from '../../../../src/collector/serve/admission/request-origin.ts';
import { createNetworks } from '../../../../src/runtime/addresses.ts';

const OPTIONS: OriginOptions = {
  recordPeer: 'address',
  trustedProxies: createNetworks(['10.0.0.0/8', '2001:db8::/32']),
  randomBytes: (count) => new Uint8Array(count).fill(7),
};
const originOf = (options: OriginOptions, from: OriginRequest) => createOriginFinder(options).originOf(from, 'http');
const request = (remoteAddress: string, forwardedFor?: string) => ({
  headers: forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor },
  socket: { remoteAddress, remotePort: 4711 },
});

describe('the recorded address', () => {
  test.each<[string, string, string | undefined, string]>([
    ['is that of the connection', '192.0.2.1', undefined, '192.0.2.1:4711'],
    ['is IPv4 for IPv4-mapped IPv6', '::ffff:192.0.2.1', undefined, '192.0.2.1:4711'],
    ['is in brackets where it is IPv6', '2001:DB9::1', undefined, '[2001:db9::1]:4711'],
    ['is not what an untrusted client forwards', '192.0.2.1', '198.51.100.9', '192.0.2.1:4711'],
    ['is what a trusted proxy forwards', '10.1.2.3', '198.51.100.9', '198.51.100.9'],
    ['is what a trusted proxy forwards, with a port', '10.1.2.3', '198.51.100.9:99', '198.51.100.9'],
    [
      'is the last that is no trusted proxy: what a client writes itself stands before',
      '10.1.2.3',
      '1.1.1.1, 198.51.100.9, 10.9.9.9',
      '198.51.100.9',
    ],
    ['is the first of trusted ones only', '10.1.2.3', '10.4.4.4, 10.9.9.9', '10.4.4.4'],
    ['is that of the proxy where it forwards nonsense', '10.1.2.3', 'unknown', '10.1.2.3:4711'],
    ['is IPv6 through a trusted IPv6 proxy', '2001:db8::5', '[2001:db9::1]:99', '2001:db9::1'],
  ])('%s', (_name, remoteAddress, forwardedFor, expected) => {
    expect(originOf(OPTIONS, request(remoteAddress, forwardedFor)).recordedAddress).toBe(expected);
  });

  test('is not recorded by default', () => {
    expect(originOf({ ...OPTIONS, recordPeer: 'none' }, request('192.0.2.1')).recordedAddress).toBeUndefined();
  });

  test('is a hash that is equal for one client, and another one after a restart', () => {
    const finder = createOriginFinder({ ...OPTIONS, recordPeer: 'hash' });
    const laterFinder = createOriginFinder({
      ...OPTIONS,
      recordPeer: 'hash',
      randomBytes: (count) => new Uint8Array(count).fill(8),
    });
    const name = (from: ReturnType<typeof request>) => finder.originOf(from, 'http').recordedAddress;
    const restarted = (from: ReturnType<typeof request>) => laterFinder.originOf(from, 'http').recordedAddress;

    expect(name(request('192.0.2.1'))).toMatch(/^[0-9a-f]{16}$/);
    expect(name({ ...request('192.0.2.1'), socket: { remoteAddress: '192.0.2.1', remotePort: 5 } })).toBe(
      name(request('192.0.2.1')),
    );
    expect(name(request('192.0.2.2'))).not.toBe(name(request('192.0.2.1')));
    expect(restarted(request('192.0.2.1'))).not.toBe(name(request('192.0.2.1')));
  });
});

describe('the address key', () => {
  test.each<[string, string, string | undefined, string | undefined]>([
    ['is its address', '192.0.2.1', undefined, '192.0.2.1'],
    ['is the same for IPv4-mapped IPv6', '::ffff:192.0.2.1', undefined, '192.0.2.1'],
    ['is the network of 64 bits of IPv6', '2001:db9:1:2:3:4:5:6', undefined, '2001:db9:1:2::/64'],
    ['is that network where zeros are left out', '2001:db9::6', undefined, '2001:db9::/64'],
    ['is what a trusted proxy forwards', '10.1.2.3', '198.51.100.9', '198.51.100.9'],
    ['is unknown where a trusted proxy forwards nothing', '10.1.2.3', undefined, undefined],
    ['is unknown where only trusted proxies are named', '10.1.2.3', '10.4.4.4', undefined],
    ['is not what an untrusted client forwards', '192.0.2.1', '198.51.100.9', '192.0.2.1'],
  ])('%s', (_name, remoteAddress, forwardedFor, expected) => {
    expect(originOf({ ...OPTIONS, recordPeer: 'none' }, request(remoteAddress, forwardedFor)).addressKey).toBe(
      expected,
    );
  });
});

describe('the origin behind a proxy of the PROXY protocol', () => {
  const originWith = (client: ForwardedClient | undefined, forwardedFor?: string) =>
    originOf({ ...OPTIONS, clientOf: () => client }, request('10.1.2.3', forwardedFor));

  test('is the client that it names', () => {
    expect(originWith({ address: '192.0.2.9', port: 99 })).toStrictEqual({
      protocol: 'http',
      recordedAddress: '192.0.2.9:99',
      addressKey: '192.0.2.9',
    });
  });

  test('is not known where it names none, whatever the headers say', () => {
    expect(originWith({}, '198.51.100.9')).toStrictEqual({ protocol: 'http' });
  });

  test('is what its client forwards where that is a trusted proxy, too', () => {
    expect(originWith({ address: '10.9.9.9', port: 99 }, '198.51.100.9').addressKey).toBe('198.51.100.9');
  });

  test('is that of the connection where it has no header', () => {
    expect(originWith(undefined, '198.51.100.9').addressKey).toBe('198.51.100.9');
  });
});

test('a connection that is closed has no address', () => {
  expect(originOf(OPTIONS, { headers: {}, socket: {} })).toStrictEqual({ protocol: 'http' });
});

test('what an untrusted hop wrote before nonsense is not believed', () => {
  const { recordedAddress, addressKey } = originOf(OPTIONS, request('10.1.2.3', '198.51.100.9, nonsense , 10.9.9.9'));

  expect([recordedAddress, addressKey]).toStrictEqual(['10.9.9.9', undefined]);
});

test('several headers are one list', () => {
  const headers = { 'x-forwarded-for': ['1.1.1.1', '198.51.100.9', '10.9.9.9'] as never };

  expect(originOf(OPTIONS, { ...request('10.1.2.3'), headers }).addressKey).toBe('198.51.100.9');
});

test('the hash is keyed with 32 random bytes', () => {
  const counts: number[] = [];
  createOriginFinder({ ...OPTIONS, randomBytes: (count) => (counts.push(count), new Uint8Array(count)) });

  expect(counts).toStrictEqual([32]);
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db9:1:2:3:4:5:6', '2001:db9:1:2::/64'],
  ['10.1.2.3', undefined],
  ['', undefined],
  [undefined, undefined],
])('the address key of a connection from %s is %s', (address, expected) => {
  expect(createOriginFinder(OPTIONS).addressKeyOf(address)).toBe(expected);
});
