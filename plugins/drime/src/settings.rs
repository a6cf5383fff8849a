//! What the operator sets, and how the account is looked at when the plugin starts.

use crate::api::number;
use crate::client::{Call, Client};
use crate::net::Net;
use crate::{Drime, Error, locks, parts, portable, writers};
use serde_json::Value;
use std::cell::{Cell, RefCell};

/// The pause before a start is tried again if the service does not say how long, and for how long
/// that goes on at most, in milliseconds. The gateway gives a start a minute.
const PAUSE: u32 = 2_000;
const LONGEST_START: u64 = 45_000;

/// Where the API is.
pub const BASE: &str = "https://app.drime.cloud/api/v1";

/// The settings of the config section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The API key.
    pub token: String,
    /// The workspace; 0 is the personal one.
    pub workspace: i64,
    /// Folder names from the top of the workspace to the folder that holds the buckets.
    pub root: Vec<String>,
    /// Deleted objects do not go to the trash.
    pub forever: bool,
    /// Where the API is, without a slash at the end.
    pub base: String,
    /// There is one bucket, and it is the root folder.
    pub single_bucket: bool,
}

impl Settings {
    /// Reads the settings of the config section; keys of others are not looked at.
    pub fn read(pairs: &[(String, String)], single_bucket: bool) -> Result<Self, Error> {
        let get = |name: &str| {
            let found = pairs.iter().find(|(other, _)| other == name);
            found.map_or("", |(_, value)| value.trim())
        };
        let token = get("api_key").to_owned();
        if token.is_empty() || token.chars().any(char::is_control) {
            return Err(Error::Denied(
                "api_key is missing: make one in the account settings at app.drime.cloud".into(),
            ));
        }
        let workspace = match get("workspace_id") {
            "" => 0,
            text => text.parse().map_err(|_| {
                Error::Other(format!(
                    "workspace_id is a number, 0 for the personal space, not {text:?}"
                ))
            })?,
        };
        let forever = match get("delete") {
            "" | "trash" => false,
            "forever" => true,
            other => {
                return Err(Error::Other(format!(
                    "delete is \"trash\" or \"forever\", not {other:?}"
                )));
            }
        };
        let base = match get("base_url") {
            "" => BASE,
            other => other.trim_end_matches('/'),
        };
        let root = get("root_folder")
            .split('/')
            .filter(|name| !name.trim().is_empty());
        Ok(Self {
            token,
            workspace,
            root: root.map(|name| name.trim().to_owned()).collect(),
            forever,
            base: base.to_owned(),
            single_bucket,
        })
    }
}

/// The number of the user whose token this is.
pub async fn user<N: Net>(client: &Client<N>) -> Result<i64, Error> {
    let answer = match client.call(&Call::get("cli/loggedUser")).await {
        Err(crate::fault::Fault::Broken(why)) => {
            return Err(Error::Unavailable(format!(
                "Drime cannot be reached ({why}): check the network connection and try again"
            )));
        }
        answer => answer?,
    };
    let user = answer
        .get("user")
        .and_then(|user| user.get("id"))
        .and_then(number);
    // A rejected token is answered like a success, with nobody in it.
    user.ok_or_else(|| {
        crate::fault::Fault::Refused {
            status: 401,
            text: String::new(),
            fields: Vec::new(),
        }
        .into()
    })
}

/// The workspaces of the user, with their names.
pub async fn workspaces<N: Net>(client: &Client<N>) -> Result<Vec<(i64, String)>, Error> {
    let answer = client.call(&Call::get("me/workspaces")).await?;
    let mut found = vec![(0, "personal space".to_owned())];
    for row in answer
        .get("workspaces")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let Some(id) = row.get("id").and_then(number) {
            let name = row.get("name").and_then(Value::as_str).unwrap_or_default();
            found.push((id, name.to_owned()));
        }
    }
    Ok(found)
}

/// Says so if nothing more can be stored. That it cannot be found out is no reason to stop.
pub async fn warn_if_full<N: Net>(client: &Client<N>, workspace: i64) {
    let call = Call::get(format!("user/space-usage?workspaceId={workspace}"));
    let Ok(answer) = client.call(&call).await else {
        return;
    };
    let field = |name: &str| answer.get(name).and_then(number);
    // Some read `available` as all that may be used, some as what is left.
    if let (Some(used), Some(available)) = (field("used"), field("available"))
        && used >= available
    {
        client.net.warn(&format!(
            "this Drime account seems to be full ({used} bytes used, {available} allowed): uploads \
             fail until something is deleted, also from the trash, or the plan is changed"
        ));
    }
}

impl<N: Net> Drime<N> {
    /// Checks the account and finds the root folder, which is made if it is not there. While the
    /// service allows no calls it is waited for.
    pub async fn start(net: N, settings: Settings) -> Result<Self, Error> {
        let client = Client::new(net, settings.base.clone(), settings.token.clone());
        let mut drime = Self {
            client,
            user: 0,
            root: None,
            folders: RefCell::default(),
            locks: locks::Locks::default(),
            writers: writers::Writers::default(),
            scans: RefCell::default(),
            signed: RefCell::new(parts::Signed::default()),
            description: Cell::new(portable::LONGEST),
            settings,
        };
        let begun = drime.client.net.now();
        loop {
            let delay = match drime.connect().await {
                Ok(()) => return Ok(drime),
                Err(Error::Throttled(delay)) => u64::from(delay.unwrap_or(PAUSE)),
                Err(error) => return Err(error),
            };
            if drime.client.net.now() + delay > begun + LONGEST_START {
                return Err(Error::Unavailable(format!(
                    "Drime allows this account no more calls for now: try again in {} s",
                    delay.div_ceil(1_000)
                )));
            }
            drime.client.net.sleep(delay).await;
        }
    }

    async fn connect(&mut self) -> Result<(), Error> {
        self.user = user(&self.client).await?;
        let workspace = self.settings.workspace;
        if workspace != 0 {
            let there = workspaces(&self.client).await?;
            if !there.iter().any(|(id, _)| *id == workspace) {
                let names: Vec<String> = there
                    .iter()
                    .map(|(id, name)| format!("{id} ({name})"))
                    .collect();
                return Err(Error::Other(format!(
                    "this account has no workspace {workspace}: set workspace_id to one of {}",
                    names.join(", ")
                )));
            }
        }
        warn_if_full(&self.client, workspace).await;
        let mut root = None;
        for name in self.settings.root.clone() {
            root = Some(self.make_folder(root, &name).await?);
        }
        // The listing shows that the workspace can be read at all.
        self.rows(root, 0).await?;
        self.root = root;
        Ok(())
    }

    /// What tells this storage from every other.
    pub fn namespace(&self) -> String {
        let Settings { workspace, .. } = self.settings;
        format!("{}/{workspace}/{}", self.user, self.root.unwrap_or(0))
    }

    /// The workspace's number.
    pub fn workspace(&self) -> i64 {
        self.settings.workspace
    }
}
