import tls from 'node:tls';
import type { Logger } from '../../runtime/logger.ts';
import { findCaProblem, findExpiry, findPairProblem } from '../../runtime/pem.ts';
import { reloadOnChange, type ReloadOptions, invalidFile } from '../../runtime/reload-on-change.ts';

export interface TlsConfig {
  /** The certificate with its chain, PEM. */
  readonly certFile: string;
  /** PEM, without a password. */
  readonly keyFile: string;
  /** The CAs of client certificates, PEM; where absent, clients need none. */
  readonly clientCaFile?: string;
}

export interface TlsOptions extends Omit<ReloadOptions, 'files' | 'use'> {
  readonly handshakeTimeoutMs: number;
  readonly rateLimitedLogger: Logger;
}

interface TlsServer {
  readonly server: tls.Server;
  /** When the certificate in use, or another one of its chain, expires. */
  readonly expiresAt: () => Date;
}

/**
 * A server of TLS 1.2 or newer that does not listen: it takes connections by `emit('connection', socket)`, and emits 'secureConnection'
 * once the client certificate is verified. The files are reloaded when they change; sessions of the old ones are not resumed.
 *
 * @throws SpartakusError `invalid` with the flag whose file is unusable
 */
export async function openTls(
  { certFile, keyFile, clientCaFile }: TlsConfig,
  { handshakeTimeoutMs, clock, logger, rateLimitedLogger, stop }: TlsOptions,
): Promise<TlsServer> {
  const named = {
    cert: { flag: '--tls-cert', file: certFile },
    key: { flag: '--tls-key', file: keyFile },
    clientCa: { flag: '--tls-client-ca', file: clientCaFile ?? '' },
  };
  const server = tls.createServer({
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: handshakeTimeoutMs,
    requestCert: clientCaFile !== undefined,
    rejectUnauthorized: true,
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    rateLimitedLogger.info({ code: error.code }, 'a TLS handshake failed');
    // Node.js leaves the connection open after ERR_TLS_HANDSHAKE_TIMEOUT.
    socket.destroy();
  });
  let expiresAt = new Date(0);
  const use = ([cert = Buffer.alloc(0), key = Buffer.alloc(0), clientCa]: readonly Buffer[]): void => {
    const wrong = findPairProblem(cert, key);
    if (wrong?.of === 'pair') throw invalidFile(named.key, `is not the key of --tls-cert ${certFile}`);
    if (wrong !== undefined) throw invalidFile(named[wrong.of], wrong.problem);
    const caProblem = clientCa === undefined ? undefined : findCaProblem(clientCa);
    if (caProblem !== undefined) throw invalidFile(named.clientCa, caProblem);
    server.setSecureContext({ cert, key, ca: clientCa, minVersion: 'TLSv1.2' });
    expiresAt = findExpiry(cert);
  };
  const files = [named.cert, named.key, ...(clientCaFile === undefined ? [] : [named.clientCa])];
  await reloadOnChange({ files, use, clock, logger, stop });
  return { server, expiresAt: () => expiresAt };
}
