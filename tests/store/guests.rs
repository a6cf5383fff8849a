//! The test plugins, built when they are needed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory with built test plugins; without it, cargo is asked to build them.
const PREBUILT: &str = "PYS3LOCAL_GUESTS";
const TARGET: &str = "wasm32-wasip2";

/// The component of a test plugin of the workspace.
pub(crate) fn component(name: &str) -> PathBuf {
    let package = format!("pys3local-guest-{name}");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    build(&package, &workspace, "plugin")
}

/// The example plugin that encrypts. It is no part of the workspace, as a stranger's would be.
pub(crate) fn vault() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = manifest.join("../plugins/examples/vault/Cargo.toml");
    build("pys3local-plugin-vault", &manifest, "release")
}

fn build(package: &str, manifest: &Path, profile: &str) -> PathBuf {
    let file = format!("{}.wasm", package.replace('-', "_"));
    if let Some(dir) = std::env::var_os(PREBUILT) {
        let component = Path::new(&dir).join(file);
        assert!(
            component.is_file(),
            "no {} ({PREBUILT})",
            component.display()
        );
        return component;
    }
    // A directory of its own: its lock is held only by tests like this one. When there is
    // nothing to do, cargo says so in a moment.
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--profile", profile])
        .args(["--target", TARGET, "--package", package, "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target_dir)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .status();
    let built = built.expect("cargo can be run");
    assert!(built.success(), "building {package} failed");
    target_dir.join(TARGET).join(profile).join(file)
}
