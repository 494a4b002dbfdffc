import type { MongoClient } from 'mongodb';

/**
 * Returns a function that makes acknowledged writes durable; for a MongoDB server it does nothing. The embedded engine (0.1.1)
 * acknowledges about one write in ten up to 100 ms before its journal is written, whatever the write concern. Calls during a running
 * `fsync` share the next one.
 */
export async function createFlush(client: MongoClient): Promise<() => Promise<void>> {
  const admin = client.db('admin');
  const { modules } = await admin.command({ buildInfo: 1 });
  if (!Array.isArray(modules) || !modules.includes('embedded')) return () => Promise.resolve();
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    await running.catch(() => undefined);
    next = undefined;
    running = admin.command({ fsync: 1 });
    await running;
  };
  return () => (next ??= run());
}
