import type { Summaries } from './summaries.ts';

/** The resources whose ages are averaged. */
export const LIFETIMES = ['namespaces', 'pods', 'services'] as const;

export type Lifetime = (typeof LIFETIMES)[number];

/** The longest lifetime that a report can hold, in seconds: a uint32, 136 years. */
const MAX_SECONDS = 2 ** 32 - 1;

/** The average age of these, in whole seconds; undefined where there are none. */
export async function averageLifetimeSeconds(summaries: Summaries, lifetime: Lifetime): Promise<number | undefined> {
  const { averageAgeSeconds } = await summaries(lifetime);
  return averageAgeSeconds === undefined ? undefined : Math.min(Math.round(averageAgeSeconds), MAX_SECONDS);
}
