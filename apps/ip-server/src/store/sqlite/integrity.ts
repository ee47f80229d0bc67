import { statSync } from 'node:fs';
import { textIn } from '@filer/program';
import { openDatabase } from './database.ts';

/** A larger file is looked through without comparing its indexes with its tables: that would take minutes. */
const WHOLE_BELOW_BYTES = 1024 ** 3;

const MOST_PROBLEMS = 10;

/** What SQLite finds wrong in a file, in its words; a server may use it meanwhile. @throws FilerError `store-damaged`… */
export function integrityProblems(file: string): readonly string[] {
  const pragma = statSync(file).size < WHOLE_BELOW_BYTES ? 'integrity_check' : 'quick_check';
  using database = openDatabase(file);
  const lines = database.prepare(`PRAGMA ${pragma}(${MOST_PROBLEMS})`).all();
  return lines.map((row) => textIn(row, pragma)).filter((line) => line !== 'ok');
}
