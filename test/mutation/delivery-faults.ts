import type { Fault } from './fault.ts';

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
    from: "if (crc32(bytes) !== buffer.readUInt32BE(MAGIC.length + 4)) throw corrupt('its checksum is wrong');",
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
    test: SPOOL_TEST,
  },
  {
    fault: 'two writes of the spool run at the same time',
    file: SPOOL,
    from: '(writing = writing.then(writeAll))',
    to: 'writeAll()',
    test: SPOOL_TEST,
  },
  {
    fault: 'a batch has one report more than its limit',
    file: SPOOL,
    from: 'if (batch.length >= maxReports ||',
    to: 'if (batch.length > maxReports ||',
    test: SPOOL_TEST,
  },
];
