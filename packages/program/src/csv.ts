export type CsvCell = string | number | boolean | null | undefined;

/**
 * What a spreadsheet takes for a formula at the start of a cell, and a formula can send the other cells away (OWASP, "CSV
 * Injection"); the last four are `=+-@` in full width, which some take for the same.
 */
const FORMULA = /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/;
const NUMBER = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;

/** Standard input as a path, and no formula. */
const DASH = '-';

/**
 * One line as of RFC 4180, without its end. What a spreadsheet would run gets an apostrophe in front; numbers stay
 * numbers.
 */
export function csvLine(cells: readonly CsvCell[]): string {
  return cells.map(csvCell).join(',');
}

function csvCell(value: CsvCell): string {
  const text = value === null || value === undefined ? '' : String(value);
  const isRun = FORMULA.test(text) && !NUMBER.test(text) && text !== DASH;
  const safe = isRun ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
