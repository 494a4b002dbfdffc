/** Counts connections, and says which are too many. */
export interface ConnectionGate {
  /**
   * Lets a connection in, unless it is one too many altogether or of its source.
   *
   * @param source as of a Peer; undefined counts altogether alone
   * @returns to be called when the connection is closed; undefined where it is not let in
   */
  enter(source: string | undefined): (() => void) | undefined;
}

export interface ConnectionGateOptions {
  readonly maxConnections: number;
  /** 0 for any number. */
  readonly maxConnectionsPerAddress: number;
}

export function createConnectionGate({
  maxConnections,
  maxConnectionsPerAddress,
}: ConnectionGateOptions): ConnectionGate {
  let open = 0;
  const openBySource = new Map<string, number>();
  return {
    enter(source) {
      const ofSource = source === undefined ? 0 : (openBySource.get(source) ?? 0);
      if (open >= maxConnections || (maxConnectionsPerAddress > 0 && ofSource >= maxConnectionsPerAddress))
        return undefined;
      open += 1;
      if (source !== undefined) openBySource.set(source, ofSource + 1);
      return () => {
        open -= 1;
        if (source === undefined) return;
        const left = (openBySource.get(source) ?? 1) - 1;
        if (left === 0) openBySource.delete(source);
        else openBySource.set(source, left);
      };
    },
  };
}
