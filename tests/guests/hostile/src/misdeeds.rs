//! What a plugin can do wrong.

use crate::guest::bindings::pys3local::storage::log;
use crate::guest::bindings::pys3local::storage::types::{Entry, ObjectInfo, ObjectRef};
use crate::guest::bindings::wasi::clocks::monotonic_clock::wait_for;
use crate::guest::bindings::wasi::filesystem::preopens::get_directories;
use crate::guest::bindings::wasi::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
use crate::guest::bindings::wasi::random::random::get_random_bytes;
use crate::guest::bindings::wit_stream;
use wit_bindgen::StreamReader;

/// What to do while it says who it is, when nobody can tell it: tests write over the dots.
#[used]
static IN_DESCRIBE: [u8; 32] = *b"in describe:....................";

/// Nothing, unless a test has written something.
pub(crate) fn in_describe() -> &'static str {
    let text = core::hint::black_box(&IN_DESCRIBE);
    let text = core::str::from_utf8(text).unwrap_or_default();
    let (_, misdeed) = text.split_once(':').unwrap_or_default();
    misdeed.trim_end_matches('.')
}

/// Bytes of an ordinary body: more than anything between guest and host can hold.
pub(crate) const SIZE: u64 = 1 << 20;
const HALF: usize = 1 << 19;
/// More than a key may have.
const LONG: &str = match core::str::from_utf8(&[b'k'; 2000]) {
    Ok(text) => text,
    Err(_) => "",
};

pub(crate) fn info(size: u64) -> ObjectInfo {
    ObjectInfo {
        state: ObjectRef {
            id: String::new(),
            version: "1".into(),
        },
        size,
        modified: 0,
        hash: None,
        content_type: None,
        portable: None,
    }
}

/// An object of ordinary size, or one whose numbers are at the end of their range.
pub(crate) fn odd(misdeed: &str) -> ObjectInfo {
    let mut odd = info(SIZE);
    match misdeed {
        "huge-size" => (odd.size, odd.modified) = (u64::MAX, i64::MAX),
        "long-ago" => odd.modified = i64::MIN,
        "odd-hash" => odd.hash = Some("a\"b\r\nx: y".into()),
        "one-id-a" | "one-id-b" => odd.state.id = "one".into(),
        "odd-type" => odd.content_type = Some("text/html\r\nx: y".into()),
        _ => {}
    }
    odd
}

/// Brings the instance down, or keeps it busy for ever; returns for any other name.
pub(crate) async fn commit(misdeed: &str) {
    match misdeed {
        "trap" => core::arch::wasm32::unreachable(),
        "spin" => loop {
            core::hint::black_box(());
        },
        "memory-bomb" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(core::hint::black_box(vec![1_u8; 1 << 20]));
            }
        }
        "never" => loop {
            wait_for(1_000_000_000_000).await;
        },
        // The same through WASI 0.2, which holds up everything else in the instance.
        "sleep" => loop {
            std::thread::sleep(core::time::Duration::from_secs(1000));
        },
        // With nothing to wait for, not even the time.
        "stuck" => core::future::pending().await,
        "stack-bomb" => drop(core::hint::black_box(descend(1))),
        "hoard" => hoard().await,
        "hoard-streams" => hoard_streams(),
        "stream-bomb" => loop {
            core::mem::forget(wit_stream::new::<u8>());
        },
        "task-bomb" => task_bomb(),
        "huge-wait" => wait_for(u64::MAX).await,
        "huge-random" => loop {
            drop(core::hint::black_box(get_random_bytes(u64::MAX)));
        },
        "exit" => std::process::exit(0),
        // Wakes up for a moment, time and again, when nobody calls.
        "background" => {
            wit_bindgen::spawn_local(async {
                for _ in 0..60 {
                    wait_for(100_000_000).await;
                }
            });
        }
        "log-flood" => {
            let line = "x".repeat(100_000);
            for _ in 0..4_000 {
                log::write(log::Level::Error, &line);
            }
        }
        _ => {}
    }
}

/// Calls of the host that never return and that nobody waits for: each costs it some memory, and
/// this program none.
#[allow(unsafe_code, reason = "no binding is so careless")]
fn task_bomb() {
    #[link(wasm_import_module = "wasi:clocks/monotonic-clock@0.3.0")]
    unsafe extern "C" {
        #[link_name = "[async-lower]wait-for"]
        fn start(duration: u64) -> u32;
    }
    loop {
        // SAFETY: it takes a number and answers one.
        unsafe { start(u64::MAX) };
    }
}

#[expect(unconditional_recursion, reason = "the misdeed")]
fn descend(depth: u64) -> [u64; 64] {
    let mut frame = core::hint::black_box([depth; 64]);
    frame[0] += descend(depth + 1)[1];
    core::hint::black_box(frame)
}

/// Keeps handles for as long as it gets any.
async fn hoard() {
    let Some((root, _)) = get_directories().into_iter().next() else {
        return;
    };
    loop {
        let (follow, open) = (PathFlags::empty(), OpenFlags::DIRECTORY);
        let opened = root.open_at(follow, ".".into(), open, DescriptorFlags::READ);
        match opened.await {
            Ok(directory) => core::mem::forget(directory),
            Err(_) => return,
        }
    }
}

/// Keeps only streams, each of which has a directory behind it.
fn hoard_streams() {
    let Some((root, _)) = get_directories().into_iter().next() else {
        return;
    };
    for _ in 0..30_000 {
        let (entries, done) = root.read_directory();
        core::mem::forget(entries);
        drop(done);
    }
}

/// A body of ordinary size, or what the misdeed makes of it.
pub(crate) fn body(misdeed: &str) -> StreamReader<u8> {
    let (mut writer, reader) = wit_stream::new();
    let misdeed = misdeed.to_owned();
    if misdeed == "dropped-body" {
        drop(writer);
        return reader;
    }
    wit_bindgen::spawn_local(async move {
        writer.write_all(vec![b'x'; HALF]).await;
        match misdeed.as_str() {
            "short-body" => return,
            "endless-body" => while writer.write_all(vec![b'x'; HALF]).await.is_empty() {},
            "stalled-body" => core::future::pending().await,
            "trap-in-body" => core::arch::wasm32::unreachable(),
            "spin-in-body" => commit("spin").await,
            _ => {}
        }
        writer.write_all(vec![b'x'; HALF]).await;
        if misdeed == "long-body" {
            writer.write_all(vec![b'y'; HALF]).await;
        }
    });
    reader
}

/// The keys of a page, right or wrong.
pub(crate) fn keys(misdeed: &str, prefix: &str) -> Vec<Entry> {
    let names: &[&str] = match misdeed {
        "wrong-order" => &["b", "a"],
        "doubled-key" => &["a", "a"],
        "outside-prefix" => return entries("", &["elsewhere"]),
        "flood" => return flood(LONG),
        "millions" => return flood(""),
        "long-keys" => return entries(prefix, &[LONG]),
        "too-many" => &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"],
        "empty-more" => &[],
        "one-id-a" | "one-id-b" => {
            let key = format!("{prefix}key");
            let info = odd(misdeed);
            return vec![Entry { key, info }];
        }
        _ => &["a", "b"],
    };
    entries(prefix, names)
}

/// More entries than the host will take: as many as there is room for, and their keys all the same
/// piece of memory, which is little here and would be much there.
#[allow(unsafe_code, reason = "the misdeed")]
fn flood(text: &'static str) -> Vec<Entry> {
    let entry = |_| Entry {
        // SAFETY: none is dropped, because the host ends the instance over them.
        key: unsafe {
            let bytes = text.as_ptr().cast_mut();
            String::from_raw_parts(bytes, text.len(), text.len())
        },
        info: info(SIZE),
    };
    let mut all = Vec::with_capacity(200_000);
    all.extend((0..200_000).map(entry));
    all
}

fn entries(prefix: &str, names: &[&str]) -> Vec<Entry> {
    let entry = |name: &&str| Entry {
        key: format!("{prefix}{name}"),
        info: info(SIZE),
    };
    names.iter().map(entry).collect()
}
