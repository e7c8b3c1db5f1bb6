//! Whether a registry knows somebody.

use ureq::http::Method;

use super::request::Content;
use super::{Access, Client, Credentials, CredentialsError, RegistryError, credentials};

/// The login that `access` has for `name`: a registry, or a repository with its registry.
pub fn find_login(access: &Access, name: &str) -> Result<Option<Credentials>, CredentialsError> {
    match &access.credentials {
        Some(credentials) => Ok(Some(credentials.clone())),
        None => credentials::find(&access.auth_files, name),
    }
}

/// Whether the registry takes the credentials. `name` is a registry, or a repository with its registry.
pub fn check_login(access: &Access, name: &str, credentials: &Credentials) -> Result<bool, RegistryError> {
    let registry = name.split('/').next().unwrap_or(name);
    let access = Access { credentials: Some(credentials.clone()), ..access.clone() };
    // Only who it is, and nothing that may not be there.
    let client = Client::of_registry(registry, &access, "")?;
    let what = format!("/v2/ of {registry}");
    let url = format!("{}/v2/", client.base);
    match client.send(&Method::GET, &url, &[], &Content::None, &what) {
        Ok(response) if response.status() == 200 => Ok(true),
        Ok(response) if matches!(response.status().as_u16(), 401 | 403) => Ok(false),
        Ok(response) => Err(RegistryError::status(&what, response)),
        Err(RegistryError::Denied { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
