import process from 'node:process';

/** Part of the cases of a long test in `npm test`, all of them in `npm run test:soak` (vitest.soak.config.ts). */
export function sampled<Cases>(part: Cases, all: Cases): Cases {
  return process.env['SPARTAKUS_TEST_ALL_CASES'] === undefined ? part : all;
}
