/** Reads a text that was kept in this browser; a browser may forbid storage. */
export function readKept(area: 'localStorage' | 'sessionStorage', key: string): string | undefined {
  try {
    return globalThis[area].getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a text, in `sessionStorage` for as long as the tab is open. Where storage is forbidden, it lasts as long as the page. */
export function keep(area: 'localStorage' | 'sessionStorage', key: string, text: string): void {
  try {
    globalThis[area].setItem(key, text);
  } catch {
    // The page has it.
  }
}
