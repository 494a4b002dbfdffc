import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { assert, constantFrom, nat, property, uint8Array } from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createProxyProtocol, parseProxyHeader } from '../../../../src/collector/serve/admission/proxy-protocol.ts';
import { createNetworks } from '../../../../src/runtime/addresses.ts';
import { createKeptLog } from '../../../support/log.ts';
import { proxyHeaderV1Of, proxyHeaderV2, proxyHeaderV2Of } from '../../../support/proxy-header.ts';

const V6 = Buffer.concat([
  Buffer.from('20010db8000000000000000000000001', 'hex'),
  Buffer.from('20010db8000000000000000000000002', 'hex'),
  Buffer.from('12671f90', 'hex'),
]);
const MAPPED = Buffer.concat([Buffer.from('00000000000000000000ffffc0000201', 'hex'), V6.subarray(16)]);
const IPV4 = { address: '192.0.2.1', port: 4711 };
const IPV6 = { address: '2001:db8::1', port: 4711 };

const VALID: readonly (readonly [string, Buffer, object])[] = [
  ['TCP4', proxyHeaderV1Of('192.0.2.1'), IPV4],
  ['TCP6', Buffer.from('PROXY TCP6 2001:DB8:0::1 ::1 4711 8080\r\n'), IPV6],
  [
    'TCP4 with the largest ports',
    Buffer.from('PROXY TCP4 192.0.2.1 10.0.0.1 65535 65535\r\n'),
    { ...IPV4, port: 65_535 },
  ],
  ['TCP6 of an IPv4 address', Buffer.from('PROXY TCP6 ::ffff:192.0.2.1 ::1 4711 8080\r\n'), IPV4],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), {}],
  ['UNKNOWN with addresses', Buffer.from('PROXY UNKNOWN ffff::1 whatever else\r\n'), {}],
  ['the longest line', Buffer.from(`PROXY UNKNOWN ${'f'.repeat(91)}\r\n`), {}],
  ['version 2, TCP4', proxyHeaderV2Of('192.0.2.1'), IPV4],
  ['version 2, TCP4 with a TLV', proxyHeaderV2Of('192.0.2.1', 300), IPV4],
  ['version 2, TCP6', proxyHeaderV2(1, 0x21, V6), IPV6],
  ['version 2, TCP6 of an IPv4 address', proxyHeaderV2(1, 0x21, MAPPED), IPV4],
  ['version 2, LOCAL', proxyHeaderV2(0, 0, Buffer.alloc(0)), {}],
  ['version 2, LOCAL with addresses', proxyHeaderV2(0, 0x11, V6.subarray(0, 12)), {}],
  ['version 2, LOCAL with an unknown family', proxyHeaderV2(0, 0xff, Buffer.alloc(3)), {}],
  ['version 2, LOCAL with half an address', proxyHeaderV2(0, 0x11, Buffer.alloc(3)), {}],
  ['version 2, UNSPEC', proxyHeaderV2(1, 0, Buffer.alloc(7)), {}],
  ['version 2, UDP', proxyHeaderV2(1, 0x12, V6.subarray(0, 12)), {}],
  ['version 2, a Unix socket', proxyHeaderV2(1, 0x31, Buffer.alloc(216)), {}],
  ['version 2, the longest', proxyHeaderV2(1, 0, Buffer.alloc(4_080)), {}],
];

const INVALID: readonly (readonly [string, Buffer])[] = [
  ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n')],
  ['the preface of HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
  ['a TLS handshake', Buffer.from([0x16, 3, 1, 0, 1])],
  ['lower case', Buffer.from('proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n')],
  ['two spaces', Buffer.from('PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n')],
  ['no ports', Buffer.from('PROXY TCP4 192.0.2.1 10.0.0.1\r\n')],
  ['a port that is too large', Buffer.from('PROXY TCP4 192.0.2.1 10.0.0.1 65536 2\r\n')],
  ['a port with a leading zero', Buffer.from('PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n')],
  ['an address with a leading zero', Buffer.from('PROXY TCP4 192.0.02.1 10.0.0.1 1 2\r\n')],
  ['an IPv6 address in TCP4', Buffer.from('PROXY TCP4 ::1 10.0.0.1 1 2\r\n')],
  ['an IPv6 address with a zone', Buffer.from('PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n')],
  ['an unknown family', Buffer.from('PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n')],
  ['a line feed alone', Buffer.from('PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n')],
  ['a carriage return alone', Buffer.from('PROXY UNKNOWN \rx\r\n')],
  ['a line of 108 bytes', Buffer.from(`PROXY UNKNOWN ${'f'.repeat(92)}\r\n`)],
  ['a line without an end of 107 bytes', Buffer.from(`PROXY UNKNOWN ${'f'.repeat(93)}`)],
  ['a target port that is too large', Buffer.from('PROXY TCP4 192.0.2.1 10.0.0.1 1 65536\r\n')],
  ['version 2, another version', Buffer.concat([proxyHeaderV2Of('192.0.2.1').subarray(0, 12), Buffer.from([0x11])])],
  ['version 2, another command', proxyHeaderV2(2, 0x11, V6.subarray(0, 12))],
  ['version 2, an unknown family', proxyHeaderV2(1, 0x41, Buffer.alloc(12))],
  ['version 2, an unknown transport', proxyHeaderV2(1, 0x13, Buffer.alloc(12))],
  ['version 2, TCP4 that is too short', proxyHeaderV2(1, 0x11, Buffer.alloc(11))],
  ['version 2, TCP6 that is too short', proxyHeaderV2(1, 0x21, Buffer.alloc(35))],
  ['version 2, one byte too long', proxyHeaderV2(1, 0, Buffer.alloc(4_081))],
];

describe('a header of the PROXY protocol', () => {
  test.each(VALID)('%s, split at every byte and followed by anything', (_name, header, client) => {
    for (let length = 0; length < header.length; length += 1)
      expect(parseProxyHeader(header.subarray(0, length)), `the first ${length} bytes`).toBeUndefined();
    for (const rest of ['', '\r\n', 'PRI * HTTP/2.0\r\n', '\0\xff'])
      expect(parseProxyHeader(Buffer.concat([header, Buffer.from(rest, 'latin1')]))).toStrictEqual({
        bytes: header.length,
        client,
      });
  });

  test.each(INVALID)('%s is rejected', (_name, bytes) => {
    expect(() => parseProxyHeader(bytes)).toThrow(/PROXY protocol header/);
  });

  test('never asks for more than 4,096 bytes, and never takes more than it was given', () => {
    const start = constantFrom(...VALID.map(([, header]) => header), ...INVALID.map(([, bytes]) => bytes));
    const noise = uint8Array({ maxLength: 5_000 });
    assert(
      property(start, nat(200), nat(255), noise, (header, at, value, rest) => {
        const bytes = Buffer.concat([header, rest]);
        if (at < bytes.length) bytes[at] = value;
        try {
          const parsed = parseProxyHeader(bytes);
          return parsed === undefined ? bytes.length < 4_096 : parsed.bytes <= bytes.length;
        } catch (error) {
          return /PROXY protocol header/.test(String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a connection behind a proxy', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const HEADER = Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.8 4711 443\r\n');
  const CLIENT = { address: '192.0.2.7', port: 4_711 };

  /** What is read of a socket of the proxy, whose ports are those of each connection. */
  function makeSocket() {
    const chunks: Buffer[] = [];
    const socket = Object.assign(new EventEmitter(), {
      remoteAddress: '10.0.0.1',
      remotePort: 5_000,
      localAddress: '10.0.0.2',
      destroyed: false,
      read: () => chunks.shift() ?? null,
      unshift: (chunk: Buffer) => chunks.unshift(chunk),
      destroy: () => {
        socket.destroyed = true;
        socket.emit('close');
      },
    });
    const receive = (chunk: Buffer): void => {
      chunks.push(chunk);
      socket.emit('readable');
    };
    return { socket, receive, connection: socket as never as Socket };
  }

  const makeProtocol = (warned: string[] = []) =>
    createProxyProtocol({
      trustedProxies: createNetworks(['10.0.0.0/8']),
      timeoutMs: 5_000,
      logger: { ...createKeptLog().logger, warn: (_fields, message) => void warned.push(message) },
    });

  test('is of its client until it is closed, and leaves no timer and no listener', () => {
    const protocol = makeProtocol();
    const { socket, receive, connection } = makeSocket();
    const next = vi.fn<(client: unknown) => void>();
    protocol.read(connection, next);

    receive(HEADER);

    expect(next).toHaveBeenCalledExactlyOnceWith(CLIENT);
    expect(vi.getTimerCount()).toBe(0);
    expect([socket.listenerCount('readable'), socket.listenerCount('end')]).toStrictEqual([0, 0]);
    expect(protocol.clientOf(connection)).toStrictEqual(CLIENT);
    socket.emit('close');
    expect(protocol.clientOf(connection)).toBeUndefined();
  });

  test('with the port of one that closes later keeps its client', () => {
    const protocol = makeProtocol();
    const [old, young] = [makeSocket(), makeSocket()];
    protocol.read(old.connection, () => undefined);
    old.receive(HEADER);
    protocol.read(young.connection, () => undefined);
    young.receive(HEADER);

    old.socket.emit('close');
    expect(protocol.clientOf(young.connection)).toStrictEqual(CLIENT);
    young.socket.emit('close');

    expect(protocol.clientOf(young.connection)).toBeUndefined();
  });

  test('without a header in time is closed', () => {
    const warned: string[] = [];
    const protocol = makeProtocol(warned);
    const { socket, receive, connection } = makeSocket();
    protocol.read(connection, () => undefined);
    receive(HEADER.subarray(0, 10));

    vi.advanceTimersByTime(4_999);
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(1);

    expect([socket.destroyed, warned.length, vi.getTimerCount()]).toStrictEqual([true, 1, 0]);
  });

  test('that closes before its header leaves no timer', () => {
    const { socket, connection } = makeSocket();
    makeProtocol().read(connection, () => undefined);

    socket.emit('close');

    expect([vi.getTimerCount(), socket.listenerCount('readable')]).toStrictEqual([0, 0]);
  });

  /** Reads a header with everything that a test may look at. */
  const readHeader = () => {
    const warned: string[] = [];
    const protocol = makeProtocol(warned);
    const made = makeSocket();
    const next = vi.fn<(client: unknown) => void>();
    const start = (): void => protocol.read(made.connection, next);
    const listeners = (): number => made.socket.eventNames().length;
    return { ...made, warned, protocol, next, start, listeners };
  };

  test('that is no proxy is not read, and has no client', () => {
    const { socket, connection, next, protocol, start, listeners } = readHeader();
    socket.remoteAddress = '192.0.2.1';

    start();

    expect(next).toHaveBeenCalledExactlyOnceWith(undefined);
    expect([listeners(), vi.getTimerCount(), protocol.clientOf(connection)]).toStrictEqual([0, 0, undefined]);
  });

  test('that is closed before it is read has no header', () => {
    const { socket, next, start } = readHeader();
    Object.assign(socket, { remoteAddress: undefined });

    start();

    expect(next).toHaveBeenCalledExactlyOnceWith(undefined);
  });

  test.each(['', 'GET / HTTP/1.1\r\n'])('keeps what follows the header: "%s"', (rest) => {
    const { socket, receive, next, start, listeners } = readHeader();
    start();
    receive(HEADER.subarray(0, 3));
    socket.emit('readable');
    expect(next).not.toHaveBeenCalled();

    receive(Buffer.concat([HEADER.subarray(3), Buffer.from(rest)]));

    expect(next).toHaveBeenCalledExactlyOnceWith(CLIENT);
    expect(socket.read()?.toString() ?? '').toBe(rest);
    // That which forgets the client.
    expect(listeners()).toBe(1);
  });

  test('with an invalid header is closed at once, with a warning', () => {
    const { socket, receive, next, start, warned, listeners } = readHeader();
    start();

    receive(Buffer.from('GET / HTTP/1.1\r\n'));

    expect(socket.destroyed).toBe(true);
    expect(warned).toStrictEqual([expect.stringMatching(/^closed a connection of a trusted proxy/)]);
    expect([next.mock.calls.length, listeners(), vi.getTimerCount()]).toStrictEqual([0, 0, 0]);
  });

  test.each([
    ['nothing, as health checks of load balancers do', '', 0],
    ['half a header', 'PROXY TCP4', 1],
  ])('that ends after %s is closed', (_what, bytes, warnings) => {
    const { socket, receive, start, warned, listeners } = readHeader();
    start();
    if (bytes !== '') receive(Buffer.from(bytes));

    socket.emit('end');

    expect([socket.destroyed, warned.length, listeners(), vi.getTimerCount()]).toStrictEqual([true, warnings, 0, 0]);
  });

  test('is told from others by its port and by both addresses', () => {
    const { receive, connection, protocol, start } = readHeader();
    start();
    receive(HEADER);
    const { remoteAddress, remotePort, localAddress } = connection;

    expect(protocol.clientOf({ remoteAddress, remotePort, localAddress })).toStrictEqual(CLIENT);
    for (const other of [{ remoteAddress: '10.0.0.9' }, { remotePort: 9 }, { localAddress: '10.0.0.9' }])
      expect(protocol.clientOf({ remoteAddress, remotePort, localAddress, ...other })).toBeUndefined();
  });
});
