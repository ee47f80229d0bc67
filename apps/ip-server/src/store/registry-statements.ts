/** What both engines that know SQL ask of the registry, with values by number as SQLite has them. */
export const REGISTRY_STATEMENTS = {
  members: 'SELECT * FROM members ORDER BY handle',
  member: 'SELECT * FROM members WHERE id = ?1',
  standing: `
    SELECT members.*, leaves.document, grant_json, used, revoked_at,
      (SELECT count(*) FROM removals WHERE removals.id = ?1) AS removals,
      (SELECT count(*) FROM members AS other WHERE other.name = ?2 AND other.status <> 'removed' AND other.id <> ?1) AS holders
    FROM (SELECT 1) AS one
    LEFT JOIN members ON members.id = ?1
    LEFT JOIN leaves ON leaves.id = ?1
    LEFT JOIN invites ON invites.id = ?3`,
  // A machine that joins again keeps its handle.
  addMember: `
    INSERT INTO members (id, name, invite, status, membership, record, member_seq, record_seq, presence, last_seen, presence_seq, software)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) RETURNING handle`,
  changeMember: `
    UPDATE members SET name = ?2, invite = ?3, status = ?4, membership = ?5, record = ?6, member_seq = ?7, record_seq = ?8,
      presence = ?9, last_seen = ?10, presence_seq = ?11, software = ?12
    WHERE id = ?1 RETURNING handle`,
  removals: 'SELECT removal FROM removals WHERE seq > ?1 ORDER BY number, id',
  addRemoval:
    'INSERT INTO removals (number, id, removal, seq) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING',
  leaves: 'SELECT document FROM leaves WHERE seq > ?1 ORDER BY id',
  saveLeave: `
    INSERT INTO leaves (id, document, seq) VALUES (?1, ?2, ?3)
    ON CONFLICT (id) DO UPDATE SET document = excluded.document, seq = excluded.seq`,
  addInvite: 'INSERT INTO invites (id, grant_json, created_at, expires_at, uses) VALUES (?1, ?2, ?3, ?4, ?5)',
  invite: 'SELECT * FROM invites WHERE id = ?1',
  invites: 'SELECT * FROM invites ORDER BY created_at, id',
  useInvite: 'UPDATE invites SET used = used + 1 WHERE id = ?1',
  revokeInvite: 'UPDATE invites SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1',
};
