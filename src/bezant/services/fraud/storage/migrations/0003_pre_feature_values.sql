-- The numbers that the rules saw, as the text of a JSON array: a third of their size as jsonb, and nothing to parse
-- on the way in. `features` holds named values for rows of before, and nothing for newer ones.

ALTER TABLE fraud.assessments
  ADD COLUMN feature_values text;
ALTER TABLE fraud.assessments
  ALTER COLUMN features SET DEFAULT '{}';
