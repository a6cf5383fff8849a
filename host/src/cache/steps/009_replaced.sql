-- Objects in the queue of portable texts that have replaced others: in which run of the store;
-- NULL: none. If that was an earlier run, the storage may still have the others, because a crash
-- came first.
ALTER TABLE portable_queue ADD COLUMN replaced_in INTEGER;
-- Nobody has noted it until now, so all may have.
UPDATE portable_queue SET replaced_in = 0;

-- The order in which they are written.
CREATE INDEX portable_due ON portable_queue (since);

-- Marks of deletions (3): which object was deleted.
ALTER TABLE index_marks ADD COLUMN modified INTEGER;
ALTER TABLE index_marks ADD COLUMN id TEXT;
