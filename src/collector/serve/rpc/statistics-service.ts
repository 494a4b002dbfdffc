import { create } from '@bufbuild/protobuf';
import type { ConnectRouter } from '@connectrpc/connect';
import {
  ListQuestionsResponseSchema,
  StatisticsService,
} from '../../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import type { Answers } from '../../statistics/answers.ts';

/** StatisticsService over Connect, gRPC and gRPC-Web. */
export function createStatisticsService(answers: Answers): (router: ConnectRouter) => void {
  return (router) =>
    router.service(StatisticsService, {
      listQuestions: () => create(ListQuestionsResponseSchema, { questions: answers.listQuestions() }),
      getStatistics: (request) => answers.answer(request),
    });
}
