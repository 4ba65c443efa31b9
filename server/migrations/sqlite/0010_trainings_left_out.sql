-- Every country that was called, or called from, and was not opened, and why, a line each.
ALTER TABLE trainings ADD COLUMN left_out TEXT NOT NULL DEFAULT '';
