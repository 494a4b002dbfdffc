/** What a collector takes before it says no. Every one is a flag: see cli/limit-flags.ts. Where 0 is allowed, it means no limit. */
export interface Limits {
  /** The largest protobuf message, in bytes, after decompression. */
  readonly maxProtobufBytes: number;
  /** The largest JSON body or message, in bytes, after decompression. */
  readonly maxJsonBytes: number;
  /** The most reports that wait for the database. */
  readonly maxPendingReports: number;
  /** The same in bytes, as the database has them. */
  readonly maxPendingBytes: number;
  /** The memory of all bodies that are being read, in bytes. */
  readonly maxBodyBytes: number;
  /** The most connections at a time. */
  readonly maxConnections: number;
  /** The most connections of one address at a time; 0 for any number. */
  readonly maxConnectionsPerAddress: number;
  /** The requests, and the reports of streams, that one address may send in a second, over some time; 0 for any number. */
  readonly requestsPerSecondPerAddress: number;
  /** The reports that one cluster may send in an hour, over some time; 0 for any number. */
  readonly reportsPerHourPerCluster: number;
  /** The cluster ids not seen before that one address may send in an hour before more are put into quarantine; 0 for any number. */
  readonly newClustersPerHourPerAddress: number;
  /** The most HTTP/2 streams of one connection at a time. */
  readonly maxStreams: number;
  /** How long the headers of a request may take, in milliseconds. */
  readonly headerTimeoutMs: number;
  /** How long a body may take, in milliseconds; in a stream, how long the next report may. */
  readonly bodyTimeoutMs: number;
  /** How long a connection stays open without a request, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** The shortest time between two keepalive pings of an HTTP/2 connection, in milliseconds. */
  readonly keepaliveMinMs: number;
  /** How old an HTTP/2 connection may grow, give or take a tenth, in milliseconds; 0 for any age. */
  readonly maxConnectionAgeMs: number;
}
