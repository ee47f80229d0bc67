/** A delivery that is not over, as `isOpen` says. */
export const OPEN = "state IN ('waiting', 'asked', 'failed')";
const NEWEST = 'SELECT max(number) FROM collect_runs GROUP BY collect';

/** What both engines that know SQL ask of collects and their ledger, with values by number as SQLite has them. */
export const COLLECT_STATEMENTS = {
  all: 'SELECT * FROM collects ORDER BY name',
  get: 'SELECT * FROM collects WHERE name = ?1',
  add: 'INSERT INTO collects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING',
  remove: 'DELETE FROM collects WHERE name = ?1',
  setNext: 'UPDATE collects SET next_at = ?3 WHERE name = ?1 AND next_at = ?2',
  begin: `
    INSERT INTO collect_runs (id, collect, label, due_at, started_at) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING *`,
  newest: 'SELECT * FROM collect_runs WHERE collect = ?1 ORDER BY number DESC LIMIT 1',
  drop: `
    DELETE FROM collect_runs WHERE collect = ?1 AND number <= (
      SELECT number FROM collect_runs WHERE collect = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)`,
  labelled: 'SELECT * FROM collect_runs WHERE collect = ?1 AND (label = ?2 OR id = ?2)',
  runs: 'SELECT * FROM collect_runs WHERE collect = ?1 ORDER BY number DESC LIMIT ?2',
  begun: `
    SELECT id, label, peer, folder FROM collect_deliveries JOIN collect_runs ON number = run
    WHERE collect = ?1 AND asked_at IS NOT NULL AND ${OPEN}`,
  endEarlier: `UPDATE collect_deliveries SET state = 'missing', late = 1 WHERE run NOT IN (${NEWEST}) AND ${OPEN}`,
  wait: `UPDATE collect_deliveries SET state = 'waiting' WHERE run IN (${NEWEST}) AND state = 'asked'`,
  deliveries: 'SELECT * FROM collect_deliveries WHERE run = ?1 ORDER BY name, peer',
  delivery: 'SELECT * FROM collect_deliveries WHERE run = ?1 AND peer = ?2',
  changeDelivery: `
    UPDATE collect_deliveries SET state = ?3, late = ?4, asked_at = ?5, delivered_at = ?6, files = ?7, bytes = ?8,
      files_failed = ?9, failures = ?10, code = ?11, reason = ?12, tries = ?13
    WHERE run = ?1 AND peer = ?2`,
  runLate: 'UPDATE collect_runs SET is_late = 1 WHERE number = ?1',
  late: `UPDATE collect_deliveries SET late = 1 WHERE run = ?1 AND ${OPEN}`,
};
