//! The program with the Drime plugin over the simulator of the service: what clients see, what
//! the service is asked, and what is left when it misbehaves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod budgets;
mod crashes;
mod doubles;
mod faults;
mod first_run;
mod index;
mod leftovers;
mod objects;
mod parts;
mod portable;
mod refresh;

use drime_sim::{Simulator, Switches, TOKEN};
use pys3local_tests::gateway::Options;
use pys3local_tests::{Gateway, S3};

const MIB: usize = 1 << 20;

/// A gateway over a simulated account, with a bucket `bucket`.
struct Cloud {
    simulator: Simulator,
    gateway: Gateway,
    s3: S3,
}

impl Cloud {
    async fn new() -> Self {
        Self::with(Switches::default()).await
    }

    async fn with(switches: Switches) -> Self {
        let simulator = Simulator::start(switches).await.unwrap();
        let gateway = gateway(&simulator);
        let s3 = gateway.s3();
        s3.create_bucket("bucket").await;
        simulator.reset_log();
        Self {
            simulator,
            gateway,
            s3,
        }
    }

    /// Paths and sizes of the files, as the service has them.
    fn files(&self) -> Vec<(String, u64)> {
        let entries = self.simulator.entries().into_iter();
        let files = entries.filter(|entry| !entry.folder);
        files.map(|entry| (entry.path, entry.size)).collect()
    }

    /// A gateway that remembers nothing of what it saw.
    fn restart(&mut self) {
        self.gateway.restart();
        self.s3 = self.gateway.s3();
    }

    /// Waits until what the gateway knows is kept with each object, too.
    fn until_described(&self) {
        self.gateway.until("every file has its text", || {
            let mut files = self.simulator.entries().into_iter();
            let told = files.all(|entry| entry.folder || entry.description.is_some());
            told && self.simulator.is_idle()
        });
    }

    fn script(&self, script: &str) {
        self.simulator.script(script.parse().unwrap());
    }
}

fn gateway(simulator: &Simulator) -> Gateway {
    options(simulator).start()
}

fn options(simulator: &Simulator) -> Options {
    options_with(simulator, "")
}

/// With more keys in the section.
fn options_with(simulator: &Simulator, keys: &str) -> Options {
    Options::default().backend("cloud", &(section(simulator) + keys))
}

/// The section `cloud` of a config file.
fn section(simulator: &Simulator) -> String {
    let api = simulator.api_url();
    let origin = api.trim_end_matches("/api/v1");
    let storage = simulator.storage_url();
    format!(
        "[cloud]\ntype = \"drime\"\napi_key = \"{TOKEN}\"\nbase_url = \"{api}\"\n\
         root_folder = \"backups/s3\"\nhosts = [\"{origin}\", \"{storage}\"]\n"
    )
}
