-- Which folders of a bucket are known, for storages that are listed folder by folder. What is in them, `objects` tells.

-- Folders are prefixes of keys that end with a slash; the empty one is the root. A bucket without a root has no index.
CREATE TABLE index_folders (
    bucket_id    INTEGER NOT NULL,
    folder       TEXT NOT NULL,
    confirmed    INTEGER,               -- when the storage told all of it; NULL: not yet
    began        INTEGER,               -- of the run that is under way, or was broken off
    cursor       TEXT,                  -- where that goes on; NULL: before its first page
    tail         TEXT,                  -- where the last page is; NULL: there is only one
    tail_before  TEXT,                  -- where the one before it is; NULL: it is the first
    surplus      INTEGER,               -- rows of the last page less objects and folders known then
    newest       INTEGER,               -- the last modification that was told
    PRIMARY KEY (bucket_id, folder)
) WITHOUT ROWID;
CREATE INDEX index_unscanned ON index_folders (bucket_id, folder) WHERE confirmed IS NULL;

-- Names in folders that are being looked at, or that were written lately.
CREATE TABLE index_marks (
    bucket_id    INTEGER NOT NULL,
    folder       TEXT NOT NULL,
    name         TEXT NOT NULL,
    mark         INTEGER NOT NULL,      -- 0 told by an earlier page, 1 written or deleted by us, 2 told as an older object
    at           INTEGER,               -- when we have done that
    PRIMARY KEY (bucket_id, folder, name)
) WITHOUT ROWID;
CREATE INDEX index_marks_of_writes ON index_marks (bucket_id, at) WHERE at IS NOT NULL;
