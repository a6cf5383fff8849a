//! From a config section to a running plugin.

use super::Failure;
use super::plugin::words;
use super::whereabouts::quoted;
use crate::backend::{
    self, Backend, BackendOptions, Component, Description, HostPattern, OpenError, PluginConfig,
    SettingKind,
};
use crate::config::{self, BackendConfig, Serve, secret};
use crate::service::BucketMode;
use std::collections::BTreeMap;
use std::io;

/// Starts what stores the objects, for a command that is soon over.
pub(super) async fn open(settings: &Serve) -> Result<Backend, Failure> {
    start(settings, false).await
}

/// The same for a server, whose log says what the plugin may reach.
pub(super) async fn open_to_serve(settings: &Serve) -> Result<Backend, Failure> {
    start(settings, true).await
}

async fn start(settings: &Serve, say_reach: bool) -> Result<Backend, Failure> {
    let section = &settings.backend;
    let options = BackendOptions {
        durable: settings.sync.is_durable(),
        single_bucket: settings.mode == BucketMode::Default,
        plugin_dir: Some(settings.plugin_dir.clone()),
        compile_cache: settings.compile_cache.clone(),
        trusted: vec![settings.config_dir.clone(), settings.metadata_db.clone()],
        requests: settings.max_connections,
        spool: settings.spool.clone(),
        spool_limit: settings.spool_limit,
    };
    let failed = |error: OpenError| match &error {
        OpenError::Directory { path, source } if source.kind() == io::ErrorKind::NotFound => {
            let hint = format!(
                "`mkdir -p {}` makes it; if it is on a disk of its own, mount that first",
                path.display()
            );
            Failure::of(error).hint(hint)
        }
        _ => Failure::of(error),
    };
    let config = plugin_config(section)?;
    let component = Component::load(&config, &options).await.map_err(failed)?;
    let plain = revealed(section, component.description());
    let reach = component.reach(&plain).map_err(failed)?;
    let description = component.description();
    if say_reach {
        tracing::info!(
            "plugin {} {}: may reach {}",
            section.kind,
            description.version,
            words::list(&words::reach(&reach))
        );
    }
    let missing = words::missing(description, &reach);
    if !missing.is_empty() {
        tracing::warn!(
            "plugin {}: is not granted what it asks for: {}",
            section.kind,
            words::list(&missing)
        );
    }
    let built_in = component.is_built_in();
    let backend = match component.start(plain, &options).await {
        Ok(backend) => backend,
        Err(error) => {
            let hint = remedy(section, built_in, &error);
            let failure = failed(error);
            return Err(match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            });
        }
    };
    if let Some(failure) = undeclared_flag(section, &backend.unknown_settings) {
        backend.shutdown();
        return Err(failure);
    }
    for setting in &backend.unknown_settings {
        let flag = section
            .settings
            .get(setting)
            .and_then(|value| value.flag.as_ref());
        if let Some(variable) = flag {
            tracing::warn!(
                "{variable}: the backend `{}` has no such setting",
                section.kind
            );
            continue;
        }
        let place = section.name.as_ref().map_or_else(String::new, |name| {
            format!(" in the backend config {name:?}")
        });
        let kind = &section.kind;
        tracing::warn!("the key {setting:?}{place} is not one that the backend {kind:?} knows");
    }
    Ok(backend)
}

/// How to give a setting that is missing.
fn remedy(section: &BackendConfig, built_in: bool, error: &OpenError) -> Option<String> {
    let OpenError::MissingSetting {
        setting, secret, ..
    } = error
    else {
        return None;
    };
    let kind = &section.kind;
    let option = if *secret {
        format!("--secret {setting}")
    } else {
        format!("--set {setting}=VALUE")
    };
    if let Some(name) = &section.name {
        let name = quoted(name);
        let command = format!("pys3local config add {name} --type {kind} --replace {option}");
        return Some(format!("`{command}` gives it"));
    }
    let variable = if built_in && kind == "drime" && setting == "api_key" {
        "the environment variable DRIME_API_KEY gives it, or "
    } else {
        ""
    };
    Some(format!(
        "{variable}`pys3local config add NAME --type {kind} {option}`, and then \
         --backend-config NAME"
    ))
}

/// The settings in plain text. What a section says was revealed as it was read, as far as its
/// key was known to be a secret; the plugin knows the others.
pub(super) fn revealed(
    section: &BackendConfig,
    description: &Description,
) -> BTreeMap<String, String> {
    let settings = section.settings.iter().map(|(key, value)| {
        let declared = description.setting(key);
        let is_secret = declared.is_some_and(|setting| setting.kind == SettingKind::Secret);
        let text = if is_secret && !value.secret && value.flag.is_none() {
            secret::reveal_or_plain(&value.text)
        } else {
            value.text.clone()
        };
        (key.clone(), text)
    });
    settings.collect()
}

/// What a section says to the component host.
pub(super) fn plugin_config(section: &BackendConfig) -> Result<PluginConfig, Failure> {
    let settings = section.settings.iter();
    Ok(PluginConfig {
        kind: section.kind.clone(),
        component: section.component.clone(),
        sha256: section.sha256,
        grants: grants(&section.grants)?,
        settings: settings
            .map(|(key, value)| (key.clone(), value.text.clone()))
            .collect(),
    })
}

fn grants(section: &config::Grants) -> Result<backend::Grants, Failure> {
    let default = backend::Grants::default();
    let dirs = section.dirs.iter().cloned();
    let hosts = section.hosts.iter().map(|host| host.parse());
    let hosts: Result<Vec<HostPattern>, _> = hosts.collect();
    Ok(backend::Grants {
        dirs: dirs
            .map(|dir| backend::DirGrant {
                guest: dir.guest,
                host: dir.host,
                writable: dir.writable,
            })
            .collect(),
        hosts: hosts.map_err(|error| Failure::new(format!("`hosts`: {error}")))?,
        memory: section.memory.unwrap_or(default.memory),
        env: section
            .env
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect(),
        call_timeout: section.call_timeout.unwrap_or(default.call_timeout),
        max_calls: section.max_calls,
    })
}

/// A flag that gave a setting which the plugin does not have: in a file or a variable, which may
/// be meant for another backend, that is worth a warning, on the command line it is a mistake.
fn undeclared_flag(section: &BackendConfig, unknown: &[String]) -> Option<Failure> {
    unknown.iter().find_map(|name| {
        let flag = section.settings.get(name)?.flag.as_ref()?;
        if matches!(flag, config::Origin::Env(_)) {
            return None;
        }
        let kind = &section.kind;
        Some(Failure::usage(format!(
            "{flag}: the backend `{kind}` has no such setting"
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Origin, SettingValue};
    use std::time::Duration;

    fn section() -> BackendConfig {
        let folder = SettingValue {
            flag: Some(Origin::Flag("--root-folder".into())),
            ..SettingValue::plain("x")
        };
        BackendConfig {
            name: None,
            kind: "mine".into(),
            component: None,
            sha256: None,
            grants: config::Grants::default(),
            sync: None,
            metadata_db: None,
            upload_expiry: None,
            spool_limit: None,
            max_age: None,
            exclusive: false,
            settings: [
                ("root_folder".to_owned(), folder),
                ("colour".to_owned(), SettingValue::plain("red")),
            ]
            .into(),
        }
    }

    #[test]
    fn a_flag_without_a_setting_is_an_error_and_a_key_in_a_file_is_not() {
        let both = ["colour".to_owned(), "root_folder".to_owned()];
        let failure = undeclared_flag(&section(), &both).unwrap();
        assert_eq!(
            failure.to_string(),
            "error: --root-folder: the backend `mine` has no such setting"
        );
        assert!(undeclared_flag(&section(), &both[..1]).is_none());
    }

    #[test]
    fn secrets_that_only_the_plugin_knows_of_are_revealed_once() {
        let obscured = secret::obscure("open sesame").unwrap();
        let setting = |name: &str, kind| backend::Setting {
            name: name.into(),
            help: String::new(),
            kind,
            required: false,
            default: None,
        };
        let description = Description {
            name: "mine".into(),
            version: "1".into(),
            summary: String::new(),
            settings: vec![
                setting("passphrase", SettingKind::Secret),
                setting("api_key", SettingKind::Secret),
                setting("note", SettingKind::Text),
            ],
            hosts: Vec::new(),
            dirs: Vec::new(),
        };
        let mut section = section();
        // The text of a secret that was revealed already may look obscured itself.
        let read = SettingValue {
            secret: true,
            ..SettingValue::plain(&obscured)
        };
        section.settings = [
            ("passphrase".to_owned(), SettingValue::plain(&obscured)),
            ("api_key".to_owned(), read),
            ("note".to_owned(), SettingValue::plain(&obscured)),
        ]
        .into();
        let found = revealed(&section, &description);
        assert_eq!(found["passphrase"], "open sesame");
        assert_eq!(found["api_key"], obscured);
        assert_eq!(found["note"], obscured);
    }

    #[test]
    fn what_a_section_does_not_limit_has_the_default_limits() {
        let mut asked = config::Grants {
            call_timeout: Some(Duration::from_secs(5)),
            ..config::Grants::default()
        };
        let found = grants(&asked).unwrap();
        assert_eq!(found.call_timeout, Duration::from_secs(5));
        assert_eq!(found.memory, backend::Grants::default().memory);
        asked.hosts.push("not a host".into());
        assert!(
            grants(&asked)
                .err()
                .unwrap()
                .to_string()
                .contains("`hosts`")
        );
    }
}
