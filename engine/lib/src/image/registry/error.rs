//! What goes wrong with registries, a line each.

use std::io;
use std::io::Read;
use std::time::Duration;

use serde::Deserialize;
use ureq::Body;
use ureq::http::{Response, header};

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("cannot reach {base} for {what}: {cause}")]
    Transport { base: String, what: String, cause: String },
    #[error("reading {what}: {}", crate::store::cause(error))]
    Read { what: String, error: io::Error },
    /// The registry answered, and the answer is no.
    #[error("reading {what}: {message} ({code})")]
    Status { what: String, code: u16, message: String },
    /// The same of what it was given.
    #[error("writing {what}: {message} ({code})")]
    Write { what: String, code: u16, message: String },
    #[error("reading {what}: digest mismatch: its bytes have {actual}")]
    Digest { what: String, actual: String },
    #[error("reading {what}: larger than 4 MiB, which no manifest or configuration is")]
    Large { what: String },
    #[error("reading {what}: the registry asks for a login in a way that is not supported: {challenge:?}")]
    Challenge { what: String, challenge: String },
    #[error("getting a token from {realm}: {message}")]
    Token { realm: String, message: String },
    /// The service that gives tokens does not know who asks.
    #[error("getting a token from {realm}: access denied: {message} ({code})")]
    Denied { realm: String, message: String, code: u16 },
    #[error("no registry is known to have {reference}")]
    NoPlace { reference: String },
    #[error(transparent)]
    Endpoint(#[from] crate::image::registries::EndpointError),
    #[error(transparent)]
    Credentials(#[from] super::CredentialsError),
    #[error(transparent)]
    Certificates(#[from] super::CertificateError),
}

impl RegistryError {
    pub(super) fn transport(base: &str, what: &str, source: &ureq::Error) -> RegistryError {
        RegistryError::Transport { base: base.to_owned(), what: what.to_owned(), cause: cause(source) }
    }

    pub(super) fn status(what: &str, response: Response<Body>) -> RegistryError {
        let code = response.status().as_u16();
        let said = message(response);
        let message = match code {
            401 | 403 if said.is_empty() => "access denied: log in, or check the name".to_owned(),
            401 | 403 => format!("access denied: {said}"),
            404 if said.is_empty() => "not found".to_owned(),
            429 => "too many requests: the registry asks to come back later".to_owned(),
            500.. => {
                format!("the registry failed: {}", if said.is_empty() { "no reason given" } else { &said })
            }
            _ if said.is_empty() => "unexpected answer".to_owned(),
            _ => said,
        };
        RegistryError::Status { what: what.to_owned(), code, message }
    }
}

/// The first message of an error document (distribution spec, "Error Codes"); empty when there is none.
pub(super) fn message(response: Response<Body>) -> String {
    #[derive(Deserialize)]
    struct Document {
        errors: Vec<Fault>,
    }
    #[derive(Deserialize)]
    struct Fault {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let mut bytes = Vec::new();
    if response.into_body().into_reader().take(64 << 10).read_to_end(&mut bytes).is_err() {
        return String::new();
    }
    let first = serde_json::from_slice::<Document>(&bytes)
        .ok()
        .and_then(|document| document.errors.into_iter().next());
    let Some(fault) = first else { return String::new() };
    let text =
        if fault.message.is_empty() { fault.code.to_lowercase().replace('_', " ") } else { fault.message };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// Seconds that a registry asks to wait, at most ten: a longer one is for the user to decide on.
pub(super) fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds: u64 = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    (seconds <= 10).then(|| Duration::from_secs(seconds))
}

/// Whether a later try may go better. What is sent twice must not be done twice unless it `is_harmless`.
pub(super) fn may_pass(error: &ureq::Error, is_harmless: bool) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, UnexpectedEof};
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect) | ureq::Error::ConnectionFailed => true,
        ureq::Error::Io(error) if error.kind() == ConnectionRefused => true,
        ureq::Error::Io(error) => {
            is_harmless
                && matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        }
        _ => false,
    }
}

pub(super) fn cause(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect) => "no connection within 15 seconds".to_owned(),
        ureq::Error::Timeout(_) => "the registry has sent nothing for 30 seconds".to_owned(),
        ureq::Error::HostNotFound => "no such host".to_owned(),
        ureq::Error::Io(error) => crate::store::cause(error),
        other => other.to_string(),
    }
}
