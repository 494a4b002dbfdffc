import { parseArgs } from 'node:util';
import { messageOf } from '../runtime/errors.ts';
import { maskUrl } from '../runtime/mask.ts';

/** One flag of a command: its text in, its value out. */
export interface Flag<Value> {
  /** What stands in the help for the value, such as `PORT`; a switch has none. */
  readonly placeholder?: string;
  /** One letter that stands for the flag, such as `v` for `-v`; of a switch alone. */
  readonly short?: string;
  /** Another environment variable that counts, after the flag's own; an empty one does not. */
  readonly variable?: string;
  /** The text that counts where neither the flag nor its environment variable is given. Without one the value is undefined. */
  readonly default?: string;
  /** Set where the flag must be given: what to give. */
  readonly required?: string;
  /** One or two sentences, without the default. */
  readonly help: string;
  /**
   * @throws Error whose message quotes the text and says what is wrong, such as `"x" is not a port: use 0 to 65535`; it may start
   * with the flag. A flag whose text may hold a secret masks it.
   */
  readonly parse: (text: string) => Value;
}

export type Flags = Readonly<Record<string, Flag<unknown>>>;

/** What parsing gives where there are no errors: a flag that is required, or has a default, always has a value. */
export type FlagValues<F extends Flags> = {
  readonly [Name in keyof F]: F[Name] extends { readonly default: string } | { readonly required: string }
    ? FlagValue<F[Name]>
    : FlagValue<F[Name]> | undefined;
};
type FlagValue<F> = F extends Flag<infer Value> ? Value : never;

export interface Parsed<F extends Flags> {
  /** Where there are errors, the values of the flags that are right. */
  readonly values: Partial<FlagValues<F>>;
  /** A message for each thing that is wrong. */
  readonly errors: readonly string[];
}

/** The environment variable of a flag: SPARTAKUS_CLUSTER_ID for --cluster-id. */
export function envName(flagName: string): string {
  return `SPARTAKUS_${flagName.replaceAll('-', '_').toUpperCase()}`;
}

/**
 * Reads a command's arguments; a flag counts before its environment variable, and that before the default. All errors are found,
 * not just the first.
 */
export function parseFlags<F extends Flags>(flags: F, argv: readonly string[], env: NodeJS.ProcessEnv): Parsed<F> {
  const errors: string[] = [];
  const texts = new Map<string, string>();
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      Object.entries(flags).map(([name, { placeholder, short }]) => [
        name,
        { type: placeholder === undefined ? 'boolean' : 'string', ...(short === undefined ? {} : { short }) } as const,
      ]),
    ),
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === 'positional') errors.push(`unexpected argument ${JSON.stringify(maskUrl(token.value))}`);
    if (token.kind !== 'option') continue;
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name] : undefined;
    if (flag === undefined) errors.push(`unknown flag ${token.rawName}`);
    else if (flag.placeholder === undefined) texts.set(token.name, token.value ?? 'true');
    // `--a --b`: the value was forgotten, rather than meant to be --b.
    else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--')))
      errors.push(`${token.rawName} needs a value: ${token.rawName}=${flag.placeholder}`);
    else texts.set(token.name, token.value);
  }
  const values: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(flags)) {
    const fromEnv = env[envName(name)] ?? (flag.variable === undefined ? undefined : env[flag.variable] || undefined);
    const text = texts.get(name) ?? fromEnv ?? flag.default;
    if (text === undefined) {
      if (flag.required !== undefined) errors.push(`--${name} is required: ${flag.required}`);
      continue;
    }
    try {
      values[name] = flag.parse(text);
    } catch (error) {
      const source = texts.has(name) || fromEnv === undefined ? `--${name}` : `${envName(name)} (--${name})`;
      // Whatever was put in the wrong place may be an address with a password.
      const message = messageOf(error).replaceAll(text, maskUrl(text));
      const flagItself = `--${name} `;
      errors.push(`${source} ${message.startsWith(flagItself) ? message.slice(flagItself.length) : message}`);
    }
  }
  return { values: values as Partial<FlagValues<F>>, errors };
}

/** What stands before a flag's name for its short form: "-v, ". */
export function shortName({ short }: Flag<unknown>): string {
  return short === undefined ? '' : `-${short}, `;
}

/** The flags as lines of a help text. */
export function describeFlags(flags: Flags): string {
  const rows = Object.entries(flags).map(([name, flag]) => ({
    left: `${shortName(flag)}--${name}${flag.placeholder === undefined ? '' : ` ${flag.placeholder}`}`,
    flag,
  }));
  const width = Math.max(...rows.map(({ left }) => left.length));
  return rows
    .map(({ left, flag }) => {
      const isDefault =
        flag.default === undefined || flag.placeholder === undefined
          ? ''
          : ` (default ${flag.default === '' ? 'empty' : flag.default})`;
      const variable = flag.variable === undefined ? '' : ` Or $${flag.variable}.`;
      return wrap(`${flag.help}${variable}${isDefault}`, `  ${left.padEnd(width)}  `);
    })
    .join('\n');
}

/** The widest line of a help text, in characters. */
const HELP_WIDTH = 110;

function wrap(text: string, prefix: string): string {
  const lines: string[] = [];
  let line = prefix;
  let empty = true;
  for (const word of text.split(' ')) {
    if (!empty && line.length + 1 + word.length > HELP_WIDTH) {
      lines.push(line);
      line = ' '.repeat(prefix.length);
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line].join('\n');
}
