//! Which plugin a command is about: a component's file, or a backend of the config.

use crate::backend::PluginConfig;
use crate::cli::Failure;
use crate::cli::backend::plugin_config;
use crate::config::{BackendConfig, Places, file};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct Subject {
    /// The component's file
    #[arg(
        required_unless_present = "backend_config",
        conflicts_with = "backend_config"
    )]
    file: Option<PathBuf>,

    /// Backend from the config directory, with its settings and grants, instead of a file
    #[arg(long, value_name = "NAME")]
    backend_config: Option<String>,
}

impl Subject {
    /// What the component host needs to know, and the section of the config if there is one.
    pub(super) fn find(
        &self,
        places: &Places,
    ) -> Result<(PluginConfig, Option<BackendConfig>), Failure> {
        match (&self.backend_config, &self.file) {
            (Some(name), _) => {
                let (section, _) = file::load(&places.config, name)?;
                Ok((plugin_config(&section)?, Some(section)))
            }
            (None, Some(file)) => {
                let config = PluginConfig {
                    kind: kind_of(file),
                    component: Some(places.current.join(file)),
                    ..PluginConfig::default()
                };
                Ok((config, None))
            }
            (None, None) => Err(Failure::usage("name a file or a backend")),
        }
    }
}

/// What a section would call it.
pub(super) fn kind_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_becomes_that_of_a_plugin() {
        assert_eq!(kind_of(Path::new("/x/my_plugin.v1.wasm")), "my-plugin-v1");
    }
}
