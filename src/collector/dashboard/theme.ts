import { keep, readKept } from './storage.ts';

export const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEY = 'spartakus-theme';

export function readTheme(): Theme {
  return THEMES.find((theme) => theme === readKept('localStorage', KEY)) ?? 'auto';
}

export function applyTheme(theme: Theme): void {
  if (theme === 'auto') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
}

export function chooseTheme(theme: Theme): void {
  applyTheme(theme);
  keep('localStorage', KEY, theme);
}
