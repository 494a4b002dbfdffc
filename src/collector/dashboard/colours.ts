/** The number of data colours, which are --c0, --c1 and so on in dashboard.css: dark and light ones alternate. */
export const COLOURS = 10;

/**
 * Colours of common values, chosen so that values of one question differ. A colour follows from the value alone, so that it is the same
 * in each chart and on each day.
 */
const KNOWN: ReadonlyMap<string, number> = new Map(
  [
    { linux: 0, windows: 5, darwin: 8 },
    { amd64: 0, arm64: 5, s390x: 8, ppc64le: 3, riscv64: 6 },
    { containerd: 0, 'cri-o': 5, docker: 1 },
    { Ubuntu: 6, Debian: 8, 'Debian GNU/Linux': 8, Talos: 2, 'Amazon Linux': 5, 'Rocky Linux': 4 },
    { Bottlerocket: 3, 'Bottlerocket OS': 3, 'Container-Optimized OS from Google': 0 },
    { 'Flatcar Container Linux': 1, 'Flatcar Container Linux by Kinvolk': 1, 'Red Hat Enterprise Linux CoreOS': 7 },
    { aws: 5, gce: 3, azure: 1, openstack: 6, vsphere: 2 },
    { supported: 0, 'not supported': 6 },
    { unknown: 9, other: 9 },
  ].flatMap((colours) => Object.entries(colours)),
);

/** The name in "containerd://2.1.5" and "Ubuntu 24.04.3 LTS". */
const NAME = /^(\D.*?)(?::\/\/|\s+\(?v?\d)/;
const MINOR = /^v?\d+\.(\d+)/;

/**
 * The index of the colour of a value: of a version by its minor version, so that neighbours differ, and of a name with a version by the
 * name.
 */
export function colourOf(whole: string): number {
  const value = NAME.exec(whole)?.[1] ?? whole;
  const minor = MINOR.exec(value)?.[1];
  if (minor !== undefined) return Number(minor) % COLOURS;
  const number = /^\d+$/.exec(value);
  return KNOWN.get(value) ?? (number === null ? hash(value) : Number(value)) % COLOURS;
}

/** FNV-1a. */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (const character of text) {
    state ^= character.codePointAt(0) ?? 0;
    state = Math.imul(state, 0x01000193) >>> 0;
  }
  return state;
}

/** Light colours take dark text. */
export function isLightColour(index: number): boolean {
  return index % 2 === 1;
}
