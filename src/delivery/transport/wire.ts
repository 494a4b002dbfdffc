import { CollectorService } from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { WireDescription } from '../../report/fields-page.ts';

export interface WireOptions {
  /** The volunteer, or the reporter of Kubermatic's records. */
  readonly sender: 'volunteer' | 'reporter';
  readonly transport: 'grpc' | 'http';
  readonly tls: boolean;
  readonly proxy: boolean;
  readonly token: boolean;
  readonly clientCertificate: boolean;
}

const SAME = 'the same in every cluster';

/** Describes the requests to a collector; a test compares it with requests that were received. */
export function describeWire(options: WireOptions): WireDescription {
  const { sender, transport, tls, proxy, token, clientCertificate } = options;
  const flag = sender === 'volunteer' ? '--database' : '--url';
  const { streamReports, submitKubermaticReport } = CollectorService.method;
  const { name: method } = sender === 'volunteer' ? streamReports : submitKubermaticReport;
  const path = sender === 'volunteer' ? `the path of ${flag}, which ends with /api/v1` : `the path of ${flag}`;
  const authorization = { name: 'authorization', value: 'the bearer token of --token-file' };
  const headers =
    transport === 'grpc'
      ? [
          { name: ':method', value: `POST, ${SAME}` },
          { name: ':scheme', value: tls ? 'https' : 'http' },
          { name: ':authority', value: `the host and port of ${flag}` },
          { name: ':path', value: `/${CollectorService.typeName}/${method}, ${SAME}` },
          { name: 'content-type', value: `application/grpc, ${SAME}` },
          { name: 'te', value: `trailers, ${SAME}` },
          { name: 'accept-encoding', value: `identity, ${SAME}` },
          { name: 'grpc-accept-encoding', value: `the compressions that the gRPC library can read, ${SAME}` },
          { name: 'grpc-timeout', value: 'the time that --timeout leaves for this attempt' },
          { name: 'user-agent', value: 'the name and version of the gRPC library, grpc-node-js/…' },
        ]
      : [
          { name: ':method', value: `POST, ${SAME}` },
          { name: ':path', value: path },
          { name: 'host', value: `the host and port of ${flag}` },
          { name: 'connection', value: `keep-alive, ${SAME}` },
          { name: 'content-type', value: `application/json, ${SAME}` },
          { name: 'content-length', value: 'the length of the body in bytes' },
        ];
  const connection = [
    proxy
      ? 'The address of the proxy. The proxy learns the address of this machine, and the host and port of the collector.'
      : 'The address of this machine, or of the gateway that its connections leave through.',
    'The time of each report, and from when to when the connection is open.',
    `A query to the DNS for the host in ${flag}, which goes to the resolver of this machine, not to the collector.`,
    ...(tls
      ? [`The host in ${flag} as TLS server name, which the network in between can read, and the ciphers of Node.js.`]
      : ['Without TLS, everything on this list, and the report, can be read by the network in between.']),
    ...(clientCertificate ? ['The client certificate of --cert-file, with the names in it.'] : []),
  ];
  return {
    protocol: transport === 'grpc' ? 'gRPC' : 'JSON over HTTP',
    headers: token ? [...headers, authorization] : headers,
    connection,
  };
}

/** The requests of the reporter, with everything that can be in them. */
export function listReporterRequests(): readonly WireDescription[] {
  return (['grpc', 'http'] as const).map((transport) =>
    describeWire({ sender: 'reporter', transport, tls: true, proxy: false, token: true, clientCertificate: true }),
  );
}
