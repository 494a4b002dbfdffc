import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { messageOf } from './errors.ts';

interface PairProblem {
  readonly of: 'cert' | 'key' | 'pair';
  /** A sentence without its subject. */
  readonly problem: string;
}

/** Why a PEM file of CA certificates is invalid, as a sentence without its subject; undefined if it is valid. */
export function findCaProblem(pem: Buffer): string | undefined {
  const certificates = certificatesIn(pem);
  if (certificates.length === 0) return 'holds no certificate in PEM';
  try {
    for (const certificate of certificates) void new X509Certificate(certificate);
    return undefined;
  } catch (error) {
    return `holds a certificate that cannot be read (${messageOf(error)})`;
  }
}

/**
 * When a certificate with its chain, in PEM, expires: clients reject it as soon as one of them has expired.
 *
 * @throws Error where findPairProblem finds a problem of the certificate
 */
export function findExpiry(pem: Buffer): Date {
  const certificates = certificatesIn(pem);
  // OpenSSL also accepts older headers, such as "X509 CERTIFICATE"; of those, the first certificate is read.
  const ends = (certificates.length === 0 ? [pem] : certificates).map((one) => new X509Certificate(one).validToDate);
  return new Date(Math.min(...ends.map((end) => end.getTime())));
}

function certificatesIn(pem: Buffer): readonly string[] {
  return pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/** Why a certificate (with its chain) and its key, both in PEM, are invalid; undefined if they are valid. */
export function findPairProblem(cert: Buffer, key: Buffer): PairProblem | undefined {
  const tried = (options: { cert?: Buffer; key?: Buffer }): string | undefined => {
    try {
      createSecureContext(options);
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  };
  const certProblem = tried({ cert });
  if (certProblem !== undefined) return { of: 'cert', problem: `holds no certificate in PEM (${certProblem})` };
  const keyProblem = tried({ key });
  if (keyProblem !== undefined)
    return { of: 'key', problem: `holds no key in PEM that can be used without a password (${keyProblem})` };
  return tried({ cert, key }) === undefined ? undefined : { of: 'pair', problem: 'is not the key of the certificate' };
}
