import type { Fault } from './fault.ts';

const GRPC_CLIENT = 'delivery/transport/grpc-client.ts';
const LEFT_TEST = 'test/delivery/transport/nothing-left.test.ts';
const DELIVERY = 'delivery/delivery.ts';
const DELIVERY_TEST = 'test/delivery/delivery.test.ts';
const MISSING = 'volunteer/gather/missing-fields.ts';
const VOLUNTEER_TEST = 'test/volunteer/volunteer.test.ts';
const SPOOL = 'delivery/spool/spool.ts';
const FRAME = 'delivery/spool/frame.ts';
const SPOOL_TEST = 'test/delivery/spool/spool.test.ts';
const ATOMIC = 'runtime/atomic-file.ts';

export const DELIVERY_FAULTS: readonly Fault[] = [
  {
    fault: 'the name of a file is not made durable',
    file: ATOMIC,
    from: '  await files.syncDirectory(path.dirname(file));\n}',
    to: '}',
    test: 'test/runtime/atomic-file.test.ts',
  },
  {
    fault: 'the content of a file is not made durable',
    file: ATOMIC,
    from: '      await handle.sync();\n',
    to: '',
    test: 'test/runtime/atomic-file.test.ts',
  },
  {
    fault: 'the name of a new directory is not made durable',
    file: ATOMIC,
    from: 'for (const created of await makeDirectory(dir, dirMode)) await files.syncDirectory(path.dirname(created));',
    to: 'await makeDirectory(dir, dirMode);',
    test: 'test/runtime/atomic-file.test.ts',
  },
  {
    fault: 'a file is written in place',
    file: ATOMIC,
    from: '    await files.write(unfinished, content, mode);\n    await files.rename(unfinished, file);',
    to: '    await files.write(file, content, mode);',
    test: 'test/runtime/atomic-file.test.ts',
  },
  {
    fault: 'an unfinished file stays where its write fails',
    file: ATOMIC,
    from: '    await files.remove(unfinished).catch(() => undefined);\n',
    to: '',
    test: 'test/runtime/atomic-file.test.ts',
  },
  {
    fault: 'the spool drops the newest report first',
    file: SPOOL,
    from: 'for (const id of slots.keys()) {',
    to: 'for (const id of [...slots.keys()].toReversed()) {',
    test: SPOOL_TEST,
  },
  {
    fault: 'the spool keeps one report more than its size',
    file: SPOOL,
    from: 'if (total() + neededBytes <= maxBytes) break;',
    to: 'if (total() <= maxBytes) break;',
    test: SPOOL_TEST,
  },
  {
    fault: 'a spool file with a wrong checksum is delivered',
    file: FRAME,
    from: "if (checksumOf(bytes) !== buffer.readUInt32BE(MAGIC.length + 4)) throw corrupt('its checksum is wrong');",
    to: '',
    test: SPOOL_TEST,
  },
  {
    fault: 'a rejected report stays in the spool',
    file: SPOOL,
    from: "await attempt(undefined, (on) => on.moveToDeadLetters(id, 'rejected', reason));",
    to: '',
    test: SPOOL_TEST,
  },
  {
    fault: 'a report that is delivered while it is written comes back to the spool',
    file: SPOOL,
    from: '      else await attempt(undefined, (on) => on.remove(id));\n',
    to: '',
    test: 'test/delivery/spool/spool-writes.test.ts',
  },
  {
    fault: 'two writes of the spool run at the same time',
    file: SPOOL,
    from: '(writing = writing.then(writeAll))',
    to: 'writeAll()',
    test: 'test/delivery/spool/spool-writes.test.ts',
  },
  {
    fault: 'a batch has one report more than its limit',
    file: SPOOL,
    from: 'if (batch.length >= maxReports ||',
    to: 'if (batch.length > maxReports ||',
    test: SPOOL_TEST,
  },
  {
    fault: 'the set of calls keeps those that have ended',
    file: GRPC_CLIENT,
    from: "    call.once('status', () => calls.delete(call));\n",
    to: '',
    test: LEFT_TEST,
  },
  {
    fault: 'each client of gRPC leaves a listener on its signal',
    file: GRPC_CLIENT,
    from: "      signal?.removeEventListener('abort', cancelAll);\n",
    to: '',
    test: LEFT_TEST,
  },
  {
    fault: 'a client of gRPC that is closed keeps its connection',
    file: GRPC_CLIENT,
    from: '      client.close();\n',
    to: '',
    test: LEFT_TEST,
  },
  {
    fault: 'a client of HTTP that is closed keeps its connection',
    file: 'delivery/transport/http-client.ts',
    from: 'close: () => agent.destroy()',
    to: 'close: () => undefined',
    test: LEFT_TEST,
  },
  {
    fault: 'of several retry delays the shortest counts',
    file: 'delivery/drain.ts',
    from: 'Math.max(...errors.map',
    to: 'Math.min(...errors.map',
    test: 'test/delivery/drain.test.ts',
  },
  {
    fault: 'of several retry delays the first counts',
    file: 'delivery/drain.ts',
    from: 'Math.max(...errors.map(({ retryAfterMs }) => retryAfterMs ?? 0))',
    to: 'errors[0]?.retryAfterMs ?? 0',
    test: 'test/delivery/drain.test.ts',
  },
  {
    fault: 'the heartbeat of a batch has the time of one report',
    file: DELIVERY,
    from: 'heartbeat.beat(timeoutMs * reports.length);',
    to: 'heartbeat.beat(timeoutMs);',
    test: DELIVERY_TEST,
  },
  {
    fault: 'a delivery has no heartbeat',
    file: DELIVERY,
    from: '      heartbeat.beat(timeoutMs * reports.length);\n',
    to: '',
    test: DELIVERY_TEST,
  },
  {
    fault: 'the wait for a retry has no heartbeat',
    file: DELIVERY,
    from: '    heartbeat.beat(waitMs);\n',
    to: '',
    test: DELIVERY_TEST,
  },
  {
    fault: 'an idle delivery has the heartbeat of its last batch',
    file: DELIVERY,
    from: '      heartbeat.beat(Number.POSITIVE_INFINITY);\n',
    to: '',
    test: DELIVERY_TEST,
  },
  {
    fault: 'a sink is closed before its reports are sent',
    file: 'delivery/transport/sink.ts',
    from: '      await pending.settled();\n',
    to: '',
    test: 'test/delivery/transport/grpc.test.ts',
  },
  {
    fault: 'a sink that is closed still sends',
    file: 'delivery/transport/sink.ts',
    from: '      closed = true;\n',
    to: '',
    test: 'test/delivery/transport/grpc.test.ts',
  },
  {
    fault: 'the fields that all failed are sent as a report when the volunteer stops in the middle of a gathering',
    file: MISSING,
    from: 'if (kube.isClosed() || !isTolerated(error, tolerance)) throw error;',
    to: 'if (!isTolerated(error, tolerance)) throw error;',
    test: 'test/volunteer/gather/missing-fields.test.ts',
  },
  {
    fault: 'a report of which everything failed is sent',
    file: MISSING,
    from: 'if (succeeded === 0 && errors.size > 0) throw combine(errors);',
    to: '',
    test: 'test/volunteer/gather/missing-fields.test.ts',
  },
  {
    fault: 'a one-shot that fails sleeps until its timeout',
    file: 'volunteer/one-shot.ts',
    from: '    settled.abort();\n    return fail(',
    to: '    return fail(',
    test: VOLUNTEER_TEST,
  },
  {
    fault: 'a volunteer that has ended waits for the end of its grace',
    file: 'volunteer/volunteer.ts',
    from: '    ended.abort();\n',
    to: '',
    test: VOLUNTEER_TEST,
  },
  {
    fault: 'a decoded password is in a message about the database',
    file: 'collector/store/mongo-client.ts',
    from: ".replaceAll(decode(password), '***')",
    to: '',
    test: 'test/collector/store/mongo-client.test.ts',
  },
  {
    fault: 'a password is in a message about the database',
    file: 'collector/store/mongo-client.ts',
    from: "message.replaceAll(password, '***')",
    to: 'message',
    test: 'test/collector/store/mongo-client.test.ts',
  },
  {
    fault: 'a password that cannot be decoded hides what is wrong',
    file: 'collector/store/connection-string.ts',
    from: '    // The driver rejects it.\n    return text;',
    to: "    throw new URIError('URI malformed');",
    test: 'test/collector/store/mongo-client.test.ts',
  },
];
