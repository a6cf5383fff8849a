//! Deletions of many objects.

use super::*;

#[test]
fn many_objects_are_deleted_in_few_calls_and_each_has_its_answer() {
    let (fake, drime) = started();
    let mut deletions = Vec::new();
    for n in 0..250 {
        let key = format!("d{}/{n}", n % 3);
        let known = put(&drime, &key, b"", None).unwrap();
        deletions.push((key, Some(known_of(&known))));
    }
    put(&drime, "d0/stays", b"", None).unwrap();
    let before = fake.0.borrow().log.len();
    let answers = now(drime.delete_many("bucket", &deletions)).unwrap();
    assert_eq!(answers, vec![Ok(()); 250]);
    assert_eq!(fake.0.borrow().log.len() - before, 3);
    assert_eq!(fake.0.borrow().names(), ["stays"]);
}

#[test]
fn one_that_is_gone_or_not_known_keeps_none_of_the_others() {
    let (fake, drime) = started();
    let put = |key: &str| super::put(&drime, key, b"", None).unwrap();
    let [one, gone, other] = ["d/one", "d/gone", "d/other"].map(put);
    put("d/unknown");
    put("d/stays");
    let somebody = open(&fake).unwrap();
    now(somebody.delete("bucket", "d/gone", None)).unwrap();
    super::put(&somebody, "d/gone", b"another", None).unwrap();
    let deletions = [
        ("d/one", Some(&one)),
        ("d/gone", Some(&gone)),
        ("d/unknown", None),
        ("nowhere/k", None),
        ("d/other", Some(&other)),
    ];
    let deletions = deletions.map(|(key, known)| (key.to_owned(), known.map(known_of)));
    let answers = now(drime.delete_many("bucket", &deletions)).unwrap();
    assert_eq!(answers, vec![Ok(()); 5]);
    assert_eq!(fake.0.borrow().names(), ["stays"]);
}

#[test]
fn a_call_that_fails_is_the_answer_for_those_that_were_in_it() {
    let (fake, drime) = started();
    let mut deletions = Vec::new();
    for n in 0..150 {
        let key = format!("d/{n}");
        let known = put(&drime, &key, b"", None).unwrap();
        deletions.push((key, Some(known_of(&known))));
    }
    let broken = (0..5).map(|_| ("/delete", Trick::Status(503, json!({}))));
    fake.0.borrow_mut().tricks.extend(broken);
    let answers = now(drime.delete_many("bucket", &deletions)).unwrap();
    assert!(answers[..100].iter().all(Result::is_err));
    assert!(answers[100..].iter().all(Result::is_ok));
    assert_eq!(fake.0.borrow().names().len(), 100);
}
