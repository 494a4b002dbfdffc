import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { MongoClient } from 'mongodb';
import { createFactMaker } from '../../src/collector/statistics/facts.ts';
import { withLease } from '../../src/collector/statistics/lease.ts';
import { rebuild } from '../../src/collector/statistics/rebuild.ts';
import { replayDirtyDays } from '../../src/collector/statistics/replay.ts';
import { DEFAULT_STATISTICS_CONFIG, maintainBase, rollUp } from '../../src/collector/statistics/roll-up.ts';
import { readState } from '../../src/collector/statistics/state.ts';
import { systemClock } from '../../src/runtime/clock.ts';

/** A collector's updates of the statistics without a pause, on the database of the argument, until the process is killed. */
const client = await new MongoClient(process.argv[2] ?? '').connect();
const database = client.db();
const newEpoch = (): string => randomBytes(8).toString('hex');
const makeFacts = createFactMaker();
process.stdout.write('started\n');
for (;;) {
  await withLease(database, { owner: newEpoch(), clock: systemClock, leaseMs: 600 }, async (lease) => {
    const options = { clock: systemClock, config: DEFAULT_STATISTICS_CONFIG, lease, makeFacts, newEpoch };
    if ((await readState(database)).watermark === undefined) await rebuild(database, options);
    await rollUp(database, options);
    await maintainBase(database, options);
    await replayDirtyDays(database, options);
    // The lease is short, so a slow machine may lose it.
  }).catch(() => undefined);
}
