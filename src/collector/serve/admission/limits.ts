import type { IngestLimits } from '../../ingest/ingest.ts';

/** Each is a flag, see cli/limit-flags.ts. */
export interface Limits extends IngestLimits {
  /** Per message, after decompression. */
  readonly maxProtobufBytes: number;
  /** Per body or message, after decompression. */
  readonly maxJsonBytes: number;
  /** Of all requests, from their first byte to their answer. */
  readonly maxBodyBytes: number;
  readonly maxConnections: number;
  /** 0 for no limit. */
  readonly maxConnectionsPerAddress: number;
  /** New ones, in the long run; 0 for no limit. */
  readonly connectionsPerSecondPerAddress: number;
  /** Requests and reports of streams, in the long run; 0 for no limit. */
  readonly requestsPerSecondPerAddress: number;
  /** Of reports, after decompression, in the long run; 0 for no limit. */
  readonly bytesPerSecondPerAddress: number;
  /** Per HTTP/2 connection. */
  readonly maxStreams: number;
  /** 0 for no limit. */
  readonly maxStreamsPerAddress: number;
  readonly headerTimeoutMs: number;
  /** For a body, or the next report of a stream. */
  readonly bodyTimeoutMs: number;
  /** For what waits to be sent on a connection. */
  readonly writeTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** Between two pings of an HTTP/2 connection. */
  readonly keepaliveMinMs: number;
  /** Of an HTTP/2 connection, plus or minus 10 %; 0 for no limit. */
  readonly maxConnectionAgeMs: number;
}
