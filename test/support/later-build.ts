import { registerHooks } from 'node:module';
import process from 'node:process';

/**
 * For `node --import`: makes the program that of a later schema version, by so many versions as LATER_BUILD says. Modules are changed while they
 * are loaded, so that the released program needs no setting for tests. A later version has another index, and a field in each document that
 * this one does not know.
 */
const LATER = Number(process.env['LATER_BUILD']);
const VERSIONS = /version: (\d+), minVersion: (\d+) \};/;

const CHANGES: Readonly<
  Record<string, readonly (readonly [from: string | RegExp, to: string | ((text: string) => string)])[]>
> = {
  '/src/collector/store/schema-version.ts': [
    [
      VERSIONS,
      (text) => {
        const [, version = 0, minVersion = 0] = VERSIONS.exec(text) ?? [];
        return `version: ${Number(version) + LATER}, minVersion: ${Number(minVersion) + LATER} };`;
      },
    ],
  ],
  '/src/collector/store/collections.ts': [
    [
      "{ name: 'receivedAt', key: { receivedAt: -1 } },",
      "{ name: 'receivedAt', key: { receivedAt: -1 } }, { name: 'later_day', key: { 'facts.day': 1 }, sparse: true },",
    ],
  ],
  '/src/report/stored-document.ts': [
    [
      'writer.date(NAMES.receivedAt, receivedAt?.getTime() ?? 0);',
      `writer.date(NAMES.receivedAt, receivedAt?.getTime() ?? 0);
      const later = writer.beginArray(bsonName('later'));
      writer.date(bsonIndex(0), 0);
      writer.end(later);`,
    ],
  ],
};

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context);
    const changes = Object.entries(CHANGES).find(([path]) => url.endsWith(path))?.[1];
    if (changes === undefined) return loaded;
    let source = Buffer.from(loaded.source as Uint8Array).toString();
    for (const [from, to] of changes) {
      const changed = typeof to === 'string' ? source.replace(from, to) : source.replace(from, to);
      if (changed === source) throw new Error(`test/support/later-build.ts: ${url} does not contain ${String(from)}`);
      source = changed;
    }
    return { ...loaded, source };
  },
});
