//! What a plugin can do wrong.

use crate::guest::bindings::pys3local::storage::types::{Entry, Error, ObjectInfo, ObjectRef};
use crate::guest::bindings::wasi::filesystem::preopens::get_directories;
use crate::guest::bindings::wasi::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
use crate::guest::bindings::wit_stream;
use wit_bindgen::StreamReader;

/// Bytes of an ordinary body: more than anything between guest and host can hold.
pub(crate) const SIZE: u64 = 1 << 20;
const HALF: usize = 1 << 19;

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
        "never" => core::future::pending().await,
        _ => {}
    }
}

/// A body of ordinary size, or what the misdeed makes of it.
pub(crate) fn body(misdeed: &str) -> StreamReader<u8> {
    let (mut writer, reader) = wit_stream::new();
    let misdeed = misdeed.to_owned();
    wit_bindgen::spawn_local(async move {
        writer.write_all(vec![b'x'; HALF]).await;
        match misdeed.as_str() {
            "short-body" => return,
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
        "too-many" => &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"],
        "empty-more" => &[],
        _ => &["a", "b"],
    };
    entries(prefix, names)
}

fn entries(prefix: &str, names: &[&str]) -> Vec<Entry> {
    let entry = |name: &&str| Entry {
        key: format!("{prefix}{name}"),
        info: info(SIZE),
    };
    names.iter().map(entry).collect()
}

/// Tries to reach a path through the granted directory.
pub(crate) async fn reach(path: String) -> Result<(), Error> {
    let Some((root, _)) = get_directories().into_iter().next() else {
        return Err(Error::Other("no directory was granted".into()));
    };
    let (follow, open) = (PathFlags::SYMLINK_FOLLOW, OpenFlags::empty());
    let opened = root.open_at(follow, path, open, DescriptorFlags::READ);
    match opened.await {
        Ok(_) => Ok(()),
        Err(code) => Err(Error::Denied(format!("{code:?}"))),
    }
}
