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
-- The head that was signed for this size.
SELECT tree_size, root_hash, checkpoint, signed_at FROM audit.tree_heads WHERE tree_size = %(tree_size)s

-- name: insert_tree_head
-- Keep a signed head; the first one signed for a size stands.
INSERT INTO audit.tree_heads (tree_size, root_hash, checkpoint, signed_at)
VALUES (%(tree_size)s, %(root_hash)s, %(checkpoint)s, %(signed_at)s) ON CONFLICT (tree_size) DO NOTHING

-- name: list_tree_heads
-- Signed heads, newest first.
SELECT tree_size, root_hash, checkpoint, signed_at FROM audit.tree_heads
WHERE %(before)s::bigint IS NULL OR tree_size < %(before)s ORDER BY tree_size DESC LIMIT %(limit)s

-- name: erase_personal_values
-- Erase what is held of the personal values of these subjects; their leaves and every proof stay as they are.
DELETE FROM audit.personal_values p USING audit.entries e
WHERE e.position = p.position AND e.subject = ANY (%(subjects)b::text[])
RETURNING p.position
