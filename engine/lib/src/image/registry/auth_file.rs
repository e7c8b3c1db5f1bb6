//! `login` and `logout`: what they write to a file of logins (containers-auth.json(5)).

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::helper::{self, HelperError};
use super::{Credentials, CredentialsError};

#[derive(Debug, thiserror::Error)]
pub enum AuthFileError {
    #[error(transparent)]
    Read(#[from] CredentialsError),
    #[error("cannot write {}: {}", path.display(), crate::store::cause(error))]
    Write { path: PathBuf, error: io::Error },
    #[error("{}", path.display())]
    Helper { path: PathBuf, source: HelperError },
}

/// Notes the login for `key`, a registry or a part of one: in the file, or by the credential helper that it names. What else the
/// file has stays as it is.
pub fn store(path: &Path, key: &str, credentials: &Credentials) -> Result<(), AuthFileError> {
    change(path, |file| {
        if let Some(name) = helper_of(file, key) {
            let stored = helper::store(name, key, credentials);
            return stored.map_err(|source| AuthFileError::Helper { path: path.to_owned(), source });
        }
        if !file["auths"].is_object() {
            file["auths"] = json!({});
        }
        file["auths"][key] = json!({"auth": credentials.encoded()});
        Ok(())
    })
}

/// Forgets the login of exactly `key`; whether there was one.
pub fn remove(path: &Path, key: &str) -> Result<bool, AuthFileError> {
    let mut found = false;
    if path.exists() {
        change(path, |file| {
            // Not by index, which would leave an empty field.
            let auths = file.get_mut("auths").and_then(Value::as_object_mut);
            found = auths.is_some_and(|auths| auths.remove(key).is_some());
            if let Some(name) = helper_of(file, key) {
                found |= helper::erase(name, key)
                    .map_err(|source| AuthFileError::Helper { path: path.to_owned(), source })?;
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// Forgets all logins.
pub fn remove_all(path: &Path) -> Result<(), AuthFileError> {
    change(path, |file| {
        for (key, name) in file["credHelpers"].as_object().into_iter().flatten() {
            if let Some(name) = name.as_str() {
                helper::erase(name, key)
                    .map_err(|source| AuthFileError::Helper { path: path.to_owned(), source })?;
            }
        }
        file["auths"] = json!({});
        Ok(())
    })
}

/// The credential helper that keeps the login of `key`.
fn helper_of<'a>(file: &'a Value, key: &str) -> Option<&'a str> {
    let name = file["credHelpers"][key].as_str().or_else(|| file["credsStore"].as_str());
    name.filter(|name| !name.is_empty())
}

/// Two at once do not lose each other's change, and a reader finds the old file or the new one.
fn change(
    path: &Path,
    change: impl FnOnce(&mut Value) -> Result<(), AuthFileError>,
) -> Result<(), AuthFileError> {
    let failed = |error| AuthFileError::Write { path: path.to_owned(), error };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let turn = File::open(directory).map_err(failed)?;
    turn.lock().map_err(failed)?;
    let mut document = match fs::read(path) {
        Ok(bytes) if bytes.is_empty() => json!({}),
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| CredentialsError::Invalid {
            path: path.to_owned(),
            reason: error.to_string(),
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => json!({}),
        Err(error) => return Err(CredentialsError::Read { path: path.to_owned(), error }.into()),
    };
    if !document.is_object() {
        let reason = "it is no JSON object".to_owned();
        return Err(CredentialsError::Invalid { path: path.to_owned(), reason }.into());
    }
    change(&mut document)?;
    // A link leads to the file that is meant.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    write(&target, &document).map_err(failed)
}

/// Readable by nobody else, and indented as podman's and docker's are.
fn write(path: &Path, document: &Value) -> io::Result<()> {
    let mut bytes = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, format))?;
    let hidden = path.with_extension(format!("{}.new", std::process::id()));
    let written = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&hidden)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
    written.and_then(|()| fs::rename(&hidden, path)).inspect_err(|_| {
        // The first error is the one to report.
        let _ = fs::remove_file(&hidden);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/auth.json");
        let kim = Credentials::new("kim".into(), "secret".into());
        assert!(!remove(&path, "a.io").unwrap());
        store(&path, "a.io", &kim).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{\n\t\"auths\": {\n\t\t\"a.io\": {\n\t\t\t\"auth\": \"a2ltOnNlY3JldA==\"\n\t\t}\n\t}\n}"
        );
        store(&path, "b.io/team", &kim).unwrap();
        assert!(remove(&path, "a.io").unwrap());
        assert!(!remove(&path, "a.io").unwrap());
        assert!(!remove(&path, "b.io").unwrap());
        remove_all(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\n\t\"auths\": {}\n}");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_else_is_in_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        let kim = Credentials::new("kim".into(), "secret".into());
        fs::write(&path, r#"{"HttpHeaders": {"a": "b"}, "credHelpers": {"h.io": "a/b"}}"#).unwrap();
        store(&path, "a.io", &kim).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("HttpHeaders") && text.contains("a.io"), "{text}");
        assert!(matches!(store(&path, "h.io", &kim), Err(AuthFileError::Helper { .. })));
        for bad in ["[]", "nonsense"] {
            fs::write(&path, bad).unwrap();
            assert!(store(&path, "a.io", &kim).is_err(), "{bad}");
            assert_eq!(fs::read_to_string(&path).unwrap(), bad);
        }
    }
}
