//! Builds the built-in plugins for `wasm32-wasip2`, so that a plain `cargo run` works from a
//! clean checkout, and tells the crate where they are.
//!
//! A packager can name a prebuilt component instead with `PYS3LOCAL_PLUGIN_LOCAL_WASM` or
//! `PYS3LOCAL_PLUGIN_DRIME_WASM`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const TARGET: &str = "wasm32-wasip2";
/// Those in `plugins`.
const BUILT_IN: [&str; 2] = ["local", "drime"];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let host = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = host
        .parent()
        .ok_or("the host crate has no parent directory")?;
    let watch = |path: &Path| println!("cargo::rerun-if-changed={}", path.display());
    for source in ["wit", "Cargo.lock", "Cargo.toml"] {
        watch(&root.join(source));
    }
    for plugin in BUILT_IN {
        watch(&root.join("plugins").join(plugin));
        // What the crate reads.
        let name = format!("PYS3LOCAL_PLUGIN_{}", plugin.to_uppercase());
        let given = format!("{name}_WASM");
        println!("cargo::rerun-if-env-changed={given}");
        let wasm = match std::env::var_os(&given) {
            Some(file) => {
                let file = std::path::absolute(file).map_err(|error| error.to_string())?;
                watch(&file);
                file
            }
            // Not watched: what is written while this runs counts as changed, and all would be
            // compiled once more.
            None => compile(root, &format!("pys3local-plugin-{plugin}"))?,
        };
        if !wasm.is_file() {
            return Err(format!("there is no component {}", wasm.display()));
        }
        println!("cargo::rustc-env={name}={}", wasm.display());
    }
    Ok(())
}

fn compile(root: &Path, package: &str) -> Result<PathBuf, String> {
    // A directory of its own: the outer cargo holds the lock of the other.
    let target_dir = PathBuf::from(variable("OUT_DIR")?).join("plugins");
    let build = || {
        let mut cargo = Command::new(variable("CARGO")?);
        cargo
            .current_dir(root)
            .args(["build", "--locked", "--quiet", "--profile", "plugin"]);
        cargo
            .args(["--target", TARGET, "--package", package, "--target-dir"])
            .arg(&target_dir);
        clean(&mut cargo);
        cargo
            .status()
            .map(|status| status.success())
            .map_err(|error| error.to_string())
    };
    // Adding the target that is there already takes no time and no network.
    let has_target = || {
        Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(["--print", "target-libdir", "--target", TARGET])
            .output()
            .is_ok_and(|found| Path::new(String::from_utf8_lossy(&found.stdout).trim()).is_dir())
    };
    if !has_target() {
        let added = Command::new("rustup")
            .args(["target", "add", TARGET])
            .status();
        if !added.is_ok_and(|status| status.success()) || !has_target() {
            return Err(format!(
                "the plugins need the target {TARGET}: run `rustup target add {TARGET}`"
            ));
        }
    }
    if !build()? {
        return Err(format!("building the plugin {package} failed"));
    }
    let file = format!("{}.wasm", package.replace('-', "_"));
    Ok(target_dir.join(TARGET).join("plugin").join(file))
}

/// What the outer cargo set for the host must not leak into the build for another target.
fn clean(cargo: &mut Command) {
    let exact = [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_TARGET_DIR",
        "CARGO_MAKEFLAGS",
        "MAKEFLAGS",
        "RUSTDOCFLAGS",
        "CLIPPY_ARGS",
    ];
    let families = [
        "CARGO_PROFILE_",
        "CARGO_BUILD_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_PKG_",
    ];
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if exact.contains(&&*text) || families.iter().any(|family| text.starts_with(family)) {
            cargo.env_remove(&name);
        }
    }
}

fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("cargo did not set {name}"))
}
