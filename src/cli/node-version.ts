/**
 * Compares a version of Node.js ("20.20.2") with `engines.node` of package.json (">=24.14.1"). Must run on any Node.js that reads ES modules.
 *
 * @returns the error message; undefined if the version is in the range
 */
export function findNodeProblem(version: string, range: string): string | undefined {
  const minimum = range.replace('>=', '');
  const [found, needed] = [version, minimum].map((text) => text.split('.').map((part) => parseInt(part, 10)));
  for (let i = 0; i < 3; i += 1) {
    const difference = Number(found?.[i]) - Number(needed?.[i]);
    if (difference > 0) return undefined;
    if (difference < 0)
      return `spartakus needs Node.js ${minimum} or newer, and this is Node.js ${version}: install a newer one from https://nodejs.org.`;
  }
  return undefined;
}
