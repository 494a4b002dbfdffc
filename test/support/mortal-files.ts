import { MACHINE_FILES, type Files } from '../../src/kubermatic/record-dir.ts';

/** Files on a machine that stops before one of its steps, in the middle of it where that is writing; from then on nothing is done. */
export interface MortalFiles extends Files {
  /** Whether it has stopped. */
  isDead(): boolean;
}

/** @param diesAt how many steps are done before it stops */
export function createMortalFiles(diesAt: number): MortalFiles {
  let steps = 0;
  let dead = false;
  const step = async <Value>(live: () => Promise<Value>, dying?: () => Promise<unknown>): Promise<Value> => {
    if (!dead && steps < diesAt) {
      steps += 1;
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
    list: (dir) => step(() => MACHINE_FILES.list(dir)),
    read: (file) => step(() => MACHINE_FILES.read(file)),
    write: (file, text) =>
      step(
        () => MACHINE_FILES.write(file, text),
        () => MACHINE_FILES.write(file, text.slice(0, text.length / 2)),
      ),
    rename: (from, to) => step(() => MACHINE_FILES.rename(from, to)),
    remove: (file) => step(() => MACHINE_FILES.remove(file)),
    syncDirectory: (dir) => step(() => MACHINE_FILES.syncDirectory(dir)),
  };
}
