-- Objects that the run under way was told and that are not known all the same.
ALTER TABLE index_folders ADD COLUMN refused INTEGER;
