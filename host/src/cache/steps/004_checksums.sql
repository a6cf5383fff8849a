-- Checksums of `x-amz-checksum-*`. A value's first byte names the algorithm (1 CRC32, 2 CRC32C, 3 CRC64NVME, 4 SHA1, 5 SHA256).

-- Of an object: big-endian behind the algorithm; NULL: not known. One made of the parts' checksums has 128 added to its
-- first byte; how many parts there were, `parts` tells.
ALTER TABLE objects ADD COLUMN checksum BLOB;
ALTER TABLE intents ADD COLUMN checksum BLOB;
ALTER TABLE intents ADD COLUMN part_checksums BLOB;

-- What the client wished for: the algorithm, and 128 more for a checksum made of the parts' ones; NULL: no wish.
ALTER TABLE uploads ADD COLUMN checksum INTEGER;
ALTER TABLE parts ADD COLUMN checksum BLOB;

-- Of the parts that an object was put in: the algorithm and the values in order. Apart from `objects`, whose rows stay small.
CREATE TABLE part_checksums (
    bucket_id    INTEGER NOT NULL,
    key          TEXT NOT NULL,
    checksums    BLOB NOT NULL,
    PRIMARY KEY (bucket_id, key)
) WITHOUT ROWID;
