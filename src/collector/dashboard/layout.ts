import type { Answer } from './model.ts';

export interface Section {
  readonly id: string;
  readonly title: string;
  readonly questions: readonly string[];
}

/** Where the page shows the questions that it knows. A question that it does not know is in the section "More". */
const SECTIONS: readonly Section[] = [
  {
    id: 'versions',
    title: 'Versions of Kubernetes',
    questions: ['masterVersion', 'support', 'upgrades', 'nodes.kubeletVersion', 'kubeletSkew'],
  },
  {
    id: 'nodes',
    title: 'What nodes run',
    questions: [
      'nodes.osImage',
      'nodes.cloudProvider',
      'nodes.kernelVersion',
      'nodes.containerRuntimeVersion',
      'nodes.architecture',
      'nodes.operatingSystem',
    ],
  },
  { id: 'sizes', title: 'Sizes', questions: ['nodes.capacity', 'nodes', 'namespaces'] },
  { id: 'participation', title: 'Participation', questions: ['cohorts', 'version', 'dialect'] },
];
const MORE: Section = { id: 'more', title: 'More', questions: [] };
const KUBERMATIC: Section = { id: 'kubermatic', title: 'Installations of Kubermatic', questions: [] };

/** Questions whose charts take the whole width. */
export const WIDE: ReadonlySet<string> = new Set(['masterVersion', 'cohorts', 'nodes.capacity']);
/** Questions that are shown over time unless the reader chooses otherwise. */
export const OVER_TIME: ReadonlySet<string> = new Set(['masterVersion', 'support']);

/** Each answer in its section; sections without answers are left out. */
export function arrange(answers: readonly Answer[]) {
  const byId = new Map(answers.map((answer) => [answer.id, answer]));
  const known = new Set(SECTIONS.flatMap(({ questions }) => questions));
  const others = answers.filter(({ id }) => !known.has(id));
  const isKubermatic = ({ id }: Answer): boolean => id.startsWith('kubermatic.');
  return [
    ...SECTIONS.map((section) => ({
      ...section,
      answers: section.questions.map((id) => byId.get(id)).filter((answer) => answer !== undefined),
    })),
    { ...MORE, answers: others.filter((answer) => !isKubermatic(answer)) },
    { ...KUBERMATIC, answers: others.filter(isKubermatic) },
  ].filter((section) => section.answers.length > 0);
}
