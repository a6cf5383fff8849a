//! `pys3local plugin new`: a complete plugin to start from, which is the example of its language.

use crate::cli::Failure;
use clap::{Args, ValueEnum};
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct NewOptions {
    /// The plugin's name, as in `type = "…"`: lower-case letters, digits and `-`
    #[arg(value_parser = name)]
    name: String,

    /// What to write it in
    #[arg(long, value_enum)]
    lang: Language,

    /// Directory to make [default: NAME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Language {
    /// Encrypts objects into a directory; needs Rust's target wasm32-wasip2
    Rust,
    /// One file for each object; needs componentize-py from PyPI
    Python,
}

fn name(text: &str) -> Result<String, &'static str> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected lower-case letters, digits and `-`, a letter first")
    }
}

/// A file of the interface or of an example.
macro_rules! files {
    ($dir:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../../", $dir, "/", $name)))),*]
    };
}

type Files = &'static [(&'static str, &'static str)];

const WIT: Files = files!("wit/v0":
    "world.wit" "store.wit" "types.wit"
    "deps/cli.wit" "deps/clocks.wit" "deps/filesystem.wit" "deps/http.wit" "deps/random.wit"
    "deps/sockets.wit"
);
const RUST: Files = files!("plugins/examples/vault":
    "Cargo.toml" "src/lib.rs" "src/plugin.rs" "src/files.rs" "src/sealed.rs" "src/names.rs"
);
const PYTHON: Files = files!("plugins/examples/python": "app.py");

pub(super) fn run(options: &NewOptions) -> Result<(), Failure> {
    let dir = options.dir.clone();
    let dir = dir.unwrap_or_else(|| PathBuf::from(&options.name));
    let cannot = |path: &Path, error: &std::io::Error| {
        Failure::new(format!("cannot create {}: {error}", path.display()))
    };
    std::fs::create_dir(&dir).map_err(|error| cannot(&dir, &error))?;
    for (path, text) in plugin(&options.name, options.lang) {
        let path = dir.join(path);
        let made = match path.parent() {
            Some(parent) => std::fs::create_dir_all(parent),
            None => Ok(()),
        };
        made.and_then(|()| std::fs::write(&path, text))
            .map_err(|error| cannot(&path, &error))?;
    }
    let next = format!(
        "{} is a complete plugin; its README.md says how to build, check and install it\n",
        dir.display()
    );
    // The files are there; a closed stdout is no failure.
    let _ = std::io::stdout().write_all(next.as_bytes());
    Ok(())
}

/// All files of a new plugin.
fn plugin(name: &str, language: Language) -> Vec<(String, String)> {
    let interface = WIT
        .iter()
        .map(|(path, text)| (format!("wit/{path}"), (*text).to_owned()));
    let example = match language {
        Language::Rust => RUST,
        Language::Python => PYTHON,
    };
    let own = example.iter().map(|(path, text)| {
        let text = match *path {
            "Cargo.toml" => text
                .replace("pys3local-plugin-vault", name)
                .replace("# A package of its own, as yours would be: it is no part of the gateway's workspace.\n", ""),
            "src/plugin.rs" => text
                .replace("        // Your plugin has a copy of the released folder that it is made for.\n", "")
                .replace("../../../wit/released/0.1.0", "wit")
                .replace("name: \"vault\"", &format!("name: \"{name}\"")),
            "app.py" => text.replace("name=\"python\"", &format!("name=\"{name}\"")),
            _ => (*text).to_owned(),
        };
        ((*path).to_owned(), text)
    });
    let readme = ("README.md".to_owned(), readme(name, language));
    interface.chain(own).chain([readme]).collect()
}

fn readme(name: &str, language: Language) -> String {
    let (build, component, setting) = match language {
        Language::Rust => (
            "rustup target add wasm32-wasip2\ncargo build --release --target wasm32-wasip2"
                .to_owned(),
            format!(
                "target/wasm32-wasip2/release/{}.wasm",
                name.replace('-', "_")
            ),
            "password=$(openssl rand -hex 32)",
        ),
        Language::Python => (
            format!(
                "pip install componentize-py==0.25.1\n\
                 componentize-py -d wit -w pys3local:storage/plugin@0.1.0 componentize app -o {name}.wasm"
            ),
            format!("{name}.wasm"),
            "",
        ),
    };
    let set = if setting.is_empty() {
        String::new()
    } else {
        format!(" --set {setting}")
    };
    let line = if setting.is_empty() {
        ""
    } else {
        "password = \"…\"\n"
    };
    format!(
        "# {name}\n\n\
         A storage plugin for pys3local. It starts as a complete one that keeps objects in a granted\n\
         directory: change what it does piece by piece, and check it after each.\n\n\
         ```sh\n{build}\n\
         pys3local plugin check {component}{set}\n\
         pys3local plugin install {component} --as {name}\n\
         mkdir -p /srv/objects    # or another directory: it must be there\n```\n\n\
         ```toml\n# ~/.config/pys3local/backends.toml\n[mine]\ntype = \"{name}\"\n{line}\
         dirs = [{{ guest = \"/\", host = \"/srv/objects\", writable = true }}]\n```\n\n\
         `pys3local serve --backend-config mine` serves it. `wit/store.wit` says what each function\n\
         promises; the optional interfaces in it are found when the component exports them.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_new_plugin_points_out_of_its_directory() {
        for language in [Language::Rust, Language::Python] {
            let files = plugin("my-store", language);
            assert!(files.iter().any(|(path, _)| path == "wit/deps/http.wit"));
            for (path, text) in &files {
                assert!(!path.contains(".."), "{path}");
                // The interface speaks of keys like `a/../b`.
                let own = !path.starts_with("wit/");
                assert!(!own || !text.contains("../"), "{path} points elsewhere");
            }
            let all: String = files.into_iter().map(|(_, text)| text).collect();
            assert!(all.contains("my-store") && !all.contains("pys3local-plugin-vault"));
        }
    }

    #[test]
    fn a_name_must_fit_a_config_section() {
        assert!(name("s3-2").is_ok());
        for bad in ["", "2s", "My", "a_b", "a/b", "-a"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
