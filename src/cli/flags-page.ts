import { envName, type Flags } from './flags.ts';

/** A command's flags as a Markdown table: the README's, which a test holds against this. */
export function flagsTable(flags: Flags): string {
  const rows = Object.entries(flags).map(([name, flag]) => {
    const value = flag.placeholder === undefined ? '' : ` ${flag.placeholder}`;
    const fallback = flag.placeholder === undefined || flag.default === undefined ? '' : `\`${flag.default}\``;
    const short = flag.short === undefined ? '' : `\`-${flag.short}\`, `;
    const cells = [
      `${short}\`--${name}${value}\``,
      [envName(name), flag.variable ?? []]
        .flat()
        .map((variable) => `\`${variable}\``)
        .join(', '),
      flag.required === undefined ? fallback : 'required',
      flag.help,
    ];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return ['| flag | in the environment | default | what it does |', '|---|---|---|---|', ...rows].join('\n');
}
