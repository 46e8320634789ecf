-- name: none
-- Placeholder sentence.
SELECT 1
