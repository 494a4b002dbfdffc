import { setTimeout as sleep } from 'node:timers/promises';
import type { Db } from 'mongodb';
import { createFactMaker } from '../../src/collector/statistics/facts.ts';
import { withLease } from '../../src/collector/statistics/lease.ts';
import { rebuild } from '../../src/collector/statistics/rebuild.ts';
import { replayDirtyDays } from '../../src/collector/statistics/replay.ts';
import { DEFAULT_STATISTICS_CONFIG, maintainBase, rollUp } from '../../src/collector/statistics/roll-up.ts';
import { pointsOf, readState, ROLL_UP, stateOf } from '../../src/collector/statistics/state.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Load } from './load.ts';
import { plainPoint, type PlainReport } from './plain-statistics.ts';
import type { ReplicaSet } from './replica-set/replica-set.ts';

/** Something that happens to a replica set, and is over when the promise resolves. */
export type Incident = (set: ReplicaSet, electionMs: number) => Promise<void>;

/** The next primary is elected within the time that a write waits for it. */
export const STEP_DOWNS: readonly Incident[] = [
  (set, electionMs) => set.stepDown({ electionMs }),
  (set, electionMs) => set.stepDown({ electionMs, error: 'NotWritablePrimary', connections: 'closed' }),
  (set, electionMs) => set.stepDownInWrite({ electionMs }),
  (set, electionMs) => set.stepDownInWrite({ electionMs, error: 'PrimarySteppedDown' }),
  (set, electionMs) => set.stepDownInWrite({ electionMs, connections: 'closed' }),
  async (set, electionMs) => {
    await set.recover(await set.killPrimary(electionMs));
  },
];

/** Writes fail meanwhile, and clients send them again. */
export const FAILURES: readonly Incident[] = [
  async (set) => {
    set.loseMajority();
    await sleep(LOSS_MS);
    set.restoreMajority();
  },
  async (set, electionMs) => {
    set.loseMajority();
    await sleep(LOSS_MS);
    await set.stepDown({ electionMs, rollBack: true });
  },
  async (set, electionMs) => {
    await set.recover(await set.isolatePrimary(electionMs));
  },
  async (set, electionMs) => {
    set.delayWrites(200);
    await set.stepDown({ electionMs });
    set.delayWrites(0);
  },
];

/** Some writes fail before it is over, others succeed just in time. */
const LOSS_MS = 300;
/** As in a collector, it is longer than a command waits for a primary, so that nobody writes after it has ended. */
const LEASE_MS = 10_000;
const ROLL_UP_PAUSE_MS = 20;
/** No write ends later. With the default, each update merges the load's reports of two minutes again, which takes longer than a round. */
const OVERLAP_MS = 20_000;

interface IncidentOptions {
  readonly dice: () => number;
  /** The mean. */
  readonly electionMs: number;
  /** By default, each happens once. */
  readonly count?: number;
}

/** Lets some of these happen one after the other in a random order; between them, reports are acknowledged. */
export async function haveIncidents(
  set: ReplicaSet,
  load: Load,
  incidents: readonly Incident[],
  { dice, electionMs, count = incidents.length }: IncidentOptions,
): Promise<void> {
  const order = incidents.map((incident) => ({ incident, at: dice() })).toSorted((left, right) => left.at - right.at);
  for (const { incident } of order.slice(0, count)) {
    await load.acknowledged(20);
    await incident(set, Math.round(electionMs * (0.5 + dice())));
  }
  await load.acknowledged(20);
}

interface RollUps {
  /** Resolves when the next update is complete. */
  next(): Promise<void>;
  /** Ends after an update that began now, and resolves with the number of updates; no collector may run any more. */
  finish(): Promise<number>;
}

/** The updates of the statistics of several collectors, without the pause of a minute. */
export function startRollUps(databases: readonly Db[]): RollUps {
  let stopped = false;
  let completed = 0;
  let onCompleted: (() => void)[] = [];
  let epochs = 0;
  const run = async (database: Db, index: number): Promise<void> => {
    while (!stopped) {
      const owner = `roll-up-${index}`;
      await withLease(database, { owner, clock: systemClock, leaseMs: LEASE_MS }, async (lease) => {
        const newEpoch = (): string => `${owner}-${(epochs += 1)}`;
        const config = { ...DEFAULT_STATISTICS_CONFIG, overlapMs: OVERLAP_MS };
        const options = { clock: systemClock, config, lease, makeFacts, newEpoch };
        if ((await readState(database)).watermark === undefined) await rebuild(database, options);
        await rollUp(database, options);
        await maintainBase(database, options);
        await replayDirtyDays(database, options);
        completed += 1;
        for (const resolve of onCompleted.splice(0)) resolve();
        // It fails where the primary changes meanwhile.
      }).catch(() => undefined);
      await sleep(ROLL_UP_PAUSE_MS);
    }
  };
  const running = Promise.all(databases.map(run));
  const next = (): Promise<void> => new Promise((resolve) => void (onCompleted = [...onCompleted, resolve]));
  return {
    next,
    finish: async () => {
      // A collector that was stopped during an election may still have the lease.
      const ofOthers = { _id: ROLL_UP, 'lease.owner': { $not: /^roll-up-/ } };
      await stateOf(databases[0] as Db).updateOne(ofOthers, { $unset: { lease: '' } });
      // Those that run now may have begun before.
      for (let update = 0; update <= databases.length; update += 1) await next();
      stopped = true;
      await running;
      return completed;
    },
  };
}

const makeFacts = createFactMaker();

/** The figures of each day as they are stored, and as a plain loop over all reports counts them. */
export async function compareFigures(database: Db): Promise<{ readonly stored: unknown; readonly counted: unknown }> {
  const raw = (await database.collection('reports').find().toArray()) as unknown as PlainReport[];
  const points = await pointsOf(database).find().sort({ _id: 1 }).toArray();
  const { activeWindowDays } = DEFAULT_STATISTICS_CONFIG;
  return {
    stored: points.map((point) => totalsOf(point)),
    counted: points.map(({ _id }) => ({ ...totalsOf(plainPoint(raw, _id, activeWindowDays)), day: _id })),
  };
}

function totalsOf(point: object): object {
  const { _id, clusters, nodes, newClusters, lostClusters } = point as Readonly<Record<string, unknown>>;
  return { day: _id, clusters, nodes, newClusters, lostClusters };
}
