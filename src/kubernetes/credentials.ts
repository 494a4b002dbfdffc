import type { RequestOptions } from 'node:https';

/** Contains secrets: never logged, never part of an error. */
export interface ClusterCredentials {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Set where the URL is secret: replaces it in errors, which then contain no system messages either. */
  readonly displayName?: string;
  /** TLS options, and an agent where the kubeconfig names a proxy. */
  readonly requestOptions: RequestOptions;
}

/** Reads the credentials again at each call, because tokens, certificates and CAs rotate. Rejects with a SpartakusError. */
export type CredentialsLoader = () => Promise<ClusterCredentials>;
