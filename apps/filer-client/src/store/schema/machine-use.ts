/*
 *   machine_use  what each machine made this home keep, in bytes, table by table: triggers see every way in and out. Rows of
 *             the inbox and of deliveries are charged many at once by `MachineRoom`, up to the row that stands under no machine
 */

/** What a row costs of the tables that grow fast, in bytes: its columns and index entries. */
export const ROW_COSTS = {
  inbox: '512 + 2 * octet_length($.path) + octet_length($.name) + octet_length($.note)',
  deliveries: '256 + 2 * octet_length($.path) + octet_length($.content)',
} as const;

/** What machines make this home keep; after all tables that it counts. */
export const MACHINE_USE = `
  CREATE TABLE machine_use (
    what TEXT NOT NULL,
    machine TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (what, machine)
  ) STRICT, WITHOUT ROWID;
  ${charged('messages', '(NOT $.kept) * (512 + octet_length($.text))')}
  ${charged('offers', '512 + octet_length($.names) + octet_length($.folder) + octet_length($.note)')}
  ${charged('arrivals', '256 + octet_length($.folder) + octet_length($.note)')}
  ${charged('receipts', '256 + octet_length($.document) + coalesce(octet_length($.paths), 0)')}
  ${charged('receipt_lists', '256 + octet_length($.files) + octet_length($.paths)', 'receipts')}
  ${chargedLater('inbox')}
  ${chargedLater('deliveries')}`;

/** A trigger for each file that comes would take half of the time of its rows: only what goes is charged here. */
function chargedLater(table: keyof typeof ROW_COSTS): string {
  const mark = `what = '${table}' AND machine = ''`;
  return `
  INSERT INTO machine_use VALUES ('${table}', '', 0);
  CREATE TRIGGER ${table}_out AFTER DELETE ON ${table}
    WHEN OLD.rowid <= (SELECT bytes FROM machine_use WHERE ${mark}) BEGIN
    UPDATE machine_use SET bytes = bytes - (${ROW_COSTS[table].replaceAll('$', 'OLD')})
      WHERE what = '${table}' AND machine = OLD.sender;
    UPDATE machine_use SET bytes = OLD.rowid - 1 WHERE ${mark} AND bytes = OLD.rowid; -- the next row may get its number
  END;`;
}

/**
 * Keeps the bytes of a table's rows by sender.
 *
 * @param cost of the row `$` @param what it counts as
 */
function charged(table: string, cost: string, what = table): string {
  const add = (row: string, sign: '+' | '-'): string => `
    INSERT INTO machine_use SELECT '${what}', ${row}.sender, 0
      WHERE NOT EXISTS (SELECT 1 FROM machine_use WHERE what = '${what}' AND machine = ${row}.sender);
    UPDATE machine_use SET bytes = bytes ${sign} (${cost.replaceAll('$', row)})
      WHERE what = '${what}' AND machine = ${row}.sender;`;
  return `
  CREATE TRIGGER ${table}_in AFTER INSERT ON ${table} BEGIN ${add('NEW', '+')} END;
  CREATE TRIGGER ${table}_out AFTER DELETE ON ${table} BEGIN ${add('OLD', '-')} END;
  CREATE TRIGGER ${table}_changed AFTER UPDATE ON ${table} BEGIN ${add('OLD', '-')} ${add('NEW', '+')} END;`;
}
