import { type Files, SYSTEM_FILES } from '../../src/runtime/atomic-file.ts';

/** Files on a machine that stops before one of its operations, or in the middle of a write; from then on every operation fails. */
export interface MortalFiles extends Files {
  /** Whether it has stopped. */
  isDead(): boolean;
}

/** @param diesAt how many operations succeed before it stops */
export function createMortalFiles(diesAt: number): MortalFiles {
  let operations = 0;
  let dead = false;
  const step = async <Value>(live: () => Promise<Value>, dying?: () => Promise<unknown>): Promise<Value> => {
    if (!dead && operations < diesAt) {
      operations += 1;
      return await live();
    }
    if (!dead) {
      dead = true;
      await dying?.();
    }
    throw new Error('the machine has stopped');
  };
  return {
    isDead: () => dead,
    list: (dir) => step(() => SYSTEM_FILES.list(dir)),
    read: (file) => step(() => SYSTEM_FILES.read(file)),
    write: (file, content, mode) =>
      step(
        () => SYSTEM_FILES.write(file, content, mode),
        () => SYSTEM_FILES.write(file, content.slice(0, content.length / 2), mode),
      ),
    rename: (from, to) => step(() => SYSTEM_FILES.rename(from, to)),
    remove: (file) => step(() => SYSTEM_FILES.remove(file)),
    syncDirectory: (dir) => step(() => SYSTEM_FILES.syncDirectory(dir)),
  };
}
