import type { Database } from '../../delivery/open-sink.ts';
import { type IdConfig, STDOUT_SCOPE } from './id-key.ts';

/**
 * Completes the configuration of ids with what depends on the destination of reports: the scope is the collector's host name unless
 * --id-scope names another one (not its port, which changes when a collector gets TLS), and legacy collectors (http:// and https://) get the cluster id as it was given, to continue their series.
 */
export function resolveIds<Config extends IdConfig & { readonly database: Database }>(config: Config): Config {
  const { database } = config;
  const host = database.transport === 'stdout' ? STDOUT_SCOPE : database.target.host.toLowerCase().replace(/\.$/, '');
  return {
    ...config,
    idScope: config.idScope ?? host,
    clusterIdVerbatim: config.clusterIdVerbatim === true || database.transport === 'http',
  };
}
