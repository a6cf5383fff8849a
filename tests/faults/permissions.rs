//! Directories that the program may not use.

use pys3local_tests::Gateway;
use pys3local_tests::gateway::Options;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

/// A gateway for which permissions count, whoever runs the tests.
fn ordinary() -> Gateway {
    let options = Options::default().arg("--layout").arg("plain");
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return options.start();
    }
    let without = "-dac_override,-dac_read_search";
    let words = [
        "setpriv".to_owned(),
        format!("--inh-caps={without}"),
        format!("--bounding-set={without}"),
    ];
    options.behind(words.to_vec()).start()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_refused_is_no_error_of_the_gateway_and_leaves_nothing_unknown() {
    let gateway = ordinary();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    s3.store("bucket", "dir/old", "old").await;
    let dir = gateway.data().join("bucket/dir");
    // What is in the directory may be read but not changed; be listed but not opened; neither.
    for mode in [0o555, 0o666, 0o000] {
        fs::set_permissions(&dir, Permissions::from_mode(mode)).unwrap();
        let refused = [
            s3.put("bucket", "dir/old", "new").send().await,
            s3.put("bucket", "dir/new", "new").send().await,
        ];
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        for refused in refused {
            refused.expect_error(403, "AccessDenied");
        }
        assert_eq!(s3.fetch("bucket", "dir/old").await, "old", "{mode:o}");
        let new = s3.get("bucket", "dir/new").send().await;
        new.expect_error(404, "NoSuchKey");
    }
    gateway.until_said("the storage refused a request");
    let log = gateway.stderr();
    assert!(!log.contains(" ERROR "), "{log}");
    s3.store("bucket", "dir/old", "newer").await;
    s3.store("bucket", "dir/new", "new").await;
}
