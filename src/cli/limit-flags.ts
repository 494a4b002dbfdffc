import type { Limits } from '../collector/serve/admission/limits.ts';
import type { FlagValues } from './flags.ts';
import { parseBytes, parseCount, parseDurationMs, parseTimeoutMs } from './values.ts';

/** What a collector takes before it says no. */
export const LIMIT_FLAGS = {
  'max-report-size': {
    placeholder: 'BYTES',
    default: '8Mi',
    help: 'The largest report in protobuf, after decompression: 220 bytes a node, and what MongoDB takes in one document is 30,000 nodes.',
    parse: parseBytes,
  },
  'max-json-size': {
    placeholder: 'BYTES',
    default: '16Mi',
    help: 'The largest report in JSON, after decompression.',
    parse: parseBytes,
  },
  'max-pending-reports': {
    placeholder: 'COUNT',
    default: '10000',
    help: 'How many reports may wait for the database; streams are read more slowly before, and one more is refused.',
    parse: (text: string) => parseCount(text, 1),
  },
  'max-pending-size': { placeholder: 'BYTES', default: '64Mi', help: 'The same in bytes.', parse: parseBytes },
  'max-body-memory': {
    placeholder: 'BYTES',
    default: '128Mi',
    help: 'How much the bodies that are being read may take in memory, of all requests together.',
    parse: parseBytes,
  },
  'max-connections': {
    placeholder: 'COUNT',
    default: '10000',
    help: 'The most connections at a time.',
    parse: (text: string) => parseCount(text, 1),
  },
  'max-address-connections': {
    placeholder: 'COUNT',
    default: '200',
    help: 'The most connections of one address at a time; 0 for any number. An address is an IPv4 address or an IPv6 /64 here; a trusted proxy is none.',
    parse: parseCount,
  },
  'max-address-rate': {
    placeholder: 'COUNT',
    default: '100',
    help: "The requests a second, and reports of streams, of one address; 0 for any number. Five seconds' worth may come at once.",
    parse: parseCount,
  },
  'max-cluster-rate': {
    placeholder: 'COUNT',
    default: '200',
    help: 'The reports an hour of one cluster; 0 for any number. As many may come at once.',
    parse: parseCount,
  },
  'max-new-clusters': {
    placeholder: 'COUNT',
    default: '20',
    help: 'How many clusters may begin to report from one address in an hour; the reports of more are stored in quarantine. 0 for any number.',
    parse: parseCount,
  },
  'max-streams': {
    placeholder: 'COUNT',
    default: '100',
    help: 'The most requests at a time on one HTTP/2 connection.',
    parse: (text: string) => parseCount(text, 1),
  },
  'header-timeout': {
    placeholder: 'DURATION',
    default: '10s',
    help: 'How long the headers of a request may take.',
    parse: parseTimeoutMs,
  },
  'body-timeout': {
    placeholder: 'DURATION',
    default: '1m',
    help: 'How long the body of a request may take, and in a stream the next report.',
    parse: parseTimeoutMs,
  },
  'idle-timeout': {
    placeholder: 'DURATION',
    default: '2m',
    help: 'How long a connection stays open without a request.',
    parse: parseTimeoutMs,
  },
  'keepalive-min-time': {
    placeholder: 'DURATION',
    default: '10s',
    help: 'The shortest time between two keepalive pings of a client; who pings more often is sent away.',
    parse: parseDurationMs,
  },
  'max-connection-age': {
    placeholder: 'DURATION',
    default: '30m',
    help: 'How old an HTTP/2 connection grows, give or take a tenth, before its client is asked to open another; 0 for any age.',
    parse: parseDurationMs,
  },
};

/** The limits that flags set. */
export function limitsOf(values: FlagValues<typeof LIMIT_FLAGS>): Limits {
  return {
    maxProtobufBytes: values['max-report-size'],
    maxJsonBytes: values['max-json-size'],
    maxPendingReports: values['max-pending-reports'],
    maxPendingBytes: values['max-pending-size'],
    maxBodyBytes: values['max-body-memory'],
    maxConnections: values['max-connections'],
    maxConnectionsPerAddress: values['max-address-connections'],
    requestsPerSecondPerAddress: values['max-address-rate'],
    reportsPerHourPerCluster: values['max-cluster-rate'],
    newClustersPerHourPerAddress: values['max-new-clusters'],
    maxStreams: values['max-streams'],
    headerTimeoutMs: values['header-timeout'],
    bodyTimeoutMs: values['body-timeout'],
    idleTimeoutMs: values['idle-timeout'],
    keepaliveMinMs: values['keepalive-min-time'],
    maxConnectionAgeMs: values['max-connection-age'],
  };
}
