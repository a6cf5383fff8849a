//! Every input of the fuzz corpus, and some spoiled copies of each, through its target.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails by panicking, and the fuzz targets are public elsewhere"
)]

use pys3local_tests::data::Random;
use pys3local_tests::sign;
use std::path::Path;

mod targets;

/// Spoiled copies of each input.
const COPIES: usize = 200;

/// Every corpus has a target and every target has a corpus.
#[test]
fn each_target_has_a_corpus() {
    let mut corpora: Vec<String> = std::fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    corpora.sort();
    let mut names = targets::ALL.map(|(name, _)| name);
    names.sort_unstable();
    assert_eq!(corpora, names);
}

#[test]
fn no_input_of_the_corpus_breaks_a_promise() {
    let mut random = Random::new(1);
    for (name, target) in targets::ALL {
        let mut inputs: Vec<_> = std::fs::read_dir(corpus().join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{name}");
        for input in inputs {
            let bytes = std::fs::read(&input).unwrap();
            println!("{}", input.display());
            target(&bytes);
            for _ in 0..COPIES {
                let mut bytes = bytes.clone();
                spoil(&mut bytes, &mut random);
                println!("{bytes:?}");
                target(&bytes);
            }
        }
    }
}

fn corpus() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus"))
}

/// Changes, removes or doubles a few bytes.
fn spoil(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, bytes[at]),
            _ => bytes.truncate(at),
        }
    }
}
