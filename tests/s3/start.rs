//! What a user sees when the gateway starts and stops.

use pys3local_tests::gateway::Options;
use std::time::{Duration, Instant};

#[test]
fn the_start_up_text_has_what_a_user_needs() {
    let gateway = Options::default().start();
    let address = gateway.address().to_string();
    let data = gateway.data().to_str().unwrap().to_owned();
    gateway.until("the start-up text", || {
        gateway.stdout().contains("endpoint")
    });
    let text = gateway.stdout();
    for part in [
        address.as_str(),
        data.as_str(),
        "us-east-1",
        "type = s3",
        "access_key_id = test",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_one_clear_line_and_exit_code_1() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let failed = Options::default()
        .arg("--path")
        .arg(file.path().join("below"))
        .try_start();
    let failed = failed.err().expect("a start on a file as its directory");
    assert!(matches!(failed.code, Some(1 | 2)), "{failed}");
}

#[test]
fn a_warm_start_listens_within_the_limit() {
    // The first start compiles the component.
    let mut gateway = Options::default().start();
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        gateway.restart();
        best = best.min(begun.elapsed());
    }
    assert!(best < Duration::from_secs(3), "{best:?}");
}

#[test]
fn a_cold_start_compiles_and_listens() {
    Options::default().cold().start();
}
