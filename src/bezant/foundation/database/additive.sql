-- name: tables
-- Tables, views and sequences, with their kinds.
SELECT n.nspname || '.' || c.relname, c.relkind::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S')
  AND n.nspname !~ '^(pg_|information_schema$|bezant_before$)'

-- name: columns
-- Columns in their order: type, whether a value is required, and the default, an identity's or a generated one's too.
SELECT n.nspname || '.' || c.relname, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
  CASE WHEN a.attidentity <> '' THEN '0' ELSE pg_get_expr(d.adbin, d.adrelid) END
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm')
  AND n.nspname !~ '^(pg_|information_schema$|bezant_before$)'
ORDER BY c.oid, a.attnum

-- name: checks
-- CHECK constraints and their expressions.
SELECT n.nspname || '.' || c.relname, k.conname::text, pg_get_expr(k.conbin, k.conrelid)
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'c' AND n.nspname !~ '^(pg_|information_schema$|bezant_before$)'

-- name: foreign_keys
-- Foreign keys and exclusion constraints with the columns that they constrain.
SELECT n.nspname || '.' || c.relname, pg_get_constraintdef(k.oid),
  ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype IN ('f', 'x') AND n.nspname !~ '^(pg_|information_schema$|bezant_before$)'

-- name: uniques
-- Unique indexes, those of primary keys too, without their names.
SELECT n.nspname || '.' || c.relname, regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING ', ''),
  ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)),
  NOT i.indnullsnotdistinct
FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indisunique AND n.nspname !~ '^(pg_|information_schema$|bezant_before$)'

-- name: triggers
-- Events of tables at which a trigger runs; those of foreign keys are internal.
SELECT DISTINCT n.nspname || '.' || c.relname, e.event
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN (VALUES (4, 'INSERT'), (8, 'DELETE'), (16, 'UPDATE'), (32, 'TRUNCATE')) AS e (bit, event)
  ON t.tgtype::integer & e.bit <> 0
WHERE NOT t.tgisinternal AND n.nspname !~ '^(pg_|information_schema$|bezant_before$)'

-- name: routines
-- Functions and procedures by name, argument types and result.
SELECT p.oid::regprocedure::text || ' returns ' || coalesce(pg_get_function_result(p.oid), 'nothing')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^(pg_|information_schema$|bezant_before$)'

-- name: grants
-- What roles may do with tables, columns, functions and schemas.
SELECT o.thing, CASE a.grantee WHEN 0 THEN 'everyone' ELSE a.grantee::regrole::text END, a.privilege_type
FROM (
  SELECT n.nspname || '.' || c.relname AS thing, c.relacl AS acl
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname !~ '^(pg_|information_schema$|bezant_before$)'
  UNION ALL
  SELECT n.nspname || '.' || c.relname || '.' || t.attname, t.attacl
  FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname !~ '^(pg_|information_schema$|bezant_before$)' AND NOT t.attisdropped
  UNION ALL
  SELECT p.oid::regprocedure::text, p.proacl
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname !~ '^(pg_|information_schema$|bezant_before$)'
  UNION ALL
  SELECT n.nspname::text, n.nspacl FROM pg_namespace n WHERE n.nspname !~ '^(pg_|information_schema$|bezant_before$)'
) AS o, aclexplode(o.acl) AS a

-- name: labels
-- Values of enumerations.
SELECT t.oid::regtype::text, e.enumlabel::text FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid
