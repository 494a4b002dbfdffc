import { setTimeout as sleep } from 'node:timers/promises';
import { BSON } from 'mongodb';
import {
  createEngineConnections,
  databaseOf,
  type EngineConnection,
  openEngineConnection,
  readLimits,
} from './engine-connection.ts';
import { type LoggedCommand, logCommand } from './logged-command.ts';
import { openWireServer, type ClientConnection, type WireServer } from './wire-server.ts';
import type { Doc, Request } from './wire.ts';
import { countStatements, createWriteExecutor, withoutSession, type WriteExecutor } from './write-executor.ts';

interface StepDown {
  /** How long there is no primary. */
  readonly electionMs: number;
  /** What the former primary does with the connections of clients; default 'kept'. */
  readonly connections?: 'kept' | 'closed';
  /** What it answers to writes that run; default InterruptedDueToReplStateChange. */
  readonly error?: keyof typeof ERRORS;
  /** Undoes the writes since `loseMajority`: the new primary does not have them. */
  readonly rollBack?: boolean;
}

/** A replica set of three members with one engine's data, as clients see it. Statistics of members may differ by `setLag`. */
export interface ReplicaSet {
  /** The connection string. */
  readonly uri: string;
  /** The index of the primary; undefined during an election. */
  readonly primary: number | undefined;
  /** The commands that the members received, in their order. */
  readonly commands: readonly LoggedCommand[];
  clearCommands(): void;
  /** The step-downs so far. */
  readonly stepDowns: number;
  /** Writes that drivers sent again, and that were not executed again. */
  readonly repeatedWrites: number;
  /** The primary steps down; resolves when the next one is elected. */
  stepDown(options: StepDown): Promise<void>;
  /** The primary steps down after a half of the next write with two or more documents; resolves when the next one is elected. */
  stepDownInWrite(options: StepDown): Promise<void>;
  /** The primary's process ends; resolves when the next one is elected. */
  killPrimary(electionMs: number): Promise<number>;
  /** No byte reaches the primary or leaves it; resolves when the next one is elected. */
  isolatePrimary(electionMs: number): Promise<number>;
  /** Starts a member again that was killed or isolated. */
  recover(member: number): Promise<void>;
  /** From now on, the primary executes writes, and no majority has them. */
  loseMajority(): void;
  /** The majority has all writes. */
  restoreMajority(): void;
  /** Writes take so much longer. */
  delayWrites(ms: number): void;
  /** Secondaries are so far behind; 'empty' ones have no data at all. */
  setLag(lag: number | 'empty'): void;
  close(): Promise<void>;
}

interface Member {
  readonly server: WireServer;
  readonly processId: BSON.ObjectId;
}

const SET_NAME = 'rs-test';
const MEMBERS = 3;
const SESSION_MINUTES = 30;
/** https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml */
const ERRORS = {
  NotWritablePrimary: 10_107,
  PrimarySteppedDown: 189,
  InterruptedDueToReplStateChange: 11_602,
  NotPrimaryNoSecondaryOk: 13_435,
  WriteConcernTimeout: 64,
} as const;
const WRITES = new Set(
  (
    'insert update delete findAndModify findandmodify create createIndexes drop dropIndexes dropDatabase renameCollection ' +
    'collMod'
  ).split(' '),
);
const READS = new Set(['find', 'aggregate', 'count', 'distinct', 'listCollections', 'listIndexes']);

/** @param engineUri a standalone server, such as the embedded engine */
export async function openReplicaSet(engineUri: string): Promise<ReplicaSet> {
  const own = await openEngineConnection(engineUri);
  const limits = await readLimits(own);
  const executor: WriteExecutor = createWriteExecutor();
  const engineOf = createEngineConnections(engineUri);
  const commands: LoggedCommand[] = [];
  const members: Member[] = [];
  let primary: number | undefined = 0;
  let term = 1;
  let counter = 1;
  let changed = Promise.withResolvers<void>();
  let optime = 1;
  let stepDowns = 0;
  let delayMs = 0;
  let lag: number | 'empty' = 0;
  let interrupting: StepDown['error'] = undefined;
  let inWrite: ((request: Request) => boolean) | undefined;
  /** While it is unresolved, no majority has the writes. */
  let majority: PromiseWithResolvers<'confirmed' | 'stepped down'> | undefined;

  const onChange = (): void => {
    counter += 1;
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const timestamp = (): BSON.Timestamp => new BSON.Timestamp({ t: 1_800_000_000, i: optime });
  const stamped = (response: Doc): Doc => ({
    ...response,
    operationTime: timestamp(),
    $clusterTime: {
      clusterTime: timestamp(),
      signature: { hash: new BSON.Binary(new Uint8Array(20)), keyId: BSON.Long.ZERO },
    },
  });
  const topologyVersion = ({ processId }: Member): Doc => ({ processId, counter: BSON.Long.fromNumber(counter) });
  const failure = (member: Member, { body }: Request, codeName: keyof typeof ERRORS): Doc => ({
    ok: 0,
    code: ERRORS[codeName],
    codeName,
    errmsg: `${codeName} at member-${members.indexOf(member)}.internal`,
    topologyVersion: topologyVersion(member),
    ...(body['txnNumber'] === undefined ? {} : { errorLabels: ['RetryableWriteError'] }),
  });

  const helloOf = (member: Member, { id }: ClientConnection): Doc => {
    const isPrimary = members[primary ?? -1] === member;
    const behindMs = isPrimary || lag === 'empty' ? 0 : lag;
    const date = new Date(Date.now() - behindMs);
    const opTime = { ts: timestamp(), t: BSON.Long.fromNumber(term) };
    return stamped({
      topologyVersion: topologyVersion(member),
      helloOk: true,
      isWritablePrimary: isPrimary,
      ismaster: isPrimary,
      secondary: !isPrimary,
      hosts: members.map(({ server }) => server.address),
      setName: SET_NAME,
      setVersion: 1,
      me: member.server.address,
      ...(primary === undefined ? {} : { primary: members[primary]?.server.address }),
      ...(isPrimary ? { electionId: new BSON.ObjectId(`7fffffff${term.toString(16).padStart(16, '0')}`) } : {}),
      lastWrite: { opTime, lastWriteDate: date, majorityOpTime: opTime, majorityWriteDate: date },
      ...limits,
      logicalSessionTimeoutMinutes: SESSION_MINUTES,
      connectionId: id,
      readOnly: false,
      ok: 1,
    });
  };

  const waitForMajority = async (member: Member, request: Request, response: Doc): Promise<Doc> => {
    const { w, wtimeout } = (request.body['writeConcern'] ?? {}) as Doc;
    if (majority === undefined || w !== 'majority') return response;
    const ended = new AbortController();
    const late = wtimeout === undefined ? [] : [sleep(Number(wtimeout), 'late' as const, { signal: ended.signal })];
    const result = await Promise.race([majority.promise, ...late]);
    ended.abort();
    if (result === 'confirmed') return response;
    const { errorLabels, ...rest } = failure(
      member,
      request,
      result === 'late' ? 'WriteConcernTimeout' : 'PrimarySteppedDown',
    );
    const { code, codeName, errmsg } = rest;
    const writeConcernError = { code, codeName, errmsg };
    return result === 'late'
      ? { ...response, writeConcernError }
      : { ...response, writeConcernError, errorLabels, topologyVersion: topologyVersion(member) };
  };

  const write = async (member: Member, engine: EngineConnection, request: Request): Promise<Doc | undefined> => {
    const electedIn = term;
    const hasSteppedDown = (): boolean => members[primary ?? -1] !== member || term !== electedIn;
    const interrupted = (): Doc => failure(member, request, interrupting ?? 'InterruptedDueToReplStateChange');
    if (delayMs > 0) await sleep(delayMs);
    if (hasSteppedDown()) return interrupted();
    if (request.name === 'aggregate' && majority !== undefined) {
      // What it writes cannot be undone, so it is executed once a majority would have it, or not at all.
      const response = await waitForMajority(member, request, { ok: 1, cursor: nothing(request)['cursor'] });
      if (hasSteppedDown()) return interrupted();
      if (response['writeConcernError'] !== undefined) return response;
    }
    const statements = countStatements(request);
    const isChosen = statements >= 2 && inWrite?.(request) === true;
    const response = await executor.run(engine, request, { most: isChosen ? Math.floor(statements / 2) : undefined });
    optime += 1;
    if (isChosen) begin?.();
    return hasSteppedDown() ? interrupted() : await waitForMajority(member, request, response);
  };
  let begin: (() => void) | undefined;

  const handle = async (member: Member, request: Request, connection: ClientConnection): Promise<Doc | undefined> => {
    const { name, body } = request;
    const isPrimary = members[primary ?? -1] === member;
    if (name === 'endSessions' || name === 'ping') return stamped({ ok: 1 });
    commands.push(logCommand(request, { member: members.indexOf(member), isPrimary }));
    const isWrite = WRITES.has(name) || (name === 'aggregate' && hasWriteStage(body));
    const mode = (body['$readPreference'] as { readonly mode?: string } | undefined)?.mode ?? 'primary';
    if (!isPrimary && isWrite) return failure(member, request, 'NotWritablePrimary');
    if (!isPrimary && READS.has(name)) {
      if (mode === 'primary') return failure(member, request, 'NotPrimaryNoSecondaryOk');
      if (lag === 'empty') return stamped(nothing(request));
    }
    const engine = await engineOf(connection);
    const response = isWrite
      ? await write(member, engine, request)
      : await engine.run(withoutSession(body), request.sequences);
    return response && stamped(response);
  };
  const elect = async (electionMs: number, rollBack = false): Promise<void> => {
    const former = primary ?? 0;
    primary = undefined;
    stepDowns += 1;
    onChange();
    const waiting = majority;
    if (waiting !== undefined && rollBack) {
      majority = undefined;
      waiting.resolve('stepped down');
    }
    await sleep(electionMs);
    // As on a server, nothing that the former primary executes takes effect after the election.
    await executor.settled();
    if (rollBack) await executor.undo(own);
    const candidates = members.map((_, index) => index).filter((index) => index !== former && !down.has(index));
    term += 1;
    primary = candidates[term % candidates.length];
    onChange();
  };
  const down = new Set<number>();
  const stepDown = async ({ electionMs, connections, error, rollBack }: StepDown): Promise<void> => {
    interrupting = error;
    const former = members[primary ?? -1];
    const elected = elect(electionMs, rollBack);
    if (connections === 'closed') former?.server.closeConnections();
    await elected;
  };
  const leave = async (electionMs: number, end: (server: WireServer) => void): Promise<number> => {
    const former = primary ?? 0;
    down.add(former);
    end((members[former] as Member).server);
    await elect(electionMs);
    return former;
  };

  for (let index = 0; index < MEMBERS; index += 1) {
    const processId = new BSON.ObjectId();
    const member: Member = {
      processId,
      server: await openWireServer({
        hello: (connection) => helloOf(member, connection),
        topologyCounter: () => counter,
        topologyChanged: () => changed.promise,
        handle: (request, connection) => handle(member, request, connection),
      }),
    };
    members.push(member);
  }

  return {
    uri: `mongodb://${members.map(({ server }) => server.address).join(',')}/${databaseOf(engineUri)}?replicaSet=${SET_NAME}`,
    get primary() {
      return primary;
    },
    commands,
    clearCommands: () => void commands.splice(0),
    get stepDowns() {
      return stepDowns;
    },
    get repeatedWrites() {
      return executor.repeated;
    },
    stepDown,
    stepDownInWrite: async (options) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      begin = () => {
        begin = undefined;
        inWrite = undefined;
        void stepDown(options).then(resolve);
      };
      inWrite = () => {
        inWrite = undefined;
        return true;
      };
      await promise;
    },
    killPrimary: (electionMs) => leave(electionMs, (server) => server.stop()),
    isolatePrimary: (electionMs) => leave(electionMs, (server) => server.isolate()),
    recover: async (member) => {
      await members[member]?.server.recover();
      down.delete(member);
    },
    loseMajority: () => {
      executor.recordUndo(true);
      majority ??= Promise.withResolvers();
    },
    restoreMajority: () => {
      executor.recordUndo(false);
      majority?.resolve('confirmed');
      majority = undefined;
    },
    delayWrites: (ms) => (delayMs = ms),
    setLag: (next) => (lag = next),
    close: async () => {
      for (const { server } of members) await server.close();
      own.close();
    },
  };
}

function hasWriteStage(body: Doc): boolean {
  const last = (body['pipeline'] as readonly Doc[] | undefined)?.at(-1) ?? {};
  return '$merge' in last || '$out' in last;
}

/** What a read of an empty collection returns. */
function nothing({ name, body }: Request): Doc {
  if (name === 'count') return { ok: 1, n: 0 };
  if (name === 'distinct') return { ok: 1, values: [] };
  const ns = `${String(body['$db'])}.${String(body[name])}`;
  return { ok: 1, cursor: { id: BSON.Long.ZERO, ns, firstBatch: [] } };
}
