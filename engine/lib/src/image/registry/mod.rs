//! A registry's client: the distribution spec over HTTP/1.1, with timeouts at every wait.

mod auth;
pub mod auth_file;
mod blob;
mod credentials;
mod error;
mod fetch;
mod helper;
mod login;
mod request;
mod tls;
mod upload;

use std::io::{self, Read};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use ureq::Agent;

pub use credentials::{Credentials, CredentialsError};
pub use error::RegistryError;
pub use helper::HelperError;
pub use login::{check_login, find_login};
pub use tls::CertificateError;
pub(crate) use upload::{Blob, Mount, Source as UploadSource};
pub use ureq::Proxy;

use super::policy::Policy;
use super::reference::Reference;
use super::registries::{Endpoint, Registries};

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
    /// Certificates and keys in the manner of containers-certs.d(5): this directory alone.
    pub certificates: Option<PathBuf>,
    /// Else those in the first of these that has a directory of the registry's name.
    pub certificate_homes: Vec<PathBuf>,
    /// How often a request that a registry is too busy or broken to answer is made again; None: three times.
    pub retries: Option<u32>,
    /// The wait before each of these; None: half a second, doubled each time.
    pub retry_delay: Option<Duration>,
    /// Short names, mirrors, and which registries are blocked or may be insecure.
    pub registries: Registries,
    /// What may be pulled.
    pub policy: Policy,
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

/// One repository of one registry. Shared by the threads of a transfer.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    /// `https://registry-1.docker.io`
    base: String,
    reference: Reference,
    credentials: Option<Credentials>,
    retries: Option<u32>,
    retry_delay: Option<Duration>,
    /// What a token is asked for; None: what the registry says, or to read.
    scopes: Option<Vec<String>>,
    /// The value of the Authorization header.
    authorization: Mutex<Option<String>>,
}

impl Client {
    /// Finds out whether the registry speaks TLS, where that may be in question, and which credentials it gets.
    ///
    /// May run a credential helper: the caller has one thread.
    pub(crate) fn new(reference: &Reference, access: &Access) -> Result<Client, RegistryError> {
        Client::at(&access.registries.own(reference)?, access)
    }

    /// The same for a mirror or another place where `access` has the image.
    pub(crate) fn at(endpoint: &Endpoint, access: &Access) -> Result<Client, RegistryError> {
        let reference = &endpoint.reference;
        let host = match reference.registry.as_str() {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let is_loopback = is_loopback(host);
        let is_lax = !access.tls_verify.unwrap_or(!is_loopback && !endpoint.is_insecure);
        let credentials = match &access.credentials {
            Some(credentials) => Some(credentials.clone()),
            None => credentials::find(&access.auth_files, &reference.name())?,
        };
        let certificates = tls::Certificates::find(&reference.registry, access)?;
        let agent = agent(is_lax, &certificates, access.proxy.clone().filter(|_| !is_loopback));
        let scheme = if is_lax && !speaks_tls_at_last(&agent, host, access)? { "http" } else { "https" };
        Ok(Client {
            agent,
            base: format!("{scheme}://{host}"),
            reference: reference.clone(),
            credentials,
            retries: access.retries,
            retry_delay: access.retry_delay,
            scopes: None,
            authorization: Mutex::new(None),
        })
    }

    /// For pushing to the repository, and for mounting blobs of `others` of the same registry.
    pub(crate) fn to_push(
        reference: &Reference,
        access: &Access,
        others: &[String],
    ) -> Result<Client, RegistryError> {
        let mut client = Client::new(reference, access)?;
        // One token for all: that of the first challenge would be good for reading alone.
        let others = others.iter().map(|other| format!("repository:{other}:pull"));
        let own = format!("repository:{}:pull,push", reference.repository);
        client.scopes = Some([own].into_iter().chain(others).collect());
        Ok(client)
    }

    /// For what belongs to no repository of the registry.
    pub(crate) fn of_registry(registry: &str, access: &Access, scope: &str) -> Result<Client, RegistryError> {
        let (registry, repository) = (registry.to_owned(), String::new());
        let reference = Reference { registry, repository, tag: None, digest: None };
        let mut client = Client::new(&reference, access)?;
        client.scopes = Some(Some(scope.to_owned()).filter(|scope| !scope.is_empty()).into_iter().collect());
        Ok(client)
    }

    /// Below `/v2/`.
    fn url(&self, path: &str) -> String {
        format!("{}/v2/{}/{path}", self.base, self.reference.repository)
    }
}

fn agent(is_lax: bool, certificates: &tls::Certificates, proxy: Option<Proxy>) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .proxy(proxy)
        .tls_config(certificates.config(is_lax))
        .user_agent(concat!("ketch/", env!("CARGO_PKG_VERSION")))
        // No timeout for names: ureq would wait for the resolver in a thread of its own, which may outlive the pull.
        // The resolver's own (resolv.conf(5), ten seconds) is at work.
        .timeout_connect(Some(CONNECT))
        .timeout_per_read(Some(IDLE))
        .timeout_per_write(Some(IDLE))
        .input_buffer_size(128 << 10)
        .output_buffer_size(128 << 10)
        .build()
        .new_agent()
}

/// Asks again while the registry cannot be reached.
fn speaks_tls_at_last(agent: &Agent, host: &str, access: &Access) -> Result<bool, RegistryError> {
    let mut waits = waits(access.retries, access.retry_delay);
    loop {
        match speaks_tls(agent, host) {
            Ok(answer) => return Ok(answer),
            Err(error) => match waits.next().filter(|_| error::may_pass(&error, true)) {
                Some(wait) => std::thread::sleep(wait),
                None => return Err(RegistryError::transport(&format!("https://{host}"), "/v2/", &error)),
            },
        }
    }
}

/// Asks with TLS. A server of plain HTTP answers with something that is no TLS, or hangs up.
fn speaks_tls(agent: &Agent, host: &str) -> Result<bool, ureq::Error> {
    match agent.get(format!("https://{host}/v2/")).call() {
        Ok(_) => Ok(true),
        Err(error @ (ureq::Error::HostNotFound | ureq::Error::Timeout(_))) => Err(error),
        Err(ureq::Error::Io(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            // Without a port the two schemes have different ones.
            if has_port(host) { Err(error.into()) } else { Ok(false) }
        }
        Err(_) => Ok(false),
    }
}

/// For a query and a form (RFC 3986, 2.1).
pub(crate) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_loopback(host: &str) -> bool {
    let name = if has_port(host) { host.rsplit_once(':').map_or(host, |(name, _)| name) } else { host };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// A body whose errors are one clear line.
#[derive(Debug)]
struct Stream<R>(R);

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(told)
    }
}

fn told(error: io::Error) -> io::Error {
    match error.downcast::<ureq::Error>() {
        Ok(error) => io::Error::other(error::cause(&error)),
        Err(error) => error,
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
