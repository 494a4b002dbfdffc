import tls from 'node:tls';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { findCaProblem, findPairProblem } from '../../runtime/pem.ts';
import { reloadOnChange, invalidFile } from '../../runtime/reload-on-change.ts';

export interface TlsConfig {
  /** --tls-cert: the certificate with its chain, as PEM. */
  readonly certFile: string;
  /** --tls-key: its key, as PEM, without a password. */
  readonly keyFile: string;
  /** --tls-client-ca: the CAs that sign clients' certificates, as PEM. Nobody without such a certificate is let in then. */
  readonly clientCaFile?: string;
}

export interface TlsOptions {
  readonly clock: Pick<Clock, 'sleep'>;
  /** Told what becomes of the files. */
  readonly logger: Logger;
  /** Told of clients that fail to shake hands. */
  readonly quietLogger: Logger;
  /** Ends the watch over the files. */
  readonly stop: AbortSignal;
}

/** How long a client may take for its part of the handshake. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/**
 * A TLS server that does not listen: a listener gives it its connections by `emit('connection', socket)`, and gets them back, secured
 * and with the client's certificate verified where one is asked for, as 'secureConnection'. TLS 1.2 or newer. The files are followed
 * (see reloadOnChange): a new connection gets what they hold, and a session that was begun with what they held before is not resumed.
 *
 * @throws SpartakusError of kind `invalid` that names the flag whose file is of no use
 */
export async function openTls(
  { certFile, keyFile, clientCaFile }: TlsConfig,
  { clock, logger, quietLogger, stop }: TlsOptions,
): Promise<tls.Server> {
  const named = {
    cert: { flag: '--tls-cert', file: certFile },
    key: { flag: '--tls-key', file: keyFile },
    clientCa: { flag: '--tls-client-ca', file: clientCaFile ?? '' },
  };
  const server = tls.createServer({
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    requestCert: clientCaFile !== undefined,
    rejectUnauthorized: true,
  });
  // Node.js closes the connection.
  server.on('tlsClientError', (error: NodeJS.ErrnoException) =>
    quietLogger.info({ code: error.code }, 'a TLS handshake failed'),
  );
  const use = ([cert = Buffer.alloc(0), key = Buffer.alloc(0), clientCa]: readonly Buffer[]): void => {
    const wrong = findPairProblem(cert, key);
    if (wrong?.of === 'pair') throw invalidFile(named.key, `is not the key of --tls-cert ${certFile}`);
    if (wrong !== undefined) throw invalidFile(named[wrong.of], wrong.problem);
    const caProblem = clientCa === undefined ? undefined : findCaProblem(clientCa);
    if (caProblem !== undefined) throw invalidFile(named.clientCa, caProblem);
    server.setSecureContext({ cert, key, ca: clientCa, minVersion: 'TLSv1.2' });
  };
  const files = [named.cert, named.key, ...(clientCaFile === undefined ? [] : [named.clientCa])];
  await reloadOnChange({ files, use, clock, logger, stop });
  return server;
}
