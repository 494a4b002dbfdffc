// Runs before `npm start` and `npm test`: installs what is missing and shows the progress; otherwise prints nothing and needs no network.
// Runs on the Node.js of the system, before anything is installed: plain JavaScript, no dependencies.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const privateNode = join(root, 'node_modules/.bin/node');

if (!isInstalled()) await install();
if (process.platform === 'linux') giveNewerGlibc();
checkPrivateNode();

/**
 * Whether node_modules is what package-lock.json asks for, going by the record that npm keeps there (the "hidden lockfile" of npm's
 * documentation, written last by `npm ci` and `npm install`). Optional packages may lack: npm leaves out those of other platforms.
 */
function isInstalled() {
  const record = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(record)) return false; // nothing there, or an installation that was interrupted
  const installed = readPackages(record);
  const same = Object.entries(readPackages(join(root, 'package-lock.json'))).every(([path, wanted]) => {
    const found = installed[path];
    if (found === undefined) return path === '' || wanted?.optional === true;
    return found.version === wanted?.version && found.integrity === wanted?.integrity;
  });
  // node_modules may have come from another machine, as into a container.
  return (
    same &&
    Object.values(installed).every((found) => fits(found?.os, process.platform) && fits(found?.cpu, process.arch))
  );
}

/**
 * @typedef {{ version?: string, integrity?: string, optional?: boolean, os?: string[], cpu?: string[] }} LockedPackage
 * @param {string} lockFile
 */
function readPackages(lockFile) {
  /** @type {{ packages: Record<string, LockedPackage | undefined> }} */
  // oxlint-disable-next-line typescript/no-unsafe-assignment -- npm writes it, in a format that it documents
  const lock = JSON.parse(readFileSync(lockFile, 'utf8'));
  return lock.packages;
}

/**
 * Whether a package's `os` or `cpu` list, where it has one, allows this machine's.
 *
 * @param {string[] | undefined} list
 * @param {string} mine
 */
function fits(list, mine) {
  if (list === undefined) return true;
  return !list.includes(`!${mine}`) && (list.includes(mine) || list.every((entry) => entry.startsWith('!')));
}

async function install() {
  say('spartakus: installing dependencies into node_modules (npm ci; up to a minute)');
  const started = Date.now();
  // Production settings of the environment must not leave out the private Node.js, which is a development dependency.
  // loglevel: warnings about the engines that packages ask for are of no use, the private Node.js is what they run on.
  const args = [
    'ci',
    '--include=dev',
    '--include=optional',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  // The npm that started this, on the Node.js that runs this: a search in PATH finds the one in node_modules, which npm removes.
  const npm = process.env['npm_execpath'];
  const [command, first] = npm?.endsWith('.js') === true ? [process.execPath, [npm]] : ['npm', []];
  const stopProgress = showProgress(started);
  const result = await run(command, [...first, ...args]);
  stopProgress();
  if (result.exit === 0) {
    say(`spartakus: installed in ${secondsSince(started)} s`);
    return;
  }
  if (result.error !== undefined)
    giveUp(`npm does not start: ${result.error.message}`, 'Install npm, which comes with Node.js, and try again.');
  // The cause comes first; after it npm may print its whole usage.
  say(
    result.output
      .split('\n')
      .filter((line) => line.replace('npm error', '').trim() !== '')
      .slice(0, 10)
      .join('\n'),
  );
  giveUp(`npm ci failed (exit code or signal: ${result.exit}); its output is above`, advice(result.output));
}

/**
 * Runs a command in the root of the project.
 *
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<{ exit?: number | string | null, error?: Error, output: string }>} the exit code or signal
 */
function run(command, args) {
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    child.on('error', (error) => resolve({ error, output }));
    child.on('close', (code, signal) => resolve({ exit: signal ?? code, output }));
  });
}

/**
 * Shows that the installation is running: the elapsed seconds on a terminal, a line every ten seconds elsewhere.
 *
 * @param {number} started in milliseconds
 * @returns {() => void} ends it
 */
function showProgress(started) {
  const { isTTY } = process.stderr;
  const show = () =>
    process.stderr.write(isTTY ? `\r  ${secondsSince(started)} s …` : `  ${secondsSince(started)} s\n`);
  const timer = setInterval(show, isTTY ? 1_000 : 10_000);
  return () => {
    clearInterval(timer);
    if (isTTY) process.stderr.write('\r\x1b[K');
  };
}

/** @param {number} started in milliseconds */
function secondsSince(started) {
  return Math.round((Date.now() - started) / 1000);
}

/**
 * The advice for an error of npm.
 *
 * @param {string} words
 */
function advice(words) {
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED|network/i.test(words))
    return 'The package registry cannot be reached. The first run needs a network: check it, and the proxy and registry that npm is set to (npm config list), and try again.';
  if (/E40[137]\b/.test(words))
    return 'The package registry rejected the request. Check the registry and the login that npm is set to (npm config list), and try again.';
  if (/ENOSPC/.test(words)) return 'The disk is full: an installation takes about 500 MB.';
  if (/EACCES|EPERM|EROFS/.test(words)) return `Make ${root} writable for this user, and try again.`;
  if (/EUSAGE/.test(words))
    return 'package.json and package-lock.json do not agree: run npm install, and look at what it changes.';
  return 'Try again; where that does not help, remove node_modules first.';
}

/** Without it, everything but the embedded engine works: the script prints a note, and the start continues. */
function giveNewerGlibc() {
  const { status, signal } = spawnSync('sh', [join(root, 'deploy/local/old-glibc.sh')], { stdio: ['ignore', 2, 2] });
  if (signal !== null || (status ?? 0) > 128) process.exit(status ?? 143); // interrupted
}

function checkPrivateNode() {
  const { status, stderr, error } = spawnSync(privateNode, ['--version'], { encoding: 'utf8' });
  if (status === 0) return;
  giveUp(
    `the Node.js in node_modules does not start: ${error?.message ?? stderr.trim()}`,
    'It needs Linux with glibc 2.28 or newer and libatomic (Debian: libatomic1), or macOS. If node_modules may be damaged, remove it and try again.',
  );
}

/**
 * @param {string} problem
 * @param {string} solution
 * @returns {never}
 */
function giveUp(problem, solution) {
  say(`spartakus: set-up failed: ${problem}.\n${solution}`);
  process.exit(1);
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`);
}
