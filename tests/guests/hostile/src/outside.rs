//! Ways out of the sandbox, tried one by one.

use crate::guest::bindings::pys3local::storage::types::Error;
use crate::guest::bindings::wasi::filesystem::preopens::get_directories;
use crate::guest::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};
use crate::guest::bindings::wasi::http::client;
use crate::guest::bindings::wasi::http::types::{Fields, Method, Request, Scheme};
use crate::guest::bindings::{wit_future, wit_stream};

fn root() -> Result<Descriptor, Error> {
    let first = get_directories().into_iter().next();
    let (root, _) = first.ok_or_else(|| Error::Other("no directory was granted".into()))?;
    Ok(root)
}

/// Tries to reach a path through the granted directory.
pub(crate) async fn reach(path: String) -> Result<(), Error> {
    let (follow, open) = (PathFlags::SYMLINK_FOLLOW, OpenFlags::empty());
    let root = root()?;
    let opened = root.open_at(follow, path, open, DescriptorFlags::READ);
    match opened.await {
        Ok(_) => Ok(()),
        Err(code) => Err(Error::Denied(format!("{code:?}"))),
    }
}

/// Does something to files: `WHAT FROM TO`.
pub(crate) async fn escape(what: &str) -> Result<(), Error> {
    let mut words = what.split(' ').map(str::to_owned);
    let mut word = || words.next().unwrap_or_default();
    let (what, from, to) = (word(), word(), word());
    let (root, no) = (root()?, PathFlags::empty());
    let follow = PathFlags::SYMLINK_FOLLOW;
    let done: Result<(), ErrorCode> = match what.as_str() {
        "link" => root.link_at(no, from, &root, to).await,
        "symlink" => root.symlink_at(from, to).await,
        "rename" => root.rename_at(from, &root, to).await,
        "unlink" => root.unlink_file_at(from).await,
        "mkdir" => root.create_directory_at(from).await,
        "rmdir" => root.remove_directory_at(from).await,
        "create" => {
            let (open, flags) = (OpenFlags::CREATE, DescriptorFlags::WRITE);
            root.open_at(follow, from, open, flags).await.map(drop)
        }
        _ => Err(ErrorCode::Unsupported),
    };
    done.map_err(|code| Error::Denied(format!("{code:?}")))
}

/// Opens a file that may be a pipe: `VERSION HOW PATH`, where the version is that of WASI.
pub(crate) async fn pipe(what: &str) -> Result<(), Error> {
    let mut words = what.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (version, how, path) = (word(), word(), word());
    if version == "0.2" {
        let mut options = std::fs::OpenOptions::new();
        match how {
            "read" => options.read(true),
            "write" => options.write(true),
            "create" => options.write(true).create(true).truncate(true),
            _ => options.append(true),
        };
        let opened = options.open(format!("/{path}"));
        return opened
            .map(drop)
            .map_err(|error| Error::Denied(error.to_string()));
    }
    let (open, mode) = match how {
        "read" => (OpenFlags::empty(), DescriptorFlags::READ),
        "write" => (OpenFlags::empty(), DescriptorFlags::WRITE),
        "create" => (OpenFlags::CREATE, DescriptorFlags::WRITE),
        // What the host's own way of opening does not know.
        _ => {
            let sync = DescriptorFlags::FILE_INTEGRITY_SYNC;
            (OpenFlags::empty(), DescriptorFlags::READ | sync)
        }
    };
    let follow = PathFlags::SYMLINK_FOLLOW;
    let opened = root()?.open_at(follow, path.to_owned(), open, mode).await;
    opened
        .map(drop)
        .map_err(|code| Error::Denied(format!("{code:?}")))
}

/// Sends GET and follows where the answers lead; the statuses, or why not.
pub(crate) async fn fetch(url: &str) -> String {
    let (mut url, mut seen) = (url.to_owned(), Vec::new());
    for _ in 0..5 {
        match get(&url).await {
            Ok((status, next)) => {
                seen.push(status.to_string());
                match next {
                    Some(next) if (300..400).contains(&status) => url = next,
                    _ => break,
                }
            }
            Err(why) => {
                seen.push(why);
                break;
            }
        }
    }
    seen.join(" ")
}

async fn get(url: &str) -> Result<(u16, Option<String>), String> {
    let (scheme, rest) = url.split_once("://").ok_or("no scheme")?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    send(&Method::Get, scheme, authority, path, &[]).await
}

async fn send(
    method: &Method,
    scheme: &str,
    authority: &str,
    path: &str,
    fields: &[(String, Vec<u8>)],
) -> Result<(u16, Option<String>), String> {
    let fields = Fields::from_list(fields).map_err(|error| format!("field: {error:?}"))?;
    let (none, trailers) = wit_future::new(|| Ok(None));
    drop(none);
    let (request, _sent) = Request::new(fields, None, trailers, None);
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.into()),
    };
    let odd = |()| "address".to_owned();
    request.set_method(method).map_err(odd)?;
    request.set_scheme(Some(&scheme)).map_err(odd)?;
    request.set_authority(Some(authority)).map_err(odd)?;
    request.set_path_with_query(Some(path)).map_err(odd)?;
    let answer = client::send(request)
        .await
        .map_err(|code| format!("{code:?}"))?;
    let next = answer.get_headers().get("location").into_iter().next();
    let next = next.and_then(|value| String::from_utf8(value).ok());
    Ok((answer.get_status_code(), next))
}

/// Sends what may be more than one request: `METHOD|AUTHORITY|PATH|NAME|VALUE`, with `~` for the
/// end of a line.
pub(crate) async fn inject(parts: &str) -> String {
    let parts: Vec<String> = parts
        .split('|')
        .map(|part| part.replace('~', "\r\n"))
        .collect();
    let [method, authority, path, name, value] = parts.as_slice() else {
        return "five parts".into();
    };
    let method = Method::Other(method.clone());
    let fields = [(name.clone(), value.clone().into_bytes())];
    match send(&method, "http", authority, path, &fields).await {
        Ok((status, _)) => status.to_string(),
        Err(why) => why,
    }
}

/// A request whose body and trailers never end.
pub(crate) async fn half_request(authority: &str) -> String {
    let (mut writer, contents) = wit_stream::new();
    let (never, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), Some(contents), trailers, None);
    let _ = request.set_method(&Method::Post);
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some("/"));
    wit_bindgen::spawn_local(async move {
        writer.write_all(vec![b'x'; 10]).await;
        core::future::pending::<()>().await;
        drop((writer, never));
    });
    match client::send(request).await {
        Ok(answer) => answer.get_status_code().to_string(),
        Err(code) => format!("{code:?}"),
    }
}
