import { Detail } from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import type { StatisticsClient } from './client.ts';
import { addDays } from './format.ts';
import { isShownOverTime, type LoadedFigures } from './question-card.ts';
import { RANGE_DAYS, type ViewState } from './view-state.ts';

/**
 * Loads what a view shows. Series of all questions would be most of the bytes, so they are loaded only for the questions that are shown
 * over time.
 *
 * @returns undefined where there are no figures yet
 * @throws ConnectError
 */
export async function loadFigures(client: StatisticsClient, view: ViewState): Promise<LoadedFigures | undefined> {
  const detail = view.detail === 'full' ? Detail.FINE : Detail.COARSE;
  const now = await client.get({ detail, omitSeries: true });
  const [anyQuestion] = now.answers;
  if (now.day === '' || anyQuestion === undefined) return undefined;
  const since = addDays(now.day, 1 - RANGE_DAYS[view.range]);
  const shown = now.answers.filter((answer) => isShownOverTime(answer, view)).map(({ id }) => id);
  // Without questions the service would answer all of them.
  const questions = shown.length === 0 ? [anyQuestion.id] : shown;
  const overTime = await client.get({ questions, since, until: now.day, detail });
  const first = overTime.days[0];
  if (first === undefined || first === now.day) return { now, overTime };
  return { now, overTime, before: await client.get({ until: first, detail, omitSeries: true }) };
}
