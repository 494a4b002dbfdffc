import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  parseBytes,
  parseChoice,
  DAYS,
  parseQualifiedNames,
  parseDurationMs,
  parseListen,
  parsePort,
  parseSwitch,
  parseText,
  parseUuid,
} from '../../src/cli/values.ts';

describe('a duration has the notation of Go', () => {
  // From the tests of Go's time.ParseDuration: https://github.com/golang/go/blob/master/src/time/time_test.go
  test.each([
    ['0', 0],
    ['+0', 0],
    ['5s', 5_000],
    ['30s', 30_000],
    ['1478s', 1_478_000],
    ['5.0s', 5_000],
    ['5.6s', 5_600],
    ['5.s', 5_000],
    ['.5s', 500],
    ['1.004s', 1_004],
    ['10ms', 10],
    ['11us', 0.011],
    ['12µs', 0.012],
    ['12μs', 0.012],
    ['1000000ns', 1],
    ['14m', 840_000],
    ['24h', 86_400_000],
    ['3h30m', 12_600_000],
    ['4m10.5s', 250_500],
    ['1h2m3s4ms', 3_723_004],
    ['+5s', 5_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDurationMs(text)).toBeCloseTo(ms, 6);
  });

  test.each([
    '',
    '3',
    '-',
    's',
    '.',
    '-.',
    '.s',
    '+.s',
    '1d',
    '5 s',
    '-5s',
    'x',
    '3000x',
    '1h 2m',
    'NaN',
    'Infinity',
    '0x10s',
  ])('%j is invalid', (text) => {
    expect(() => parseDurationMs(text)).toThrow(`${JSON.stringify(text)} is not a duration`);
  });

  test('hours, minutes and seconds add up', () => {
    const part = fc.nat(10_000);
    fc.assert(
      fc.property(part, part, part, (hours, minutes, seconds) => {
        expect(parseDurationMs(`${hours}h${minutes}m${seconds}s`)).toBe(((hours * 60 + minutes) * 60 + seconds) * 1000);
      }),
    );
  });
});

test.each([
  ['1', 1],
  ['4096', 4096],
  ['512Ki', 524_288],
  ['4Mi', 4_194_304],
  ['1Gi', 1_073_741_824],
])('the size %s is %d bytes', (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes);
});

test.each(['', '0', '-1', '4M', '4MB', '4 Mi', '1.5Mi', 'Mi', '99999999999999999999'])('%j is not a size', (text) => {
  expect(() => parseBytes(text)).toThrow(`${JSON.stringify(text)} is not a size`);
});

test('a port is a whole number up to 65535', () => {
  expect([parsePort('0'), parsePort('8080'), parsePort('65535')]).toStrictEqual([0, 8080, 65_535]);
  for (const text of ['', '-1', '65536', '80a', '1e3', ' 80', '0x50'])
    expect(() => parsePort(text)).toThrow('is not a port');
});

test('a text is not empty, a switch is true or false, a choice is one of its words', () => {
  expect(parseText('x')).toBe('x');
  expect(() => parseText(' ')).toThrow('" " is empty');
  expect([parseSwitch('true'), parseSwitch('false')]).toStrictEqual([true, false]);
  expect(() => parseSwitch('yes')).toThrow('"yes" is neither true nor false');
  expect(parseChoice('b', ['a', 'b'])).toBe('b');
  expect(() => parseChoice('c', ['a', 'b'])).toThrow('"c" is none of a, b');
});

describe('an address to listen on', () => {
  test.each([
    ['127.0.0.1:8081', { host: '127.0.0.1', port: 8081 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['localhost:65535', { host: 'localhost', port: 65_535 }],
    [':8081', { port: 8081 }],
    ['off', undefined],
    ['', undefined],
  ])('%j is %j', (text, address) => {
    expect(parseListen(text)).toStrictEqual(address);
  });

  test.each([
    '8081',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '::1:8081',
    '[127.0.0.1]:80',
    '[]:80',
    'example.com:80',
    '127.1:80',
    'x:y:80',
    '127.0.0.1:8 ',
    'Off',
  ])('%j is invalid', (text) => {
    expect(() => parseListen(text)).toThrow(`${JSON.stringify(text)} is not an address and a port`);
  });
});

describe('a UUID', () => {
  test.each(['1b4e28ba-2fa1-41d2-883f-0016d3cca427', '01890A5D-AC96-774B-BCCE-B302099A8057'])('%s is kept', (text) => {
    expect(parseUuid(text)).toBe(text);
  });

  test.each([
    ['jane.doe@acme.example', 'is not a UUID: use a random one'],
    ['1b4e28ba2fa141d2883f0016d3cca427', 'is not a UUID'],
    [' 1b4e28ba-2fa1-41d2-883f-0016d3cca427', 'is not a UUID'],
    ['', 'is not a UUID'],
    // RFC 9562, appendix A: the node of these is 9f:6b:de:ce:d8:46.
    ['C232AB00-9414-11EC-B3C8-9F6BDECED846', 'contains the address of a network card: use a random one'],
    ['1EC9414C-232A-6B00-B3C8-9F6BDECED846', 'contains the address of a network card'],
  ])('%j is rejected', (text, problem) => {
    expect(() => parseUuid(text)).toThrow(problem);
  });
});

test.each([
  ['400d', 400 * 86_400_000],
  ['0d', 0],
  ['0', 0],
  ['9600h', 400 * 86_400_000],
])('the period %s is %d milliseconds', (text, ms) => {
  expect(DAYS.parse(text)).toBe(ms);
});

test.each(['', 'd', '-1d', '1.5d', '1d2h', '123456d'])('the period %j is rejected', (text) => {
  expect(() => DAYS.parse(text)).toThrow('is not a duration');
});

test('names are separated by commas, and must be qualified names', () => {
  expect(parseQualifiedNames('example.com/tier, env')).toStrictEqual(['example.com/tier', 'env']);
  expect(() => parseQualifiedNames('a b')).toThrow('"a b" has a name that is not');
  expect(() => parseQualifiedNames('a,')).toThrow('"" has a name that is not');
});
