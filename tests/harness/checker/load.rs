//! The load: workers that share keys and write everything down.

use super::history::{Deed, Op, Seen, When};
use crate::client::{Connection, Outgoing, Reply, Socket};
use crate::data::{self, Random, md5_hex, multipart_etag};
use crate::s3::{Call, S3};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The bucket with everything in it.
pub const BUCKET: &str = "checked";
/// Objects that are only copied from.
const SOURCES: [usize; 4] = [0, 4096, 70_000, 1 << 20];
const MIB: usize = 1 << 20;
const TYPE: &str = "text/x-checked";

/// What an object is, to compare with what is read.
#[derive(Debug, Clone)]
struct Object {
    tag: String,
    md5: String,
    size: usize,
}

/// Every object that was ever sent, by its number.
#[derive(Debug, Default)]
pub struct Ledger {
    last: AtomicU64,
    objects: Mutex<HashMap<u64, Object>>,
}

impl Ledger {
    fn objects(&self) -> MutexGuard<'_, HashMap<u64, Object>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers an object before it is sent.
    fn enter(&self, parts: &[Bytes], tag: String) -> u64 {
        let id = self.last.fetch_add(1, Relaxed) + 1;
        let whole = parts.concat();
        let object = Object {
            tag,
            md5: md5_hex(&whole),
            size: whole.len(),
        };
        self.objects().insert(id, object);
        id
    }

    /// The ETag of an object.
    pub(super) fn tag(&self, id: u64) -> String {
        let objects = self.objects();
        objects
            .get(&id)
            .map(|object| object.tag.clone())
            .unwrap_or_default()
    }

    pub(super) fn size(&self, id: u64) -> usize {
        self.objects().get(&id).map_or(0, |object| object.size)
    }

    /// Objects that no key holds any more are never seen again.
    pub(super) fn forget_all_but(&self, alive: impl Fn(u64) -> bool) {
        self.objects().retain(|id, _| alive(*id));
    }

    /// What an answer to GET shows: exactly one object that was sent, with its tag, its type and
    /// its note, or nothing.
    pub(super) fn seen(&self, reply: &Reply) -> Result<Seen, String> {
        let wrong = |why: &str| {
            Err(format!(
                "{why}: status {}, {} bytes with MD5 {}\n{:#?}",
                reply.status,
                reply.body.len(),
                md5_hex(&reply.body),
                reply.headers
            ))
        };
        match reply.status.as_u16() {
            404 => return Ok(Seen::Absent),
            200 => {}
            _ => return wrong("no answer to GET"),
        }
        let note = reply
            .header("x-amz-meta-note")
            .and_then(|note| note.parse().ok());
        let Some(id) = note else {
            return wrong("an object without its note");
        };
        let Some(object) = self.objects().get(&id).cloned() else {
            return wrong("an object that is long gone, or was never sent");
        };
        if reply.etag() != object.tag
            || reply.header("content-type") != Some(TYPE)
            || reply.body.len() != object.size
            || md5_hex(&reply.body) != object.md5
        {
            return wrong(&format!("a mixture of {object:?} and something else"));
        }
        Ok(Seen::Object(id))
    }

    /// Stores what copies are made of.
    pub async fn store_sources(&self, s3: &S3) {
        for (n, size) in (0..).zip(SOURCES) {
            s3.store(BUCKET, &format!("source/{n}"), source(n, size))
                .await;
        }
    }
}

fn source(n: u64, size: usize) -> Bytes {
    data::bytes(n + 1, size)
}

/// What a worker has to tell.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) ops: Vec<(String, Op)>,
    pub(super) latencies: Vec<Duration>,
    /// Downloads that ended early.
    pub(super) broken: usize,
}

impl Work {
    pub(super) fn extend(&mut self, other: Self) {
        self.ops.extend(other.ops);
        self.latencies.extend(other.latencies);
        self.broken += other.broken;
    }
}

/// One connection that does this and that until it is told to stop, or the gateway is gone.
pub(super) struct Worker {
    s3: S3,
    keys: Arc<[String]>,
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
    random: Random,
    connection: Option<Connection>,
    /// The tag that each key had when it was last looked at.
    tags: BTreeMap<String, String>,
    work: Work,
}

/// Why a worker does not go on.
enum Stop {
    /// The gateway does not answer.
    Gone,
    /// It has answered what it must not.
    Wrong(String),
}

impl Worker {
    pub(super) fn new(
        s3: S3,
        keys: Arc<[String]>,
        ledger: Arc<Ledger>,
        stop: Arc<AtomicBool>,
        seed: u64,
    ) -> Self {
        Self {
            s3,
            keys,
            ledger,
            stop,
            random: Random::new(seed),
            connection: None,
            tags: BTreeMap::new(),
            work: Work::default(),
        }
    }

    pub(super) async fn run(mut self) -> Result<Work, String> {
        while !self.stop.load(Relaxed) {
            match self.step().await {
                Ok(()) => {}
                Err(Stop::Gone) => break,
                Err(Stop::Wrong(why)) => return Err(why),
            }
        }
        Ok(self.work)
    }

    async fn step(&mut self) -> Result<(), Stop> {
        let key = self.keys[self.random.below(self.keys.len())].clone();
        match self.random.below(100) {
            0..24 => self.put(&key, When::Always).await,
            24..32 => self.put(&key, When::Absent).await,
            32..42 => match self.tags.get(&key).cloned() {
                Some(tag) => self.put(&key, When::Tag(tag)).await,
                None => self.get(&key).await,
            },
            42..50 => self.copy(&key).await,
            50..53 => self.parts(&key).await,
            53..62 => self.delete(&key).await,
            62..65 => self.delete_many(&key).await,
            65..68 => self.give_up(&key).await,
            68..72 => self.list().await,
            72..78 => self.head(&key).await,
            _ => self.get(&key).await,
        }
    }

    /// Sends a request. `None`: the answer tells nothing.
    async fn send(&mut self, request: Outgoing) -> Result<Option<Reply>, Stop> {
        let begun = Instant::now();
        if self.connection.as_ref().is_none_or(Connection::is_closed) {
            let opened = Connection::open(self.s3.address).await;
            self.connection = Some(opened.map_err(|_| Stop::Gone)?);
        }
        let Some(connection) = &mut self.connection else {
            return Err(Stop::Gone);
        };
        let Ok(reply) = connection.send(request).await else {
            self.connection = None;
            return Ok(None);
        };
        self.work.latencies.push(begun.elapsed());
        match reply.status.as_u16() {
            // Refused in the last moments.
            503 => Ok(None),
            500.. => Err(Stop::Wrong(format!(
                "status {}: {}",
                reply.status,
                reply.text()
            ))),
            _ => Ok(Some(reply)),
        }
    }

    /// Writes an operation down.
    fn note(&mut self, key: &str, deed: Deed, begin: Instant, answered: bool) {
        let end = answered.then(Instant::now);
        self.work
            .ops
            .push((key.to_owned(), Op { deed, begin, end }));
    }

    /// Whether the gateway is there: else an answer that did not come has an explanation.
    async fn is_there(&self) -> Result<(), Stop> {
        let there = Connection::open(self.s3.address).await.is_ok();
        there.then_some(()).ok_or(Stop::Gone)
    }

    /// Sends a request that puts the object `id`, and writes down what became of it.
    async fn write(&mut self, key: &str, id: u64, when: When, call: Call) -> Result<(), Stop> {
        let call = call
            .header("content-type", TYPE)
            .header("x-amz-meta-note", &id.to_string());
        let call = match &when {
            When::Always => call,
            When::Absent => call.header("if-none-match", "*"),
            When::Tag(tag) => call.header("if-match", &format!("\"{tag}\"")),
        };
        let (request, begin) = (call.sign().request, Instant::now());
        let deed = Deed::Put(id, when.clone());
        let Some(reply) = self.send(request).await? else {
            self.note(key, deed, begin, false);
            return self.is_there().await;
        };
        let deed = match (reply.status.as_u16(), when) {
            (200, _) => {
                self.tags.insert(key.to_owned(), self.ledger.tag(id));
                deed
            }
            (412, When::Absent) => Deed::See(Seen::Present),
            (412, When::Tag(tag)) => Deed::See(Seen::OtherThan(tag)),
            (404, When::Tag(_)) => Deed::See(Seen::Absent),
            // Another writer was there at the same time.
            (409, When::Absent | When::Tag(_)) => return Ok(()),
            _ => return wrong("a put", &reply),
        };
        self.note(key, deed, begin, true);
        Ok(())
    }

    fn bytes(&mut self) -> Bytes {
        let seed = self.random.next() | 1 << 40;
        let size = match self.random.below(20) {
            0 => 0,
            1 => MIB + self.random.below(MIB),
            2..9 => 4096, // the same size again and again
            _ => self.random.below(60_000),
        };
        data::bytes(seed, size)
    }

    async fn put(&mut self, key: &str, when: When) -> Result<(), Stop> {
        let body = self.bytes();
        let id = self
            .ledger
            .enter(std::slice::from_ref(&body), md5_hex(&body));
        let call = self.s3.put(BUCKET, key, body);
        self.write(key, id, when, call).await
    }

    async fn copy(&mut self, key: &str) -> Result<(), Stop> {
        let n = self.random.below(SOURCES.len());
        let body = source(n as u64, SOURCES[n]);
        let id = self
            .ledger
            .enter(std::slice::from_ref(&body), md5_hex(&body));
        let call = self
            .s3
            .put(BUCKET, key, "")
            .header("x-amz-copy-source", &format!("{BUCKET}/source/{n}"))
            .header("x-amz-metadata-directive", "REPLACE");
        self.write(key, id, When::Always, call).await
    }

    async fn parts(&mut self, key: &str) -> Result<(), Stop> {
        let seed = self.random.next() | 1 << 40;
        let rest = 1 + self.random.below(100_000);
        let parts = [data::bytes(seed, 5 * MIB), data::bytes(seed + 1, rest)];
        let id = self.ledger.enter(&parts, multipart_etag(&parts));
        let call = self.s3.object("POST", BUCKET, key).query("uploads", "");
        let call = call
            .header("content-type", TYPE)
            .header("x-amz-meta-note", &id.to_string());
        let Some(reply) = self.send(call.sign().request).await? else {
            return self.is_there().await;
        };
        let upload = reply.expect(200).xml().text("UploadId").to_owned();
        let mut list = Vec::new();
        for (number, body) in (1..).zip(parts) {
            let part = self.s3.part(BUCKET, key, &upload, number, body);
            let part = part.payload("UNSIGNED-PAYLOAD").sign().request;
            let Some(reply) = self.send(part).await? else {
                return self.is_there().await;
            };
            list.push((number, reply.expect(200).etag().to_owned()));
        }
        let complete = self.s3.complete(BUCKET, key, &upload, &list);
        let (request, begin) = (complete.sign().request, Instant::now());
        let deed = Deed::Put(id, When::Always);
        match self.send(request).await? {
            Some(reply) if reply.status == 200 && reply.text().contains("<ETag>") => {
                self.note(key, deed, begin, true);
                Ok(())
            }
            Some(reply) => wrong("a completion", &reply),
            None => {
                self.note(key, deed, begin, false);
                self.is_there().await
            }
        }
    }

    async fn delete(&mut self, key: &str) -> Result<(), Stop> {
        let request = self.s3.delete(BUCKET, key).sign().request;
        let begin = Instant::now();
        let answered = match self.send(request).await? {
            Some(reply) if reply.status == 204 => true,
            Some(reply) => return wrong("a deletion", &reply),
            None => false,
        };
        self.note(key, Deed::Delete, begin, answered);
        if answered {
            Ok(())
        } else {
            self.is_there().await
        }
    }

    async fn delete_many(&mut self, key: &str) -> Result<(), Stop> {
        let other = self.keys[self.random.below(self.keys.len())].clone();
        let mut keys = vec![key.to_owned(), other];
        keys.dedup();
        let keys_in_xml = keys.join("</Key></Object><Object><Key>");
        let document = format!("<Delete><Object><Key>{keys_in_xml}</Key></Object></Delete>");
        let request = self.s3.delete_many(BUCKET, &document).sign().request;
        let begin = Instant::now();
        let answered = match self.send(request).await? {
            Some(reply) if reply.status == 200 && !reply.text().contains("<Error>") => true,
            // It names what failed, which may have happened all the same.
            Some(reply) if reply.status == 200 => reply.text().contains("<Deleted>"),
            Some(reply) => return wrong("deletions", &reply),
            None => false,
        };
        for key in &keys {
            self.note(key, Deed::Delete, begin, answered);
        }
        if answered {
            Ok(())
        } else {
            self.is_there().await
        }
    }

    /// Begins an upload, and ends the connection in the middle of it: nothing may come of it.
    async fn give_up(&mut self, key: &str) -> Result<(), Stop> {
        let body = self.bytes();
        let id = self
            .ledger
            .enter(std::slice::from_ref(&body), md5_hex(&body));
        let call = self.s3.put(BUCKET, key, body.clone());
        let call = call.header("x-amz-meta-note", &id.to_string());
        let head = call.sign().request.head();
        let sent = body
            .len()
            .saturating_sub(1 + self.random.below(body.len().max(1)));
        if body.is_empty() {
            return Ok(());
        }
        let socket = Socket::open(self.s3.address).await;
        let mut socket = socket.map_err(|_| Stop::Gone)?;
        // It may be gone by now.
        let _ = socket.send(&head).await;
        let _ = socket.send(&body[..sent]).await;
        if self.random.below(2) == 0 {
            let _ = socket.reset();
        }
        Ok(())
    }

    async fn get(&mut self, key: &str) -> Result<(), Stop> {
        let request = self.s3.get(BUCKET, key).sign().request;
        let begin = Instant::now();
        let Some(reply) = self.send(request).await? else {
            self.work.broken += 1;
            return self.is_there().await;
        };
        let seen = self.ledger.seen(&reply);
        let seen = seen.map_err(|why| Stop::Wrong(format!("{key}: {why}")))?;
        match seen {
            Seen::Object(_) => self.tags.insert(key.to_owned(), reply.etag().to_owned()),
            _ => self.tags.remove(key),
        };
        self.note(key, Deed::See(seen), begin, true);
        Ok(())
    }

    async fn head(&mut self, key: &str) -> Result<(), Stop> {
        let request = self.s3.head(BUCKET, key).sign().request;
        let begin = Instant::now();
        let Some(reply) = self.send(request).await? else {
            return self.is_there().await;
        };
        let note = reply
            .header("x-amz-meta-note")
            .and_then(|note| note.parse().ok());
        let seen = match (reply.status.as_u16(), note) {
            (404, _) => Seen::Absent,
            (200, Some(id)) if self.ledger.tag(id) == reply.etag() => Seen::Object(id),
            _ => return wrong(&format!("{key}: HEAD"), &reply),
        };
        self.note(key, Deed::See(seen), begin, true);
        Ok(())
    }

    /// A listing looks at every key.
    async fn list(&mut self) -> Result<(), Stop> {
        let request = self.s3.list(BUCKET).query("prefix", "dir").sign().request;
        let begin = Instant::now();
        let Some(reply) = self.send(request).await? else {
            return self.is_there().await;
        };
        let page = reply.expect(200).xml();
        let entries = page.all("Contents").map(|entry| {
            let tag = entry.text("ETag").trim_matches('"').to_owned();
            (entry.text("Key").to_owned(), tag)
        });
        let listed: BTreeMap<String, String> = entries.collect();
        for key in Arc::clone(&self.keys).iter() {
            let seen = match listed.get(key) {
                None => Seen::Absent,
                // It was about to be replaced, and its row with it.
                Some(tag) if tag.starts_with("x-") => Seen::Present,
                Some(tag) => Seen::Tag(tag.clone()),
            };
            self.note(key, Deed::See(seen), begin, true);
        }
        Ok(())
    }
}

fn wrong(what: &str, reply: &Reply) -> Result<(), Stop> {
    let (status, text) = (reply.status, reply.text());
    Err(Stop::Wrong(format!("{what}: status {status}: {text}")))
}
