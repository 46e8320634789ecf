-- name: lock_tree
-- Become the one writer of this tenant's log until the end of the transaction.
SELECT tree_size, frontier FROM audit.tree_state FOR UPDATE

-- name: tree_state
-- The tree as it is now.
SELECT tree_size, frontier FROM audit.tree_state

-- name: advance_tree
-- Write the tree down after leaves were appended.
UPDATE audit.tree_state SET tree_size = %(tree_size)s, frontier = %(frontier)s

-- name: insert_entries
-- Append entries, all columns as arrays of one length.
INSERT INTO audit.entries (position, entry_id, event_type, topic, subject, actor, occurred_at, leaf, leaf_hash,
  subtree_hashes)
SELECT * FROM unnest(%(positions)b::bigint[], %(entry_ids)b::uuid[], %(event_types)b::text[], %(topics)b::text[],
  %(subjects)b::text[], %(actors)b::text[], %(moments)b::timestamptz[], %(leaves)b::text[], %(leaf_hashes)b::bytea[],
  %(subtree_hashes)b::bytea[])

-- name: insert_personal_values
-- Keep the values that the leaves only commit to.
INSERT INTO audit.personal_values (position, pointer, salt, value)
SELECT * FROM unnest(%(positions)b::bigint[], %(pointers)b::text[], %(salts)b::bytea[], %(values)b::text[])

-- name: list_entries
-- Entries from a position on, oldest first, with what is still held of their personal values.
SELECT e.position, e.entry_id, e.event_type, e.topic, e.subject, e.actor, e.occurred_at, e.recorded_at, e.leaf,
       e.leaf_hash
FROM audit.entries e
WHERE e.position >= %(from_position)s
  AND (%(event_type)s::text IS NULL OR e.event_type = %(event_type)s)
  AND (%(subject)s::text IS NULL OR e.subject = %(subject)s)
  AND (%(actor)s::text IS NULL OR e.actor = %(actor)s)
  AND (%(occurred_from)s::timestamptz IS NULL OR e.occurred_at >= %(occurred_from)s)
  AND (%(occurred_before)s::timestamptz IS NULL OR e.occurred_at < %(occurred_before)s)
ORDER BY e.position LIMIT %(limit)s

-- name: entry_by_id
-- One entry.
SELECT e.position, e.entry_id, e.event_type, e.topic, e.subject, e.actor, e.occurred_at, e.recorded_at, e.leaf,
       e.leaf_hash
FROM audit.entries e WHERE e.entry_id = %(entry_id)s

-- name: personal_values_of
-- What is held of the personal values of these entries.
SELECT position, pointer, salt, value FROM audit.personal_values WHERE position = ANY (%(positions)b::bigint[])

-- name: stored_hashes
-- The hashes that are stored with these leaves: their own, and those of the subtrees they completed.
SELECT position, leaf_hash, subtree_hashes FROM audit.entries WHERE position = ANY (%(positions)b::bigint[])

-- name: position_of_entry
-- Where an entry is, with its leaf's hash.
SELECT position, leaf_hash FROM audit.entries WHERE entry_id = %(entry_id)s

-- name: tree_head_of_size
-- The head that was signed for this size, with all signatures under it.
SELECT h.tree_size, h.root_hash, h.checkpoint || coalesce((SELECT string_agg(s.line, '' ORDER BY s.received_at, s.signer)
  FROM audit.head_signatures s WHERE s.tree_size = h.tree_size), ''), h.signed_at
FROM audit.tree_heads h WHERE h.tree_size = %(tree_size)s

-- name: insert_tree_head
-- Keep a signed head; the first one signed for a size stands.
INSERT INTO audit.tree_heads (tree_size, root_hash, checkpoint, signed_at)
VALUES (%(tree_size)s, %(root_hash)s, %(checkpoint)s, %(signed_at)s) ON CONFLICT (tree_size) DO NOTHING

-- name: insert_head_signature
-- Keep another signature under a head; the first one of each signer stands.
INSERT INTO audit.head_signatures (tree_size, signer, line) VALUES (%(tree_size)s, %(signer)s, %(line)s)
ON CONFLICT DO NOTHING

-- name: list_tree_heads
-- Signed heads, newest first, with all signatures under them.
SELECT h.tree_size, h.root_hash, h.checkpoint || coalesce((SELECT string_agg(s.line, '' ORDER BY s.received_at, s.signer)
  FROM audit.head_signatures s WHERE s.tree_size = h.tree_size), ''), h.signed_at
FROM audit.tree_heads h
WHERE %(before)s::bigint IS NULL OR h.tree_size < %(before)s ORDER BY h.tree_size DESC LIMIT %(limit)s

-- name: entries_of_subject
-- The entries of one topic about one subject, oldest first.
SELECT e.position, e.entry_id, e.event_type, e.topic, e.subject, e.actor, e.occurred_at, e.recorded_at, e.leaf,
       e.leaf_hash
FROM audit.entries e
WHERE e.subject = %(subject)s AND e.topic = %(topic)s ORDER BY e.position LIMIT %(limit)s

-- name: entries_between
-- Entries for an export: those at these positions with all their hashes.
SELECT e.position, e.leaf, e.leaf_hash, e.subtree_hashes FROM audit.entries e
WHERE e.position >= %(start)s AND e.position < %(end)s ORDER BY e.position

-- name: list_witnesses
-- Who may co-sign this log's heads.
SELECT name, verifier_key, added_by, added_at FROM audit.witnesses ORDER BY name

-- name: insert_witness
-- Add a witness; no row when its name or key is there already.
INSERT INTO audit.witnesses (name, verifier_key, added_by) VALUES (%(name)s, %(verifier_key)s, %(added_by)s)
ON CONFLICT DO NOTHING RETURNING name, verifier_key, added_by, added_at

-- name: delete_witness
-- Remove a witness; its cosignatures stay under the heads.
DELETE FROM audit.witnesses WHERE name = %(name)s RETURNING verifier_key

-- name: retention
-- How long personal values are kept.
SELECT personal_values_days, changed_by, changed_at FROM audit.retention

-- name: set_retention
-- Change how long personal values are kept.
UPDATE audit.retention
SET personal_values_days = %(days)s, changed_by = %(changed_by)s, changed_at = clock_timestamp()
RETURNING personal_values_days, changed_by, changed_at

-- name: oldest_held
-- When the oldest entry was recorded of which personal values are held.
SELECT recorded_at FROM audit.entries WHERE position = (SELECT min(position) FROM audit.personal_values)

-- name: erase_expired_values
-- Erase personal values of the oldest entries that hold some, as far as these were recorded before a time.
DELETE FROM audit.personal_values p USING audit.entries e
WHERE e.position = p.position AND e.recorded_at < %(recorded_before)s
  AND p.position IN (SELECT position FROM audit.personal_values ORDER BY position LIMIT %(limit)s)
RETURNING p.position

-- name: erase_values_naming_accounts
-- Erase what is held of the personal values of every entry whose leaf names one of these accounts.
DELETE FROM audit.personal_values p USING audit.entries e
WHERE e.position = p.position
  AND EXISTS (SELECT FROM unnest(%(account_ids)b::text[]) AS a(id) WHERE strpos(e.leaf, '"' || a.id || '"') > 0)
RETURNING p.position

-- name: erase_personal_values
-- Erase what is held of the personal values of these subjects; their leaves and every proof stay as they are.
DELETE FROM audit.personal_values p USING audit.entries e
WHERE e.position = p.position AND e.subject = ANY (%(subjects)b::text[])
RETURNING p.position
