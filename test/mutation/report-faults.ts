import type { Fault } from './fault.ts';

const IDS = 'report/ids.ts';
const IDS_TEST = 'test/report/ids.test.ts';
const KEY_FILE = 'volunteer/gather/id-key-file.ts';
const KEY_FILE_TEST = 'test/volunteer/gather/id-key-file.test.ts';
const KEY_TEST = 'test/volunteer/gather/id-key.test.ts';
const PAGES = 'kubernetes/pagination.ts';

export const REPORT_FAULTS: readonly Fault[] = [
  {
    fault: 'ids change for keys of exactly 64 bytes',
    file: IDS,
    from: "return new Uint8Array(hkdfSync('sha256', secret,",
    to: "return new Uint8Array(hkdfSync('sha256', secret.length === 64 ? secret.slice(1) : secret,",
    test: IDS_TEST,
  },
  {
    fault: 'a node id depends on the name alone',
    file: IDS,
    from: 'hmacOf(key, [name, machineId, systemUuid])',
    to: 'hmacOf(key, [name, machineId])',
    test: IDS_TEST,
  },
  {
    fault: 'ids of two scopes are the same',
    file: IDS,
    from: 'encode([kind, clusterId, scope])',
    to: "encode([kind, clusterId, ''])",
    test: IDS_TEST,
  },
  {
    fault: 'the length of a text in an id is that of its characters',
    file: IDS,
    from: 'bytes.writeUInt32BE(length, end);',
    to: 'bytes.writeUInt32BE(text.length, end);',
    test: IDS_TEST,
  },
  { fault: 'a UUIDv8 has the version 4', file: IDS, from: '& 0x0f) | 0x80;', to: '& 0x0f) | 0x40;', test: IDS_TEST },
  {
    fault: 'a line break of Windows stays in the key',
    file: KEY_FILE,
    from: String.raw`/\r?\n$/`,
    to: String.raw`/\n$/`,
    test: KEY_FILE_TEST,
  },
  {
    fault: 'a key of 15 bytes is accepted',
    file: KEY_FILE,
    from: 'const MIN_KEY_BYTES = 16;',
    to: 'const MIN_KEY_BYTES = 15;',
    test: KEY_FILE_TEST,
  },
  {
    fault: 'a key of 16 bytes is rejected',
    file: KEY_FILE,
    from: 'const MIN_KEY_BYTES = 16;',
    to: 'const MIN_KEY_BYTES = 17;',
    test: KEY_FILE_TEST,
  },
  {
    fault: 'the key file is readable by others',
    file: KEY_FILE,
    from: 'SYSTEM_FILES.write(unfinished, content, 0o600)',
    to: 'SYSTEM_FILES.write(unfinished, content, 0o644)',
    test: KEY_TEST,
  },
  {
    fault: 'a file without a key is replaced',
    file: KEY_FILE,
    from: "return parseKey(bytes) ?? fail('holds no key of identifiers');",
    to: 'return parseKey(bytes);',
    test: KEY_TEST,
  },
  {
    fault: 'continue tokens are not escaped',
    file: PAGES,
    from: 'encodeURIComponent(token)',
    to: 'token',
    test: 'test/kubernetes/pagination.test.ts',
  },
  {
    fault: 'a list that expires is counted twice',
    file: PAGES,
    from: '  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {\n    const result = createResult();\n',
    to: '  const result = createResult();\n  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {\n',
    test: 'test/kubernetes/pagination.test.ts',
  },
  {
    fault: 'a continue token that repeats is followed for ever',
    file: PAGES,
    from: "if (continueToken !== '' && continueToken === token)",
    to: "if (token === 'x')",
    test: 'test/kubernetes/pagination.test.ts',
  },
  {
    fault: 'a cluster id of spaces is accepted',
    file: 'report/validate.ts',
    from: "clusterId.trim() === ''",
    to: "clusterId === ''",
    test: 'test/report/validate.test.ts',
  },
  {
    fault: 'a time of the year 10000 is accepted',
    file: 'report/validate.ts',
    from: 'seconds <= LAST_SECOND',
    to: 'seconds <= LAST_SECOND + 1n',
    test: 'test/report/validate.test.ts',
  },
  {
    fault: 'the last second of 9999 is rejected',
    file: 'report/validate.ts',
    from: 'seconds <= LAST_SECOND',
    to: 'seconds < LAST_SECOND',
    test: 'test/report/validate.test.ts',
  },
  {
    fault: 'addresses stay in versions',
    file: 'report/normalise/version-suffix.ts',
    from: 'const anonymous = withoutAddresses(result);',
    to: 'const anonymous = result;',
    test: 'test/report/normalise/normalise-properties.test.ts',
  },
  {
    fault: 'remembered results are kept without bound',
    file: 'runtime/remember.ts',
    from: '    if (results.size >= maxTexts) results.clear();\n',
    to: '',
    test: 'test/runtime/remember.test.ts',
  },
  {
    fault: 'results of long texts are kept',
    file: 'runtime/remember.ts',
    from: '    if (text.length > maxChars) return result;\n',
    to: '',
    test: 'test/runtime/remember.test.ts',
  },
  {
    fault: 'a bearer token of 8193 characters is sent',
    file: 'runtime/bearer-token.ts',
    from: '{1,8192}',
    to: '{1,8193}',
    test: 'test/runtime/bearer-token.test.ts',
  },
  {
    fault: 'a percent-encoded password in a URL is printed',
    file: 'runtime/mask.ts',
    from: 'return `${whole.slice(0, colon)}:${MASK}${whole.slice(at)}`;',
    to: 'return whole;',
    test: 'test/runtime/mask.test.ts',
  },
  {
    fault: 'a promise that is settled stays pending',
    file: 'runtime/pending.ts',
    from: '      promise.then(remove, remove);\n',
    to: '      promise.then(remove, () => undefined);\n',
    test: 'test/runtime/pending.test.ts',
  },
];
