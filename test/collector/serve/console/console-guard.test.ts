import { describe, expect, test } from 'vitest';
import {
  type ConsoleConfig,
  createConsoleGuard,
  findConsoleProblem,
} from '../../../../src/collector/serve/console/console.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';

const LOCAL = '127.0.0.1';

describe('a configuration', () => {
  test.each([
    [{ port: 8081 }, ':8081'],
    [{ host: '', port: 8081 }, ':8081'],
    [{ host: '0.0.0.0', port: 8081 }, '0.0.0.0:8081'],
    [{ host: '::', port: 8081 }, '[::]:8081'],
    [{ host: '192.0.2.1', port: 8081 }, '192.0.2.1:8081'],
  ])('that listens on %j needs a token file, or public statistics', (listen, shown) => {
    expect(findConsoleProblem({ listen })).toMatch(/: other machines .* --console-token-file.* --console-public\.$/);
    expect(findConsoleProblem({ listen })).toContain(`--console-listen ${shown}: `);
    expect(findConsoleProblem({ listen, isPublic: false })).toBeDefined();
    expect(findConsoleProblem({ listen, tokenFile: 'tokens' })).toBeUndefined();
    expect(findConsoleProblem({ listen, isPublic: true })).toBeUndefined();
  });

  test.each([LOCAL, '127.9.9.9', '::1', 'localhost'])('that listens on %s needs neither', (host) => {
    expect(findConsoleProblem({ listen: { host, port: 8081 } })).toBeUndefined();
  });
});

/** By access: allowed, or the kind of the error. */
function authorize(
  { host = LOCAL, isPublic }: { readonly host?: string; readonly isPublic?: boolean },
  tokens: 'none' | 'missing' | 'valid',
  headers: Parameters<ReturnType<typeof createConsoleGuard>>[1] = { host: LOCAL },
) {
  const config: Pick<ConsoleConfig, 'listen' | 'isPublic'> = {
    listen: { host, port: 8081 },
    ...(isPublic === undefined ? {} : { isPublic }),
  };
  const authenticate = (): void => {
    if (tokens === 'missing') throw new SpartakusError('unauthenticated', 'no token');
  };
  const guard = createConsoleGuard(config, tokens === 'none' ? undefined : authenticate);
  return (['anyone', 'statistics', 'operator'] as const).map((access) => {
    try {
      guard(access, headers);
      return 'allowed';
    } catch (error) {
      return SpartakusError.from(error).kind;
    }
  });
}

describe('what anyone, those who read statistics, and operators may read', () => {
  const OTHER = '192.0.2.1';
  const [ok, no, anonymous] = ['allowed', 'forbidden', 'unauthenticated'];

  test.each([
    ['none', { host: LOCAL }, [ok, ok, ok]],
    ['missing', { host: LOCAL }, [ok, anonymous, anonymous]],
    ['valid', { host: LOCAL }, [ok, ok, ok]],
    ['none', { host: OTHER }, [ok, no, no]],
    ['missing', { host: OTHER }, [ok, anonymous, anonymous]],
    ['valid', { host: OTHER }, [ok, ok, ok]],
    ['none', { host: OTHER, isPublic: true }, [ok, ok, no]],
    ['missing', { host: OTHER, isPublic: true }, [ok, ok, anonymous]],
    ['missing', { host: LOCAL, isPublic: true }, [ok, ok, anonymous]],
    ['valid', { host: OTHER, isPublic: true }, [ok, ok, ok]],
    ['valid', { host: LOCAL, isPublic: false }, [ok, ok, ok]],
  ] as const)('with a token that is %s, on %j', (tokens, config, expected) => {
    expect(authorize(config, tokens)).toStrictEqual(expected);
  });

  test('a page of another host reads nothing without a token, except public statistics', () => {
    const foreign = { host: 'evil.example' };

    expect(authorize({ host: LOCAL }, 'none', foreign)).toStrictEqual([no, no, no]);
    expect(authorize({ host: LOCAL, isPublic: true }, 'none', foreign)).toStrictEqual([ok, ok, no]);
    expect(authorize({ host: LOCAL }, 'valid', foreign)).toStrictEqual([ok, ok, ok]);
    expect(authorize({ host: OTHER }, 'valid', foreign)).toStrictEqual([ok, ok, ok]);
  });

  test('the errors say how to read it', () => {
    const guard = createConsoleGuard({ listen: { host: OTHER, port: 1 } }, undefined);
    const localGuard = createConsoleGuard({ listen: { host: LOCAL, port: 1 } }, undefined);

    expect(() => guard('operator', {})).toThrow(/only operators .*--console-token-file/);
    expect(() => localGuard('anyone', {})).toThrow(/not this machine: use http:\/\/127\.0\.0\.1/);
  });
});

describe('the requested host', () => {
  test.each([
    { host: 'localhost' },
    { host: 'LocalHost:8081' },
    { host: '127.1.2.3:1' },
    { host: '[::1]' },
    { host: '[::1]:8081' },
    { ':authority': '127.0.0.1' },
    { ':authority': '127.0.0.1', host: 'evil.example' },
  ])('of %j is this machine', (headers) => {
    expect(authorize({}, 'none', headers)[0]).toBe('allowed');
  });

  test.each([
    {},
    { host: '' },
    { host: 'evil.example:8081' },
    { host: '127.0.0.1.evil.example' },
    { host: 'x127.0.0.1' },
    { host: '127.0.0.1:80:80' },
    { host: '127.0.0.1:' },
    { host: '127.0.0.1:80x' },
    { host: 'x[::1]' },
    { host: '[::1]x' },
    { host: '[::1' },
    { host: '::1' },
    { host: '[]' },
    { ':authority': 'evil.example', host: '127.0.0.1' },
    { ':authority': ['127.0.0.1', 'evil.example'] },
  ])('of %j is not', (headers) => {
    expect(authorize({}, 'none', headers)[0]).toBe('forbidden');
  });
});
