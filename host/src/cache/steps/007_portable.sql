-- Objects whose portable text is to be written into the storage. AUTOINCREMENT: an object that comes into the queue again,
-- while its text is being written, must not get the number of that time.
CREATE TABLE portable_queue (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket_id    INTEGER NOT NULL,
    key          TEXT NOT NULL,
    since        INTEGER NOT NULL,
    UNIQUE (bucket_id, key)
);
