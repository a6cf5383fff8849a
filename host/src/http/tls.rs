//! TLS: a certificate and its key from files, which are read again when they change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, sink};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::server::TlsStream;

/// How often to look whether the files have changed.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long to go on reading what a client sends that must not send it here, and how much.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 1 << 20;

/// Why a certificate cannot be used. `Display` is one line.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// There is no certificate in the file.
    #[error("there is no certificate in {} (it must be PEM)", .0.display())]
    NoCertificate(PathBuf),
    /// There is no private key in the file.
    #[error("there is no private key in {} (it must be PEM, and not encrypted)", .0.display())]
    NoKey(PathBuf),
    /// They are there, but no pair that can be used.
    #[error("the certificate in {} and the key in {} cannot be used together: {why}", certificate.display(), key.display())]
    Unusable {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// What the library says.
        why: String,
    },
}

/// What makes connections secure.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    pair: Arc<Pair>,
}

impl Tls {
    /// Reads the chain of certificates and the private key, both PEM.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        let current = RwLock::new(Arc::new(files.read()?));
        let pair = Arc::new(Pair { files, current });
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| pair.files.unusable(&error))?;
        let mut config = builder
            .with_no_client_auth()
            .with_cert_resolver(pair.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, pair })
    }

    /// Shakes hands; fails when that takes longer than `patience`, and when the client speaks plain
    /// HTTP, which it is told in a way that it understands.
    pub(super) async fn accept(
        &self,
        socket: TcpStream,
        patience: Duration,
    ) -> io::Result<TlsStream<TcpStream>> {
        let accepted = async {
            if speaks_http(&socket).await? {
                refuse(socket).await?;
                return Err(io::Error::other(
                    "a request for HTTP came to the port for HTTPS",
                ));
            }
            self.acceptor.accept(socket).await
        };
        tokio::time::timeout(patience, accepted)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads the files again whenever they have changed, for as long as it is polled. Connections
    /// that are open keep what they have. Files that cannot be used change nothing.
    pub async fn follow(&self) {
        let mut seen = self.pair.files.stamp();
        let mut complained = None;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let stamp = self.pair.files.stamp();
            if stamp == seen {
                continue;
            }
            match self.reload() {
                Ok(()) => {
                    tracing::info!("the certificate was read again");
                    seen = stamp;
                }
                // Perhaps only one of the files has been replaced so far: the next look tells.
                Err(error) if complained.as_ref() != Some(&stamp) => {
                    tracing::warn!(%error, "the new certificate cannot be used; the old one stays");
                    complained = Some(stamp);
                }
                Err(_) => {}
            }
        }
    }

    /// Reads the files again.
    fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(self.pair.files.read()?);
        let current = &self.pair.current;
        *current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

/// Whether the client begins with the method of a request, and not with a record of TLS (0x16).
async fn speaks_http(socket: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(socket.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase())
}

/// Answers a request in plain HTTP, of which nothing but its first byte is known.
async fn refuse(mut socket: TcpStream) -> io::Result<()> {
    const TEXT: &str = "This port is for HTTPS: ask with https:// instead of http://\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{TEXT}",
        TEXT.len()
    );
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await?;
    // What is unread when a socket is closed takes the answer with it.
    let (mut rest, mut nowhere) = (socket.take(LINGER_BYTES), sink());
    let read = tokio::time::timeout(LINGER, copy(&mut rest, &mut nowhere));
    read.await.unwrap_or(Ok(0)).map(drop)
}

/// The files, and what was last read from them.
struct Pair {
    files: Files,
    current: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(current.clone())
    }
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.files.fmt(f)
    }
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// Times and sizes of both files.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Files {
    fn stamp(&self) -> Stamp {
        [&self.certificate, &self.key].map(|path| {
            let about = fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len()))
        })
    }

    fn read(&self) -> Result<CertifiedKey, TlsError> {
        let text = |path: &Path| {
            fs::read(path).map_err(|cause| TlsError::Read {
                path: path.to_owned(),
                cause,
            })
        };
        let chain = text(&self.certificate)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| TlsError::NoCertificate(self.certificate.clone()))?;
        let key = PrivateKeyDer::from_pem_slice(&text(&self.key)?)
            .map_err(|_| TlsError::NoKey(self.key.clone()))?;
        CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(|error| self.unusable(&error))
    }

    fn unusable(&self, error: &tokio_rustls::rustls::Error) -> TlsError {
        TlsError::Unusable {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            why: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fake, get};
    use super::super::{Limits, Metrics, Stop, bind, no_place, serve};
    use super::*;
    use std::net::SocketAddr;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    // Self-signed for `localhost`, made for these tests.
    const ONE: (&str, &str) = (include_str!("tls/one.crt"), include_str!("tls/one.key"));
    const OTHER: (&str, &str) = (include_str!("tls/other.crt"), include_str!("tls/other.key"));

    fn write(dir: &Path, (certificate, key): (&str, &str)) -> (PathBuf, PathBuf) {
        let paths = (dir.join("cert.pem"), dir.join("key.pem"));
        fs::write(&paths.0, certificate).unwrap();
        fs::write(&paths.1, key).unwrap();
        paths
    }

    fn load(pair: (&str, &str)) -> (tempfile::TempDir, Result<Tls, TlsError>) {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = write(dir.path(), pair);
        let tls = Tls::load(&certificate, &key);
        (dir, tls)
    }

    fn start(tls: Tls) -> (SocketAddr, Stop) {
        start_with(tls, Limits::default())
    }

    fn start_with(tls: Tls, limits: Limits) -> (SocketAddr, Stop) {
        let listener = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Stop::default();
        let site = Arc::new(Fake::default());
        tokio::spawn(serve(
            listener,
            site,
            limits,
            stop.clone(),
            Metrics::default(),
            Some(tls),
            no_place,
        ));
        (address, stop)
    }

    /// The answer to a request of a client that trusts this certificate only.
    async fn ask(address: SocketAddr, trusted: &str) -> io::Result<String> {
        let mut stream = connect(address, trusted).await?;
        stream.write_all(get("/stream").as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    async fn connect(
        address: SocketAddr,
        trusted: &str,
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(trusted.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let socket = TcpStream::connect(address).await?;
        let name = "localhost".try_into().unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, socket).await
    }

    #[tokio::test]
    async fn requests_are_answered_over_tls_and_connections_end_properly() {
        let (_dir, tls) = load(ONE);
        let (address, _stop) = start(tls.unwrap());
        // `read_to_string` fails on a connection that was cut instead of closed.
        let text = ask(address, ONE.0).await.unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200") && text.ends_with("goodgood"),
            "{text}"
        );
        assert!(ask(address, OTHER.0).await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_speaks_plain_http_is_told_so_and_costs_only_its_connection() {
        let (_dir, tls) = load(ONE);
        let (address, _stop) = start(tls.unwrap());
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(get("/stream").as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert!(text.starts_with("This port is for HTTPS"), "{text}");
        assert!(
            head.contains(&format!("content-length: {}", text.len())),
            "{answer}"
        );
        assert!(ask(address, ONE.0).await.is_ok());
    }

    #[tokio::test]
    async fn a_client_that_says_it_is_done_gets_its_answers() {
        let (_dir, tls) = load(ONE);
        let (address, _stop) = start(tls.unwrap());
        let mut stream = connect(address, ONE.0).await.unwrap();
        let request = get("/stream").replace("connection: close\r\n", "");
        stream
            .write_all(request.repeat(3).as_bytes())
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text.matches("goodgood").count(), 3, "{text}");
    }

    #[tokio::test]
    async fn handshakes_that_do_not_get_on_make_room() {
        let (_dir, tls) = load(ONE);
        let limits = Limits {
            connections: 2,
            grace: Duration::from_millis(20),
            head: Duration::from_hours(1),
            ..Limits::default()
        };
        let (address, _stop) = start_with(tls.unwrap(), limits);
        let mut stalled = [
            TcpStream::connect(address).await.unwrap(),
            TcpStream::connect(address).await.unwrap(),
        ];
        // The beginning of a greeting.
        stalled[1].write_all(&[0x16, 3, 1, 1]).await.unwrap();
        for _ in 0..2 {
            let text = ask(address, ONE.0).await.unwrap();
            assert!(text.ends_with("goodgood"), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn new_files_are_used_when_they_fit_and_only_then() {
        let (dir, tls) = load(ONE);
        let tls = tls.unwrap();
        let shown = |tls: &Tls| tls.pair.current.read().unwrap().cert[0].to_vec();
        let first = shown(&tls);
        let following = tls.clone();
        let follow = tokio::spawn(async move { following.follow().await });
        tokio::time::sleep(INTERVAL / 2).await;
        // A certificate without its key, as between two steps of a renewal.
        write(dir.path(), (&format!("\n{}", OTHER.0), ONE.1));
        tokio::time::sleep(INTERVAL * 2).await;
        assert_eq!(shown(&tls), first);
        write(dir.path(), (&format!("\n\n{}", OTHER.0), OTHER.1));
        tokio::time::sleep(INTERVAL * 2).await;
        assert_ne!(shown(&tls), first);
        follow.abort();
    }

    #[test]
    fn files_that_cannot_be_used_say_why() {
        let failure = |pair| {
            let (dir, tls) = load(pair);
            let text = tls.err().unwrap().to_string();
            text.replace(&format!("{}/", dir.path().display()), "")
        };
        assert_eq!(
            failure(("", ONE.1)),
            "there is no certificate in cert.pem (it must be PEM)"
        );
        assert_eq!(
            failure((ONE.0, "nonsense")),
            "there is no private key in key.pem (it must be PEM, and not encrypted)"
        );
        let mixed = failure((ONE.0, OTHER.1));
        assert!(
            mixed.starts_with(
                "the certificate in cert.pem and the key in key.pem cannot be used together: "
            ),
            "{mixed}"
        );
        let missing = Tls::load(Path::new("/nonexistent/a"), Path::new("/nonexistent/b"));
        let missing = missing.err().unwrap().to_string();
        assert!(
            missing.starts_with("cannot read /nonexistent/a: "),
            "{missing}"
        );
    }
}
