-- Since when the object is known to have the key: an older one may hide behind it until its folder is
-- confirmed after that. NULL: since before this was noted.
ALTER TABLE objects ADD COLUMN met INTEGER;
-- And `portable_queue.replaced_in` may be -1 from now on: the storage has told of several objects of
-- the key, and no text is to be written.
