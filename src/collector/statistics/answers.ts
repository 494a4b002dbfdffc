import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Measure } from '../../../gen/spartakus/options/v1/options_pb.js';
import {
  type Answer,
  AnswerKind,
  AnswerSchema,
  Detail,
  type GetStatisticsRequest,
  type GetStatisticsResponse,
  GetStatisticsResponseSchema,
  OverviewSchema,
  PrivacySchema,
  type Question,
  QuestionSchema,
} from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { SpartakusError } from '../../runtime/errors.ts';
import { rememberResults } from '../../runtime/remember.ts';
import { answerAmounts, answerCohorts, answerSizes, answerUpgrades } from './answer-others.ts';
import { addShares, answerValues, hideByDay } from './answer-values.ts';
import { coarseValue } from './coarse-value.ts';
import { answerKey, type DayPoint, MAX_VALUES, type PointAnswer } from './day-point.ts';
import { addDays, DAY_MS, parseDay } from './days.ts';
import type { Figures } from './figures.ts';
import { isSupported, supportEndOf } from './kubernetes-releases.ts';
import { KUBERMATIC_PREFIX, type QuestionSpec } from './questions.ts';
import type { SafeGroups } from './suppression.ts';

export interface PointReader {
  /** The last day with figures, up to `until` if it is given. */
  lastDay(until?: string): Promise<string | undefined>;
  /**
   * The days from `since` to `until`, both inclusive, ascending, with the answers to these questions only.
   *
   * @param coarseOnly those of them whose whole values are not needed: they may be absent, as there may be thousands
   */
  read(
    since: string,
    until: string,
    ids: readonly string[],
    coarseOnly: readonly string[],
  ): Promise<readonly DayPoint[]>;
}

export interface Answers {
  listQuestions(): Question[];
  /** @throws SpartakusError: `invalid` for an unknown question or a day that is no date; errors of the reader */
  answer(request: Omit<GetStatisticsRequest, '$typeName'>): Promise<GetStatisticsResponse>;
}

interface AnswersOptions {
  readonly questions: readonly QuestionSpec[];
  readonly reader: PointReader;
  readonly figures: Figures;
}

const DEFAULT_DAYS = 90;
/** Of one series. */
const MAX_DAYS = 1_100;
const MASTER_VERSION = 'masterVersion';
/** What people call the formats of reports. */
const DIALECTS: Readonly<Record<string, string>> = {
  report: 'Spartakus 2',
  spartakus: 'Spartakus 1',
  coreos: 'CoreOS',
  kubermatic: 'Kubermatic',
};
/** The question that the answer to a question is made of. */
const SOURCES: Readonly<Record<string, string>> = { support: MASTER_VERSION };

/** Answers questions from the figures of days, without small groups, and rounded. */
export function createAnswers({ questions, reader, figures }: AnswersOptions): Answers {
  const byId = new Map(questions.map((question) => [question.id, question]));
  const { smallestGroup, roundedTo } = figures;
  const privacy = create(PrivacySchema, { smallestGroup, roundedTo });
  return {
    listQuestions: () => questions.map(toQuestion),
    async answer({ questions: ids, since, until, detail, omitSeries }) {
      const asked = ids.length === 0 ? questions : ids.map((id) => findQuestion(byId, id));
      const [from, to] = [readDay(since, 'since'), readDay(until, 'until')];
      const day = await reader.lastDay(to);
      if (day === undefined) return create(GetStatisticsResponseSchema, { privacy });
      const first = omitSeries ? day : (from ?? addDays(day, 1 - DEFAULT_DAYS));
      if (first > day || addDays(first, MAX_DAYS) <= day)
        throw new SpartakusError('invalid', `since ${first}: ask for 1 to ${MAX_DAYS} days up to ${day}`, {
          field: 'since',
        });
      const sources = new Set(asked.map(({ id }) => SOURCES[id] ?? id));
      const fine = detail === Detail.FINE;
      const coarseOnly = fine ? [] : [...sources].filter((id) => byId.get(id)?.hasDetail === true);
      const points = await reader.read(first, day, [...sources], coarseOnly);
      const last = points.at(-1);
      if (last === undefined) return create(GetStatisticsResponseSchema, { privacy });
      const context = { points, last, figures, fine, withSeries: !omitSeries };
      return create(GetStatisticsResponseSchema, {
        privacy,
        day: last._id,
        computedAt: timestampFromDate(last.computedAt),
        activeWindow: durationFromMs(last.activeWindowDays * DAY_MS),
        days: omitSeries ? [] : points.map(({ _id }) => _id),
        overview: overviewOf(context),
        answers: asked.map((question) => answerOne(question, context)),
      });
    },
  };
}

interface Context {
  readonly points: readonly DayPoint[];
  readonly last: DayPoint;
  readonly figures: Figures;
  readonly fine: boolean;
  readonly withSeries: boolean;
}

function overviewOf({ points, figures, withSeries }: Context) {
  const count = (key: 'clusters' | 'newClusters' | 'returningClusters' | 'lostClusters') => {
    const days = points.map((point) => point[key]);
    return figures.clusters(days, key, withSeries);
  };
  const nodes = points.map((point) => point.nodes);
  return create(OverviewSchema, {
    clusters: count('clusters'),
    nodes: figures.amounts(nodes, 'nodes', withSeries),
    newClusters: count('newClusters'),
    returningClusters: count('returningClusters'),
    lostClusters: count('lostClusters'),
  });
}

function answerOne(spec: QuestionSpec, context: Context): Answer {
  const { points, last, figures, fine, withSeries } = context;
  const { id, kind, measure } = spec;
  const source = SOURCES[id] ?? id;
  const pointOf = <Kind extends PointAnswer['kind']>(point: DayPoint, wanted: Kind) => {
    const answer = point.answers[answerKey(source)];
    return answer?.kind === wanted ? (answer as Extract<PointAnswer, { kind: Kind }>) : undefined;
  };
  const answer = create(AnswerSchema, {
    question: toQuestion(spec),
    activeClusters: BigInt(figures.cluster(last.clusters, 'clusters')),
  });
  // Installations of Kubermatic are no clusters; those that do not report a value are not counted.
  const isKubermatic = id.startsWith(KUBERMATIC_PREFIX);
  const activeOn = (point: DayPoint): number =>
    isKubermatic ? (point.answers[answerKey(source)]?.reporting ?? 0) : point.clusters;
  const tellReporting = (reporting: number): void => {
    const rounded = BigInt(figures.cluster(reporting, `${source}|reporting`));
    if (isKubermatic && reporting > 0) answer.activeClusters = rounded;
    answer.reportingClusters = reporting === activeOn(last) ? answer.activeClusters : rounded;
  };
  const few = figures.smallestGroup;
  /** If only few clusters do not report the value, they are not distinguished from the others. */
  const tellMany = (reporting: number): void => {
    if (reporting >= few) tellReporting(activeOn(last) - reporting < few ? activeOn(last) : reporting);
  };
  switch (kind) {
    case AnswerKind.VALUES: {
      const coarseOf = rememberResults((value) => coarseValue(measure ?? Measure.UNSPECIFIED, value), MAX_VALUES);
      const days = points.map((point) => ({ active: activeOn(point), point: pointOf(point, 'values') }));
      const isFine = fine && spec.hasDetail;
      let safe = hideByDay(days, { fine: isFine, coarseOf, figures });
      tellReporting(safe.at(-1)?.reporting ?? 0);
      if (id === 'support') safe = safe.map((groups, index) => bySupport(groups, points[index]?._id ?? ''));
      answer.groups = answerValues(safe, {
        id: isFine ? `${id}|fine` : id,
        ordered: spec.ordered,
        figures,
        withSeries,
      });
      if (id === 'dialect') for (const group of answer.groups) group.value = DIALECTS[group.value] ?? group.value;
      if (spec.ordered) addShares(answer.groups);
      if (id === MASTER_VERSION)
        for (const group of answer.groups)
          group.supportEnds = supportEndOf(isFine ? coarseOf(group.value) : group.value);
      break;
    }
    case AnswerKind.SIZES: {
      const days = points.map((point) => pointOf(point, 'sizes'));
      tellMany(days.at(-1)?.reporting ?? 0);
      Object.assign(answer, answerSizes(days, { id, figures, withSeries }));
      break;
    }
    case AnswerKind.AMOUNTS: {
      const days = points.map((point) => pointOf(point, 'amounts'));
      tellMany(days.at(-1)?.reporting ?? 0);
      answer.amounts = answerAmounts(days, { id, figures, withSeries });
      break;
    }
    case AnswerKind.COHORTS:
      answer.cohorts = answerCohorts(pointOf(last, 'cohorts'), figures);
      tellReporting(last.clusters);
      break;
    case AnswerKind.UPGRADES:
      answer.upgrades = answerUpgrades(pointOf(last, 'upgrades'), figures);
      tellReporting(last.clusters);
      break;
    case AnswerKind.UNSPECIFIED:
      break;
  }
  return answer;
}

/** From the versions that are shown, so that no difference to them tells about a hidden one. */
function bySupport(groups: SafeGroups | undefined, day: string): SafeGroups | undefined {
  if (groups === undefined) return undefined;
  const counts = new Map<string, number>();
  for (const { value, clusters } of groups.shown) {
    const name = isSupported(value, day) ? 'supported' : 'not supported';
    counts.set(name, (counts.get(name) ?? 0) + clusters);
  }
  return { ...groups, shown: [...counts].map(([value, clusters]) => ({ value, clusters })) };
}

function toQuestion({ measure: _measure, ...question }: QuestionSpec): Question {
  return create(QuestionSchema, question);
}

function findQuestion(byId: ReadonlyMap<string, QuestionSpec>, id: string): QuestionSpec {
  const question = byId.get(id);
  if (question !== undefined) return question;
  const known = [...byId.keys()].join(', ');
  throw new SpartakusError('invalid', `there is no question ${JSON.stringify(id.slice(0, 100))}: use ${known}`, {
    field: 'questions',
  });
}

/** @returns undefined for an empty text */
function readDay(text: string, field: string): string | undefined {
  if (text === '') return undefined;
  const day = parseDay(text);
  if (day !== undefined) return day;
  throw new SpartakusError(
    'invalid',
    `${field}: ${JSON.stringify(text.slice(0, 100))} is no day: use one like 2026-01-31`,
    { field },
  );
}
