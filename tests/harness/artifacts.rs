//! What was built to be tested: the program, and plugins as components.

use std::path::{Path, PathBuf};

/// The program to test: `PYS3LOCAL_BIN`, or the release build of this workspace.
pub fn binary() -> Result<PathBuf, String> {
    artifact(
        "PYS3LOCAL_BIN",
        "release/pys3local",
        "cargo build --release -p pys3local",
    )
}

/// A test guest as a component, `guest-hostile`, or the example `plugin-vault`.
/// `PYS3LOCAL_GUESTS` names their directory.
pub fn component(name: &str) -> Result<PathBuf, String> {
    let file = format!("pys3local_{}.wasm", name.replace('-', "_"));
    let dir = std::env::var_os("PYS3LOCAL_GUESTS").map_or_else(
        || target_dir().join("guests/wasm32-wasip2/plugin"),
        PathBuf::from,
    );
    let path = dir.join(file);
    if path.is_file() {
        return Ok(path);
    }
    Err(format!(
        "{} is missing; `tests/run` builds it",
        path.display()
    ))
}

fn artifact(variable: &str, below_target: &str, command: &str) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os(variable) {
        let path = PathBuf::from(path);
        return match path.is_file() {
            true => Ok(path),
            false => Err(format!(
                "{variable} names {}, which is no file",
                path.display()
            )),
        };
    }
    let path = target_dir().join(below_target);
    match path.is_file() {
        true => Ok(path),
        false => Err(format!(
            "{} is missing; build it with `{command}`",
            path.display()
        )),
    }
}

fn target_dir() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if let Some(dir) = std::env::var_os("CARGO_TARGET_DIR") {
        return workspace.join(dir);
    }
    // The tests themselves lie in TARGET/PROFILE/deps.
    let ours = std::env::current_exe().ok();
    let dir = ours.as_deref().and_then(|path| path.ancestors().nth(3));
    match dir {
        Some(dir) if dir.join("CACHEDIR.TAG").exists() => dir.to_path_buf(),
        _ => workspace.join("target"),
    }
}
