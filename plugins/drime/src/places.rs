//! Where the objects of keys are: folders, found or made once.

use crate::api::Entry;
use crate::client::Call;
use crate::folders::Known;
use crate::names::{aside, encode};
use crate::net::Net;
use crate::{Drime, Error};
use serde_json::json;

/// Waits for a folder that is said to be there and is not listed yet.
const LAG: [u64; 5] = [100, 200, 400, 1_000, 2_000];

/// Where an object is or would be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// The folder that it is in.
    pub(crate) folder: Option<i64>,
    /// Its name there.
    pub(crate) name: String,
}

impl<N: Net> Drime<N> {
    /// The folder of a bucket.
    pub(crate) async fn bucket(&self, bucket: &str) -> Result<Option<i64>, Error> {
        if self.settings.single_bucket {
            return Ok(self.root);
        }
        let found = self.find_folder(self.root, bucket).await?;
        found.map(Some).ok_or(Error::NoSuchBucket)
    }

    /// Where the object of a key is; `None` if its folder is not there.
    pub(crate) async fn place(&self, bucket: &str, key: &str) -> Result<Option<Place>, Error> {
        let mut folder = self.bucket(bucket).await?;
        let (folders, name) = path(key);
        for next in folders {
            match self.find_folder(folder, &next).await? {
                Some(id) => folder = Some(id),
                None => return Ok(None),
            }
        }
        Ok(Some(Place { folder, name }))
    }

    /// Where it is if its folders were listed lately, without asking.
    pub(crate) fn known_place(&self, bucket: &str, key: &str) -> Option<Place> {
        let below = |parent, name: &str| match self.known_folder(parent, name) {
            Known::Is(id) => Some(id),
            _ => None,
        };
        let mut folder = self.root;
        if !self.settings.single_bucket {
            folder = Some(below(folder, bucket)?);
        }
        let (names, name) = path(key);
        for next in names {
            folder = Some(below(folder, &next)?);
        }
        Some(Place { folder, name })
    }

    /// Where the object of a key is; its folders are made.
    pub(crate) async fn make_place(&self, bucket: &str, key: &str) -> Result<Place, Error> {
        let mut folder = self.bucket(bucket).await?;
        let (folders, name) = path(key);
        for next in folders {
            folder = Some(self.make_folder(folder, &next).await?);
        }
        Ok(Place { folder, name })
    }

    fn known_folder(&self, parent: Option<i64>, name: &str) -> Known {
        let now = self.client.net.now();
        self.folders.borrow().below(now, parent, name)
    }

    /// A folder by its name.
    pub(crate) async fn find_folder(
        &self,
        parent: Option<i64>,
        name: &str,
    ) -> Result<Option<i64>, Error> {
        if let Known::Unknown = self.known_folder(parent, name) {
            let _one = self.locks.lock(format!("list {parent:?}")).await;
            // Another call may have listed it meanwhile.
            if let Known::Unknown = self.known_folder(parent, name) {
                self.list_folders(parent).await?;
            }
        }
        Ok(match self.known_folder(parent, name) {
            Known::Is(id) => Some(id),
            _ => None,
        })
    }

    async fn list_folders(&self, parent: Option<i64>) -> Result<(), Error> {
        let rows = self.list(parent, true).await?;
        let now = self.client.net.now();
        self.folders.borrow_mut().keep_folders(parent, now, &rows);
        Ok(())
    }

    /// A folder by its name, made if it is not there.
    pub(crate) async fn make_folder(&self, parent: Option<i64>, name: &str) -> Result<i64, Error> {
        // What was listed some time ago is good enough: a name that is taken is refused.
        // But one that was there may have got another name.
        let is_new = {
            let folders = self.folders.borrow();
            folders.was_listed(parent) && folders.last_below(parent, name).is_none()
        };
        if !is_new && let Some(id) = self.find_folder(parent, name).await? {
            return Ok(id);
        }
        let _one = self.locks.lock(format!("make {parent:?} {name}")).await;
        if let Known::Is(id) = self.known_folder(parent, name) {
            return Ok(id);
        }
        if let Some(id) = self.create_folder(parent, name).await? {
            return Ok(id);
        }
        // Taken, and not by a folder of this name: by one that differs in case, or by a file.
        let other = aside(name);
        match self.create_folder(parent, &other).await? {
            Some(id) => Ok(id),
            None => Err(Error::Unavailable("a new folder does not show up".into())),
        }
    }

    /// Makes a folder; `None` if its name is taken by something else.
    pub(crate) async fn create_folder(
        &self,
        parent: Option<i64>,
        name: &str,
    ) -> Result<Option<i64>, Error> {
        let workspace = self.settings.workspace;
        let mut body = json!({"name": name, "workspaceId": workspace});
        if let (Some(body), Some(parent)) = (body.as_object_mut(), parent) {
            body.insert("parentId".into(), parent.into());
        }
        let call = Call::post(format!("folders?workspaceId={workspace}"), body);
        let fault = match self.client.call(&call).await {
            Ok(answer) => {
                let made = Entry::of_answer(&answer)
                    .filter(|made| made.name == name && made.parent == parent)
                    .ok_or_else(|| {
                        Error::Unavailable("Drime made another folder than asked for".into())
                    })?;
                let made = Entry {
                    folder: true,
                    ..made
                };
                let id = made.id;
                self.folders.borrow_mut().add(self.client.net.now(), made);
                return Ok(Some(id));
            }
            Err(fault) => fault,
        };
        if fault.is_gone() {
            self.folders.borrow_mut().doubt();
            return Err(Error::Unavailable("a folder has gone meanwhile".into()));
        }
        // After an answer that was lost, too, the folder may be there.
        let lost = matches!(fault, crate::fault::Fault::Broken(_));
        if !fault.is_taken() && !lost {
            return Err(fault.into());
        }
        for wait in [0].into_iter().chain(LAG) {
            if wait > 0 {
                self.client.net.sleep(wait).await;
            }
            self.list_folders(parent).await?;
            if let Known::Is(id) = self.known_folder(parent, name) {
                return Ok(Some(id));
            }
            if self.folders.borrow().differs_in_case(parent, name) {
                return Ok(None);
            }
            if lost && wait >= 400 {
                return Err(fault.into());
            }
        }
        Ok(None)
    }
}

/// The folders of a key and the name of its object.
fn path(key: &str) -> (Vec<String>, String) {
    let mut names: Vec<String> = key.split('/').flat_map(encode).collect();
    let last = names.pop().unwrap_or_default();
    (names, last)
}
