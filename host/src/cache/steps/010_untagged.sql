-- Objects whose MD5 is not known: what their storage tells of them later is looked for.
CREATE INDEX objects_untagged ON objects (bucket_id, key) WHERE digest IS NULL;
