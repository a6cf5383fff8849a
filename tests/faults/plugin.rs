//! What clients see of a plugin that misbehaves: its own request fails, and nothing else.

mod answers;
mod calls;
#[cfg(target_os = "linux")]
mod costs;
mod honest;

use pys3local_tests::client::PATIENCE;
use pys3local_tests::gateway::Options;
use pys3local_tests::{Gateway, S3, artifacts};
use std::time::Instant;

/// Bytes of every object that the hostile plugin claims to have.
const SIZE: usize = 1 << 20;

/// The bucket's name selects the misdeed; `fine` is none.
fn hostile() -> (Gateway, S3) {
    hostile_with("")
}

/// With more keys in its section.
fn hostile_with(keys: &str) -> (Gateway, S3) {
    let component = artifacts::component("guest-hostile").unwrap();
    let toml = format!(
        "[hostile]\ntype = \"hostile\"\ncomponent = \"{}\"\nmemory = \"32 MiB\"\ncall_timeout = \"3 s\"\n\
         dirs = [{{ host = \"{{data}}\", guest = \"/\" }}]\n{keys}",
        component.display()
    );
    let gateway = Options::default().backend("hostile", &toml).start();
    let s3 = gateway.s3();
    (gateway, s3)
}

async fn is_fine(s3: &S3) {
    let reply = s3.get("fine", "key").send().await.expect(200);
    assert!(reply.body.len() == SIZE && reply.body.iter().all(|byte| *byte == b'x'));
}

/// Requests that were under way elsewhere in the same instance may be asked to come again.
async fn fine_in_the_end(s3: &S3) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match s3.get("fine", "key").try_send().await {
            Ok(reply) if reply.status == 200 && reply.body.len() == SIZE => return,
            Ok(reply) if reply.status == 200 || reply.status == 503 => {}
            Err(_) => {}
            Ok(reply) => panic!("status {}: {}", reply.status, reply.text()),
        }
        assert!(Instant::now() < deadline, "the plugin does not come back");
    }
}

/// That whatever panicked was the plugin, whose words stand in the log with its name.
#[track_caller]
fn assert_no_panic(gateway: &Gateway) {
    let log = gateway.stderr();
    let mut panics = log.lines().filter(|line| line.contains("panicked"));
    assert!(panics.all(|line| line.ends_with("plugin=hostile")), "{log}");
}
