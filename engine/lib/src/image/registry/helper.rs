//! Credential helpers: programs of the host that keep logins, `docker-credential-NAME`, which whoever wrote the file of logins
//! chose (docker-login(1), "Credential helper protocol").

use std::io::Write;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::Credentials;

#[derive(Debug, thiserror::Error)]
#[error("docker-credential-{name} {verb}: {reason}")]
pub struct HelperError {
    name: String,
    verb: &'static str,
    reason: String,
}

/// What helpers say in place of a login.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The user name of what is no password.
const TOKEN: &str = "<token>";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Login {
    #[serde(rename = "ServerURL", default)]
    server: String,
    username: String,
    secret: String,
}

/// The login of `server`, if it has one. Forks: the caller has one thread.
pub(super) fn get(name: &str, server: &str) -> Result<Option<Credentials>, HelperError> {
    let Some(answer) = ask(name, "get", server.as_bytes())? else { return Ok(None) };
    let login: Login = serde_json::from_slice(&answer).map_err(|error| HelperError {
        name: name.to_owned(),
        verb: "get",
        reason: error.to_string(),
    })?;
    Ok(Some(match login.username.as_str() {
        TOKEN => Credentials { identity_token: Some(login.secret), ..Credentials::default() },
        _ => Credentials::new(login.username, login.secret),
    }))
}

pub(super) fn store(name: &str, server: &str, credentials: &Credentials) -> Result<(), HelperError> {
    let login = Login {
        server: server.to_owned(),
        username: credentials.user.clone(),
        secret: credentials.password.clone(),
    };
    let login = serde_json::to_vec(&login).map_err(|error| HelperError {
        name: name.to_owned(),
        verb: "store",
        reason: error.to_string(),
    })?;
    ask(name, "store", &login).map(drop)
}

/// Whether there was one.
pub(super) fn erase(name: &str, server: &str) -> Result<bool, HelperError> {
    if get(name, server)?.is_none() {
        return Ok(false);
    }
    ask(name, "erase", server.as_bytes()).map(|answer| answer.is_some())
}

/// What it prints; None: it has no such login.
fn ask(name: &str, verb: &'static str, input: &[u8]) -> Result<Option<Vec<u8>>, HelperError> {
    let fail = |reason: String| HelperError { name: name.to_owned(), verb, reason };
    // A name, and no path to another program.
    if name.contains('/') {
        return Err(fail("the name of a helper has no slash".to_owned()));
    }
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| fail(crate::store::cause(&error)))?;
    // One that does not read it says why by its exit code.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    let output = child.wait_with_output().map_err(|error| fail(crate::store::cause(&error)))?;
    if output.status.success() {
        return Ok(Some(output.stdout));
    }
    // They tell it on stdout.
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
    if said == NOT_FOUND {
        return Ok(None);
    }
    let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    Err(fail(if said.is_empty() { output.status.to_string() } else { said }))
}
