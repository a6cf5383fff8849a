//! Where files are by default.

use super::error::ConfigError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The directories of this user on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Config files and `metadata.db`.
    pub config: PathBuf,
    /// Compiled components; they may be deleted at any time.
    pub cache: Option<PathBuf>,
    /// The system's directory for temporary files.
    pub temp: PathBuf,
    /// What relative paths start from.
    pub current: PathBuf,
}

/// The conventions of an operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// `XDG_CONFIG_HOME`, else `~/.config`.
    /// Spec: <https://specifications.freedesktop.org/basedir-spec/latest/>
    Xdg,
    /// `%APPDATA%` and `%LOCALAPPDATA%`.
    Windows,
}

const NAME: &str = "pys3local";

impl Places {
    /// The places of this process.
    pub fn of_this_process(config: Option<&Path>) -> Result<Self, ConfigError> {
        let convention = if cfg!(windows) {
            Convention::Windows
        } else {
            Convention::Xdg
        };
        let env = |name: &str| std::env::var_os(name);
        let current = std::env::current_dir().map_err(|cause| ConfigError::Read {
            path: ".".into(),
            cause,
        })?;
        let config = match config {
            Some(given) => current.join(given),
            None => config_dir(convention, &env)?,
        };
        Ok(Self {
            config,
            cache: cache_dir(convention, &env),
            temp: std::env::temp_dir(),
            current,
        })
    }

    /// A path that starts from the current directory unless it is absolute, as a person would write
    /// it: without the `.` of `./data`.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        self.current.join(path).components().collect()
    }

    /// Where compiled components are kept.
    pub fn compile_cache(&self) -> Option<PathBuf> {
        Some(self.cache.as_ref()?.join("compiled"))
    }

    /// Whether what is stored at `path` may be gone after a restart of the machine.
    pub fn is_temporary(&self, path: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let path = real(path);
        ["/tmp", "/var/tmp", "/dev/shm"]
            .into_iter()
            .map(Path::new)
            .chain([self.temp.as_path()])
            .any(|temp| path.starts_with(real(temp)))
    }
}

/// A path as a person writes it, with `~/` for the home directory.
pub fn from_home(path: &str) -> PathBuf {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.into(),
    }
}

/// The config directory by default. A relative `XDG_CONFIG_HOME` is ignored, as its
/// specification asks.
pub fn config_dir(
    convention: Convention,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, ConfigError> {
    let (variable, found) = match convention {
        Convention::Xdg => ("HOME", under(env, "XDG_CONFIG_HOME", ".config")),
        Convention::Windows => ("APPDATA", absolute(env, "APPDATA")),
    };
    let base = found.ok_or(ConfigError::NoHome { variable })?;
    Ok(base.join(NAME))
}

fn cache_dir(convention: Convention, env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    match convention {
        Convention::Xdg => Some(under(env, "XDG_CACHE_HOME", ".cache")?.join(NAME)),
        Convention::Windows => Some(absolute(env, "LOCALAPPDATA")?.join(NAME).join("cache")),
    }
}

fn under(
    env: &dyn Fn(&str) -> Option<OsString>,
    variable: &str,
    below_home: &str,
) -> Option<PathBuf> {
    absolute(env, variable).or_else(|| Some(absolute(env, "HOME")?.join(below_home)))
}

fn absolute(env: &dyn Fn(&str) -> Option<OsString>, variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env(variable)?);
    // A drive letter is absolute on Windows only, where this matters; the logic is tested elsewhere.
    let drive = variable.ends_with("APPDATA") && !path.as_os_str().is_empty();
    (path.is_absolute() || drive).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(convention: Convention, pairs: &[(&str, &str)]) -> Result<PathBuf, ConfigError> {
        config_dir(convention, &|name| {
            let (_, value) = pairs.iter().find(|(known, _)| *known == name)?;
            Some((*value).into())
        })
    }

    #[test]
    fn without_xdg_the_config_is_below_the_home_directory() {
        let found = dir(Convention::Xdg, &[("HOME", "/home/u")]).unwrap();
        assert_eq!(found, Path::new("/home/u/.config/pys3local"));
    }

    #[test]
    fn xdg_config_home_comes_before_home() {
        let env = [("HOME", "/home/u"), ("XDG_CONFIG_HOME", "/etc/u")];
        assert_eq!(
            dir(Convention::Xdg, &env).unwrap(),
            Path::new("/etc/u/pys3local")
        );
    }

    #[test]
    fn a_relative_or_empty_xdg_config_home_is_ignored() {
        for odd in ["", "conf"] {
            let env = [("HOME", "/home/u"), ("XDG_CONFIG_HOME", odd)];
            assert_eq!(
                dir(Convention::Xdg, &env).unwrap(),
                Path::new("/home/u/.config/pys3local")
            );
        }
    }

    #[test]
    fn on_windows_the_config_is_in_appdata() {
        let found = dir(
            Convention::Windows,
            &[("APPDATA", r"C:\Users\u\AppData\Roaming")],
        )
        .unwrap();
        assert_eq!(
            found,
            Path::new(r"C:\Users\u\AppData\Roaming").join("pys3local")
        );
    }

    #[test]
    fn no_home_at_all_is_an_error_that_names_the_way_out() {
        for (convention, variable) in [(Convention::Xdg, "HOME"), (Convention::Windows, "APPDATA")]
        {
            let error = dir(convention, &[]).unwrap_err();
            assert!(error.to_string().contains(variable), "{error}");
            assert!(error.hint().unwrap().contains("--config-dir"));
        }
    }

    #[test]
    fn a_directory_below_the_temp_directory_is_temporary() {
        let temp = tempfile::tempdir().unwrap();
        let places = Places {
            config: "/c".into(),
            cache: None,
            temp: temp.path().into(),
            current: "/".into(),
        };
        assert!(places.is_temporary(&temp.path().join("s3store")));
        assert!(places.is_temporary(Path::new("/var/tmp/x")));
        assert!(!places.is_temporary(Path::new("/srv/tmp")));
        assert!(!places.is_temporary(Path::new("/tmpfoo")));
    }
}
