import { parseArgs } from 'node:util';
import { messageOf } from '../runtime/errors.ts';
import { maskUrl } from '../runtime/mask.ts';
import { suggest } from './suggest.ts';

export interface Flag<Value> {
  /** Without dashes, such as `listen-port`. */
  readonly name: string;
  /** The heading of the help under which the flag is listed. */
  readonly group: string;
  /** The name of the value in the help, such as `PORT`; a switch has none. */
  readonly placeholder?: string;
  /** One letter, such as `v` for `-v`; for switches only. */
  readonly short?: string;
  /**
   * The environment variables in order of precedence; SPARTAKUS_LISTEN_PORT for `listen-port` when absent. An empty value counts for
   * the first of them only.
   */
  readonly variables?: readonly string[];
  /** The text to parse when neither the flag nor an environment variable is set. Without a default the value is undefined. */
  readonly default?: string;
  /** Set when the flag must be given: a description of the expected value. */
  readonly required?: string;
  /** One or more sentences, without the default. */
  readonly help: string;
  /**
   * @throws Error whose message quotes the text and the problem, such as `"x" is not a port: use 0 to 65535`. It may start with the
   * flag. Secrets in the text must be masked.
   */
  readonly parse: (text: string) => Value;
}

/** Flags by the field of the configuration that they set; nested as the configuration is. */
export interface Flags {
  readonly [field: string]: Flag<unknown> | Flags;
}

/** A flag for every field of a configuration: `satisfies FlagsFor<Config>` finds those that a command does not set. */
export type FlagsFor<Config> = {
  readonly [Field in keyof Config]-?: Flag<Config[Field]> | FlagsFor<NonNullable<Config[Field]>>;
};

/** The parsed configuration. A flag that is required or has a default always has a value. */
export type FlagValues<F extends Flags> = {
  readonly [Field in keyof F]: F[Field] extends Flag<infer Value>
    ? F[Field] extends { readonly default: string } | { readonly required: string }
      ? Value
      : Value | undefined
    : F[Field] extends Flags
      ? FlagValues<F[Field]>
      : never;
};

/** The configuration when some flags are invalid: their values are undefined. */
export type PartialValues<F extends Flags> = {
  readonly [Field in keyof F]: F[Field] extends Flag<infer Value>
    ? Value | undefined
    : F[Field] extends Flags
      ? PartialValues<F[Field]>
      : never;
};

export interface Parsed<F extends Flags> {
  /** Complete when there are no errors. */
  readonly values: PartialValues<F>;
  /** One message per invalid, missing or unknown flag. */
  readonly errors: readonly string[];
}

/** Puts flags under one heading of the help. */
export function group<F extends Readonly<Record<string, Omit<Flag<unknown>, 'group'>>>>(
  name: string,
  flags: F,
): { readonly [Field in keyof F]: F[Field] & { readonly group: string } } {
  return Object.fromEntries(
    Object.entries(flags).map(([field, flag]) => [field, { ...flag, group: name }]),
  ) as ReturnType<typeof group<F>>;
}

/** All flags of a configuration, in the order of their declaration. */
export function listFlags(flags: Flags): readonly Flag<unknown>[] {
  return Object.values(flags).flatMap((entry) => (isFlag(entry) ? [entry] : listFlags(entry)));
}

/** The environment variables of a flag, in order of precedence. */
export function variablesOf({ name, variables }: Flag<unknown>): readonly string[] {
  return variables ?? [`SPARTAKUS_${name.replaceAll('-', '_').toUpperCase()}`];
}

/**
 * Parses a command's arguments. A flag takes precedence over its environment variables, and those over the default. Reports all
 * errors, not only the first.
 */
export function parseFlags<F extends Flags>(flags: F, argv: readonly string[], env: NodeJS.ProcessEnv): Parsed<F> {
  const { texts, errors } = readArguments(listFlags(flags), argv);
  const valueOf = (flag: Flag<unknown>): unknown => {
    const variable = variablesOf(flag).find((name, index) => env[name] !== undefined && (index === 0 || env[name]));
    const text = texts.get(flag.name) ?? (variable === undefined ? flag.default : env[variable]);
    if (text === undefined) {
      if (flag.required !== undefined) errors.push(`--${flag.name} is required: ${flag.required}`);
      return undefined;
    }
    try {
      return flag.parse(text);
    } catch (error) {
      const origin = texts.has(flag.name) || variable === undefined ? `--${flag.name}` : `${variable} (--${flag.name})`;
      // A URL with a password may have been given to the wrong flag.
      const message = messageOf(error).replaceAll(text, maskUrl(text));
      errors.push(`${origin} ${message.startsWith(`--${flag.name} `) ? message.slice(flag.name.length + 3) : message}`);
      return undefined;
    }
  };
  const valuesOf = (tree: Flags): object =>
    Object.fromEntries(
      Object.entries(tree).map(([field, entry]) => [field, isFlag(entry) ? valueOf(entry) : valuesOf(entry)]),
    );
  return { values: valuesOf(flags) as PartialValues<F>, errors };
}

function isFlag(entry: Flag<unknown> | Flags): entry is Flag<unknown> {
  return typeof entry['parse'] === 'function';
}

/** The text of each flag in the arguments by the flag's name; the last one counts. */
function readArguments(
  flags: readonly Flag<unknown>[],
  argv: readonly string[],
): { readonly texts: ReadonlyMap<string, string>; readonly errors: string[] } {
  const errors: string[] = [];
  const texts = new Map<string, string>();
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      flags.map(({ name, placeholder, short }) => [
        name,
        { type: placeholder === undefined ? 'boolean' : 'string', ...(short === undefined ? {} : { short }) } as const,
      ]),
    ),
    strict: false,
    tokens: true,
  });
  let unknownAt: number | undefined;
  for (const token of tokens) {
    // The argument after an unknown flag may be its value.
    if (token.kind === 'positional' && token.index - 1 !== unknownAt)
      errors.push(`unexpected argument ${JSON.stringify(maskUrl(token.value))}`);
    if (token.kind !== 'option') continue;
    const flag = flags.find(({ name }) => name === token.name);
    if (flag === undefined) {
      errors.push(unknownFlag(token.rawName, flags));
      if (token.value === undefined) unknownAt = token.index;
    } else if (flag.placeholder === undefined) texts.set(flag.name, token.value ?? 'true');
    // In `--a --b` the value of --a is missing; it is not "--b".
    else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--')))
      errors.push(`${token.rawName} needs a value: ${token.rawName}=${flag.placeholder}`);
    else texts.set(flag.name, token.value);
  }
  return { texts, errors };
}

function unknownFlag(rawName: string, flags: readonly Flag<unknown>[]): string {
  const names = flags.map(({ name }) => `--${name}`);
  const close = rawName.startsWith('--') ? suggest(rawName, names) : undefined;
  return `unknown flag ${rawName}${close === undefined ? '' : `; did you mean ${close}?`}`;
}
