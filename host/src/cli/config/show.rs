//! One backend as it is shown: secrets hidden unless they are asked for.

use crate::backend::{Description, SettingKind};
use crate::cli::output::visible;
use crate::config::{BackendConfig, secret};
use serde_json::{Map, Value, json};
use std::fmt;
use std::path::PathBuf;

pub(in crate::cli) struct Shown {
    name: String,
    file: PathBuf,
    backend: BackendConfig,
    /// With `None` for what is hidden.
    settings: Vec<(String, Option<String>)>,
}

impl Shown {
    pub(super) fn new(
        name: &str,
        file: PathBuf,
        backend: BackendConfig,
        description: Option<&Description>,
        reveal: bool,
    ) -> Self {
        let shown = backend.settings.iter().map(|(key, value)| {
            let declared = description.and_then(|description| description.setting(key));
            let obscured = secret::reveal(&value.text).filter(|_| !value.secret);
            let is_secret = match declared {
                Some(setting) => value.secret || setting.kind == SettingKind::Secret,
                // Nobody can say what it is; what looks obscured is meant to be hidden.
                None => value.secret || obscured.is_some(),
            };
            let text = match (is_secret, reveal) {
                (false, _) => Some(value.text.clone()),
                (true, true) => Some(obscured.unwrap_or_else(|| value.text.clone())),
                (true, false) => None,
            };
            (key.clone(), text)
        });
        let settings = shown.collect();
        Self {
            name: name.to_owned(),
            file,
            backend,
            settings,
        }
    }

    pub(super) fn json(&self) -> Value {
        let (mut settings, mut hidden) = (Map::new(), Vec::new());
        for (key, text) in &self.settings {
            match text {
                Some(text) => drop(settings.insert(key.clone(), json!(text))),
                None => hidden.push(key),
            }
        }
        let grants = &self.backend.grants;
        let dir = |dir: &crate::config::DirGrant| json!({"guest": dir.guest, "host": dir.host, "writable": dir.writable});
        json!({
            "name": self.name,
            "file": self.file,
            "type": self.backend.kind,
            "component": self.backend.component,
            "sha256": self.backend.sha256.map(hex::encode),
            "settings": settings,
            "hidden": hidden,
            "grants": {
                "hosts": grants.hosts,
                "dirs": grants.dirs.iter().map(dir).collect::<Vec<_>>(),
                "env": grants.env.keys().collect::<Vec<_>>(),
                "memory": grants.memory,
                "call_timeout": grants.call_timeout.map(|time| time.as_secs()),
                "max_calls": grants.max_calls,
            },
            "metadata_db": self.backend.metadata_db,
            "max_age": self.backend.max_age.map(|time| time.as_secs()),
            "exclusive": self.backend.exclusive,
            "upload_expiry": self.backend.upload_expiry.map(|time| time.as_secs()),
            "spool_limit": self.backend.spool_limit,
            "sync": self.backend.sync.map(crate::config::SyncPolicy::name),
        })
    }

    /// The keys of the section and their values.
    fn lines(&self) -> Vec<(&str, String)> {
        let backend = &self.backend;
        let mut lines = vec![("file", self.file.display().to_string())];
        lines.push(("type", backend.kind.clone()));
        if let Some(component) = &backend.component {
            lines.push(("component", component.display().to_string()));
        }
        if let Some(digest) = backend.sha256 {
            lines.push(("sha256", hex::encode(digest)));
        }
        if !backend.grants.hosts.is_empty() {
            lines.push(("hosts", backend.grants.hosts.join(", ")));
        }
        for dir in &backend.grants.dirs {
            let access = if dir.writable {
                "read and write"
            } else {
                "read only"
            };
            lines.push((
                "dirs",
                format!("{} as {} ({access})", dir.host.display(), dir.guest),
            ));
        }
        for name in backend.grants.env.keys() {
            lines.push(("env", format!("{name} (value not shown)")));
        }
        if let Some(memory) = backend.grants.memory {
            lines.push(("memory", format!("{memory} bytes")));
        }
        if let Some(time) = backend.grants.call_timeout {
            lines.push(("call_timeout", format!("{} s", time.as_secs())));
        }
        if let Some(path) = &backend.metadata_db {
            lines.push(("metadata_db", path.display().to_string()));
        }
        if let Some(time) = backend.max_age {
            lines.push(("max_age", format!("{} s", time.as_secs())));
        }
        if backend.exclusive {
            lines.push(("exclusive", "true".into()));
        }
        if let Some(time) = backend.upload_expiry {
            lines.push(("upload_expiry", format!("{} s", time.as_secs())));
        }
        if let Some(limit) = backend.spool_limit {
            lines.push(("spool_limit", format!("{limit} bytes")));
        }
        if let Some(calls) = backend.grants.max_calls {
            lines.push(("max_calls", calls.to_string()));
        }
        if let Some(sync) = backend.sync {
            lines.push(("sync", sync.name().into()));
        }
        let settings = self.settings.iter().map(|(key, text)| {
            let text = text.clone().unwrap_or_else(|| "(hidden)".into());
            (key.as_str(), text)
        });
        lines.extend(settings);
        lines
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        let width = lines.iter().map(|(key, _)| key.chars().count() + 1).max();
        let width = width.unwrap_or(0);
        writeln!(f, "{}", visible(&self.name))?;
        for (key, value) in lines {
            writeln!(f, "  {:width$}  {}", format!("{key}:"), visible(&value))?;
        }
        Ok(())
    }
}
