import { h } from './element.ts';

export interface Choice<Value extends string> {
  readonly value: Value;
  readonly text: string;
  /** Where the text is too short to be understood by itself. */
  readonly label?: string;
}

export interface ChoicesOptions<Value extends string> {
  readonly legend: string;
  readonly name: string;
  readonly choices: readonly Choice<Value>[];
  readonly chosen: Value;
  readonly isLegendHidden?: boolean;
  readonly onChoose: (value: Value) => void;
}

/** Radio buttons that look like one control. The browser gives them their keys and their meaning. */
export function createChoices<Value extends string>(options: ChoicesOptions<Value>): HTMLFieldSetElement {
  const { legend, name, choices, chosen, isLegendHidden = false, onChoose } = options;
  return h(
    'fieldset',
    { class: 'choices' },
    h('legend', { class: isLegendHidden ? 'visually-hidden' : undefined }, legend),
    h(
      'span',
      { class: 'choice-list' },
      ...choices.map(({ value, text, label }) => {
        const input = h('input', { type: 'radio', name, value, checked: value === chosen, 'aria-label': label });
        input.addEventListener('change', () => onChoose(value));
        return h('label', { class: 'choice' }, input, h('span', {}, text));
      }),
    ),
  );
}
