//! `kill -9` at random moments under load: what was acknowledged is there, what was not is there
//! whole or not at all.

use bytes::Bytes;
use pys3local_tests::client::{Connection, Error, Outgoing, Reply};
use pys3local_tests::data::{self, Random, md5_hex, multipart_etag};
use pys3local_tests::gateway::Options;
use pys3local_tests::{Call, Gateway, S3};
use std::collections::BTreeMap;
use std::time::Duration;

const BUCKET: &str = "bucket";
const WORKERS: u64 = 6;
const KEYS: usize = 12;
const MIB: usize = 1 << 20;

/// What a key may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Absent,
    /// An object that was put in one piece.
    Single {
        seed: u64,
        size: usize,
    },
    /// An object of two parts: 5 MiB and a rest.
    Parts {
        seed: u64,
        rest: usize,
    },
}

impl State {
    fn parts(&self) -> Vec<Bytes> {
        match *self {
            Self::Absent => Vec::new(),
            Self::Single { seed, size } => vec![data::bytes(seed, size)],
            Self::Parts { seed, rest } => {
                vec![data::bytes(seed, 5 * MIB), data::bytes(seed + 1, rest)]
            }
        }
    }

    fn etag(&self) -> String {
        match self {
            Self::Parts { .. } => multipart_etag(&self.parts()),
            _ => md5_hex(&self.parts().concat()),
        }
    }

    fn note(&self) -> String {
        match self {
            Self::Absent => String::new(),
            Self::Single { seed, size } => format!("single {seed} {size}"),
            Self::Parts { seed, rest } => format!("parts {seed} {rest}"),
        }
    }

    /// Whether an answer to GET is this state: bytes, tag, type and metadata.
    fn is(&self, reply: &Reply) -> bool {
        if *self == Self::Absent {
            return reply.status == 404;
        }
        reply.status == 200
            && reply.header("x-amz-meta-note") == Some(self.note().as_str())
            && reply.header("content-type") == Some("text/x-crash")
            && reply.etag() == self.etag()
            && reply.body == self.parts().concat()
    }
}

/// What one worker knows about one of its keys: the acknowledged state, and one that was asked for
/// without an answer.
#[derive(Debug, Clone)]
struct Known {
    acknowledged: State,
    asked: Option<State>,
}

type Knowledge = BTreeMap<String, Known>;

fn described(call: Call, state: &State) -> Call {
    call.header("content-type", "text/x-crash")
        .header("x-amz-meta-note", &state.note())
}

/// One connection that notices when the gateway dies.
struct Session {
    s3: S3,
    connection: Connection,
}

impl Session {
    async fn send(&mut self, request: Outgoing) -> Result<Reply, Error> {
        let reply = self.connection.send(request).await?;
        match reply.status.as_u16() {
            200 | 204 => Ok(reply),
            // Refused in the last moments.
            503 => Err("503".into()),
            status => panic!("status {status}: {}", reply.text()),
        }
    }

    async fn reach(&mut self, key: &str, state: &State) -> Result<(), Error> {
        let s3 = self.s3.clone();
        match state {
            State::Absent => {
                self.send(s3.delete(BUCKET, key).sign().request).await?;
            }
            State::Single { .. } => {
                let put = s3.put(BUCKET, key, state.parts().concat());
                let reply = self.send(described(put, state).sign().request).await?;
                assert_eq!(reply.etag(), state.etag());
            }
            State::Parts { .. } => {
                let start = described(s3.object("POST", BUCKET, key).query("uploads", ""), state);
                let upload = self.send(start.sign().request).await?.xml();
                let upload = upload.text("UploadId").to_owned();
                let mut list = Vec::new();
                for (number, body) in (1..).zip(state.parts()) {
                    let part = s3.part(BUCKET, key, &upload, number, body);
                    let part = part.payload("UNSIGNED-PAYLOAD").sign().request;
                    list.push((number, self.send(part).await?.etag().to_owned()));
                }
                let complete = s3.complete(BUCKET, key, &upload, &list).sign().request;
                let result = self.send(complete).await?.xml();
                assert_eq!(result.text("ETag").trim_matches('"'), state.etag());
            }
        }
        Ok(())
    }
}

/// Changes its own keys until the gateway is gone.
async fn work(s3: S3, mut known: Knowledge, seed: u64) -> (Knowledge, u32) {
    let mut random = Random::new(seed);
    let mut acknowledged = 0;
    let keys: Vec<String> = known.keys().cloned().collect();
    let Ok(connection) = Connection::open(s3.address).await else {
        return (known, 0);
    };
    let mut session = Session { s3, connection };
    loop {
        let key = &keys[random.below(keys.len())];
        let seed = random.next() >> 8;
        let state = match random.below(20) {
            0..3 => State::Absent,
            3 => State::Parts {
                seed,
                rest: 1 + random.below(100_000),
            },
            4 => State::Single {
                seed,
                size: 2 * MIB,
            },
            5 => State::Single { seed, size: 0 },
            6..10 => State::Single { seed, size: 4096 }, // the same size again and again
            _ => State::Single {
                seed,
                size: random.below(100_000),
            },
        };
        let entry = known.get_mut(key).unwrap();
        entry.asked = Some(state.clone());
        if session.reach(key, &state).await.is_err() {
            return (known, acknowledged);
        }
        acknowledged += 1;
        *entry = Known {
            acknowledged: state,
            asked: None,
        };
    }
}

/// Compares everything with what is known, and learns which of two possible states it became.
async fn check(s3: &S3, all: &mut [Knowledge]) {
    let mut expected = BTreeMap::new();
    for (key, known) in all.iter_mut().flatten() {
        let reply = s3.get(BUCKET, key).send().await;
        let possible = [Some(known.acknowledged.clone()), known.asked.take()];
        let found = possible.iter().flatten().find(|state| state.is(&reply));
        let Some(found) = found else {
            let body = String::from_utf8_lossy(reply.body.get(..300).unwrap_or(&reply.body));
            panic!(
                "{key}: status {}, {} bytes with MD5 {}, {:#?}\n{body}\nare none of {possible:?}",
                reply.status,
                reply.body.len(),
                md5_hex(&reply.body),
                reply.headers,
            );
        };
        known.acknowledged = found.clone();
        if *found != State::Absent {
            expected.insert(key.clone(), format!("\"{}\"", found.etag()));
        }
    }
    let mut listed = BTreeMap::new();
    for page in s3.pages(s3.list(BUCKET)).await {
        for entry in page.all("Contents") {
            listed.insert(entry.text("Key").to_owned(), entry.text("ETag").to_owned());
        }
    }
    assert_eq!(listed, expected, "the listing differs from the objects");
}

async fn rounds(options: Options, count: usize) {
    let seed = Random::seed();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut gateway = options.start();
    gateway.s3().create_bucket(BUCKET).await;
    let absent = || Known {
        acknowledged: State::Absent,
        asked: None,
    };
    let mut all: Vec<Knowledge> = (0..WORKERS)
        .map(|w| {
            (0..KEYS)
                .map(|k| (format!("w{w}/dir{}/k{k}", k % 3), absent()))
                .collect()
        })
        .collect();
    let mut total = 0;
    for round in 0..count {
        let s3 = gateway.s3();
        let workers: Vec<_> = all
            .drain(..)
            .map(|known| tokio::spawn(work(s3.clone(), known, random.next())))
            .collect();
        // The moment of a crash is nothing that one could wait for.
        tokio::time::sleep(Duration::from_millis(30 + random.next() % 700)).await;
        gateway.kill9();
        for worker in workers {
            let (known, acknowledged) = worker.await.unwrap();
            all.push(known);
            total += acknowledged;
        }
        gateway.restart();
        println!("round {round}: {total} acknowledged so far");
        check(&gateway.s3(), &mut all).await;
    }
    assert!(total > 0, "nothing was acknowledged in any round");
    leaves_no_pile(&gateway);
}

/// A crash may leave temporary files, but each key has one file and what it was doing.
fn leaves_no_pile(gateway: &Gateway) {
    let objects = gateway
        .files()
        .iter()
        .filter(|file| file.0.contains("/objects/"))
        .count();
    assert!(
        objects <= KEYS * usize::try_from(WORKERS).unwrap(),
        "{objects} files of objects"
    );
}

fn count() -> usize {
    if std::env::var_os("PYS3LOCAL_LONG").is_some() {
        100
    } else {
        8
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_survive_kill_9_at_any_moment() {
    rounds(Options::default().durable(), count()).await;
}

/// Without syncs a power failure may cost something, but a crash of the program may not.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_survive_kill_9_without_syncs_too() {
    rounds(Options::default(), count()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_survive_kill_9_in_the_plain_layout() {
    rounds(Options::default().arg("--layout").arg("plain"), count() / 2).await;
}
