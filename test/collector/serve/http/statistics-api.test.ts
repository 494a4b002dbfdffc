import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import {
  Detail,
  type GetStatisticsRequest,
  GetStatisticsResponseSchema,
} from '../../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { readStatisticsJson } from '../../../../src/collector/serve/http/statistics-api.ts';
import type { Answers } from '../../../../src/collector/statistics/answers.ts';
import { failureOf } from '../../../support/failure.ts';

/** Answers every request with a day. */
function makeAnswers() {
  const requests: Omit<GetStatisticsRequest, '$typeName'>[] = [];
  const answers: Answers = {
    listQuestions: () => [],
    answer: (request) => {
      requests.push(request);
      return Promise.resolve(create(GetStatisticsResponseSchema, { day: '2026-11-21' }));
    },
  };
  return { answers, requests };
}

const DEFAULTS = { questions: [], since: '', until: '', detail: Detail.UNSPECIFIED, omitSeries: false };

test.each([
  ['', {}],
  ['questions=', {}],
  ['questions=masterVersion', { questions: ['masterVersion'] }],
  ['questions=masterVersion,nodes.osImage', { questions: ['masterVersion', 'nodes.osImage'] }],
  ['since=2026-11-01&until=2026-11-20', { since: '2026-11-01', until: '2026-11-20' }],
  ['detail=coarse', { detail: Detail.COARSE }],
  ['detail=fine', { detail: Detail.FINE }],
  ['series=true', {}],
  ['series=false', { omitSeries: true }],
])('the query %j asks for %j', async (query, expected) => {
  const { answers, requests } = makeAnswers();

  await expect(readStatisticsJson(answers, new URLSearchParams(query))).resolves.toBe('{"day":"2026-11-21"}');

  expect(requests).toMatchObject([{ ...DEFAULTS, ...expected }]);
});

test.each([
  ['question=x', 'the query parameter "question" is wrong: use questions, since, until, detail, series'],
  ['detail=', 'the query parameter "detail" is wrong: use coarse or fine'],
  ['detail=toString', 'the query parameter "detail" is wrong: use coarse or fine'],
  ['series=no', 'the query parameter "series" is wrong: use true or false'],
  [`${'x'.repeat(101)}=`, `the query parameter "${'x'.repeat(100)}" is wrong: `],
])('the query %j is invalid, and nothing is read', async (query, message) => {
  const { answers, requests } = makeAnswers();

  const failure = await failureOf(readStatisticsJson(answers, new URLSearchParams(query)));

  expect(failure.kind).toBe('invalid');
  expect(failure.message).toContain(message);
  expect(requests).toStrictEqual([]);
});
