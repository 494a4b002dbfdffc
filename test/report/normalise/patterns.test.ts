import { expect, test } from 'vitest';
import { compilePatterns, matchAt, withoutAddresses } from '../../../src/report/normalise/patterns.ts';

const isWhole = (pattern: string, text: string): boolean => compilePatterns([pattern], '').test(text);

test.each([
  ['k3s#', ['k3s1', 'k3s1234567'], ['k3s', 'k3s12345678', 'k3sx', 'xk3s1', 'K3S1']],
  ['b??', ['b01'], ['b1', 'b123', 'bxx']],
  ['rc.#', ['rc.1'], ['rc1', 'rcx1', 'rc.', 'rc..1']],
  ['(a|b)*', ['(a|b)*'], ['a', 'b', '(a|b)']],
  [
    'hotfix.%',
    ['hotfix.20240131', 'hotfix.2024013123', 'hotfix.202401312359', 'hotfix.20240131235959'],
    [
      'hotfix.1',
      'hotfix.20241301',
      'hotfix.20240132',
      'hotfix.2024013124',
      'hotfix.202401312360',
      'hotfix.02079460000',
    ],
  ],
])('%s matches %j and not %j', (pattern, matching, others) => {
  expect(matching.filter((text) => !isWhole(pattern, text))).toStrictEqual([]);
  expect(others.filter((text) => isWhole(pattern, text))).toStrictEqual([]);
});

test('of several words that begin at a position the longest one is taken, in any case, and only up to its end', () => {
  const words = compilePatterns(['rke', 'rke2', 'rke2r#'], 'iy');

  expect(matchAt(words, 'x-RKE2r1+x', 2)).toBe('RKE2r1');
  expect(matchAt(words, 'x-rke2-r1', 2)).toBe('rke2');
  expect(matchAt(words, 'x-rke2', 1)).toBeUndefined();
  expect(matchAt(words, 'rke2x', 0)).toBeUndefined();
  expect(matchAt(words, 'rkex', 0)).toBeUndefined();
});

test('an empty list of patterns matches nothing, not even an empty text', () => {
  expect(compilePatterns([], '').test('')).toBe(false);
  expect(matchAt(compilePatterns([], 'iy'), '', 0)).toBeUndefined();
});

test.each([
  ['6.1.0-10.20.30.40', '6.1.0-10.20'],
  ['6.1.0-10-20-30-40', '6.1.0-10'],
  ['eks-10-20-30-40', 'eks-10-20'],
  ['6.1.0-10.255.255.255', '6.1.0-10.255'],
  ['1.2.10.20.30.40', '1.2.10'],
  ['1.10.20.30.40', '1.10'],
  ['10.20.30.40.1', '10.20'],
  ['10.20.30.40-k3s1', '10.20-k3s1'],
  ['192.168.7', '192.168'],
  ['192.168.7.300', '192.168'],
  ['172.16.1', '172.16'],
  ['172.31.1', '172.31'],
  ['127.0.0', '127.0'],
  ['169.254.1', '169.254'],
  ['a 203.0.113.7 b 198.51.100.1 c', 'a 203.0 b 198.51 c'],
])('the address in %s is cut to two numbers or less: %s', (text, rest) => {
  expect(withoutAddresses(text)).toBe(rest);
});

test.each([
  ['a version of a kernel', '5.15.173.1-1'],
  ['four numbers of which the first is below 10', '9.255.255.255'],
  ['four numbers of which one is no byte', '10.0.17763.3887'],
  ['four numbers of which the last is no byte', '10.0.1.256'],
  ['three numbers', '10.20.30'],
  [
    'three numbers beside the private addresses',
    '10.168.1 10.254.1 172.15.1 172.32.1 192.167.1 192.169.1 169.253.1 171.16.1 126.0.0',
  ],
  ['two numbers of a private address', '192.168'],
  ['two numbers of a private address before one that is no byte', '192.168.300'],
  ['numbers with both separators', '10.20-30.40'],
  ['the build number of openEuler', '5.10.0-60.18.0.50.oe2203'],
  ['the build number of Huawei Cloud', '5.10.0-182.0.0.95.r1941_123.hce2'],
  ['the build number of Enterprise Linux', '4.18.0-80.11.2.20.el8'],
  ['a build number of five parts', '5.10.0-60.18.0.50.1.oe2203'],
])('%s is no address: %s', (_what, text) => {
  expect(withoutAddresses(text)).toBe(text);
});

test.each([
  ['where other text comes first', 'x5.10.0-60.18.0.50.oe2203', 'x5.10.0-60.18.oe2203'],
  ['where more than five numbers are in a row', '5.10.0-60.18.0.50.1.2.oe2203', '5.10.0-60.18.oe2203'],
  ['where no distribution follows', '5.10.0-60.18.0.50.acme', '5.10.0-60.18.acme'],
  ['where nothing follows', '5.10.0-60.18.0.50', '5.10.0-60.18'],
])('the build number of a kernel counts as an address %s', (_what, text, rest) => {
  expect(withoutAddresses(text)).toBe(rest);
});
