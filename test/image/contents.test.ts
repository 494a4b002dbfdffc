import { spawnSync } from 'node:child_process';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import lock from '../../package-lock.json' with { type: 'json' };

const PROGRAM = 'usr/lib/spartakus';
const rootFileSystems = inject('rootFileSystems');
const read = (target: string, file: string): string => readFileSync(path.join(rootFileSystems, target, file), 'utf8');

interface Bom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly serialNumber: string;
  readonly metadata: { readonly component: { readonly 'bom-ref': string } };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly licenses?: readonly object[];
  readonly hashes?: readonly object[];
  readonly components?: readonly Component[];
}

interface LockedPackage {
  readonly version: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  /** For development, and an optional peer of a production package. */
  readonly devOptional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
}

interface File {
  readonly name: string;
  readonly bytes: number;
  readonly mode: number;
}

/** The regular files of a directory, such as "usr/bin/node". */
function listFiles(directory: string): File[] {
  const { stdout } = spawnSync('find', [directory, '-type', 'f', '-printf', '%s %m %P\n'], { encoding: 'utf8' });
  return Array.from(stdout.matchAll(/^(\d+) (\d+) (.*)$/gm), ([, bytes, mode = '', name = '']) => ({
    name,
    bytes: Number(bytes),
    mode: parseInt(mode, 8),
  }));
}

/** What the layers weigh before compression, without directories. */
function mebibytesOf(directory: string): number {
  return listFiles(path.join(rootFileSystems, directory)).reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20;
}

/** The packages that package-lock.json wants here in production, such as "node_modules/mongodb". */
function lockedPackages(withOptional: boolean): string[] {
  return (
    Object.entries(lock.packages as Record<string, LockedPackage>)
      .filter(([file, { dev = false, devOptional = false, optional = false, os, cpu }]) => {
        const fits = (os?.includes('linux') ?? true) && (cpu?.includes(process.arch) ?? true);
        return file !== '' && !dev && !devOptional && fits && (withOptional || !optional);
      })
      .map(([file]) => file)
      // Declarations for compilers.
      .filter((file) => !file.startsWith('node_modules/@types/'))
      .toSorted()
  );
}

function installedPackages(target: string): string[] {
  const cwd = path.join(rootFileSystems, target, PROGRAM);
  const files = globSync('**/node_modules/{*,@*/*}/package.json', { cwd });
  return files.map((file) => path.dirname(file)).toSorted();
}

describe.each(['full', 'slim'])('the root file system %s', (target) => {
  const root = path.join(rootFileSystems, target);
  const files = listFiles(root);

  test('has no other programs than Node.js and Spartakus', () => {
    const programs = files.filter(({ name, mode }) => (mode & 0o111) !== 0 && !/\.so(\.\d+)*$/.test(name));
    expect(programs.map(({ name }) => name).toSorted()).toStrictEqual(['usr/bin/node', `${PROGRAM}/dist/main.js`]);
    expect(readdirSync(path.join(root, 'usr/bin')).toSorted()).toStrictEqual(['node', 'spartakus']);
  });

  test('has no files of package managers, which name mirrors and registries', () => {
    const found = files.filter(({ name }) => /(^|\/)(\.|package-lock\.json$|sources\.list)|etc\/apt/.test(name));
    expect(found).toStrictEqual([]);
  });

  test('has nothing setuid, and nothing that its user may change', () => {
    const found = spawnSync('find', [root, '-perm', '/6000', '-o', '-perm', '/022', '!', '-type', 'l'], {
      encoding: 'utf8',
    });
    expect(found.stdout.split('\n').filter(Boolean)).toStrictEqual([path.join(root, 'tmp')]);
    const owned = spawnSync('find', [root, '!', '-user', '0', '-printf', '%P %u %g\n'], { encoding: 'utf8' });
    expect(owned.stdout).toBe('var/lib/spartakus 65532 65532\n');
  });

  test('has the production packages of package-lock.json', () => {
    expect(installedPackages(target)).toStrictEqual(lockedPackages(target === 'full'));
  });

  test('has a licence text of each package', () => {
    for (const folder of installedPackages(target)) {
      const texts = readdirSync(path.join(root, PROGRAM, folder)).filter((name) => /^(licen[sc]e|copying)/i.test(name));
      // Published without a text.
      if (folder.startsWith('node_modules/@0q/')) texts.push('usr/share/doc/embedded-mongodb/copyright');
      expect({ folder, texts }).not.toMatchObject({ texts: [] });
    }
    expect(read(target, `${PROGRAM}/LICENSE`)).toContain('Apache License');
    expect(read(target, 'usr/share/doc/nodejs/copyright')).toContain('Node.js is licensed for use as follows');
    for (const name of readdirSync(path.join(root, 'var/lib/dpkg/status.d')))
      expect(read(target, `usr/share/doc/${name}/copyright`)).toMatch(/copyright/i);
    const engineLicenses = files.filter(({ name }) => name === 'usr/share/doc/embedded-mongodb/copyright');
    expect(engineLicenses).toHaveLength(target === 'full' ? 1 : 0);
    for (const { name } of engineLicenses) expect(read(target, name)).toContain('Server Side Public License');
  });

  test('has an SBOM of everything in it', () => {
    const bom = JSON.parse(read(target, `${PROGRAM}/sbom.cdx.json`)) as Bom;
    expect(bom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6' });
    expect(bom.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/);

    const manifests = installedPackages(target).map((folder) => {
      const { name, version } = JSON.parse(read(target, `${PROGRAM}/${folder}/package.json`)) as Component;
      return `${name} ${version}`;
    });
    const licenses = read(target, `${PROGRAM}/dist/LICENSES.md`).matchAll(/^## (\S+) - (\S+) \(/gm);
    const records = readdirSync(path.join(root, 'var/lib/dpkg/status.d')).map((name) => {
      const version = /^Version: (.*)$/m.exec(read(target, `var/lib/dpkg/status.d/${name}`))?.[1];
      return `${name} ${version}`;
    });
    const bundled = Array.from(licenses, ([, name, version]) => `${name} ${version}`);
    expect(bundled.length).toBeGreaterThan(20);
    const others = [`debian ${read(target, 'etc/debian_version').trim()}`, `node ${process.versions.node}`];
    expect(bom.components.map(({ name, version }) => `${name} ${version}`).toSorted()).toStrictEqual(
      [...manifests, ...bundled, ...records, ...others].toSorted(),
    );

    const references = [...bom.components, ...bom.components.flatMap(({ components = [] }) => components)].map(
      (component) => component['bom-ref'],
    );
    expect(new Set(references).size).toBe(references.length);
    expect(bom.dependencies).toStrictEqual([
      { ref: bom.metadata.component['bom-ref'], dependsOn: bom.components.map((component) => component['bom-ref']) },
    ]);
    for (const component of bom.components.filter(({ purl }) => purl?.startsWith('pkg:npm/') === true))
      expect(component).toMatchObject({ licenses: [expect.anything()], hashes: [expect.anything()] });
  });
});

test('the sizes are those of docs/image.md, and below the limits', () => {
  const page = readFileSync(new URL('../../docs/image.md', import.meta.url), 'utf8');
  const documented = (name: string): number =>
    Number(new RegExp(`^\\| ${name} \\|[^|]*\\| (\\d+) MiB`, 'm').exec(page)?.[1]);
  const sizes = {
    '`base`': mebibytesOf('layers/base'),
    '`program`': mebibytesOf('layers/program'),
    '`engine`': mebibytesOf('layers/engine'),
    '`full`': mebibytesOf('full'),
    '`slim`': mebibytesOf('slim'),
  };
  // Packages of Debian and of npm grow.
  for (const [name, size] of Object.entries(sizes))
    expect(Math.abs(size - documented(name)), `${name}: ${size}`).toBeLessThan(3);
  expect(sizes['`full`']).toBeLessThan(180);
  expect(sizes['`program`'] + sizes['`engine`']).toBeLessThan(60);
  expect(sizes['`slim`']).toBeLessThan(130);
});
