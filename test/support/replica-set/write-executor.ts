import { BSON } from 'mongodb';
import type { EngineConnection } from './engine-connection.ts';
import type { Doc, Request } from './wire.ts';

/**
 * Executes writes as the members of a replica set do, on an engine without sessions: a statement of a retryable write is executed once,
 * however often the driver sends it (https://www.mongodb.com/docs/manual/core/retryable-writes/), and unconfirmed writes can be undone.
 */
export interface WriteExecutor {
  run(engine: EngineConnection, request: Request, limits?: WriteLimits): Promise<Doc>;
  /** Resolves when the writes that run now have ended. */
  settled(): Promise<void>;
  /** From now on, writes can be undone; `false` makes them final. */
  recordUndo(isOn: boolean): void;
  /** Undoes the recorded writes, the last one first, once none runs any more. */
  undo(engine: EngineConnection): Promise<void>;
  /** Writes that were not executed again because their number was known. */
  readonly repeated: number;
}

interface WriteLimits {
  /** Executes only so many of the statements that are left. */
  readonly most?: number | undefined;
  /** The error of a statement that cannot be executed now. */
  readonly errorOf?: (statement: Uint8Array) => Doc | undefined;
}

/** What was executed of a write with a transaction number. */
interface Executed {
  readonly statements: Set<number>;
  n: number;
  nModified: number;
  upserted: Doc[];
  /** Of a command without statements. */
  response?: Doc;
  /** The attempts run one after the other, as those of a session do. */
  last: Promise<unknown>;
}

const STATEMENTS: Readonly<Record<string, string>> = { insert: 'documents', update: 'updates', delete: 'deletes' };
const OF_SESSIONS = ['lsid', 'txnNumber', '$clusterTime', '$readPreference', 'readConcern'];

/** How many statements a write has. */
export function countStatements(request: Request): number {
  return statementsOf(request).length;
}

/** A command as the engine understands it. */
export function withoutSession(body: Doc): Doc {
  const kept = Object.fromEntries(Object.entries(body).filter(([name]) => !OF_SESSIONS.includes(name)));
  // The engine has no other members to wait for.
  return kept['writeConcern'] === undefined ? kept : { ...kept, writeConcern: { w: 'majority', j: true } };
}

export function createWriteExecutor(): WriteExecutor {
  const known = new Map<string, Executed>();
  let undoing: (() => Promise<void>)[] | undefined;
  let repeated = 0;
  const running = new Set<Promise<unknown>>();
  /** Those that run and cannot be undone. */
  const final = new Set<Promise<unknown>>();
  let alone: Promise<unknown> = Promise.resolve();

  const runOnce = async (
    engine: EngineConnection,
    request: Request,
    executed: Executed,
    forget: () => void,
    { most = Infinity, errorOf = () => undefined }: WriteLimits,
  ): Promise<Doc> => {
    const { name } = request;
    const field = STATEMENTS[name];
    const body = withoutSession(request.body);
    const before = undoing === undefined ? [] : await findAffected(engine, request);
    const log = undoing;
    const recordUndo = (inserted: readonly unknown[]): void => {
      const collection = String(body[name]);
      log?.push(async () => {
        forget();
        await restore(engine, { collection, $db: body['$db'] }, inserted, before);
      });
    };
    if (field === undefined) {
      if (executed.response !== undefined) {
        repeated += 1;
        return executed.response;
      }
      const response = await engine.run(body, request.sequences);
      if (Number(response['ok']) === 1) executed.response = response;
      const last = response['lastErrorObject'] as { readonly upserted?: unknown } | undefined;
      recordUndo(last?.upserted === undefined ? [] : [last.upserted]);
      return response;
    }
    const statements = statementsOf(request);
    const left = statements.map((_, index) => index).filter((index) => !executed.statements.has(index));
    if (left.length < statements.length) repeated += 1;
    const unreachable = left.flatMap((index) => {
      const error = errorOf(statements[index] as Uint8Array);
      return error === undefined ? [] : [{ ...error, index }];
    });
    const chosen = left.filter((index) => !unreachable.some((each) => each.index === index)).slice(0, most);
    const documents = chosen.map((index) => statements[index] as Uint8Array);
    const response =
      chosen.length === 0 ? { ok: 1, n: 0 } : await engine.run(without(body, field), [{ field, documents }]);
    if (Number(response['ok']) !== 1) return response;
    const atIndex = (entries: unknown): Doc[] =>
      ((entries ?? []) as Doc[]).map((entry) => ({ ...entry, index: chosen[Number(entry['index'])] }));
    const writeErrors = atIndex(response['writeErrors']);
    const failed = new Set(writeErrors.map(({ index }) => index));
    const firstFailed = writeErrors[0]?.['index'] as number | undefined;
    const isOrdered = body['ordered'] !== false;
    const done = chosen.filter((index) => !failed.has(index) && !(isOrdered && index > (firstFailed ?? Infinity)));
    for (const index of done) executed.statements.add(index);
    const upserted = atIndex(response['upserted']);
    executed.n += Number(response['n']);
    executed.nModified += Number(response['nModified'] ?? 0);
    executed.upserted.push(...upserted);
    const ids = done.map((index) => BSON.deserialize(statements[index] as Uint8Array)['_id'] as unknown);
    recordUndo(name === 'insert' ? ids : upserted.map(({ _id }) => _id));
    const allErrors = [...writeErrors, ...unreachable];
    return {
      ok: 1,
      n: executed.n,
      ...(name === 'update' ? { nModified: executed.nModified } : {}),
      ...(executed.upserted.length === 0 ? {} : { upserted: executed.upserted }),
      ...(allErrors.length === 0 ? {} : { writeErrors: allErrors }),
    };
  };

  const runFinal = (start: () => Promise<Doc>): Promise<Doc> => {
    const run = start();
    final.add(run);
    return run.finally(() => final.delete(run));
  };
  /** One after the other, so that nothing changes between the read of what is undone and the write. */
  const runAlone = (start: () => Promise<Doc>): Promise<Doc> => {
    const run = alone.then(() => Promise.allSettled(final)).then(start);
    alone = run.catch(() => undefined);
    return run;
  };

  return {
    run: async (engine, request, limits = {}) => {
      const key = keyOf(request);
      const executed = (key === undefined ? undefined : known.get(key)) ?? {
        statements: new Set(),
        n: 0,
        nModified: 0,
        upserted: [],
        last: Promise.resolve(),
      };
      if (key !== undefined) known.set(key, executed);
      const forget = (): void => void (key === undefined ? undefined : known.delete(key));
      const start = (): Promise<Doc> => runOnce(engine, request, executed, forget, limits);
      const run = executed.last.then(() => (undoing === undefined ? runFinal(start) : runAlone(start)));
      executed.last = run.catch(() => undefined);
      running.add(run);
      return await run.finally(() => running.delete(run));
    },
    settled: async () => void (await Promise.allSettled(running)),
    recordUndo: (isOn) => (undoing = isOn ? (undoing ?? []) : undefined),
    undo: async () => {
      await Promise.allSettled(running);
      const log = undoing ?? [];
      undoing = undefined;
      for (const undo of log.toReversed()) await undo();
    },
    get repeated() {
      return repeated;
    },
  };
}

function keyOf({ body }: Request): string | undefined {
  const { lsid, txnNumber } = body as { readonly lsid?: { readonly id: BSON.Binary }; readonly txnNumber?: unknown };
  return lsid === undefined || txnNumber === undefined ? undefined : `${lsid.id.toString('hex')} ${Number(txnNumber)}`;
}

function statementsOf({ name, body, sequences }: Request): readonly Uint8Array[] {
  const field = STATEMENTS[name];
  if (field === undefined) return [];
  const inBody = (body[field] ?? []) as readonly Doc[];
  return (
    sequences.find((sequence) => sequence.field === field)?.documents ?? inBody.map((each) => BSON.serialize(each))
  );
}

/** The documents that a write may change or delete. */
async function findAffected(engine: EngineConnection, request: Request): Promise<readonly Doc[]> {
  const { name, body } = request;
  const filters =
    name === 'findAndModify' || name === 'findandmodify'
      ? [body['query']]
      : name === 'insert'
        ? []
        : statementsOf(request).map((statement) => BSON.deserialize(statement, { promoteValues: false })['q'] as Doc);
  const found: Doc[] = [];
  for (const filter of filters) {
    const response = await engine.run({ find: body[name], filter, batchSize: 10_000, $db: body['$db'] });
    found.push(...((response['cursor'] as { readonly firstBatch?: readonly Doc[] } | undefined)?.firstBatch ?? []));
  }
  return found;
}

async function restore(
  engine: EngineConnection,
  { collection, $db }: { readonly collection: string; readonly $db: unknown },
  inserted: readonly unknown[],
  before: readonly Doc[],
): Promise<void> {
  if (inserted.length > 0)
    await engine.run({ delete: collection, deletes: [{ q: { _id: { $in: inserted } }, limit: 0 }], $db });
  for (const document of before)
    await engine.run({
      update: collection,
      updates: [{ q: { _id: document['_id'] }, u: document, upsert: true }],
      $db,
    });
}

function without(body: Doc, field: string): Doc {
  const { [field]: _statements, ...rest } = body;
  return rest;
}
