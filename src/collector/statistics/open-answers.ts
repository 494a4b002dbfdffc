import type { Db } from 'mongodb';
import type { Clock } from '../../runtime/clock.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { type Answers, createAnswers } from './answers.ts';
import { cacheAnswers } from './cached-answers.ts';
import { CONSOLE_SMALLEST_GROUP, createFigures, PUBLIC_ROUNDED_TO, PUBLIC_SMALLEST_GROUP } from './figures.ts';
import { createPointReader, readRoundingKey } from './point-store.ts';
import { listQuestions } from './questions.ts';

interface OpenAnswersOptions {
  /** The current handle; it may change when the database restarts. */
  readonly database: () => Db;
  /** The handle for reads of figures, which may be of a secondary; by default the same. */
  readonly figuresDatabase?: (() => Db) | undefined;
  readonly clock: Pick<Clock, 'now'>;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Whether anyone may read the answers: then numbers are rounded. */
  readonly isPublic?: boolean | undefined;
  readonly smallestGroup?: number | undefined;
}

const RETRY_AFTER_MS = 5_000;

/** Answers from a database; the key of rounding is read with the first request. Errors of the database are `unavailable`. */
export function openAnswers(options: OpenAnswersOptions): Answers {
  const { database, figuresDatabase = database, clock, randomBytes, isPublic, smallestGroup } = options;
  const questions = listQuestions();
  const reader = createPointReader(figuresDatabase);
  const least = smallestGroup ?? (isPublic === true ? PUBLIC_SMALLEST_GROUP : CONSOLE_SMALLEST_GROUP);
  const roundedTo = isPublic === true ? PUBLIC_ROUNDED_TO : 1;
  const answersWith = (key: Uint8Array): Answers =>
    createAnswers({ questions, reader, figures: createFigures(key, least, roundedTo) });
  const open = async (): Promise<Answers> => answersWith(await readRoundingKey(database(), randomBytes));
  let opened: Promise<Answers> | undefined;
  const answers: Answers = {
    // The questions need no key.
    listQuestions: () => answersWith(new Uint8Array()).listQuestions(),
    async answer(request) {
      try {
        return await (await (opened ??= open())).answer(request);
      } catch (error) {
        if (error instanceof SpartakusError) throw error;
        throw new SpartakusError('unavailable', 'the database does not answer now: ask again later', {
          retryAfterMs: RETRY_AFTER_MS,
          cause: error,
        });
      } finally {
        // A failure is not kept.
        opened?.catch(() => (opened = undefined));
      }
    },
  };
  return cacheAnswers(answers, clock);
}
