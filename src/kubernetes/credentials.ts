import type { RequestOptions } from 'node:https';

/** What a request to the Kubernetes API needs. Holds secrets: never logged, never part of a message. */
export interface KubeCredentials {
  /** The API server, such as "https://10.0.0.1:443". */
  readonly server: string;
  /** Authorization. */
  readonly headers: Readonly<Record<string, string>>;
  /** What messages call the server by, where its address is a secret itself; they repeat nothing then of what a connection says. */
  readonly alias?: string;
  /** TLS material; an agent only where the way leads through a proxy. */
  readonly options: RequestOptions;
}

/** A way to the Kubernetes API. */
export interface KubeAccess {
  /** Reads the credentials again: tokens, certificates and CAs rotate. Rejects with a SpartakusError. */
  credentials(): Promise<KubeCredentials>;
}
