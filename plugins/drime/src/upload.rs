//! Small objects: one form, whose last bytes follow only after the verdict.

use crate::api::Entry;
use crate::fault::Fault;
use crate::net::{Net, Payload};
use crate::objects::REPLACED;
use crate::places::Place;
use crate::{Drime, Error, Info, Known};
use futures_util::future::LocalBoxFuture;
use std::fmt::Write as _;

/// The largest object that is uploaded as a form.
pub(crate) const LARGEST: u64 = 5 << 20;
impl<N: Net> Drime<N> {
    /// Stores an object. `gate` says, when all bytes were sent, whether it may be.
    pub async fn put(
        &self,
        (bucket, key): (&str, &str),
        size: u64,
        (content_type, known): (Option<&str>, Option<Known>),
        body: N::Body,
        gate: LocalBoxFuture<'static, bool>,
    ) -> Result<Info, Error> {
        if size > LARGEST {
            return Err(Error::Unsupported);
        }
        let place = self.make_place(bucket, key).await?;
        let _writing = self.writers.begin(&place);
        // Nobody who uploads can know it, so it does not occur in the bytes.
        let boundary = format!(
            "pys3local-{:016x}{:016x}",
            self.client.net.random(),
            self.client.net.random()
        );
        let kind = content_type.filter(|kind| !kind.chars().any(char::is_control));
        let payload = Payload::Form {
            head: self
                .head(
                    &boundary,
                    &place,
                    kind.unwrap_or("application/octet-stream"),
                )
                .into_bytes(),
            body,
            size,
            tail: format!("\r\n--{boundary}--\r\n").into_bytes(),
            gate,
        };
        let kind = format!("multipart/form-data; boundary={boundary}");
        let answer = match self.client.upload("uploads", &kind, payload).await {
            Ok(answer) => answer,
            Err(fault) => {
                // It may be there all the same: whoever looks next asks the service.
                if matches!(fault, Fault::Broken(_)) {
                    let now = self.client.net.now();
                    let before = known.and_then(|known| known.number());
                    let mut folders = self.folders.borrow_mut();
                    folders.doubt_upload(now, &place, before);
                }
                if fault.is_gone() {
                    self.folders.borrow_mut().doubt();
                    return Err(Error::Unavailable("a folder has gone meanwhile".into()));
                }
                return Err(fault.into());
            }
        };
        let entry = Entry::of_answer(&answer);
        self.publish(&place, size, entry, known).await
    }

    /// The fields of the form up to the bytes.
    fn head(&self, boundary: &str, place: &Place, content_type: &str) -> String {
        let mut head = String::new();
        let mut field = |name: &str, value: &str| {
            let _ = write!(
                head,
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        };
        if let Some(folder) = place.folder {
            field("parentId", &folder.to_string());
        }
        field("relativePath", &place.name);
        field("workspaceId", &self.settings.workspace.to_string());
        let name = place.name.replace('"', "%22");
        let _ = write!(
            head,
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: {content_type}\r\n\r\n"
        );
        head
    }

    /// Checks what has become of an upload, and only then lets go of what it replaces.
    pub(crate) async fn publish(
        &self,
        place: &Place,
        size: u64,
        entry: Option<Entry>,
        known: Option<Known>,
    ) -> Result<Info, Error> {
        let Some(entry) = entry.filter(|entry| entry.id > 0) else {
            let now = self.client.net.now();
            let before = known.and_then(|known| known.number());
            self.folders.borrow_mut().doubt_upload(now, place, before);
            return Err(Error::Unavailable(
                "Drime does not say what it has stored".into(),
            ));
        };
        let workspace = self.settings.workspace;
        let wrong = if entry.name != place.name {
            Some("name")
        } else if entry.size != size {
            Some("size")
        } else if entry.parent != place.folder {
            Some("folder")
        } else if entry.workspace.is_some_and(|of| of != workspace) {
            Some("workspace")
        } else if entry.orphaned {
            Some("owner")
        } else {
            None
        };
        if let Some(what) = wrong {
            self.folders.borrow_mut().stale(place.folder);
            if let Err(error) = self.remove(entry.parent, &[entry.id]).await {
                self.client.net.warn(&format!(
                    "a bad upload (id {}) stays behind: {error:?}",
                    entry.id
                ));
            }
            return Err(Error::Unavailable(format!(
                "Drime stored an upload with a wrong {what}"
            )));
        }
        let info = Info::from(&entry);
        let now = self.client.net.now();
        let uncertain = self.folders.borrow_mut().is_uncertain(now, place.folder);
        let uncertain = uncertain || self.folders.borrow().is_double(place);
        if uncertain && self.rows(place.folder, 0).await.is_err() {
            // The new one is safe. The next write looks again for what may hide behind it.
            self.folders.borrow_mut().doubt_folder(now, place.folder);
        }
        let mut old = Vec::new();
        if let Some(id) = known.and_then(|known| known.number()) {
            match self.if_there(place, id).await {
                Ok(id) => old.extend(id),
                // The text of the object comes back to it.
                Err(_) => self.folders.borrow_mut().doubt_folder(now, place.folder),
            }
        }
        {
            let mut folders = self.folders.borrow_mut();
            let same = folders.lately(now, place).into_iter();
            old.extend(same.filter(|row| row.age() < entry.age()).map(|row| row.id));
            old.extend(self.writers.publish(place, &entry));
            old.extend(folders.left(place));
            folders.add(now, entry.clone());
        }
        old.sort_unstable();
        old.dedup();
        old.retain(|id| *id != entry.id);
        if let Err(error) = self.remove_older(place, &entry, old.clone()).await {
            // The new one counts, because it is newer; they go later.
            let mut folders = self.folders.borrow_mut();
            folders.leave(place, &old);
            folders.doubt_folder(now, place.folder);
            drop(folders);
            self.client.net.warn(&format!(
                "replaced entries stay behind ({old:?}): {error:?}"
            ));
        }
        Ok(info)
    }

    /// Deletes what an entry has replaced. If somebody else was faster, what they have put in its
    /// place goes, too, if it is older.
    async fn remove_older(
        &self,
        place: &Place,
        entry: &Entry,
        mut old: Vec<i64>,
    ) -> Result<(), Error> {
        for _ in 0..REPLACED {
            if self.remove(place.folder, &old).await? {
                break;
            }
            let entries = self.entries(place, 0).await?;
            let older = entries.iter().filter(|other| other.age() < entry.age());
            old = older.map(|other| other.id).collect();
        }
        Ok(())
    }
}
