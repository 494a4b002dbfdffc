import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { configureDurableCommits } from '../../../../src/collector/store/engine/engine-config.ts';
import { failureOf } from '../../../support/failure.ts';
import { withFiles } from '../../../support/files.ts';

const LINE = 'transaction_sync=(enabled=true,method=fsync)';

test.each<[string, Record<string, string>, string]>([
  ['there is none', {}, `${LINE}\n`],
  ['it is there', { 'WiredTiger.config': `${LINE}\n` }, `${LINE}\n`],
  [
    'it is written in another way',
    { 'WiredTiger.config': ` ${LINE.replace(',', ' , ')}` },
    ` ${LINE.replace(',', ' , ')}`,
  ],
  ['there are other lines', { 'WiredTiger.config': '# ours\ncache_size=1G\n' }, `# ours\ncache_size=1G\n${LINE}\n`],
  ['the last line does not end', { 'WiredTiger.config': 'cache_size=1G' }, `cache_size=1G\n${LINE}\n`],
  ['it is a comment', { 'WiredTiger.config': `#${LINE}\n` }, `#${LINE}\n${LINE}\n`],
])('the configuration file makes commits durable where %s', async (_case, files, content) => {
  await withFiles(files, async (directory) => {
    await configureDurableCommits(directory);
    await configureDurableCommits(directory);

    await expect(readFile(path.join(directory, 'WiredTiger.config'), 'utf8')).resolves.toBe(content);
  });
});

test('a new configuration file is private', async () => {
  await withFiles({}, async (directory) => {
    await configureDurableCommits(directory);

    expect((await stat(path.join(directory, 'WiredTiger.config'))).mode & 0o777).toBe(0o600);
  });
});

test.each([
  'transaction_sync=(enabled=false)',
  'transaction_sync=(enabled=true,method=dsync)',
  `${LINE}\ntransaction_sync=(enabled=false)`,
])('a configuration file with %j is rejected', async (content) => {
  await withFiles({ 'WiredTiger.config': content }, async (directory) => {
    const { kind, message } = await failureOf(configureDurableCommits(directory));

    expect(kind).toBe('invalid');
    expect(message).toContain(`set ${LINE}`);
  });
});
