//! Large objects: parts that go to the storage behind the service, by presigned addresses.

use crate::api::Entry;
use crate::client::Call;
use crate::fault::Fault;
use crate::net::Net;
use crate::{Drime, Error, Info, Known, Range};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Addresses that are signed in one call.
const SIGNED: u32 = 16;
/// How long an address is trusted, in milliseconds; it is good for an hour.
const GOOD_FOR: u64 = 20 * 60 * 1000;
/// When an entry is looked for whose making was not answered, in milliseconds, one after the other.
const REGISTERED: [u64; 2] = [500, 1_500];
/// How often an entry is made.
const REGISTRATIONS: u32 = 3;
/// Uploads whose addresses are remembered.
const UPLOADS: usize = 64;

/// A part of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// 1 to 10,000.
    pub number: u32,
    /// Bytes.
    pub size: u64,
    /// The storage's ETag.
    pub token: String,
}

/// Addresses for parts, and uploads that the storage has put together.
#[derive(Default)]
pub(crate) struct Signed {
    urls: HashMap<String, HashMap<u32, (u64, String)>>,
    complete: HashSet<String>,
}

/// The name of an upload: what the service calls it and its content.
struct Upload<'a> {
    key: &'a str,
    id: &'a str,
}

impl<'a> Upload<'a> {
    fn read(name: &'a str) -> Result<Self, Error> {
        let (key, id) = name.split_once('|').ok_or(Error::NoSuchUpload)?;
        Ok(Self { key, id })
    }

    /// The name of the content.
    fn version(&self) -> &'a str {
        self.key.rsplit('/').next().unwrap_or(self.key)
    }

    fn body(&self) -> Value {
        json!({"key": self.key, "uploadId": self.id})
    }

    fn body_with(&self, name: &str, value: Value) -> Value {
        let mut body = self.body();
        if let Some(map) = body.as_object_mut() {
            map.insert(name.into(), value);
        }
        body
    }
}

fn extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((front, ending)) if !front.is_empty() && !ending.is_empty() => ending,
        _ => "bin",
    }
}

impl<N: Net> Drime<N> {
    /// Starts an upload.
    pub async fn begin(
        &self,
        (bucket, key): (&str, &str),
        content_type: Option<&str>,
    ) -> Result<String, Error> {
        let place = self.make_place(bucket, key).await?;
        let body = json!({
            "filename": place.name,
            "mime": content_type.unwrap_or("application/octet-stream"),
            "size": 0,
            "extension": extension(&place.name),
            "relativePath": place.name,
            "parentId": place.folder,
            "workspaceId": self.settings.workspace,
        });
        let call = Call::post("s3/multipart/create", body);
        let answer = self.client.call(&call).await?;
        let text = |name: &str| {
            answer
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        match (text("key"), text("uploadId")) {
            (Some(key), Some(id)) => Ok(format!("{key}|{id}")),
            _ => Err(Error::Unavailable("Drime has not started an upload".into())),
        }
    }

    /// Sends one part; answers the storage's ETag of it.
    pub async fn part(
        &self,
        upload: &str,
        number: u32,
        size: u64,
        body: N::Body,
    ) -> Result<String, Error> {
        let url = self.url(upload, number).await?;
        match self.client.put(url, body, size).await {
            Ok(Some(etag)) if etag.len() <= 255 => Ok(etag),
            Ok(_) => Err(Error::Unavailable(
                "the storage gives a part no ETag".into(),
            )),
            Err(Fault::Refused { status: 403, .. }) => {
                // The address has expired: the next try gets a new one.
                if let Some(urls) = self.signed.borrow_mut().urls.get_mut(upload) {
                    urls.clear();
                }
                Err(Error::Unavailable(
                    "the address of a part has expired".into(),
                ))
            }
            Err(Fault::Refused { status: 404, .. }) => Err(Error::NoSuchUpload),
            Err(fault) => Err(fault.into()),
        }
    }

    /// An address for a part.
    async fn url(&self, name: &str, number: u32) -> Result<String, Error> {
        let _one = self.locks.lock(format!("sign {name}")).await;
        let now = self.client.net.now();
        if let Some(urls) = self.signed.borrow_mut().urls.get_mut(name)
            && let Some((signed, url)) = urls.remove(&number)
            && signed + GOOD_FOR > now
        {
            return Ok(url);
        }
        let upload = Upload::read(name)?;
        let numbers: Vec<u32> = (number..number.saturating_add(SIGNED))
            .filter(|n| *n <= 10_000)
            .collect();
        let body = upload.body_with("partNumbers", json!(numbers));
        let call = Call::post("s3/multipart/batch-sign-part-urls", body).repeatable();
        let answer = match self.client.call(&call).await {
            Err(Fault::Refused { status: 404, .. }) => return Err(Error::NoSuchUpload),
            answer => answer?,
        };
        let mut signed = self.signed.borrow_mut();
        if signed.urls.len() >= UPLOADS {
            signed.urls.clear();
        }
        let urls = signed.urls.entry(name.into()).or_default();
        for row in answer
            .get("urls")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let number = row
                .get("partNumber")
                .and_then(Value::as_u64)
                .and_then(|n| n.try_into().ok());
            let url = row.get("url").and_then(Value::as_str);
            if let (Some(number), Some(url)) = (number, url) {
                urls.insert(number, (now, url.to_owned()));
            }
        }
        let url = urls.remove(&number).map(|(_, url)| url);
        url.ok_or_else(|| Error::Unavailable("Drime has signed other parts".into()))
    }

    /// Puts the parts together and registers the object. May be called again.
    pub async fn complete(
        &self,
        (bucket, key): (&str, &str),
        name: &str,
        parts: &[Part],
        (content_type, known): (Option<&str>, Option<Known>),
    ) -> Result<Info, Error> {
        let upload = Upload::read(name)?;
        let place = self.make_place(bucket, key).await?;
        let size = parts.iter().map(|part| part.size).sum();
        let again = self.signed.borrow().complete.contains(name);
        let mut sure = again;
        if !again {
            let list: Vec<Value> = parts
                .iter()
                .map(|part| json!({"PartNumber": part.number, "ETag": part.token}))
                .collect();
            let body = upload.body_with("parts", Value::Array(list));
            match self
                .client
                .call(&Call::post("s3/multipart/complete", body))
                .await
            {
                Ok(_) => {
                    sure = true;
                    let mut signed = self.signed.borrow_mut();
                    if signed.complete.len() > 1024 {
                        signed.complete.clear();
                    }
                    signed.complete.insert(name.into());
                }
                // An earlier call may have been the one that counted.
                Err(fault @ Fault::Refused { .. }) => {
                    if !self.is_over(&upload).await? {
                        return Err(fault.into());
                    }
                }
                Err(Fault::Broken(why)) => {
                    if !self.is_over(&upload).await? {
                        return Err(Error::Unavailable(why));
                    }
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        if !sure || again {
            // It may have been registered already.
            let rows = self.rows(place.folder, 0).await?;
            let there = rows
                .iter()
                .find(|row| row.version == upload.version())
                .cloned();
            if there.is_some() {
                return self.publish(&place, size, there, known).await;
            }
        }
        let entry = self.register(&place, &upload, size, content_type).await?;
        if !sure && size > 0 {
            // The upload is not there any more: put together, or given up?
            let last = Range {
                offset: size - 1,
                length: 1,
            };
            if let Err(error) = self.open(entry.id, Some(last), Some(size)).await {
                self.remove(entry.parent, &[entry.id]).await?;
                return Err(match error {
                    Error::NoSuchKey => Error::NoSuchUpload,
                    other => other,
                });
            }
        }
        self.signed.borrow_mut().urls.remove(name);
        self.publish(&place, size, Some(entry), known).await
    }

    /// Whether the storage does not know the upload (any more).
    async fn is_over(&self, upload: &Upload<'_>) -> Result<bool, Error> {
        let call = Call::post("s3/multipart/get-uploaded-parts", upload.body()).repeatable();
        match self.client.call(&call).await {
            Ok(_) => Ok(false),
            Err(Fault::Refused {
                status: 404 | 400 | 422,
                ..
            }) => Ok(true),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Makes the entry. If the answer is lost, the listing tells whether it was made.
    async fn register(
        &self,
        place: &crate::places::Place,
        upload: &Upload<'_>,
        size: u64,
        content_type: Option<&str>,
    ) -> Result<Entry, Error> {
        let body = json!({
            "filename": upload.version(),
            "size": size,
            "clientName": place.name,
            "clientMime": content_type.unwrap_or("application/octet-stream"),
            "clientExtension": extension(&place.name),
            "parentId": place.folder,
            "relativePath": place.name,
            "workspaceId": self.settings.workspace,
        });
        let call = Call::post("s3/entries", body);
        let mut tries = 0;
        loop {
            let fault = match self.client.call(&call).await {
                Ok(answer) => {
                    let entry = Entry::of_answer(&answer);
                    return entry
                        .ok_or_else(|| Error::Unavailable("an odd answer to an upload".into()));
                }
                Err(fault @ Fault::Broken(_)) => fault,
                Err(fault) => return Err(fault.into()),
            };
            let now = self.client.net.now();
            self.folders.borrow_mut().doubt_folder(now, place.folder);
            // Listings may lag behind, and a second entry would share the content of the first.
            for pause in REGISTERED {
                self.client.net.sleep(pause).await;
                let rows = self.rows(place.folder, 0).await?;
                if let Some(row) = rows.iter().find(|row| row.version == upload.version()) {
                    return Ok(row.clone());
                }
            }
            tries += 1;
            if tries >= REGISTRATIONS {
                return Err(fault.into());
            }
        }
    }

    /// Forgets an upload.
    pub async fn abort(&self, name: &str) -> Result<(), Error> {
        let upload = Upload::read(name)?;
        self.signed.borrow_mut().urls.remove(name);
        let call = Call::post("s3/multipart/abort", upload.body()).repeatable();
        match self.client.call(&call).await {
            Ok(_)
            | Err(Fault::Refused {
                status: 404 | 422, ..
            }) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }
}
