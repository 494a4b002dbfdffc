import type { IngestLimits } from '../../ingest/ingest.ts';

/** The limits of a collector. Each is a flag, see cli/limit-flags.ts. Where 0 is allowed, it means no limit. */
export interface Limits extends IngestLimits {
  /** The largest protobuf message, in bytes, after decompression. */
  readonly maxProtobufBytes: number;
  /** The largest JSON body or message, in bytes, after decompression. */
  readonly maxJsonBytes: number;
  /** The memory of all bodies that are being read, in bytes. */
  readonly maxBodyBytes: number;
  readonly maxConnections: number;
  /** The most open connections of one address; 0 for no limit. */
  readonly maxConnectionsPerAddress: number;
  /** The requests, and reports of streams, that one address may send per second in the long run; 0 for no limit. */
  readonly requestsPerSecondPerAddress: number;
  /** The most concurrent HTTP/2 streams of one connection. */
  readonly maxStreams: number;
  /** How long the headers of a request may take, in milliseconds. */
  readonly headerTimeoutMs: number;
  /** How long a body, or the next report of a stream, may take, in milliseconds. */
  readonly bodyTimeoutMs: number;
  /** How long a connection stays open without a request, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** The shortest time between two keepalive pings of an HTTP/2 connection, in milliseconds. */
  readonly keepaliveMinMs: number;
  /** The age at which an HTTP/2 connection is closed with GOAWAY, plus or minus 10 %, in milliseconds; 0 for no limit. */
  readonly maxConnectionAgeMs: number;
}
