import { expect, test } from 'vitest';
import { NO_CREDENTIALS } from '../../../src/delivery/client-credentials.ts';
import {
  type ConnectionFacts,
  describeConnectionError,
  isConnectionError,
} from '../../../src/delivery/transport/connection-problem.ts';

const PROXY = { url: new URL('http://proxy.example.com:3128'), variable: 'https_proxy' };
const CERT = { ...NO_CREDENTIALS, cert: Buffer.of(1) };
const GRPC: ConnectionFacts = {
  target: { kind: 'grpc', host: 'collector.example.com', port: 8080 },
  tls: true,
  flag: '--database',
  credentials: NO_CREDENTIALS,
  proxy: undefined,
};
const PLAIN = { tls: false };
const HTTPS = { target: { kind: 'https', host: 'collector.example.com', port: 443 }, flag: '--url' } as const;
const HTTP = { ...HTTPS, ...PLAIN, target: { ...HTTPS.target, kind: 'http' } } as const;

const GIVE_CERT = 'if it requires a client certificate, give one with --cert-file and --key-file';
const OTHER_CERT =
  'it rejects the client certificate of --cert-file (TERM): give one that is valid, and signed by a CA that it accepts';
const NO_GRPC =
  'what listens there does not answer with gRPC (TERM): check that a collector listens there, and that proxies in between pass on gRPC';
const IN_TIME =
  'it did not answer in time (TERM): check that no firewall or proxy blocks the connection, or give a longer --timeout';
const ALTNAMES = "Hostname/IP does not match certificate's altnames: ";
const TUNNEL = 'Failed to establish tunnel to collector.example.com:443 via proxy: HTTP/1.1';
const FOR_THIS_NAME = 'or give it one for this name';

/** The error, what is known of the connection, and the clause about it, in which TERM is the text in quotes of the error. */
const CASES: readonly (readonly [string, Partial<ConnectionFacts>, string])[] = [
  ['"alert certificate required"', {}, `it requires a client certificate (TERM): ${GIVE_CERT}`],
  ['"alert certificate required"', { credentials: CERT }, OTHER_CERT],
  ['"alert handshake failure"', {}, `it ended the TLS handshake (TERM): ${GIVE_CERT}`],
  ['"alert handshake failure"', { credentials: CERT }, OTHER_CERT],
  ['ssl: "alert unknown ca" 48', {}, `it ended the TLS handshake (TERM): ${GIVE_CERT}`],
  ['"alert certificate expired"', { credentials: CERT }, OTHER_CERT],
  [
    '"alert no application protocol"',
    {},
    'it does not speak HTTP/2, which gRPC needs (TERM): write the host and port that serve gRPC in --database',
  ],
  ['"alert protocol version"', {}, 'it supports no current version of TLS (TERM): enable TLS 1.2 or 1.3 there'],
  [
    '"wrong version number"',
    {},
    'its port does not speak TLS (TERM): write the port with TLS in --database, or grpc:// if the network encrypts',
  ],
  [
    '"packet length too long"',
    HTTPS,
    'its port does not speak TLS (TERM): write the port with TLS in --url, or http:// if the network encrypts',
  ],
  [
    '"unable to get local issuer certificate"',
    {},
    'its certificate is not signed by a CA that Node.js knows (TERM): give its CA with --ca-file',
  ],
  [
    '"self-signed certificate"',
    { credentials: { ...NO_CREDENTIALS, ca: Buffer.of(1) } },
    'its certificate is not signed by a CA of --ca-file (TERM): add its CA to that file',
  ],
  [
    '"certificate has expired"',
    {},
    'its certificate is not valid any more (TERM): renew it, or correct the clock of this machine',
  ],
  [
    '"certificate is not yet valid"',
    {},
    'its certificate is not valid yet (TERM): correct the clock of this machine, or renew it',
  ],
  [
    `${ALTNAMES}Host: a. is not in the cert's altnames: DNS:b.example.com, IP Address:192.0.2.1`,
    {},
    'its certificate is for b.example.com, 192.0.2.1, not for collector.example.com: ' +
      `write a name of its certificate in --database, ${FOR_THIS_NAME}`,
  ],
  [
    `${ALTNAMES}IP: a is not in the cert's list: DNS:b, , URI:c, DNS:d, DNS:e. Resolution note: set x, y`,
    HTTPS,
    'its certificate is for b, c, d, …, not for collector.example.com: ' +
      `write a name of its certificate in --url, ${FOR_THIS_NAME}`,
  ],
  [
    `${ALTNAMES}Host: a. is not in the cert's altnames: DNS:b, , DNS:c, DNS:d. Resolution note: set x, y`,
    {},
    'its certificate is for b, c, d, not for collector.example.com: ' +
      `write a name of its certificate in --database, ${FOR_THIS_NAME}`,
  ],
  [
    `${ALTNAMES}Host: a. is not in the cert's altnames: `,
    {},
    `its certificate is not for collector.example.com: write a name of its certificate in --database, ${FOR_THIS_NAME}`,
  ],
  [
    `${TUNNEL} 407 No`,
    { proxy: PROXY },
    'the proxy requires another user and password (407): write them in $https_proxy, as http://USER:PASSWORD@HOST:PORT',
  ],
  [
    `${TUNNEL} 403 No`,
    { proxy: PROXY },
    'the proxy does not permit a connection to it (403): permit CONNECT to collector.example.com there, or add it to $NO_PROXY',
  ],
  [
    `${TUNNEL} 502 No`,
    { proxy: PROXY },
    'the proxy cannot connect to it (502): check that it is running, and that the proxy can reach it',
  ],
  [
    'No connection established. Last error: undefined',
    { proxy: PROXY },
    'the proxy does not connect to it: check the host, port, user and password in $https_proxy, and that the proxy permits CONNECT to collector.example.com',
  ],
  [
    'connect "ECONNREFUSED" 192.0.2.1:8080',
    {},
    'nothing listens on its port (TERM): check that it is running, and the host and port in --database',
  ],
  [
    'connect "ECONNREFUSED" 192.0.2.1:3128',
    { proxy: PROXY },
    'nothing listens on the port of the proxy (TERM): check the host and port in $https_proxy',
  ],
  [
    'getaddrinfo "ENOTFOUND" collector.example.com',
    {},
    'the DNS has no address for its host (TERM): check the host in --database, and the DNS server of this machine',
  ],
  [
    'getaddrinfo "EAI_AGAIN" proxy.example.com',
    { proxy: PROXY },
    'the DNS has no address for the host of the proxy (TERM): check the host in $https_proxy, and the DNS server of this machine',
  ],
  ['"EHOSTUNREACH"', HTTPS, 'there is no route to it (TERM): check the host in --url, and the network of this machine'],
  ['"ETIMEDOUT"', {}, IN_TIME],
  ['"no response within 0.5 s"', HTTP, IN_TIME],
  [
    '"HPE_INVALID_CONSTANT" Parse Error',
    HTTP,
    'it does not speak HTTP/1.1 (TERM): check the port in --url, and whether grpc:// or https:// is right',
  ],
  [
    '"Protocol error"',
    PLAIN,
    'it does not speak HTTP/2, which gRPC needs (TERM): write the host and port that serve gRPC in --database',
  ],
  ['"ECONNRESET" read', PLAIN, 'it closed the connection (TERM): if its port speaks TLS, write grpcs:// in --database'],
  ['"socket hang up"', HTTP, 'it closed the connection (TERM): if its port speaks TLS, write https:// in --url'],
  [
    '"socket hang up"',
    { ...HTTPS, credentials: CERT },
    'it closed the connection (TERM): check that it accepts the client certificate of --cert-file',
  ],
  [
    '"EPIPE"',
    {},
    'it closed the connection (TERM): check that its port speaks TLS, and that no firewall is in between',
  ],
  ['"Received HTTP status code 502"', {}, NO_GRPC],
];

test.each(CASES)('%s, with what is known of the connection, is explained', (quoted, facts, clause) => {
  const term = /"(.*)"/.exec(quoted)?.[1] ?? '';

  const described = describeConnectionError(quoted.replaceAll('"', ''), 'TARGET', { ...GRPC, ...facts });

  expect(described).toStrictEqual({
    message: `The collector at TARGET cannot be reached: ${clause.replace('TERM', term)}.`,
    kind: undefined,
  });
});

test.each(['Received message larger than max', 'Call ended without gRPC status', 'No status information received'])(
  '"%s" is of another kind than its status, because no collector listens there',
  (text) => {
    const { message, kind } = describeConnectionError(`${text} (1 vs. 2)`, 'TARGET', GRPC);

    expect(kind).toBe('not-found');
    expect(message).toBe(`The collector at TARGET cannot be reached: ${NO_GRPC.replace('TERM', text)}.`);
  },
);

test.each(['Something else', `${TUNNEL} 407 No`, 'No connection established. Last error: undefined'])(
  'an error that is not known without a proxy, %s, is shown as it is',
  (text) => {
    expect(describeConnectionError(text, 'TARGET', GRPC)).toStrictEqual({
      message:
        `The collector at TARGET cannot be reached: ${text}: ` +
        'check that it is running, and that no firewall or proxy is in between.',
      kind: undefined,
    });
  },
);

test.each([
  ['No connection established. Last error: connect ECONNREFUSED', true],
  ['Deadline exceeded after 1.0s', true],
  ['Received HTTP status code 502', true],
  ['the database: Deadline exceeded after 1.0s', false],
  ['ECONNREFUSED', false],
  ['', false],
])('"%s" is an error of the connection, and not the answer of a server: %s', (details, expected) => {
  expect(isConnectionError(details)).toBe(expected);
});
