import type { Fault } from './fault.ts';

const BATCHER = 'collector/ingest/batcher.ts';
const BATCHER_TEST = 'test/collector/ingest/batcher.test.ts';
const RATE = 'collector/ingest/rate-limiter.ts';
const RATE_TEST = 'test/collector/ingest/rate-limiter.test.ts';
const QUARANTINE = 'collector/ingest/quarantine.ts';
const QUARANTINE_TEST = 'test/collector/ingest/quarantine.test.ts';
const INGEST = 'collector/ingest/ingest.ts';
const INGEST_TEST = 'test/collector/ingest/ingest.test.ts';

export const INGEST_FAULTS: readonly Fault[] = [
  {
    fault: 'a failed write keeps its items pending',
    file: BATCHER,
    from: 'settle(batch);\n        for (const { reject } of batch) reject(error);',
    to: 'for (const { reject } of batch) reject(error);',
    test: BATCHER_TEST,
  },
  {
    fault: 'the callers of a write are answered before the next write begins',
    file: BATCHER,
    from: 'defer(finish);',
    to: 'finish();',
    test: BATCHER_TEST,
  },
  {
    fault: 'a second write waits until a batch is full',
    file: BATCHER,
    from: 'isFull() || waiting.length >= MIN_BESIDE',
    to: 'isFull()',
    test: BATCHER_TEST,
  },
  {
    fault: 'a write keeps its bytes pending',
    file: BATCHER,
    from: '    for (const { sizeBytes } of batch) pendingBytes -= sizeBytes;\n',
    to: '',
    test: BATCHER_TEST,
  },
  { fault: 'items that expire stay pending', file: BATCHER, from: '      settle(late);\n', to: '', test: BATCHER_TEST },
  {
    fault: 'clients that wait for capacity are not woken when items expire',
    file: BATCHER,
    from: '      for (const { reject } of late) reject(error);\n      wake();',
    to: '      for (const { reject } of late) reject(error);',
    test: BATCHER_TEST,
  },
  {
    fault: 'each wait for capacity leaves a listener on its signal',
    file: BATCHER,
    from: "          signal?.removeEventListener('abort', go);\n",
    to: '',
    test: BATCHER_TEST,
  },
  {
    fault: 'a client that leaves keeps its place in the queue',
    file: BATCHER,
    from: '          queue.delete(go);\n',
    to: '',
    test: BATCHER_TEST,
  },
  {
    fault: 'the timer of expiry is not cleared',
    file: BATCHER,
    from: '      expiry?.abort();\n',
    to: '',
    test: BATCHER_TEST,
  },
  {
    fault: 'items in flight are limited to one less',
    file: BATCHER,
    from: 'waiting.length > 0 && inFlight < maxInFlight',
    to: 'waiting.length > 0 && inFlight < maxInFlight - 1',
    test: BATCHER_TEST,
  },
  {
    fault: 'one item more than the limit may be pending',
    file: BATCHER,
    from: 'pendingItems < maxPendingItems &&',
    to: 'pendingItems <= maxPendingItems &&',
    test: BATCHER_TEST,
  },
  {
    fault: 'a batch has one item more than its limit',
    file: BATCHER,
    from: 'if (count === maxItems ||',
    to: 'if (count === maxItems + 1 ||',
    test: BATCHER_TEST,
  },
  {
    fault: 'unused rate is saved without bound',
    file: RATE,
    from: 'const fullAt = Math.max(fullAtMs.get(key) ?? nowMs, nowMs);',
    to: 'const fullAt = fullAtMs.get(key) ?? nowMs;',
    test: RATE_TEST,
  },
  {
    fault: 'keys of rates are remembered without bound',
    file: RATE,
    from: '    deleteOldest(fullAtMs, maxKeys);\n',
    to: '',
    test: RATE_TEST,
  },
  {
    fault: 'the key used last is forgotten first',
    file: RATE,
    from: '    fullAtMs.delete(key);\n',
    to: '',
    test: RATE_TEST,
  },
  {
    fault: 'a rejected key takes a token',
    file: RATE,
    from: 'set(key, isTaken ? fullAt + intervalMs : fullAt);',
    to: 'set(key, fullAt + intervalMs);',
    test: RATE_TEST,
  },
  {
    fault: 'known clusters are remembered without bound',
    file: QUARANTINE,
    from: '    deleteOldest(known, maxKnownClusters);\n',
    to: '',
    test: QUARANTINE_TEST,
  },
  {
    fault: 'the known cluster used last is forgotten first',
    file: QUARANTINE,
    from: '    known.delete(clusterKey);\n',
    to: '',
    test: QUARANTINE_TEST,
  },
  {
    fault: 'a failed lookup is shared for good',
    file: QUARANTINE,
    from: '.finally(() => lookups.delete(clusterKey))',
    to: '',
    test: QUARANTINE_TEST,
  },
  {
    fault: 'reports of one cluster look it up each',
    file: QUARANTINE,
    from: '    if (running !== undefined) return running;\n',
    to: '',
    test: QUARANTINE_TEST,
  },
  {
    fault: 'a long cluster id is kept whole as the key of its rate',
    file: INGEST,
    from: "const clusterKey = hash('sha256', clusterId, 'base64url');",
    to: 'const clusterKey = clusterId;',
    test: INGEST_TEST,
  },
  {
    fault: 'unknown fields are not dropped',
    file: INGEST,
    from: '(keepUnknownFields ? 0 : dropUnknown())',
    to: '0',
    test: INGEST_TEST,
  },
  {
    fault: 'all reports without a cluster id share a rate',
    file: INGEST,
    from: "const waitMs = clusterId === '' ? 0 : rateLimiter.take(clusterKey);",
    to: 'const waitMs = rateLimiter.take(clusterKey);',
    test: INGEST_TEST,
  },
  {
    fault: 'a report in quarantine is not marked',
    file: INGEST,
    from: 'const quarantined = isQuarantined ? true : undefined;',
    to: 'const quarantined = undefined;',
    test: INGEST_TEST,
  },
];
