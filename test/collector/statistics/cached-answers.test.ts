import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import {
  GetStatisticsRequestSchema,
  type GetStatisticsResponse,
  GetStatisticsResponseSchema,
} from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { cacheAnswers } from '../../../src/collector/statistics/cached-answers.ts';
import { createManualClock } from '../../support/manual-clock.ts';

function createCounted(answer: () => Promise<GetStatisticsResponse>) {
  const clock = createManualClock(new Date(0));
  let asked = 0;
  const answers = cacheAnswers(
    {
      listQuestions: () => [],
      answer: () => {
        asked += 1;
        return answer();
      },
    },
    clock,
  );
  const ask = (question = '') => answers.answer(create(GetStatisticsRequestSchema, { questions: [question] }));
  return { clock, ask, asked: () => asked };
}

test('the same request is answered once in 15 seconds, another one for itself', async () => {
  const { clock, ask, asked } = createCounted(() => Promise.resolve(create(GetStatisticsResponseSchema)));
  await Promise.all([ask('a'), ask('a')]);
  clock.advance(14_999);
  await ask('a');
  expect(asked()).toBe(1);
  await ask('b');
  expect(asked()).toBe(2);
  clock.advance(1);
  await ask('a');
  expect(asked()).toBe(3);
});

test('an answer that failed is not kept', async () => {
  let failing = true;
  const { ask, asked } = createCounted(() =>
    failing ? Promise.reject(new Error('away')) : Promise.resolve(create(GetStatisticsResponseSchema)),
  );
  await expect(ask()).rejects.toThrow('away');
  failing = false;
  await expect(ask()).resolves.toBeDefined();
  expect(asked()).toBe(2);
});

test('50 answers are kept, and the oldest one is forgotten first', async () => {
  const { ask, asked } = createCounted(() => Promise.resolve(create(GetStatisticsResponseSchema)));
  for (let index = 0; index < 51; index += 1) await ask(String(index));
  await ask('1');
  expect(asked()).toBe(51);
  await ask('0');
  expect(asked()).toBe(52);
});

test('the oldest answer is the one that was made first, not asked for first', async () => {
  const { clock, ask, asked } = createCounted(() => Promise.resolve(create(GetStatisticsResponseSchema)));
  await ask('0');
  clock.advance(15_000);
  for (const index of [1, 0]) await ask(String(index));
  for (let index = 2; index < 51; index += 1) await ask(String(index));
  expect(asked()).toBe(52);

  await ask('0');
  expect(asked()).toBe(52);
  await ask('1');
  expect(asked()).toBe(53);
});
