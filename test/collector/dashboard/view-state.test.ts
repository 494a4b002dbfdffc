import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  DEFAULT_VIEW,
  isOverTime,
  RANGES,
  readViewState,
  type ViewState,
  withOverTime,
  writeViewState,
} from '../../../src/collector/dashboard/view-state.ts';

const ids = fc.uniqueArray(fc.constantFrom('masterVersion', 'nodes.osImage', 'support', 'new&odd=id'));
const views: fc.Arbitrary<ViewState> = fc.record(
  {
    range: fc.constantFrom(...RANGES),
    detail: fc.constantFrom('summary', 'full'),
    count: fc.constantFrom('clusters', 'nodes'),
    show: fc.constantFrom('share', 'number'),
    time: ids,
    now: ids,
  },
  { noNullPrototype: true },
);

test('an address gives the view that it was made of', () => {
  fc.assert(
    fc.property(views, (view) => {
      expect(readViewState(writeViewState(view))).toStrictEqual(view);
    }),
  );
});

test('the default view has no parameters', () => {
  expect(writeViewState(DEFAULT_VIEW)).toBe('');
  expect(readViewState('')).toStrictEqual(DEFAULT_VIEW);
});

test('parameters that are unknown or wrong are ignored', () => {
  expect(readViewState('?range=forever&show=&detail=full&colour=red&time=,,a,a')).toStrictEqual({
    ...DEFAULT_VIEW,
    detail: 'full',
    time: ['a'],
  });
});

test.each([true, false])('a question that is over time by default (%s) is switched and switched back', (byDefault) => {
  const switched = withOverTime(DEFAULT_VIEW, 'support', byDefault, !byDefault);

  expect(isOverTime(DEFAULT_VIEW, 'support', byDefault)).toBe(byDefault);
  expect(isOverTime(switched, 'support', byDefault)).toBe(!byDefault);
  expect(withOverTime(switched, 'support', byDefault, byDefault)).toStrictEqual(DEFAULT_VIEW);
});
