-- Objects in the queue of portable texts that have replaced others: in which run of the program; NULL: none. If that was an
-- earlier run, the storage may still have the others, because a crash came first.
ALTER TABLE portable_queue ADD COLUMN replaced_in INTEGER;

-- Marks of deletions (3): which object was deleted.
ALTER TABLE index_marks ADD COLUMN modified INTEGER;
ALTER TABLE index_marks ADD COLUMN id TEXT;
