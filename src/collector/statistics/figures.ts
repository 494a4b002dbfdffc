import { create } from '@bufbuild/protobuf';
import { type Count, CountSchema } from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { createAmountRounding, createRounding, type Round } from './rounding.ts';

/** How figures are shown: how small groups may be, and how numbers are rounded. */
export interface Figures {
  readonly smallestGroup: number;
  /** Of numbers of clusters. */
  readonly roundedTo: number;
  /** A number of clusters on each day. */
  clusters(days: readonly number[], label: string, withSeries?: boolean): Count;
  /** A number to which one cluster can contribute any amount, on each day. */
  amounts(days: readonly number[], label: string, withSeries?: boolean): Count;
  /** As `amounts`, of one number that need not be whole. */
  amount(number: number, label: string): number;
  amountSeries(days: readonly number[], label: string): number[];
  cluster(number: number, label: string): number;
}

export const CONSOLE_SMALLEST_GROUP = 5;
export const PUBLIC_SMALLEST_GROUP = 10;
/** Two clusters that know each other could subtract themselves from a smaller group. */
export const LEAST_SMALLEST_GROUP = 3;
/** What public numbers of clusters are rounded to. */
export const PUBLIC_ROUNDED_TO = 5;

/** Nodes are rounded to this at least: the difference between two days must not be the size of the only new cluster. */
const LEAST_NODES_BASE = 5;
/** Significant digits of nodes and amounts. */
const CONSOLE_DIGITS = 3;
const PUBLIC_DIGITS = 2;

/** @param key secret, the same for all collectors on a database */
export function createFigures(key: Uint8Array, smallestGroup: number, roundedTo: number): Figures {
  const round = createRounding(key, roundedTo);
  const digits = roundedTo === 1 ? CONSOLE_DIGITS : PUBLIC_DIGITS;
  const roundNodes = createAmountRounding(key, LEAST_NODES_BASE, digits);
  const roundAmount = createAmountRounding(key, 0, digits);
  const countOf = (days: readonly number[], withSeries: boolean, label: string, rounding: Round): Count => {
    const rounded = rounding.all(withSeries ? days : days.slice(-1), label).map(BigInt);
    return create(CountSchema, { value: rounded.at(-1) ?? 0n, series: withSeries ? rounded : [] });
  };
  return {
    smallestGroup,
    roundedTo,
    clusters: (days, label, withSeries = true) => countOf(days, withSeries, label, round),
    amounts: (days, label, withSeries = true) => countOf(days, withSeries, label, roundNodes),
    amount: roundAmount,
    amountSeries: (days, label) => roundAmount.all(days, label),
    cluster: round,
  };
}
