/** Writes the manual into a folder: `node scripts/manual.ts [FOLDER]`, else `build/man/`. */
import { writeManual } from './man/write.ts';

console.log(writeManual(process.argv[2] ?? 'build/man').join('\n'));
