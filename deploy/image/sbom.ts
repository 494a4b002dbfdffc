import { createHash } from 'node:crypto';
import { globSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

/**
 * `sbom.ts LAYERS ARCHITECTURE PACKAGE_LOCK`: writes the software bill of materials (CycloneDX 1.6, JSON) of the image without the engine into
 * the layer `program`, and that of the image with it into the layer `engine`, where it replaces the first. Called by layers.sh.
 *
 * The components are read from the layers: Debian's records, Node.js, the packages in node_modules, and the packages in the bundle, which
 * dist/LICENSES.md lists.
 */
interface Component {
  readonly type: 'application' | 'library' | 'operating-system';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly cpe?: string;
  readonly licenses?: readonly object[];
  readonly hashes?: readonly object[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
  readonly components?: readonly Component[];
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly integrity?: string } | undefined>>;
}

const PROGRAM = 'usr/lib/spartakus';
const FILE = `${PROGRAM}/sbom.cdx.json`;
const [layers = '', architecture = '', lockFile = ''] = process.argv.slice(2);
const lock = readJson(lockFile) as Lock;

const program = readJson(path.join(layers, 'program', PROGRAM, 'package.json')) as Manifest;
const shared = [...debianComponents(), nodeComponent(), ...bundledComponents(), ...installedComponents('program')];
writeBom('program', shared);
writeBom('engine', [...shared, ...installedComponents('engine')]);

function writeBom(layer: string, components: readonly Component[]): void {
  const root: Component = {
    type: 'application',
    'bom-ref': npmUrl(program),
    name: program.name,
    version: program.version,
    purl: npmUrl(program),
    licenses: [{ expression: program.license }],
  };
  const bom = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: uuidOf(JSON.stringify([architecture, components])),
    version: 1,
    metadata: {
      timestamp: new Date(Number(process.env['SOURCE_DATE_EPOCH'] ?? 0) * 1000).toISOString(),
      component: root,
      properties: [{ name: 'spartakus:image:architecture', value: architecture }],
    },
    components,
    dependencies: [{ ref: root['bom-ref'], dependsOn: components.map((component) => component['bom-ref']) }],
  };
  writeFileSync(path.join(layers, layer, FILE), `${JSON.stringify(bom, null, 1)}\n`);
}

/** The distribution, and the packages that status.d lists. */
function debianComponents(): Component[] {
  const base = path.join(layers, 'base');
  const version = readFileSync(path.join(base, 'etc/debian_version'), 'utf8').trim();
  const records = readdirSync(path.join(base, 'var/lib/dpkg/status.d')).map((name) => {
    const record = readFileSync(path.join(base, 'var/lib/dpkg/status.d', name), 'utf8');
    const field = (title: string): string => new RegExp(`^${title}: (.*)$`, 'm').exec(record)?.[1] ?? '';
    const purl = `pkg:deb/debian/${name}@${encodeURIComponent(field('Version'))}?arch=${field('Architecture')}&distro=debian-${version}`;
    return {
      type: 'library',
      'bom-ref': purl,
      name,
      version: field('Version'),
      purl,
      // Debian describes licences in prose; the file is in the image.
      licenses: [{ license: { name: `see /usr/share/doc/${name}/copyright` } }],
    } as const;
  });
  return [{ type: 'operating-system', 'bom-ref': `debian-${version}`, name: 'debian', version }, ...records];
}

/** Node.js, with the libraries that are compiled into it. */
function nodeComponent(): Component {
  const { node, ...libraries } = process.versions;
  const purl = `pkg:generic/node@${node}?download_url=https://nodejs.org/dist/v${node}/`;
  return {
    type: 'application',
    'bom-ref': purl,
    name: 'node',
    version: node,
    purl,
    cpe: `cpe:2.3:a:nodejs:node.js:${node}:*:*:*:*:*:*:*`,
    licenses: [{ license: { name: 'see /usr/share/doc/nodejs/copyright' } }],
    hashes: [{ alg: 'SHA-256', content: digest('sha256', readFileSync(path.join(layers, 'base/usr/bin/node'))) }],
    components: Object.entries(libraries)
      // ABI numbers, and versions of data, are not components. A library without a version is not compiled in.
      .filter(([name, version]) => version !== '' && !['modules', 'napi', 'cldr', 'tz', 'unicode'].includes(name))
      .map(([name, version = '']) => ({ type: 'library', 'bom-ref': `${purl}#${name}`, name, version })),
  };
}

/** The packages in the bundle. */
function bundledComponents(): Component[] {
  const licenses = readFileSync(path.join(layers, 'program', PROGRAM, 'dist/LICENSES.md'), 'utf8');
  return Array.from(
    licenses.matchAll(/^## (\S+) - (\S+) \((.*)\)$/gm),
    ([, name = '', version = '', license = '']) => ({
      ...npmComponent({ name, version, license: license.replace(/^\((.*)\)$/, '$1') }, 'bundled'),
    }),
  );
}

/** The packages in the node_modules of a layer. */
function installedComponents(layer: string): Component[] {
  const files = globSync('**/node_modules/{*,@*/*}/package.json', {
    cwd: path.join(layers, layer, PROGRAM),
  }).toSorted();
  return files.map((file) => npmComponent(readJson(path.join(layers, layer, PROGRAM, file)) as Manifest, 'installed'));
}

function npmComponent(manifest: Manifest, how: 'bundled' | 'installed'): Component {
  const { name, version, license } = manifest;
  const integrity = integrityOf(manifest);
  const purl = npmUrl(manifest);
  return {
    type: 'library',
    // A package may be both: in the bundle, and installed for a package that is not.
    'bom-ref': `${purl}#${how}`,
    name,
    version,
    purl,
    ...(license === undefined ? {} : { licenses: [{ expression: license }] }),
    ...(integrity?.startsWith('sha512-') === true
      ? { hashes: [{ alg: 'SHA-512', content: Buffer.from(integrity.slice(7), 'base64').toString('hex') }] }
      : {}),
    properties: [{ name: 'spartakus:image:npm', value: how }],
  };
}

function integrityOf({ name, version }: Manifest): string | undefined {
  const locked = Object.entries(lock.packages).find(
    ([file, entry]) => file.endsWith(`node_modules/${name}`) && entry?.version === version,
  );
  return locked?.[1]?.integrity;
}

function npmUrl({ name, version }: Manifest): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

/** The same components have the same serial number, so that a build can be repeated. */
function uuidOf(text: string): string {
  const hex = digest('sha256', text);
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function digest(algorithm: string, data: string | Buffer): string {
  return createHash(algorithm).update(data).digest('hex');
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}
