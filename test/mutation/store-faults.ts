import type { Fault } from './fault.ts';

const AVAILABILITY = 'collector/store/availability.ts';
const AVAILABILITY_TEST = 'test/collector/store/availability.test.ts';
const OUTCOMES = 'collector/store/write-outcomes.ts';
const OUTCOMES_TEST = 'test/collector/store/write-outcomes.test.ts';
const STDOUT = 'collector/store/stdout.ts';
const STDOUT_TEST = 'test/collector/store/stdout.test.ts';
const MONGO = 'collector/store/mongo-store.ts';
const MONGO_TEST = 'test/collector/store/mongo-store.test.ts';
const RESERVE = 'collector/store/disk-reserve.ts';
const RESERVE_TEST = 'test/collector/store/disk-reserve.test.ts';

export const STORE_FAULTS: readonly Fault[] = [
  {
    fault: 'a check that ends after the stop is reported',
    file: AVAILABILITY,
    from: '    if (stopped) return;\n',
    to: '',
    test: AVAILABILITY_TEST,
  },
  {
    fault: 'after the first failed write the database is checked without a pause',
    file: AVAILABILITY,
    from: '      wake = new AbortController();\n',
    to: '',
    test: AVAILABILITY_TEST,
  },
  {
    fault: 'a failed write is not followed by a check',
    file: AVAILABILITY,
    from: '      if (outcomes.some(isUnavailable)) wake.abort();\n',
    to: '',
    test: AVAILABILITY_TEST,
  },
  {
    fault: 'a report that the database rejects for good is followed by a check',
    file: AVAILABILITY,
    from: 'if (outcomes.some(isUnavailable)) wake.abort();',
    to: "if (outcomes.some(({ status }) => status === 'failed')) wake.abort();",
    test: AVAILABILITY_TEST,
  },
  {
    fault: 'a monitor that is stopped sleeps on',
    file: AVAILABILITY,
    from: '      stopped = true;\n      wake.abort();',
    to: '      stopped = true;',
    test: AVAILABILITY_TEST,
  },
  {
    fault: 'known clusters are looked up while the database is unavailable',
    file: AVAILABILITY,
    from: '      if (failure !== undefined) throw failure;\n',
    to: '',
    test: AVAILABILITY_TEST,
  },
  {
    fault: 'an encoded document counts as stored where the write concern was not met',
    file: OUTCOMES,
    from: 'writeConcernError === undefined && reply',
    to: 'reply',
    test: OUTCOMES_TEST,
  },
  {
    fault: 'an encoded document counts as stored where the server stored none',
    file: OUTCOMES,
    from: "=== undefined && reply['n'] + writeErrors.length === count;",
    to: '=== undefined;',
    test: OUTCOMES_TEST,
  },
  {
    fault: 'the errors of encoded documents are ignored',
    file: OUTCOMES,
    from: "(reply['writeErrors'] ?? []) as readonly",
    to: '[] as readonly',
    test: OUTCOMES_TEST,
  },
  {
    fault: 'a report that breaks a validation rule is retried as if the database were away',
    file: OUTCOMES,
    from: 'if (code !== DOCUMENT_VALIDATION_FAILURE) return',
    to: 'if (code !== 0) return',
    test: OUTCOMES_TEST,
  },
  {
    fault: 'a rejected report counts as an outage',
    file: OUTCOMES,
    from: "return outcome.status === 'failed' && outcome.error.kind === 'unavailable';",
    to: "return outcome.status === 'failed';",
    test: AVAILABILITY_TEST,
  },
  {
    fault: 'reports are printed without back pressure',
    file: STDOUT,
    from: "if (!output.write(lines.join(''))) await once(output, 'drain');",
    to: "output.write(lines.join(''));",
    test: STDOUT_TEST,
  },
  {
    fault: 'bytes are printed as an object',
    file: STDOUT,
    from: "return original instanceof Uint8Array ? Buffer.from(original).toString('base64') : value;",
    to: 'return original === undefined ? undefined : value;',
    test: STDOUT_TEST,
  },
  {
    fault: 'a closed standard output counts as available',
    file: STDOUT,
    from: '      output.destroyed\n',
    to: '      output.destroyed && output.writable\n',
    test: STDOUT_TEST,
  },
  {
    fault: 'each measurement of the disk leaves a timer',
    file: RESERVE,
    from: '      refreshed.abort();\n',
    to: '',
    test: RESERVE_TEST,
  },
  {
    fault: 'a disk that does not respond is measured again and again',
    file: RESERVE,
    from: '(running ??= update().finally(() => (running = undefined)))',
    to: 'update()',
    test: RESERVE_TEST,
  },
  {
    fault: 'a failed measurement of the disk is kept for good',
    file: RESERVE,
    from: 'update().finally(() => (running = undefined))',
    to: 'update().then(() => (running = undefined))',
    test: RESERVE_TEST,
  },
  {
    fault: 'a cluster in quarantine counts as known',
    file: MONGO,
    from: 'quarantined === true ? [] : [_id]',
    to: '[_id]',
    test: MONGO_TEST,
  },
  {
    fault: 'the oldest report of a cluster tells whether it is known',
    file: MONGO,
    from: '{ $sort: { [idField]: 1, receivedAt: -1 } }',
    to: '{ $sort: { [idField]: 1, receivedAt: 1 } }',
    test: MONGO_TEST,
  },
  {
    fault: 'a document of exactly the largest size is rejected',
    file: MONGO,
    from: 'if (bytes > MAX_DOCUMENT_BYTES) {',
    to: 'if (bytes >= MAX_DOCUMENT_BYTES) {',
    test: MONGO_TEST,
  },
  {
    fault: 'a document of one byte more than the largest size is retried for ever',
    file: MONGO,
    from: 'if (bytes > MAX_DOCUMENT_BYTES) {',
    to: 'if (bytes > MAX_DOCUMENT_BYTES + 1) {',
    test: MONGO_TEST,
  },
  {
    fault: 'an encoded document of exactly the largest size is rejected',
    file: MONGO,
    from: 'if (document.length > MAX_DOCUMENT_BYTES)',
    to: 'if (document.length >= MAX_DOCUMENT_BYTES)',
    test: MONGO_TEST,
  },
  {
    fault: 'an encoded document of one byte more than the largest size is retried for ever',
    file: MONGO,
    from: 'if (document.length > MAX_DOCUMENT_BYTES)',
    to: 'if (document.length > MAX_DOCUMENT_BYTES + 1)',
    test: MONGO_TEST,
  },
  {
    fault: 'a write has the number of the write before, so that a replica set does not execute it',
    file: MONGO,
    from: 'session.serverSession.txnNumber += 1;',
    to: '',
    test: 'test/collector/store/replica-set.test.ts',
  },
  {
    fault: 'a write that a new primary must repeat counts as not stored',
    file: OUTCOMES,
    from: 'if (change !== undefined) throw new MongoServerError(change);',
    to: '',
    test: OUTCOMES_TEST,
  },
  {
    fault: 'a store that is closed keeps its connections',
    file: MONGO,
    from: '    await this.#pending.settled();\n    await this.#client.close();',
    to: '    await this.#pending.settled();',
    test: MONGO_TEST,
  },
  {
    fault: 'a store is closed before its reports are stored',
    file: MONGO,
    from: '    await this.#pending.settled();\n',
    to: '',
    test: MONGO_TEST,
  },
  {
    fault: 'each write leaves a timer',
    file: MONGO,
    from: '.finally(() => clearTimeout(timer))',
    to: '',
    test: MONGO_TEST,
  },
  {
    fault: 'a lookup of known clusters is shared for good',
    file: MONGO,
    from: '      this.#lookup = undefined;\n',
    to: '',
    test: MONGO_TEST,
  },
];
