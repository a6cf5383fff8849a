//! What a page of a large indexed bucket costs.
//!
//!     cargo bench -p pys3local-tests --bench listing [-- OBJECTS]
//!
//! Somebody else has put objects (100,000) into folders of a simulated Drime account. The program,
//! `PYS3LOCAL_BIN` or the release build, crawls them once; then the whole bucket is listed again and
//! again. Printed are the milliseconds of a page of 1,000 keys, from the request to the last byte of
//! the answer, and the calls that the listings have made, of which there must be none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

use drime_sim::{Simulator, Switches, TOKEN};
use pys3local_tests::gateway::Options;
use std::time::{Duration, Instant};

const FOLDERS: usize = 250;
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    let objects = std::env::args().find_map(|arg| arg.parse().ok());
    let objects: usize = objects.unwrap_or(100_000);
    let switches = Switches {
        rate_limit: 1_000_000,
        ..Switches::default()
    };
    let simulator = Simulator::start(switches).await.unwrap();
    let bucket = simulator.seed_folder(None, "bucket");
    for folder in 0..FOLDERS {
        let parent = simulator.seed_folder(Some(bucket), &format!("folder {folder:03}"));
        for n in (folder..objects).step_by(FOLDERS) {
            let name = format!("an object with a usual name {n:06}");
            simulator.seed_file(Some(parent), &name, b"x").unwrap();
        }
    }
    let api = simulator.api_url();
    let origin = api.trim_end_matches("/api/v1");
    let section = format!(
        "[cloud]\ntype = \"drime\"\napi_key = \"{TOKEN}\"\nbase_url = \"{api}\"\n\
         hosts = [\"{origin}\"]\nmax_age = \"1 h\"\n"
    );
    let gateway = Options::default().backend("cloud", &section).start();
    let s3 = gateway.s3();
    let began = Instant::now();
    s3.pages(s3.list("bucket")).await;
    println!(
        "{objects} objects in {FOLDERS} folders: first listing, with the crawl, {:.1?}",
        began.elapsed()
    );
    simulator.reset_log();
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..ROUNDS {
        let (mut token, mut found) = (None::<String>, 0);
        loop {
            let mut request = s3.list("bucket");
            if let Some(token) = &token {
                request = request.query("continuation-token", token);
            }
            let began = Instant::now();
            let page = request.send().await.expect(200);
            times.push(began.elapsed());
            let page = page.xml();
            found += page.texts("Contents", "Key").len();
            let next = page.find("NextContinuationToken");
            token = next.map(|token| token.text.clone());
            if token.is_none() {
                break;
            }
        }
        assert_eq!(found, objects);
    }
    times.sort();
    println!(
        "a page: median {:.1?}, slowest of {} {:.1?}; {} calls",
        times[times.len() / 2],
        times.len(),
        times[times.len() - 1],
        simulator.calls()
    );
    assert_eq!(simulator.calls(), 0);
}
