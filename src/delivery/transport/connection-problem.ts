import type { ErrorKind } from '../../runtime/errors.ts';
import type { ClientCredentials } from '../client-credentials.ts';
import { excerpt } from './excerpt.ts';
import type { Proxy, ProxyTarget } from './proxy.ts';

/** What a client knows of its connections: the cause of an error and the advice depend on it. */
export interface ConnectionFacts {
  readonly target: ProxyTarget;
  readonly tls: boolean;
  /** The flag with the URL, such as --database. */
  readonly flag: string;
  readonly credentials: ClientCredentials;
  readonly proxy: Proxy | undefined;
}

interface Problem {
  /** A clause whose subject is the collector or its certificate. */
  readonly problem: string;
  readonly advice: string;
  /** Where the transport would assume another kind. */
  readonly kind?: ErrorKind;
}

/** The first group of the pattern is shown too, because it can be searched for. Where there is no problem, the row does not apply. */
type Row = readonly [
  pattern: RegExp,
  describe: (facts: ConnectionFacts, match: RegExpExecArray) => Problem | undefined,
];

const NO_COLLECTOR = 'check that a collector listens there, and that proxies in between pass on gRPC';
const SHOWN_NAMES = 3;

/** Errors of OpenSSL, node:net, node:tls, node:http and grpc-js by their code or text. The first row that matches applies. */
const ROWS: readonly Row[] = [
  [/(alert certificate required)/, (facts) => rejectedCertificate(facts, 'it requires a client certificate')],
  [/(alert handshake failure)/, (facts) => rejectedCertificate(facts, 'it ended the TLS handshake')],
  [
    /(alert (?:unknown ca|bad certificate|unsupported certificate|certificate (?:unknown|expired|revoked)|access denied))/,
    (facts) => rejectedCertificate(facts, 'it ended the TLS handshake'),
  ],
  [
    /(alert no application protocol)/,
    ({ flag }) => ({
      problem: 'it does not speak HTTP/2, which gRPC needs',
      advice: `write the host and port that serve gRPC in ${flag}`,
    }),
  ],
  [
    /(alert protocol version|unsupported protocol)/,
    () => ({ problem: 'it supports no current version of TLS', advice: 'enable TLS 1.2 or 1.3 there' }),
  ],
  [
    /(wrong version number|packet length too long|http request)/,
    (facts) => ({
      problem: 'its port does not speak TLS',
      advice: `write the port with TLS in ${facts.flag}, or ${schemesOf(facts).plain} if the network encrypts`,
    }),
  ],
  [
    /(self-signed certificate|unable to verify the first certificate|unable to get (?:local )?issuer certificate)/,
    ({ credentials }) =>
      credentials.ca === undefined
        ? { problem: 'its certificate is not signed by a CA that Node.js knows', advice: 'give its CA with --ca-file' }
        : { problem: 'its certificate is not signed by a CA of --ca-file', advice: 'add its CA to that file' },
  ],
  [
    /(certificate has expired)/,
    () => ({
      problem: 'its certificate is not valid any more',
      advice: 'renew it, or correct the clock of this machine',
    }),
  ],
  [
    /(certificate is not yet valid)/,
    () => ({ problem: 'its certificate is not valid yet', advice: 'correct the clock of this machine, or renew it' }),
  ],
  [
    /Hostname\/IP does not match certificate's altnames: (?:.*?(?:altnames|list|CN): ?)?(?<names>[^]*)/,
    ({ target, flag }, match) => {
      const names = namesIn(match.groups?.['names'] ?? '');
      return {
        problem: `its certificate is ${names === '' ? '' : `for ${names}, `}not for ${target.host}`,
        advice: `write a name of its certificate in ${flag}, or give it one for this name`,
      };
    },
  ],
  [
    /Failed to establish tunnel [^]*HTTP\/1\.\d (?<status>\d{3})/,
    (facts, match) => failedProxy(facts, match.groups?.['status']),
  ],
  [/^No connection established\. Last error: undefined/, (facts) => failedProxy(facts)],
  [
    /(ECONNREFUSED)/,
    ({ flag, proxy }) =>
      proxy === undefined
        ? {
            problem: 'nothing listens on its port',
            advice: `check that it is running, and the host and port in ${flag}`,
          }
        : {
            problem: 'nothing listens on the port of the proxy',
            advice: `check the host and port in $${proxy.variable}`,
          },
  ],
  [
    /(ENOTFOUND|EAI_AGAIN|Name resolution failed)/,
    ({ flag, proxy }) => ({
      problem: `the DNS has no address for ${proxy === undefined ? 'its host' : 'the host of the proxy'}`,
      advice: `check the host in ${proxy === undefined ? flag : `$${proxy.variable}`}, and the DNS server of this machine`,
    }),
  ],
  [
    /(EHOSTUNREACH|ENETUNREACH)/,
    ({ flag }) => ({
      problem: 'there is no route to it',
      advice: `check the host in ${flag}, and the network of this machine`,
    }),
  ],
  [
    /(ETIMEDOUT|Deadline exceeded|no response within [\d.]+ s)/,
    () => ({
      problem: 'it did not answer in time',
      advice: 'check that no firewall or proxy blocks the connection, or give a longer --timeout',
    }),
  ],
  [
    /(HPE_INVALID_\w+|Parse Error)/,
    ({ flag }) => ({
      problem: 'it does not speak HTTP/1.1',
      advice: `check the port in ${flag}, and whether grpc:// or https:// is right`,
    }),
  ],
  [
    /(Protocol error)/,
    ({ flag }) => ({
      problem: 'it does not speak HTTP/2, which gRPC needs',
      advice: `write the host and port that serve gRPC in ${flag}`,
    }),
  ],
  [/(socket hang up|Failed to connect|disconnected before secure TLS connection|ECONNRESET|EPIPE)/, closed],
  [
    /(Received HTTP status code \d{3})/,
    () => ({ problem: 'what listens there does not answer with gRPC', advice: NO_COLLECTOR }),
  ],
  [
    /(Received message larger than max|Call ended without gRPC status|No status information received)/,
    // Not "too large": the responses of a collector are small. grpc-js takes the first bytes of a web page for a length.
    () => ({ problem: 'what listens there does not answer with gRPC', advice: NO_COLLECTOR, kind: 'not-found' }),
  ],
];

/** The beginnings of the texts of grpc-js itself; any other text is that of a server. */
const OWN_TEXT =
  /^(?:No connection established|Name resolution failed|Deadline exceeded after|Received (?:HTTP status|message larger|RST_STREAM)|No status information)/;

/** Whether the details of a gRPC status are an error of the connection, and not the answer of a server. */
export function isConnectionError(details: string): boolean {
  return OWN_TEXT.test(details);
}

/**
 * A clause such as "its port does not speak TLS (wrong version number): write …". Undefined where the error is unknown.
 *
 * @param error the code, if there is one, and the message of an error
 */
function explainConnectionError(
  error: string,
  facts: ConnectionFacts,
): { readonly text: string; readonly kind: ErrorKind | undefined } | undefined {
  for (const [pattern, describe] of ROWS) {
    const match = pattern.exec(error);
    const found = match === null ? undefined : describe(facts, match);
    if (match === null || found === undefined) continue;
    const { problem, advice, kind } = found;
    const term = match.groups === undefined && match[1] !== undefined ? ` (${match[1]})` : '';
    return { text: `${problem}${term}: ${advice}`, kind };
  }
  return undefined;
}

/** "The collector at … cannot be reached: …", with the text of the error where it is unknown. */
export function describeConnectionError(
  error: string,
  target: string,
  facts: ConnectionFacts,
): { readonly message: string; readonly kind: ErrorKind | undefined } {
  const known = explainConnectionError(error, facts);
  const text =
    known?.text ?? `${excerpt(error)}: check that it is running, and that no firewall or proxy is in between`;
  return { message: `The collector at ${target} cannot be reached: ${text}.`, kind: known?.kind };
}

function schemesOf({ target }: ConnectionFacts): Readonly<Record<'plain' | 'secure', string>> {
  return target.kind === 'grpc' ? { plain: 'grpc://', secure: 'grpcs://' } : { plain: 'http://', secure: 'https://' };
}

function rejectedCertificate({ credentials }: ConnectionFacts, problem: string): Problem {
  return credentials.cert === undefined
    ? { problem, advice: 'if it requires a client certificate, give one with --cert-file and --key-file' }
    : {
        problem: 'it rejects the client certificate of --cert-file',
        advice: 'give one that is valid, and signed by a CA that it accepts',
      };
}

function closed(facts: ConnectionFacts): Problem {
  const problem = 'it closed the connection';
  if (!facts.tls)
    return { problem, advice: `if its port speaks TLS, write ${schemesOf(facts).secure} in ${facts.flag}` };
  if (facts.credentials.cert !== undefined)
    return { problem, advice: 'check that it accepts the client certificate of --cert-file' };
  return { problem, advice: 'check that its port speaks TLS, and that no firewall is in between' };
}

function failedProxy({ target, proxy }: ConnectionFacts, status?: string): Problem | undefined {
  if (proxy === undefined) return undefined;
  const variable = `$${proxy.variable}`;
  switch (status) {
    case undefined:
      return {
        problem: 'the proxy does not connect to it',
        advice: `check the host, port, user and password in ${variable}, and that the proxy permits CONNECT to ${target.host}`,
      };
    case '407':
      return {
        problem: 'the proxy requires another user and password (407)',
        advice: `write them in ${variable}, as http://USER:PASSWORD@HOST:PORT`,
      };
    case '403':
      return {
        problem: 'the proxy does not permit a connection to it (403)',
        advice: `permit CONNECT to ${target.host} there, or add it to $NO_PROXY`,
      };
    default:
      return {
        problem: `the proxy cannot connect to it (${status})`,
        advice: 'check that it is running, and that the proxy can reach it',
      };
  }
}

/** Of "DNS:a.example.com, IP Address:192.0.2.1". The text is that of a server. */
function namesIn(altnames: string): string {
  const names = altnames
    .replace(/\. Resolution note[^]*$/, '')
    .split(',')
    .map((name) => excerpt(name.replace(/^\s*(?:DNS|IP Address|URI):/, '')))
    .filter((name) => name !== '');
  return names.slice(0, SHOWN_NAMES).join(', ') + (names.length > SHOWN_NAMES ? ', …' : '');
}
