import { create } from '@bufbuild/protobuf';
import { createClient, createRouterTransport } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import {
  GetStatisticsResponseSchema,
  QuestionSchema,
  StatisticsService,
} from '../../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { createStatisticsService } from '../../../../src/collector/serve/rpc/statistics-service.ts';

test('questions are listed, and a request is answered', async () => {
  const asked: unknown[] = [];
  const questions = [create(QuestionSchema, { id: 'versions' })];
  const transport = createRouterTransport(
    createStatisticsService({
      listQuestions: () => questions,
      answer: (request) => {
        asked.push(request.questions);
        return Promise.resolve(create(GetStatisticsResponseSchema));
      },
    }),
  );
  const client = createClient(StatisticsService, transport);

  await expect(client.listQuestions({})).resolves.toMatchObject({ questions: [{ id: 'versions' }] });
  await expect(client.getStatistics({ questions: ['versions'] })).resolves.toBeDefined();
  expect(asked).toStrictEqual([['versions']]);
});
