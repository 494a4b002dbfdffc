import { BSON } from 'mongodb';
import { createEngineConnections, databaseOf, openEngineConnection, readLimits } from './engine-connection.ts';
import { type LoggedCommand, logCommand } from './logged-command.ts';
import { openWireServer, type WireServer } from './wire-server.ts';
import type { Doc, Request } from './wire.ts';
import { countStatements, createWriteExecutor, withoutSession } from './write-executor.ts';

/** A sharded cluster with one engine's data, as clients of its routers (mongos) see it. */
export interface ShardedCluster {
  /** The connection string, with all routers. */
  readonly uri: string;
  /** The commands that the routers received, in their order. */
  readonly commands: readonly LoggedCommand[];
  /** The commands that change the cluster, such as shardCollection. They change nothing but the answers of collStats. */
  readonly adminCommands: readonly Doc[];
  readonly repeatedWrites: number;
  /** The primary of a shard steps down after a half of the next write with two or more documents, which fails. */
  interruptNextWrite(): void;
  /** Documents of this shard cannot be written, and collections that are sharded cannot be read. */
  setUnavailable(shard: number | undefined): void;
  /** The process of a router ends. */
  killRouter(router: number): void;
  recoverRouter(router: number): Promise<void>;
  close(): Promise<void>;
}

interface ShardedClusterOptions {
  readonly routers?: number;
  readonly shards?: number;
}

const SESSION_MINUTES = 30;
const ADMIN_COMMANDS = new Set(['enableSharding', 'shardCollection']);
const READS = new Set(['find', 'aggregate', 'count', 'distinct']);

/** @param engineUri a standalone server, such as the embedded engine */
export async function openShardedCluster(
  engineUri: string,
  { routers: count = 2, shards = 2 }: ShardedClusterOptions = {},
): Promise<ShardedCluster> {
  const own = await openEngineConnection(engineUri);
  const limits = await readLimits(own);
  const executor = createWriteExecutor();
  const engineOf = createEngineConnections(engineUri);
  const commands: LoggedCommand[] = [];
  const adminCommands: Doc[] = [];
  const sharded = new Set<string>();
  let unavailable: number | undefined;
  let interruptNext = false;

  const shardOf = (id: unknown): number => Buffer.from(String(id)).reduce((sum, byte) => sum + byte, 0) % shards;
  const noPrimary = (): Doc => ({
    code: 133,
    codeName: 'FailedToSatisfyReadPreference',
    errmsg: `Could not find host matching read preference { mode: "primary" } for set shard-${unavailable}`,
  });
  const handle = async (router: number, request: Request, engine: typeof own): Promise<Doc> => {
    const { name, body } = request;
    if (name === 'endSessions' || name === 'ping') return { ok: 1 };
    commands.push(logCommand(request, { member: router, isPrimary: true }));
    if (ADMIN_COMMANDS.has(name)) {
      adminCommands.push(body);
      if (name === 'shardCollection') sharded.add(String(body[name]));
      return { ok: 1 };
    }
    if (name === 'listShards')
      return { ok: 1, shards: Array.from({ length: shards }, (_, shard) => ({ _id: `shard-${shard}` })) };
    const namespace = `${String(body['$db'])}.${String(body[name])}`;
    if (name === 'collStats') return { ...(await engine.run(withoutSession(body))), sharded: sharded.has(namespace) };
    if (READS.has(name) && unavailable !== undefined && sharded.has(namespace)) return { ok: 0, ...noPrimary() };
    const statements = countStatements(request);
    const isInterrupted = interruptNext && statements >= 2;
    if (isInterrupted) interruptNext = false;
    const response = await executor.run(engine, request, {
      most: isInterrupted ? Math.floor(statements / 2) : undefined,
      errorOf: (statement) => {
        if (unavailable === undefined || name !== 'insert' || !sharded.has(namespace)) return undefined;
        return shardOf(BSON.deserialize(statement)['_id']) === unavailable ? noPrimary() : undefined;
      },
    });
    if (!isInterrupted) return response;
    const errorLabels = body['txnNumber'] === undefined ? [] : ['RetryableWriteError'];
    return {
      ok: 0,
      code: 11_602,
      codeName: 'InterruptedDueToReplStateChange',
      errmsg: 'shard-0 stepped down',
      errorLabels,
    };
  };
  const routers: WireServer[] = [];
  for (let router = 0; router < count; router += 1) {
    const processId = new BSON.ObjectId();
    routers.push(
      await openWireServer({
        hello: ({ id }) => ({
          isWritablePrimary: true,
          ismaster: true,
          msg: 'isdbgrid',
          helloOk: true,
          topologyVersion: { processId, counter: BSON.Long.ZERO },
          ...limits,
          logicalSessionTimeoutMinutes: SESSION_MINUTES,
          connectionId: id,
          ok: 1,
        }),
        topologyCounter: () => 0,
        topologyChanged: () => new Promise(() => undefined),
        handle: async (request, connection) => await handle(router, request, await engineOf(connection)),
      }),
    );
  }
  return {
    uri: `mongodb://${routers.map(({ address }) => address).join(',')}/${databaseOf(engineUri)}`,
    commands,
    adminCommands,
    get repeatedWrites() {
      return executor.repeated;
    },
    interruptNextWrite: () => (interruptNext = true),
    setUnavailable: (shard) => (unavailable = shard),
    killRouter: (router) => routers[router]?.stop(),
    recoverRouter: async (router) => await routers[router]?.recover(),
    close: async () => {
      for (const router of routers) await router.close();
      own.close();
    },
  };
}
