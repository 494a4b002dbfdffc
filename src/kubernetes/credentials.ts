import type { RequestOptions } from 'node:https';

/** Everything that requests to the API server of a cluster need. Contains secrets: never logged, never part of an error. */
export interface ClusterCredentials {
  /** The URL of the API server, such as "https://10.0.0.1:443". */
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Replaces the URL in errors where it is a secret. System messages, which contain addresses, are then left out too. */
  readonly displayName?: string;
  /** TLS options, and an agent where the kubeconfig names a proxy. */
  readonly requestOptions: RequestOptions;
}

/** Reads the credentials again at each call, because tokens, certificates and CAs rotate. Rejects with a SpartakusError. */
export type CredentialsLoader = () => Promise<ClusterCredentials>;
