import { createChoices } from './controls.ts';
import type { ViewState } from './view-state.ts';

/** What applies to all charts. */
export function createToolbar(view: ViewState, change: (view: ViewState) => void): readonly HTMLElement[] {
  return [
    createChoices({
      legend: 'Range',
      name: 'range',
      choices: [
        { value: '30d', text: '30 days' },
        { value: '90d', text: '90 days' },
        { value: '1y', text: '1 year' },
        { value: '3y', text: '3 years' },
      ],
      chosen: view.range,
      onChoose: (range) => change({ ...view, range }),
    }),
    createChoices({
      legend: 'Count',
      name: 'count',
      choices: [
        { value: 'clusters', text: 'Clusters' },
        { value: 'nodes', text: 'Nodes', label: 'Nodes, where values are those of nodes' },
      ],
      chosen: view.count,
      onChoose: (count) => change({ ...view, count }),
    }),
    createChoices({
      legend: 'Show',
      name: 'show',
      choices: [
        { value: 'share', text: 'Percent' },
        { value: 'number', text: 'Numbers' },
      ],
      chosen: view.show,
      onChoose: (show) => change({ ...view, show }),
    }),
    createChoices({
      legend: 'Values',
      name: 'detail',
      choices: [
        { value: 'summary', text: 'Grouped', label: 'Grouped: minor versions, names without releases' },
        { value: 'full', text: 'Full', label: 'Full: patch versions, vendors and releases' },
      ],
      chosen: view.detail,
      onChoose: (detail) => change({ ...view, detail }),
    }),
  ];
}
