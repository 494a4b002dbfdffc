import { parseArgs } from 'node:util';
import { messageOf } from '../runtime/errors.ts';
import { maskUrl } from '../runtime/mask.ts';
import { suggest } from './suggest.ts';

export interface Flag<Value> {
  /** Without dashes, such as `listen-port`. */
  readonly name: string;
  /** The heading in the help. */
  readonly group: string;
  /** The value in the help, such as `PORT`; absent for a switch. */
  readonly placeholder?: string;
  /** What shells complete as the value; by default the choices of a placeholder such as `hmac|md5`, or nothing. */
  readonly completes?: 'file' | 'directory' | { readonly list: readonly string[] };
  /** One letter, for switches only. */
  readonly short?: string;
  /** In order of precedence; by default SPARTAKUS_LISTEN_PORT for `listen-port`. An empty value is used for the first of them only. */
  readonly variables?: readonly string[];
  /** The text to parse if neither the flag nor an environment variable is set; without it, the value is undefined. */
  readonly default?: string;
  /** For a required flag: a description of the expected value. */
  readonly required?: string;
  readonly help: string;
  /** @throws Error with a message such as `"x" is not a port: use 0 to 65535`, which may start with the flag; secrets must be masked */
  readonly parse: (text: string) => Value;
}

/** Flags by the field of the configuration that they set. */
export interface Flags {
  readonly [field: string]: Flag<unknown> | Flags;
}

/** A flag for every field of a configuration: `satisfies FlagsFor<Config>` finds fields without one. */
export type FlagsFor<Config> = {
  readonly [Field in keyof Config]-?: Flag<Config[Field]> | FlagsFor<NonNullable<Config[Field]>>;
};

/** The parsed configuration. Flags that are required or have a default always have a value. */
export type FlagValues<F extends Flags> = {
  readonly [Field in keyof F]: F[Field] extends Flag<infer Value>
    ? F[Field] extends { readonly default: string } | { readonly required: string }
      ? Value
      : Value | undefined
    : F[Field] extends Flags
      ? FlagValues<F[Field]>
      : never;
};

/** The configuration if some flags are invalid: their values are undefined. */
export type PartialValues<F extends Flags> = {
  readonly [Field in keyof F]: F[Field] extends Flag<infer Value>
    ? Value | undefined
    : F[Field] extends Flags
      ? PartialValues<F[Field]>
      : never;
};

/** Lists flags under one heading of the help. */
export function group<F extends Readonly<Record<string, Omit<Flag<unknown>, 'group'>>>>(
  name: string,
  flags: F,
): { readonly [Field in keyof F]: F[Field] & { readonly group: string } } {
  return Object.fromEntries(
    Object.entries(flags).map(([field, flag]) => [field, { ...flag, group: name }]),
  ) as ReturnType<typeof group<F>>;
}

export function listFlags(flags: Flags): readonly Flag<unknown>[] {
  return Object.values(flags).flatMap((entry) => (isFlag(entry) ? [entry] : listFlags(entry)));
}

export function variablesOf({ name, variables }: Flag<unknown>): readonly string[] {
  return variables ?? [`SPARTAKUS_${name.replaceAll('-', '_').toUpperCase()}`];
}

/**
 * Parses a command's arguments, with one error per invalid, missing or unknown flag. The values are complete if there are no errors.
 *
 * @param takesOperands whether arguments that belong to no flag are returned as operands; by default they are errors
 */
export function parseFlags<F extends Flags>(
  flags: F,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  takesOperands = false,
): { readonly values: PartialValues<F>; readonly operands: readonly string[]; readonly errors: readonly string[] } {
  const { texts, operands, errors } = readArguments(listFlags(flags), argv, takesOperands);
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
  return { values: valuesOf(flags) as PartialValues<F>, operands, errors };
}

function isFlag(entry: Flag<unknown> | Flags): entry is Flag<unknown> {
  return typeof entry['parse'] === 'function';
}

/** The text of each flag in the arguments by the flag's name; the last one wins. */
function readArguments(
  flags: readonly Flag<unknown>[],
  argv: readonly string[],
  takesOperands: boolean,
): { readonly texts: ReadonlyMap<string, string>; readonly operands: string[]; readonly errors: string[] } {
  const errors: string[] = [];
  const operands: string[] = [];
  const texts = new Map<string, string>();
  // As Go's flag package, a flag of one letter takes one dash or two.
  const isShort = (arg: string) => flags.some(({ name }) => name.length === 1 && arg.startsWith(`-${name}=`));
  const { tokens } = parseArgs({
    args: argv.map((arg) => (isShort(arg) ? `-${arg}` : arg)),
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
    if (token.kind === 'positional' && token.index - 1 !== unknownAt) {
      if (takesOperands) operands.push(token.value);
      else errors.push(`unexpected argument ${JSON.stringify(maskUrl(token.value))}`);
    }
    if (token.kind !== 'option') continue;
    const flag = flags.find(({ name }) => name === token.name);
    if (flag === undefined) {
      const names = token.rawName.startsWith('--') ? flags.map(({ name }) => `--${name}`) : [];
      const close = suggest(token.rawName, names);
      errors.push(`unknown flag ${token.rawName}${close === undefined ? '' : `; did you mean ${close}?`}`);
      if (token.value === undefined) unknownAt = token.index;
    } else if (flag.placeholder === undefined) texts.set(flag.name, token.value ?? 'true');
    // In `--a --b` the value of --a is missing; it is not "--b".
    else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--')))
      errors.push(`${token.rawName} needs a value: ${token.rawName}=${flag.placeholder}`);
    else texts.set(flag.name, token.value);
  }
  return { texts, operands, errors };
}
