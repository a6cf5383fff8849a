use super::*;
use crate::Part;
use std::fs;

struct Upload<'s> {
    store: &'s Store,
    id: String,
}

impl<'s> Upload<'s> {
    fn begin(store: &'s Store) -> Self {
        Self {
            store,
            id: now(store.local.begin(store.bucket())).unwrap(),
        }
    }

    fn part(&self, number: u32, data: &[u8], offset: Option<u64>) -> Part {
        let body = Bytes::Memory(data.to_vec());
        let size = data.len() as u64;
        let token = now(self.store.local.part(&self.id, number, size, offset, body)).unwrap();
        Part { size, token }
    }

    fn complete(&self, key: &str, parts: &[Part]) -> Result<Info, Error> {
        let receipt = Receipt {
            size: parts.iter().map(|part| part.size).sum(),
        };
        now(self
            .store
            .local
            .complete(self.store.bucket(), key, &self.id, parts, receipt))
    }

    fn inode(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let data = self
            .store
            .path(".pys3local/uploads")
            .join(&self.id)
            .join("data");
        fs::metadata(data).unwrap().ino()
    }
}

fn inode(store: &Store, path: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(store.path(path)).unwrap().ino()
}

#[test]
fn parts_at_their_places_become_the_object_without_a_copy() {
    let store = Store::single();
    let upload = Upload::begin(&store);
    let second = upload.part(2, b"bbbb", Some(4));
    let third = upload.part(3, b"c", Some(8));
    let first = upload.part(1, b"aaaa", Some(0));
    let data = upload.inode();
    let info = upload.complete("dir/key", &[first, second, third]).unwrap();
    assert_eq!(store.get("dir/key").unwrap(), b"aaaabbbbc");
    assert_eq!(
        (info.size, inode(&store, "dir/key"), store.leftovers()),
        (9, data, 0)
    );
}

#[test]
fn parts_of_their_own_are_copied_into_their_places() {
    let store = Store::single();
    let upload = Upload::begin(&store);
    let first = upload.part(1, b"aaaa", Some(0));
    upload.part(2, b"----", Some(4));
    let second = upload.part(2, b"bbbb", None);
    let third = upload.part(3, b"c", None);
    let data = upload.inode();
    upload.complete("key", &[first, second, third]).unwrap();
    assert_eq!(store.get("key").unwrap(), b"aaaabbbbc");
    assert_eq!(inode(&store, "key"), data);
}

#[test]
fn parts_that_are_not_named_are_forgotten() {
    let store = Store::single();
    let upload = Upload::begin(&store);
    let parts = [upload.part(1, b"aaaa", Some(0))];
    upload.part(2, b"bbbb", Some(4));
    upload.part(3, b"cccc", None);
    upload.complete("key", &parts).unwrap();
    assert_eq!(
        (store.get("key").unwrap(), store.leftovers()),
        (b"aaaa".to_vec(), 0)
    );
}

#[test]
fn parts_that_turn_out_to_be_elsewhere_are_put_together() {
    let store = Store::single();
    let upload = Upload::begin(&store);
    // The second arrives first, and is longer than the first.
    let second = upload.part(2, b"bbbbbb", Some(6));
    let first = upload.part(1, b"aa", Some(0));
    let third = upload.part(3, b"c", Some(12));
    let fourth = upload.part(4, b"dddd", None);
    upload
        .complete("key", &[first, second, third, fourth])
        .unwrap();
    assert_eq!(store.get("key").unwrap(), b"aabbbbbbcdddd");
    assert_eq!(store.leftovers(), 0);
}

#[test]
fn gaps_in_the_numbers_are_no_gaps_in_the_object() {
    let store = Store::single();
    let upload = Upload::begin(&store);
    let parts = [
        upload.part(1, b"aaaa", Some(0)),
        upload.part(10, b"jj", Some(36)),
    ];
    upload.complete("key", &parts).unwrap();
    assert_eq!(store.get("key").unwrap(), b"aaaajj");
}

#[test]
fn empty_parts_and_no_parts_are_empty_objects() {
    let store = Store::single();
    let upload = Upload::begin(&store);
    let part = upload.part(1, b"", None);
    upload.complete("one", &[part]).unwrap();
    Upload::begin(&store).complete("none", &[]).unwrap();
    assert_eq!(
        (store.get("one").unwrap(), store.get("none").unwrap()),
        (vec![], vec![])
    );
}

#[test]
fn a_part_that_is_too_short_or_breaks_off_is_aborted() {
    let store = Store::single();
    let upload = Upload::begin(&store);
    let part = |size, offset, body| now(store.local.part(&upload.id, 1, size, offset, body));
    for offset in [None, Some(0)] {
        assert_eq!(
            part(9, offset, Bytes::Memory(b"short".to_vec())),
            Err(Error::Aborted)
        );
        assert!(part(5, offset, Bytes::Broken(b"short".to_vec())).is_err());
    }
    upload.part(2, b"long enough to hide it", Some(8));
    assert_eq!(
        part(9, Some(0), Bytes::Memory(b"short".to_vec())),
        Err(Error::Aborted)
    );
    let dir = store.path(".pys3local/uploads").join(&upload.id);
    assert_eq!(dir.read_dir().unwrap().count(), 1);
}

#[test]
fn a_failed_completion_can_be_repeated() {
    let store = Store::buckets(Layout::Objects);
    let upload = Upload::begin(&store);
    let parts = [
        upload.part(1, b"aaaa", Some(0)),
        upload.part(2, b"bb", None),
    ];
    // Something that is no directory stands in the way of `dir`, under both of its names.
    fs::write(store.path("bucket/objects/dir"), b"").unwrap();
    fs::write(store.path("bucket/objects/dir%%d"), b"").unwrap();
    assert!(upload.complete("dir/key", &parts).is_err());
    fs::remove_file(store.path("bucket/objects/dir%%d")).unwrap();
    upload.complete("dir/key", &parts).unwrap();
    assert_eq!(
        (store.get("dir/key").unwrap(), store.leftovers()),
        (b"aaaabb".to_vec(), 0)
    );
}

#[test]
fn a_part_that_a_failed_completion_cut_off_is_missed() {
    let store = Store::buckets(Layout::Objects);
    let upload = Upload::begin(&store);
    let parts = [
        upload.part(1, b"aaaa", Some(0)),
        upload.part(2, b"bbbb", Some(4)),
    ];
    fs::write(store.path("bucket/objects/dir"), b"").unwrap();
    fs::write(store.path("bucket/objects/dir%%d"), b"").unwrap();
    assert!(upload.complete("dir/key", &parts[..1]).is_err());
    fs::remove_file(store.path("bucket/objects/dir%%d")).unwrap();
    assert!(upload.complete("dir/key", &parts).is_err());
    upload.complete("dir/key", &parts[..1]).unwrap();
    assert_eq!(store.get("dir/key").unwrap(), b"aaaa");
}

#[test]
fn an_upload_replaces_the_object_with_a_new_version() {
    let store = Store::single();
    let upload = Upload::begin(&store);
    let parts = [upload.part(1, b"1234", Some(0))];
    let before = store.put("key", b"1234");
    assert_ne!(
        upload.complete("key", &parts).unwrap().version,
        before.version
    );
}

#[test]
fn what_is_not_there_is_no_such_upload() {
    let store = Store::single();
    let upload = Upload::begin(&store);
    let part = upload.part(1, b"aaaa", Some(0));
    now(store.local.abort(&upload.id)).unwrap();
    now(store.local.abort(&upload.id)).unwrap();
    assert_eq!(store.leftovers(), 0);
    assert_eq!(upload.complete("key", &[part]), Err(Error::NoSuchUpload));
    for id in [upload.id.as_str(), "", "..", "a/b", "../tmp"] {
        for offset in [None, Some(0)] {
            let part = now(store.local.part(id, 1, 0, offset, Bytes::Memory(vec![])));
            assert_eq!(part, Err(Error::NoSuchUpload), "{id:?}");
        }
        assert_eq!(now(store.local.abort(id)), Ok(()));
    }
}

#[test]
fn tokens_lead_nowhere_else() {
    let store = Store::single();
    store.put("secret", b"s");
    let upload = Upload::begin(&store);
    for token in ["p/../../../../secret", "../../secret", "@x", "", "data"] {
        let part = Part {
            size: 1,
            token: token.into(),
        };
        assert!(upload.complete("key", &[part]).is_err(), "{token:?}");
    }
    assert_eq!(store.get("key"), Err(Error::NoSuchKey));
}
