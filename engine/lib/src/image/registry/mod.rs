//! A registry's client: the pull half of the distribution spec, over HTTP/1.1 with timeouts at every wait.

mod auth;
mod credentials;
mod error;

use std::io::{self, Read};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ureq::http::{Response, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

pub use credentials::{Credentials, CredentialsError};
pub use error::RegistryError;
pub use ureq::Proxy;

use super::descriptor::{DOCKER_LIST, DOCKER_MANIFEST, MAX_DOCUMENT, OCI_INDEX, OCI_MANIFEST};
use super::digest;
use super::reference::Reference;

/// How to reach registries. The environment is the caller's to read.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// None: certificates are checked, except that a registry on loopback may have a bad one or speak plain HTTP.
    /// Some(false): that holds for every registry. Some(true): for none.
    pub tls_verify: Option<bool>,
    /// Instead of those in files.
    pub credentials: Option<Credentials>,
    /// Files in the format of docker's `config.json`; the first that knows the registry serves.
    pub auth_files: Vec<PathBuf>,
    pub proxy: Option<Proxy>,
    /// How often a request that a registry is too busy or broken to answer is made again; None: three times.
    pub retries: Option<u32>,
    /// The wait before each of these; None: half a second, doubled each time.
    pub retry_delay: Option<Duration>,
}

/// How long a registry may take to accept a connection, and to send the next bytes.
const CONNECT: Duration = Duration::from_secs(15);
const IDLE: Duration = Duration::from_secs(30);

const RETRIES: u32 = 3;
/// The first wait of several that double, and the longest.
const BACK_OFF: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Waits before the second and each later try.
fn waits(retries: Option<u32>, delay: Option<Duration>) -> impl Iterator<Item = Duration> {
    (0..retries.unwrap_or(RETRIES)).map(move |retry| {
        delay.unwrap_or_else(|| BACK_OFF.saturating_mul(1 << retry.min(16)).min(LONGEST_WAIT))
    })
}

/// One repository of one registry. Shared by the threads of a pull.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    /// `https://registry-1.docker.io`
    base: String,
    reference: Reference,
    credentials: Option<Credentials>,
    retries: Option<u32>,
    retry_delay: Option<Duration>,
    /// The value of the Authorization header.
    authorization: Mutex<Option<String>>,
}

impl Client {
    /// Finds out whether the registry speaks TLS, where that may be in question, and which credentials it gets.
    pub(crate) fn new(reference: &Reference, access: &Access) -> Result<Client, RegistryError> {
        let host = match reference.registry.as_str() {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let is_loopback = is_loopback(host);
        let is_lax = !access.tls_verify.unwrap_or(!is_loopback);
        let credentials = match &access.credentials {
            Some(credentials) => Some(credentials.clone()),
            None => credentials::find(&access.auth_files, reference)?,
        };
        let agent = agent(is_lax, access.proxy.clone().filter(|_| !is_loopback));
        let scheme = if is_lax && !speaks_tls(&agent, host)? { "http" } else { "https" };
        Ok(Client {
            agent,
            base: format!("{scheme}://{host}"),
            reference: reference.clone(),
            credentials,
            retries: access.retries,
            retry_delay: access.retry_delay,
            authorization: Mutex::new(None),
        })
    }

    /// A manifest or index by tag or digest: its bytes, checked against the digest, and its media type.
    pub(crate) fn manifest(&self, selector: &str) -> Result<(Vec<u8>, Option<String>), RegistryError> {
        let what = format!("manifest {selector} in {}", self.reference.name());
        let accept = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");
        let response = self.get(&format!("manifests/{selector}"), Some(&accept), &what)?;
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let bytes = document(response, &what)?;
        if super::reference::is_digest(selector) && digest::of(&bytes) != selector {
            return Err(RegistryError::Digest { what, actual: digest::of(&bytes) });
        }
        Ok((bytes, content_type))
    }

    /// A small blob, whole and checked.
    pub(crate) fn document(&self, blob: &str) -> Result<Vec<u8>, RegistryError> {
        let what = format!("blob {blob} in {}", self.reference.name());
        let bytes = document(self.get(&format!("blobs/{blob}"), None, &what)?, &what)?;
        match digest::of(&bytes) {
            actual if actual == blob => Ok(bytes),
            actual => Err(RegistryError::Digest { what, actual }),
        }
    }

    /// A blob as a stream, which the reader checks.
    pub(crate) fn blob(&self, blob: &str) -> Result<impl Read + use<>, RegistryError> {
        let what = format!("blob {blob} in {}", self.reference.name());
        Ok(Stream(self.get(&format!("blobs/{blob}"), None, &what)?.into_body().into_reader()))
    }

    fn get(&self, path: &str, accept: Option<&str>, what: &str) -> Result<Response<Body>, RegistryError> {
        let url = format!("{}/v2/{}/{path}", self.base, self.reference.repository);
        let mut waits = waits(self.retries, self.retry_delay);
        let mut may_authenticate = true;
        loop {
            let sent = self.authorization();
            let mut request = self.agent.get(&url);
            if let Some(accept) = accept {
                request = request.header(header::ACCEPT, accept);
            }
            if let Some(authorization) = &sent {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let response =
                request.call().map_err(|source| RegistryError::transport(&self.base, what, &source))?;
            let status = response.status().as_u16();
            match status {
                200 => return Ok(response),
                401 if may_authenticate => {
                    may_authenticate = false;
                    self.authenticate(&response, sent.as_deref(), what)?;
                }
                429 | 500..=599 => match waits.next() {
                    Some(wait) => std::thread::sleep(error::retry_after(&response).unwrap_or(wait)),
                    None => return Err(RegistryError::status(what, response)),
                },
                _ => return Err(RegistryError::status(what, response)),
            }
        }
    }

    fn authorization(&self) -> Option<String> {
        self.authorization.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Answers a challenge, unless another thread has done so since the request was sent.
    fn authenticate(
        &self,
        response: &Response<Body>,
        sent: Option<&str>,
        what: &str,
    ) -> Result<(), RegistryError> {
        let mut authorization = self.authorization.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if authorization.as_deref() == sent {
            *authorization = Some(auth::answer(
                &self.agent,
                &self.base,
                &self.reference,
                self.credentials.as_ref(),
                response,
                what,
            )?);
        }
        Ok(())
    }
}

fn agent(is_lax: bool, proxy: Option<Proxy>) -> Agent {
    let tls = TlsConfig::builder().disable_verification(is_lax).root_certs(roots(is_lax)).build();
    Agent::config_builder()
        .http_status_as_error(false)
        .proxy(proxy)
        .tls_config(tls)
        .user_agent(concat!("ketch/", env!("CARGO_PKG_VERSION")))
        // No timeout for names: ureq would wait for the resolver in a thread of its own, which may outlive the pull.
        // The resolver's own (resolv.conf(5), ten seconds) is at work.
        .timeout_connect(Some(CONNECT))
        .timeout_per_read(Some(IDLE))
        .timeout_per_write(Some(IDLE))
        .input_buffer_size(128 << 10)
        .build()
        .new_agent()
}

/// The system's certificates, so that a company's own ones count; without them Mozilla's, built in.
fn roots(is_lax: bool) -> RootCerts {
    const BUNDLES: [&str; 3] =
        ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
    if is_lax {
        return RootCerts::WebPki;
    }
    let Some(bundle) = BUNDLES.iter().find_map(|path| std::fs::read(path).ok()) else {
        return RootCerts::WebPki;
    };
    let certificates = ureq::tls::parse_pem(&bundle).filter_map(|item| match item {
        Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    RootCerts::Specific(Arc::new(certificates.collect()))
}

/// Asks with TLS. A server of plain HTTP answers with something that is no TLS, or hangs up.
fn speaks_tls(agent: &Agent, host: &str) -> Result<bool, RegistryError> {
    let base = format!("https://{host}");
    match agent.get(format!("{base}/v2/")).call() {
        Ok(_) => Ok(true),
        Err(error @ (ureq::Error::HostNotFound | ureq::Error::Timeout(_))) => {
            Err(RegistryError::transport(&base, "/v2/", &error))
        }
        Err(ureq::Error::Io(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            // Without a port the two schemes have different ones.
            if has_port(host) {
                Err(RegistryError::transport(&base, "/v2/", &error.into()))
            } else {
                Ok(false)
            }
        }
        Err(_) => Ok(false),
    }
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_loopback(host: &str) -> bool {
    let name = if has_port(host) { host.rsplit_once(':').map_or(host, |(name, _)| name) } else { host };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn document(response: Response<Body>, what: &str) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    Stream(response.into_body().into_reader())
        .take(MAX_DOCUMENT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| RegistryError::Read { what: what.to_owned(), error })?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(RegistryError::Large { what: what.to_owned() });
    }
    Ok(bytes)
}

/// A body whose errors are one clear line.
#[derive(Debug)]
struct Stream<R>(R);

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.downcast::<ureq::Error>() {
            Ok(error) => io::Error::other(error::cause(&error)),
            Err(error) => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback() {
        for host in ["localhost", "localhost:5000", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["registry-1.docker.io", "10.0.0.1:5000", "localhost.example.com", "127.0.0.1.example.com:80"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
