-- Tables are plain SQL of SQLite 3.8.2, without STRICT.
-- Times are nanoseconds since 1970 in UTC. Text compares by its UTF-8 bytes, which is the order of S3.

-- One store that a gateway has served: `local:/srv/s3`.
CREATE TABLE namespaces (
    namespace_id INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    component    TEXT NOT NULL,         -- the type of plugin that it belongs to, for good
    label        INTEGER                -- the number that `--workspace` means, where there is one
);

-- Rows stay when a bucket goes, so that a bucket_id never changes its meaning.
CREATE TABLE buckets (
    bucket_id    INTEGER PRIMARY KEY,
    namespace_id INTEGER NOT NULL,
    name         TEXT NOT NULL,         -- empty: the root of the store, the bucket of default-bucket mode
    UNIQUE (namespace_id, name)
);

CREATE TABLE objects (
    bucket_id    INTEGER NOT NULL,
    key          TEXT NOT NULL,
    id           TEXT NOT NULL,         -- what the storage calls the object; may be empty
    version      TEXT,                  -- NULL: not known which state of the object this describes
    size         INTEGER NOT NULL,
    modified     INTEGER NOT NULL,
    digest       BLOB,                  -- MD5, or MD5 of the parts' MD5s; NULL: not known
    parts        INTEGER,               -- the N of an ETag `digest-N`; NULL: put in one piece
    part_sizes   BLOB,                  -- runs of (count, bytes) as LEB128 numbers; NULL: put in one piece
    content_type TEXT,
    metadata     TEXT,                  -- the other headers as a JSON object; NULL: none
    PRIMARY KEY (bucket_id, key)
) WITHOUT ROWID;

-- Writes that may have been published but have no row in `objects` yet.
CREATE TABLE intents (
    bucket_id    INTEGER NOT NULL,
    key          TEXT NOT NULL,
    upload       TEXT,                  -- uploads.id of the upload that this completes
    size         INTEGER NOT NULL,
    digest       BLOB NOT NULL,
    parts        INTEGER,
    part_sizes   BLOB,
    content_type TEXT,
    metadata     TEXT,
    part_md5s    BLOB,                  -- 16 bytes for each part; NULL: put in one piece
    PRIMARY KEY (bucket_id, key)
) WITHOUT ROWID;

CREATE TABLE uploads (
    upload_no    INTEGER PRIMARY KEY,
    bucket_id    INTEGER NOT NULL,
    id           TEXT NOT NULL,         -- as clients see it
    key          TEXT NOT NULL,
    started      INTEGER NOT NULL,
    store_id     TEXT NOT NULL,         -- as the storage sees it
    content_type TEXT,
    metadata     TEXT,
    UNIQUE (bucket_id, id)
);
CREATE UNIQUE INDEX uploads_in_listing_order ON uploads (bucket_id, key, started, id);

CREATE TABLE parts (
    upload_no    INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    size         INTEGER NOT NULL,
    modified     INTEGER NOT NULL,
    md5          BLOB NOT NULL,
    token        TEXT NOT NULL,         -- as the storage sees it
    PRIMARY KEY (upload_no, number)
) WITHOUT ROWID;
