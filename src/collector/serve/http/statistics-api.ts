import { create, toJson } from '@bufbuild/protobuf';
import {
  Detail,
  GetStatisticsRequestSchema,
  GetStatisticsResponseSchema,
} from '../../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Answers } from '../../statistics/answers.ts';

const PARAMETERS = ['questions', 'since', 'until', 'detail', 'series'];

/**
 * The body of GET /stats.json: the protobuf JSON of GetStatisticsResponse.
 *
 * @param query `questions` (comma-separated ids), `since` and `until` (days), `detail` (coarse or fine) and `series` (false to leave it out)
 * @throws SpartakusError `invalid` for an unknown parameter or value; errors of `answers.answer`
 */
export async function readStatisticsJson(answers: Answers, query: URLSearchParams): Promise<string> {
  for (const name of query.keys()) if (!PARAMETERS.includes(name)) throw wrong(name, `use ${PARAMETERS.join(', ')}`);
  const choose = <Value>(name: string, choices: Readonly<Record<string, Value>>): Value | undefined => {
    const text = query.get(name);
    if (text === null) return undefined;
    if (Object.hasOwn(choices, text)) return choices[text];
    throw wrong(name, `use ${Object.keys(choices).join(' or ')}`);
  };
  const questions = query.get('questions');
  const request = create(GetStatisticsRequestSchema, {
    questions: questions === null || questions === '' ? [] : questions.split(','),
    since: query.get('since') ?? '',
    until: query.get('until') ?? '',
    detail: choose('detail', { coarse: Detail.COARSE, fine: Detail.FINE }),
    omitSeries: choose('series', { true: false, false: true }),
  });
  const response = await answers.answer(request);
  return JSON.stringify(toJson(GetStatisticsResponseSchema, response));
}

function wrong(name: string, advice: string): SpartakusError {
  return new SpartakusError('invalid', `the query parameter ${JSON.stringify(name.slice(0, 100))} is wrong: ${advice}`);
}
