/** A time as the API gives it, without what is less than a second. */
export const toSecond = (at: string): string => at.replace(/\.\d+Z$/, 'Z');

/** Rows as aligned columns, the way `ip` and `kubectl` print them; an empty list is the header alone. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, at) =>
    Math.max(name.length, ...rows.map((row) => (row[at] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => (at === cells.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  return `${[header, ...rows].map(line).join('\n')}\n`;
}
