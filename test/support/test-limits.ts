import { type FlagValues, parseFlags } from '../../src/cli/flags.ts';
import { LIMIT_FLAGS } from '../../src/cli/limit-flags.ts';
import type { Limits } from '../../src/collector/serve/admission/limits.ts';

/** Limits are a hundredth of the defaults, so that tests need not send megabytes. */
export const TEST_LIMITS = {
  ...(parseFlags(LIMIT_FLAGS, [], {}).values as FlagValues<typeof LIMIT_FLAGS>),
  maxProtobufBytes: 40_000,
  maxJsonBytes: 160_000,
  // All clients of a test have the same address.
  maxConnectionsPerAddress: 0,
  connectionsPerSecondPerAddress: 0,
  maxStreamsPerAddress: 0,
  requestsPerSecondPerAddress: 0,
  bytesPerSecondPerAddress: 0,
  newClustersPerHourPerAddress: 0,
} satisfies Limits;
