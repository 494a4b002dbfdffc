/** The protocols over which the collector receives requests; `http` is the legacy JSON API. */
export const PROTOCOLS = ['connect', 'grpc', 'grpc-web', 'http'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export interface RequestOrigin {
  readonly protocol: Protocol;
  /**
   * The key of all limits per address: an IPv4 address, or the /64 network of an IPv6 address. It is never stored. Absent if it is unknown,
   * as behind a trusted proxy that sends no X-Forwarded-For; such requests have no limit per address.
   */
  readonly addressKey?: string | undefined;
  /** The client's address in the form that --record-peer selects; absent if none is stored. */
  readonly recordedAddress?: string | undefined;
}
