import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { configureEngine } from '../../../../src/collector/store/engine/engine-config.ts';
import { failureOf } from '../../../support/failure.ts';
import { withFiles } from '../../../support/files.ts';

const LINE = 'transaction_sync=(enabled=true,method=fsync)';
const LEVEL = 'builtin_extension_config=(zstd=(compression_level=6))';
const OTHER_LEVEL = 'builtin_extension_config=(zstd=(compression_level=1))';

test.each<[string, string | undefined, string]>([
  ['there is none', undefined, `${LINE}\n${LEVEL}\n`],
  ['all is there', `${LEVEL}\n${LINE}\n`, `${LEVEL}\n${LINE}\n`],
  ['it is that of an earlier version', `${LINE}\n`, `${LINE}\n${LEVEL}\n`],
  ['it is written in another way', ` ${LINE.replace(',', ' , ')}`, ` ${LINE.replace(',', ' , ')}\n${LEVEL}\n`],
  ['there are other lines', '# ours\ncache_size=1G\n', `# ours\ncache_size=1G\n${LINE}\n${LEVEL}\n`],
  ['the last line does not end', 'cache_size=1G', `cache_size=1G\n${LINE}\n${LEVEL}\n`],
  ['it has another level of compression', `${OTHER_LEVEL}\n`, `${OTHER_LEVEL}\n${LINE}\n`],
  ['it has only comments', `#${LINE}\n#${LEVEL}\n`, `#${LINE}\n#${LEVEL}\n${LINE}\n${LEVEL}\n`],
])('the configuration file makes commits durable and sets the compression where %s', async (_case, before, content) => {
  await withFiles(before === undefined ? {} : { 'WiredTiger.config': before }, async (directory) => {
    await configureEngine(directory);
    await configureEngine(directory);

    await expect(readFile(path.join(directory, 'WiredTiger.config'), 'utf8')).resolves.toBe(content);
  });
});

test('a new configuration file is private', async () => {
  await withFiles({}, async (directory) => {
    await configureEngine(directory);

    expect((await stat(path.join(directory, 'WiredTiger.config'))).mode & 0o777).toBe(0o600);
  });
});

test.each([
  'transaction_sync=(enabled=false)',
  'transaction_sync=(enabled=true,method=dsync)',
  `${LINE}\ntransaction_sync=(enabled=false)`,
])('a configuration file with %j is rejected', async (content) => {
  await withFiles({ 'WiredTiger.config': content }, async (directory) => {
    const { kind, message } = await failureOf(configureEngine(directory));

    expect(kind).toBe('invalid');
    expect(message).toContain(`set ${LINE}`);
  });
});
