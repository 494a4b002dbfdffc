import type { GetStatisticsResponse } from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import type { Clock } from '../../runtime/clock.ts';
import type { Answers } from './answers.ts';

/** Figures are computed once a minute. */
const KEEP_MS = 15_000;
/** A page asks for a few of them; a longer response takes some hundred KiB. */
const MAX_RESPONSES = 50;

/** Answers the same request from memory for a few seconds, and only once for requests at the same time. Failures are not kept. */
export function cacheAnswers(answers: Answers, clock: Pick<Clock, 'now'>): Answers {
  const cached = new Map<string, { readonly response: Promise<GetStatisticsResponse>; readonly expiresAtMs: number }>();
  return {
    listQuestions: () => answers.listQuestions(),
    async answer(request) {
      const { questions, since, until, detail, omitSeries } = request;
      const key = JSON.stringify([questions, since, until, detail, omitSeries]);
      const nowMs = clock.now().getTime();
      const known = cached.get(key);
      if (known !== undefined && known.expiresAtMs > nowMs) return await known.response;
      const response = answers.answer(request);
      // Deleting first keeps the map in the order of age.
      cached.delete(key);
      cached.set(key, { response, expiresAtMs: nowMs + KEEP_MS });
      response.catch(() => cached.delete(key));
      const [oldest] = cached.keys();
      if (cached.size > MAX_RESPONSES && oldest !== undefined) cached.delete(oldest);
      return await response;
    },
  };
}
