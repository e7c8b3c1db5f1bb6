//! Answers to `WWW-Authenticate`: a token from the service that the registry names, or the password itself.
//!
//! <https://distribution.github.io/distribution/spec/auth/token/>

use std::io::Read;

use serde::Deserialize;
use ureq::Body;
use ureq::http::{Response, header};

use super::error::{self, RegistryError};
use super::{Client, Stream, encoded};

/// The value for an Authorization header.
pub(super) fn answer(
    client: &Client,
    response: &Response<Body>,
    what: &str,
) -> Result<String, RegistryError> {
    let challenges = response.headers().get_all(header::WWW_AUTHENTICATE);
    let challenges: Vec<&str> = challenges.iter().filter_map(|value| value.to_str().ok()).collect();
    if let Some(bearer) = challenges.iter().find_map(|text| parameters(text, "bearer")) {
        return token(client, &bearer).map(|token| format!("Bearer {token}"));
    }
    let denied = |message: &str| RegistryError::Status {
        what: what.to_owned(),
        code: 401,
        message: message.to_owned(),
    };
    match (challenges.iter().any(|text| parameters(text, "basic").is_some()), &client.credentials) {
        (true, Some(credentials)) => Ok(credentials.basic()),
        (true, None) => Err(denied("access denied: the registry wants a login")),
        (false, _) if challenges.is_empty() => Err(denied("access denied")),
        (false, _) => {
            Err(RegistryError::Challenge { what: what.to_owned(), challenge: challenges.join(", ") })
        }
    }
}

fn token(client: &Client, bearer: &[(String, String)]) -> Result<String, RegistryError> {
    let value = |key: &str| bearer.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let realm = value("realm").unwrap_or_default().to_owned();
    let fail = |message: String| RegistryError::Token { realm: realm.clone(), message };
    // A registry behind TLS must not send the password over a line without.
    if !(realm.starts_with("https://") || realm.starts_with("http://") && client.base.starts_with("http://"))
    {
        return Err(fail("the registry names no https address".to_owned()));
    }
    let scope = format!("repository:{}:pull", client.reference.repository);
    if let Some(token) = client.credentials.as_ref().and_then(|login| login.identity_token.as_deref()) {
        let scopes = match &client.scopes {
            None => value("scope").unwrap_or(&scope).to_owned(),
            Some(scopes) => scopes.join(" "),
        };
        let form = [
            ("grant_type", "refresh_token"),
            ("service", value("service").unwrap_or_default()),
            ("client_id", "ketch"),
            ("scope", &scopes),
            ("refresh_token", token),
        ]
        .map(|(key, value)| format!("{key}={}", encoded(value)))
        .join("&");
        let request =
            client.agent.post(&realm).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let response = request.send(form.as_bytes()).map_err(|source| fail(error::cause(&source)))?;
        return read_token(response, &realm);
    }
    let mut request = client.agent.get(&realm);
    match &client.scopes {
        None => request = request.query("scope", value("scope").unwrap_or(&scope)),
        Some(scopes) => {
            for scope in scopes {
                request = request.query("scope", scope);
            }
        }
    }
    if let Some(service) = value("service") {
        request = request.query("service", service);
    }
    if let Some(credentials) = &client.credentials {
        request = request.header(header::AUTHORIZATION, credentials.basic());
    }
    let response = request.call().map_err(|source| fail(error::cause(&source)))?;
    read_token(response, &realm)
}

fn read_token(response: Response<Body>, realm: &str) -> Result<String, RegistryError> {
    #[derive(Deserialize)]
    struct Token {
        token: Option<String>,
        access_token: Option<String>,
    }
    let realm = realm.to_owned();
    let fail = |message: String| RegistryError::Token { realm: realm.clone(), message };
    match response.status().as_u16() {
        200 => {}
        code => return Err(RegistryError::Denied { realm, message: error::message(response), code }),
    }
    let mut bytes = Vec::new();
    Stream(response.into_body().into_reader())
        .take(1 << 20)
        .read_to_end(&mut bytes)
        .map_err(|source| fail(source.to_string()))?;
    let token: Token = serde_json::from_slice(&bytes).map_err(|error| fail(error.to_string()))?;
    token.token.or(token.access_token).ok_or_else(|| fail("the answer has no token".to_owned()))
}

/// Parameters of a challenge of `scheme`: `Bearer realm="https://…",service="…"` (RFC 9110, 11.6.1). None for another scheme.
fn parameters(challenge: &str, scheme: &str) -> Option<Vec<(String, String)>> {
    let (name, mut rest) = challenge.trim().split_once(' ').unwrap_or((challenge.trim(), ""));
    if !name.eq_ignore_ascii_case(scheme) {
        return None;
    }
    let mut parameters = Vec::new();
    while let Some((key, value)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ',']).to_ascii_lowercase();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_once(',').unwrap_or((value, "")),
        };
        parameters.push((key, value.to_owned()));
        rest = after;
    }
    Some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges() {
        let docker = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/debian:pull,push""#;
        let pairs = parameters(docker, "bearer").unwrap_or_default();
        assert_eq!(pairs[0], ("realm".to_owned(), "https://auth.docker.io/token".to_owned()));
        assert_eq!(pairs[2], ("scope".to_owned(), "repository:library/debian:pull,push".to_owned()));
        assert_eq!(parameters("Basic realm=x", "basic"), Some(vec![("realm".to_owned(), "x".to_owned())]));
        assert_eq!(parameters("Basic", "basic"), Some(vec![]));
        assert_eq!(parameters("Basic realm=x", "bearer"), None);
    }
}
