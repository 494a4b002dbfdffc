import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { startEngine } from '../../src/collector/store/engine/start-engine.ts';

/**
 * For `globalSetup`: starts one embedded engine, on which each test file has a database of its own (makeTestDatabase), unless
 * SPARTAKUS_TEST_MONGODB_URI names a server. A test that needs an engine of its own has makeEmbeddedDatabase.
 */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if ((process.env['SPARTAKUS_TEST_MONGODB_URI'] ?? '') !== '') return undefined;
  const engine = await startEngine(await mkdtemp(path.join(tmpdir(), 'spartakus-shared-')));
  process.env['SPARTAKUS_TEST_MONGODB_URI'] = engine.uri;
  return () => engine.close();
}
