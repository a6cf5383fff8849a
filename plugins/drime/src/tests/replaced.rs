//! Entries that others have replaced and that stay behind for a while.

use super::*;
use futures_util::future::poll_immediate;

/// An account whose folder `d` has several pages, with `d/k` replaced and the old one still there.
fn left_behind() -> (Fake, Drime<Fake>, Info) {
    let (fake, drime) = started();
    let old = put(&drime, "d/k", b"old", None).unwrap();
    for n in 0..9 {
        put(&drime, &format!("d/{n}"), b"", None).unwrap();
    }
    fake.0.borrow_mut().page_cap = 4;
    let broken = (0..5).map(|_| ("/delete", Trick::Status(503, json!({}))));
    fake.0.borrow_mut().tricks.extend(broken);
    let new = put(&drime, "d/k", b"new", Some(&old)).unwrap();
    assert_eq!(there(&fake), 2);
    (fake, drime, new)
}

/// How many entries have the name `k`.
fn there(fake: &Fake) -> usize {
    let names = fake.0.borrow().names();
    names.iter().filter(|name| *name == "k").count()
}

fn describe(drime: &Drime<Fake>, info: &Info) -> Result<(), Error> {
    let texts = ["text".to_owned()];
    now(drime.set_portable(("bucket", "d/k"), &known_of(info), &texts))
}

#[test]
fn what_could_not_be_deleted_goes_with_the_object_that_has_replaced_it() {
    let (fake, drime, new) = left_behind();
    now(drime.delete("bucket", "d/k", Some(known_of(&new)))).unwrap();
    assert_eq!(there(&fake), 0);
}

#[test]
fn what_could_not_be_deleted_goes_with_the_text_of_the_object_or_that_fails() {
    let (fake, drime, new) = left_behind();
    let broken = (0..5).map(|_| ("/delete", Trick::Status(503, json!({}))));
    fake.0.borrow_mut().tricks.extend(broken);
    assert!(matches!(describe(&drime, &new), Err(Error::Unavailable(_))));
    assert_eq!(there(&fake), 2);
    describe(&drime, &new).unwrap();
    assert_eq!(there(&fake), 1);
    assert_eq!(get(&drime, "d/k", None).unwrap(), b"new");
}

#[test]
fn an_account_that_may_not_delete_still_gets_its_texts_and_says_that_something_stays() {
    let (fake, drime, new) = left_behind();
    let denied = Trick::Status(403, json!({"message": "This action is unauthorized."}));
    fake.0.borrow_mut().tricks.push_back(("/delete", denied));
    assert!(matches!(describe(&drime, &new), Err(Error::Denied(_))));
    fake.1.set(fake.1.get() + 600_000);
    let told = now(drime.stat("bucket", "d/k")).unwrap();
    assert_eq!(told.portable.as_deref(), Some("text"));
    assert_eq!(there(&fake), 2);
    describe(&drime, &new).unwrap();
    assert_eq!(there(&fake), 1);
}

#[test]
fn what_could_not_be_deleted_goes_with_the_next_write() {
    let (fake, drime, new) = left_behind();
    put(&drime, "d/k", b"newest", Some(&new)).unwrap();
    assert_eq!(there(&fake), 1);
    assert_eq!(get(&drime, "d/k", None).unwrap(), b"newest");
}

#[test]
fn who_has_forgotten_it_sees_it_when_the_key_is_asked_for() {
    let (fake, _, new) = left_behind();
    let drime = open(&fake).unwrap();
    now(drime.stat("bucket", "d/k")).unwrap();
    describe(&drime, &new).unwrap();
    assert_eq!(there(&fake), 1);
    let (fake, ..) = left_behind();
    let drime = open(&fake).unwrap();
    now(drime.delete("bucket", "d/k", None)).unwrap();
    assert_eq!(there(&fake), 0);
}

#[test]
fn an_upload_replaces_what_another_one_has_published_while_it_was_under_way() {
    let (fake, drime) = started();
    let open = Rc::new(Cell::new(false));
    let gate = Rc::clone(&open);
    let gate = std::future::poll_fn(move |_| {
        if gate.get() {
            return std::task::Poll::Ready(true);
        }
        std::task::Poll::Pending
    });
    let approved = gate.boxed_local();
    let slow = drime.put(("bucket", "k"), 4, (None, None), b"slow".to_vec(), approved);
    let mut slow = std::pin::pin!(slow);
    assert!(now(poll_immediate(slow.as_mut())).is_none());
    let quick = put(&drime, "k", b"quick", None).unwrap();
    // So long that our own writes are no longer in mind.
    fake.1.set(fake.1.get() + 600_000);
    open.set(true);
    let slow = now(slow).unwrap();
    assert_ne!(slow.id, quick.id);
    assert_eq!(fake.0.borrow().names(), ["k"]);
    assert_eq!(get(&drime, "k", None).unwrap(), b"slow");
}

#[test]
fn a_scan_tells_of_every_file_of_a_name_and_a_deletion_takes_all_that_it_has_told() {
    let (fake, drime) = started();
    put(&drime, "d/k", b"ours", None).unwrap();
    // Our own listing of the folder, which we have made, is a moment old and lacks what is seeded.
    let folder = fake.0.borrow().rows.last().unwrap().0["parent_id"].clone();
    for bytes in [b"one", b"two"] {
        let folder = folder.as_i64().unwrap();
        fake.0.borrow_mut().add("k", folder, false, bytes.to_vec());
    }
    // The first one is answered without a question.
    now(drime.scan("bucket", "d/", None)).unwrap();
    let page = now(drime.scan("bucket", "d/", None)).unwrap();
    let keys: Vec<&str> = page.entries.iter().map(|item| item.key.as_str()).collect();
    assert_eq!(keys, ["d/k"; 3]);
    now(drime.delete("bucket", "d/k", None)).unwrap();
    assert_eq!(there(&fake), 0);
}
