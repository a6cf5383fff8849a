-- What the Python program had in its database, and the shape in which it had it. The views need SQLite 3.38.

-- Rows of that program do not say of which store they are: they wait in namespaces of their own, until a store turns out
-- to hold the object that they describe.
ALTER TABLE namespaces ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;

-- Objects whose MD5 is known, with times as that program wrote them.
CREATE VIEW known_objects AS
    SELECT component, label, imported, name AS bucket, key, id, size, content_type, metadata,
           lower(hex(digest)) || CASE WHEN parts IS NULL THEN '' ELSE '-' || parts END AS etag,
           strftime('%Y-%m-%dT%H:%M:%S', second, 'unixepoch')
               || CASE micros WHEN 0 THEN '' ELSE printf('.%06d', micros) END || '+00:00' AS time
    FROM (
        SELECT n.component, n.label, n.imported, b.name, o.*,
               o.modified / 1000000000 - (o.modified % 1000000000 < 0) AS second,
               (o.modified % 1000000000 + 1000000000) % 1000000000 / 1000 AS micros
        FROM namespaces n JOIN buckets b USING (namespace_id) JOIN objects o USING (bucket_id)
        WHERE o.digest IS NOT NULL
    );

CREATE VIEW drime_files AS
    SELECT CAST(id AS INTEGER) AS id,
           CAST(id AS INTEGER) AS file_entry_id,
           coalesce(label, 0)  AS workspace_id,
           etag                AS md5_hash,
           size                AS file_size,
           bucket              AS bucket_name,
           key                 AS object_key,
           time                AS created_at,
           time                AS updated_at
    FROM known_objects WHERE component = 'drime';

CREATE VIEW local_objects AS
    SELECT row_number() OVER () AS id,
           bucket               AS bucket_name,
           key                  AS object_key,
           size                 AS size,
           etag                 AS etag,
           time                 AS last_modified,
           coalesce(content_type, 'binary/octet-stream') AS content_type,
           (SELECT json_group_object(json_extract(value, '$[0]'), json_extract(value, '$[1]'))
            FROM json_each(coalesce(metadata, '{}'), '$.user')) AS metadata,
           'STANDARD'           AS storage_class
    FROM known_objects WHERE component = 'local';
