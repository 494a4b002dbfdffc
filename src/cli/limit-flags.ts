import type { Limits } from '../collector/serve/admission/limits.ts';
import { type Flag, group } from './flags.ts';
import { BYTES, DURATION, parseCount, TIMEOUT } from './values.ts';

const COUNT = { placeholder: 'COUNT', parse: parseCount };
const AT_LEAST_ONE = { placeholder: 'COUNT', parse: (text: string) => parseCount(text, 1) };

export const LIMIT_FLAGS = {
  ...group('Limits', {
    maxProtobufBytes: {
      name: 'max-report-size',
      ...BYTES,
      default: '8Mi',
      help: 'Maximum size of a protobuf report after decompression. A node takes about 220 bytes; a MongoDB document holds about 30,000 nodes.',
    },
    maxJsonBytes: {
      name: 'max-json-size',
      ...BYTES,
      default: '16Mi',
      help: 'Maximum size of a JSON report after decompression.',
    },
    maxPendingReports: {
      name: 'max-pending-reports',
      ...AT_LEAST_ONE,
      default: '10000',
      help: 'Maximum number of reports that wait for the database. Further reports are rejected; streams are slowed down before that.',
    },
    maxPendingBytes: {
      name: 'max-pending-size',
      ...BYTES,
      default: '64Mi',
      help: 'Maximum size of all reports that wait for the database.',
    },
    maxBodyBytes: {
      name: 'max-body-memory',
      ...BYTES,
      default: '128Mi',
      help: 'Maximum memory for the request bodies that are being read, for all requests together.',
    },
    maxConnections: {
      name: 'max-connections',
      ...AT_LEAST_ONE,
      default: '10000',
      help: 'Maximum number of open connections.',
    },
    maxConnectionsPerAddress: {
      name: 'max-address-connections',
      ...COUNT,
      default: '200',
      help: 'Maximum number of open connections per client address (IPv4 address or IPv6 /64 network); 0 for no limit. Trusted proxies are exempt.',
    },
    connectionsPerSecondPerAddress: {
      name: 'max-address-connection-rate',
      ...COUNT,
      default: '20',
      help: 'Maximum number of new connections per second and client address; 0 for no limit. Bursts of three seconds are allowed. Trusted proxies are exempt.',
    },
    requestsPerSecondPerAddress: {
      name: 'max-address-rate',
      ...COUNT,
      default: '100',
      help: 'Maximum number of requests and streamed reports per second and client address; 0 for no limit. Bursts of five seconds are allowed.',
    },
    reportsPerHourPerCluster: {
      name: 'max-cluster-rate',
      ...COUNT,
      default: '200',
      help: 'Maximum number of reports per hour and cluster; 0 for no limit. Bursts of one hour are allowed.',
    },
    newClustersPerHourPerAddress: {
      name: 'max-new-clusters',
      ...COUNT,
      default: '20',
      help: 'Maximum number of new clusters per hour and client address; 0 for no limit. Reports of further clusters are stored in quarantine.',
    },
    maxStreams: {
      name: 'max-streams',
      ...AT_LEAST_ONE,
      default: '100',
      help: 'Maximum number of concurrent requests per HTTP/2 connection.',
    },
    maxStreamsPerAddress: {
      name: 'max-address-streams',
      ...COUNT,
      default: '500',
      help: 'Maximum number of concurrent requests over HTTP/2 per client address; 0 for no limit. Trusted proxies are exempt.',
    },
  }),
  ...group('Timeouts', {
    headerTimeoutMs: {
      name: 'header-timeout',
      ...TIMEOUT,
      default: '10s',
      help: 'Maximum time to receive the headers of a request.',
    },
    bodyTimeoutMs: {
      name: 'body-timeout',
      ...TIMEOUT,
      default: '1m',
      help: 'Maximum time to receive the body of a request or the next report of a stream.',
    },
    writeTimeoutMs: {
      name: 'write-timeout',
      ...TIMEOUT,
      default: '10s',
      help: 'Maximum time to send what waits on a connection. A connection whose client does not read the responses is closed.',
    },
    idleTimeoutMs: {
      name: 'idle-timeout',
      ...TIMEOUT,
      default: '2m',
      help: 'Close a connection after this time without a request.',
    },
    keepaliveMinMs: {
      name: 'keepalive-min-time',
      ...DURATION,
      default: '10s',
      help: 'Minimum time between the keepalive pings of a client. Clients that ping more often are disconnected (GOAWAY).',
    },
    maxConnectionAgeMs: {
      name: 'max-connection-age',
      ...DURATION,
      default: '30m',
      help: 'Close an HTTP/2 connection gracefully (GOAWAY) at this age, with 10% jitter; 0 for no limit.',
    },
  }),
} satisfies Readonly<Record<keyof Limits, Flag<number>>>;
