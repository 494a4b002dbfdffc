import { type Choice, createChoices } from './controls.ts';
import type { ViewState } from './view-state.ts';

/** What applies to all charts. */
export function createToolbar(view: ViewState, change: (view: ViewState) => void): readonly HTMLElement[] {
  const choose = <Name extends 'range' | 'count' | 'show' | 'detail'>(
    legend: string,
    name: Name,
    choices: readonly Choice<ViewState[Name]>[],
  ): HTMLElement => {
    const onChoose = (value: ViewState[Name]): void => change({ ...view, [name]: value });
    return createChoices({ legend, name, choices, chosen: view[name], onChoose });
  };
  return [
    choose('Range', 'range', [
      { value: '30d', text: '30 days' },
      { value: '90d', text: '90 days' },
      { value: '1y', text: '1 year' },
      { value: '3y', text: '3 years' },
    ]),
    choose('Count', 'count', [
      { value: 'clusters', text: 'Clusters' },
      { value: 'nodes', text: 'Nodes', label: 'Nodes, where values are those of nodes' },
    ]),
    choose('Show', 'show', [
      { value: 'share', text: 'Percent' },
      { value: 'number', text: 'Numbers' },
    ]),
    choose('Values', 'detail', [
      { value: 'summary', text: 'Grouped', label: 'Grouped: minor versions, names without releases' },
      { value: 'full', text: 'Full', label: 'Full: patch versions, vendors and releases' },
    ]),
  ];
}
