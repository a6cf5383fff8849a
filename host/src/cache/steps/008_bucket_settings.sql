-- What clients have configured of a bucket. It is known here and nowhere else.
CREATE TABLE bucket_settings (
    bucket_id    INTEGER NOT NULL,
    name         TEXT NOT NULL,         -- as in a query of S3: cors, tagging
    document     TEXT NOT NULL,         -- as clients get it back
    PRIMARY KEY (bucket_id, name)
) WITHOUT ROWID;
