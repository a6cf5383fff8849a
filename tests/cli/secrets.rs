//! Nothing that has to be kept secret is in anything that the program says.

use bytes::Bytes;
use pys3local_tests::command::Program;
use pys3local_tests::gateway::Options;
use pys3local_tests::s3::Signed;
use pys3local_tests::sign::{Credentials, Framing};
use pys3local_tests::{Gateway, S3, artifacts};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

const KEY: &str = "key-of-clients/K7MDENG+bPxRfi";
const OTHER_KEY: &str = "key-of-an-auditor-je7MtGbClwBF";
const TOKEN: &str = "token of the \"plugin\" 93hf";
const VARIABLE: &str = "variable-of-the-plugin-Zq81";

/// What was signed or sent and must not be told on.
#[derive(Default)]
struct Told(Vec<String>);

impl Told {
    /// A secret, and the beginning that is enough of it for somebody who has the rest.
    fn add(&mut self, secret: &str) {
        assert!(secret.len() > 16, "{secret}");
        self.0.push(secret[..12].to_owned());
    }

    /// The signature of a request, wherever it stands.
    fn add_signature(&mut self, signed: &Signed) {
        let header = signed.request.header("authorization").unwrap_or_default();
        for text in [header, &signed.request.target] {
            for part in text.split(['=', '&', ' ', ',', '?']) {
                if part.len() == 64 && part.chars().all(|c| c.is_ascii_hexdigit()) {
                    self.add(part);
                }
            }
        }
    }

    #[track_caller]
    fn is_not_in(&self, what: &str, text: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret), "{secret:?} is in {what}:\n{text}");
        }
    }
}

/// The hostile plugin, which tells what it knows, with all kinds of secrets.
fn start(log: &str, level: &str) -> (Gateway, tempfile::TempDir, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let home = Program::in_home(dir.path());
    let obscured = |text| home.ok(&["obscure", text]).trim().to_owned();
    let (other, token) = (obscured(OTHER_KEY), obscured(TOKEN));
    let access = dir.path().join("keys.toml");
    let keys = format!("[[key]]\naccess_key_id = \"auditor\"\nsecret_access_key = \"{other}\"\n");
    std::fs::write(&access, keys).unwrap();
    let component = artifacts::component("guest-hostile").unwrap();
    let toml = format!(
        "[hostile]\ntype = \"hostile\"\ncomponent = \"{}\"\nmemory = \"32 MiB\"\ncall_timeout = \"30 s\"\n\
         token = \"{token}\"\nenv = {{ TOKEN = \"{VARIABLE}\" }}\n\
         dirs = [{{ host = \"{{data}}\", guest = \"/\" }}]\n",
        component.display()
    );
    let options = Options::default()
        .backend("hostile", &toml)
        .arg(log)
        .arg("--access-key-id=client")
        .arg("--admin-listen=127.0.0.1:0")
        .arg("--access-file")
        .arg(&access)
        .env("PYS3LOCAL_SECRET_ACCESS_KEY", KEY)
        .env("RUST_BACKTRACE", "1")
        .env("RUST_LOG", level);
    (options.start(), dir, vec![other, token])
}

/// Requests that are right, and requests that fail in many ways.
async fn session(gateway: &Gateway, told: &mut Told) {
    let s3 = S3 {
        credentials: Credentials {
            access_key: "client".into(),
            secret_key: KEY.into(),
            ..Credentials::default()
        },
        ..gateway.s3()
    };
    let auditor = Credentials {
        access_key: "auditor".into(),
        secret_key: OTHER_KEY.into(),
        ..Credentials::default()
    };
    let wrong = Credentials {
        access_key: "client".into(),
        secret_key: "quite-another-key-than-the-right-one".into(),
        ..Credentials::default()
    };
    let body = Bytes::from(vec![b'x'; 1 << 20]);
    let chunked = s3.put("fine", "chunked", body.clone());
    let chunked = chunked.chunked(Framing {
        chunk: 100_000,
        signed: true,
        trailer: None,
    });
    let right = [
        s3.put("fine", "key", body.clone()).sign(),
        chunked.sign(),
        s3.get("fine", "key").sign(),
        s3.head("fine", "key").credentials(auditor.clone()).sign(),
        s3.list("fine").sign(),
        s3.get("fine", "key").presign(600),
        s3.put("fine", "new", body.clone()).presign(600),
        s3.get("fine", "key").credentials(auditor).presign(600),
    ];
    for signed in right {
        told.add_signature(&signed);
        let reply = signed.send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let headers = format!("{:?}", reply.headers);
        told.is_not_in("the headers of an answer", &headers);
    }
    let bad = [
        s3.get("fine", "key").credentials(wrong.clone()).sign(),
        s3.get("fine", "key").credentials(wrong).presign(600),
        s3.get("fine", "other").sign().set("x-amz-date", "nonsense"),
        s3.put("fine", "key", "a").sign().with_body("b"),
        s3.head("trap", "key").sign(),
        s3.head("panic", "key").sign(),
        s3.head("tell", "key").sign(),
        s3.get("tell", "key").presign(600),
        s3.head("memory-bomb", "key").sign(),
        s3.get("short-body", "key").sign(),
        s3.get("trap-in-body", "key").presign(600),
        s3.list("wrong-order").sign(),
    ];
    for signed in bad {
        told.add_signature(&signed);
        if let Ok(reply) = signed.try_send().await {
            // `SignatureDoesNotMatch` repeats what was sent, as on AWS.
            if reply.status != 403 {
                let text = String::from_utf8_lossy(&reply.body);
                told.is_not_in("an answer", &text);
            }
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            for key in [KEY, OTHER_KEY, TOKEN, VARIABLE] {
                assert!(!text.contains(key), "{text}");
            }
        }
    }
    for head in [
        "AWS4-HMAC-SHA256 Credential=client/broken, Signature=a-header-that-is-not-well-formed",
        "AWS client:bm90LWEtcmlnaHQtc2lnbmF0dXJl",
        "Bearer some-token-of-another-service",
    ] {
        told.add(head.rsplit(['=', ':', ' ']).next().unwrap());
        let signed = s3.get("fine", "key").anonymous();
        signed.set("authorization", head).send().await;
    }
}

fn metrics(gateway: &Gateway) -> String {
    gateway.until("the start-up text", || {
        gateway.stdout().contains("Health, metrics:")
    });
    let text = gateway.stdout();
    let mut lines = text.lines();
    let line = lines.find(|line| line.contains("Health, metrics:"));
    let address = line.unwrap().rsplit("http://").next().unwrap().trim();
    let mut socket = TcpStream::connect(address).unwrap();
    write!(
        socket,
        "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    reply
}

async fn nothing_is_told(log: &str, level: &str) {
    let (mut gateway, _dir, obscured) = start(log, level);
    let mut told = Told::default();
    for secret in [KEY, OTHER_KEY, TOKEN, VARIABLE] {
        told.add(secret);
    }
    for secret in &obscured {
        told.add(secret);
    }
    session(&gateway, &mut told).await;
    // The files of these are open to others, which is said once of each.
    for file in ["backends.toml", "keys.toml"] {
        let said = gateway.stderr();
        let warnings = said
            .lines()
            .filter(|line| line.contains("chmod 600") && line.contains(file));
        assert_eq!(warnings.count(), 1, "{file}: {said}");
    }
    // What a plugin says stands in the log, without them.
    gateway.until_said("(hidden)");
    gateway.until_said("panicked at");
    told.is_not_in("the metrics", &metrics(&gateway));
    let program = Program::in_home(gateway.home());
    for args in [
        &["config", "list"][..],
        &["config", "list", "--json"],
        &["config", "show", "hostile"],
        &["config", "show", "hostile", "--json"],
        &["plugin", "inspect", "--backend-config", "hostile"],
        &["plugin", "check", "--backend-config", "hostile", "--yes"],
        &["cache", "stats", "--backend-config", "hostile"],
        &["cache", "verify", "--backend-config", "hostile"],
    ] {
        let mut command = program.command(args);
        command.env("RUST_BACKTRACE", "1").env("RUST_LOG", level);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        told.is_not_in(&format!("{args:?}"), &String::from_utf8_lossy(&said));
    }
    gateway.terminate();
    gateway.wait();
    told.is_not_in("standard output", &gateway.stdout());
    told.is_not_in("the log", &gateway.stderr());
    assert!(gateway.stderr().contains("request"), "{}", gateway.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_what_the_program_says_for_people() {
    nothing_is_told("--debug", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_what_the_program_says_for_programs_at_any_level() {
    nothing_is_told("--log-format=json", "trace").await;
}
