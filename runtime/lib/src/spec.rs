//! `config.json`: reading it, and the types it is made of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ketch_sys::file;
pub use oci_spec::runtime::*;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why a bundle's `config.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is not a valid OCI configuration")]
    Parse { path: PathBuf, source: serde_json::Error },
}

/// What was read, and what of it was passed over: the caller has to say so.
#[derive(Debug)]
pub struct Loaded<T> {
    pub value: T,
    pub warnings: Vec<String>,
}

/// Reads and parses `path`, usually `<bundle>/config.json`, in one pass.
pub fn load(path: &Path) -> Result<Loaded<Spec>, LoadError> {
    read(path, |config| config.get_mut("process"))
}

/// The same for a file with a `process` alone, as `exec` takes it.
pub fn load_process(path: &Path) -> Result<Loaded<Process>, LoadError> {
    read(path, |process| Some(process))
}

fn read<T: DeserializeOwned>(
    path: &Path,
    process: fn(&mut Value) -> Option<&mut Value>,
) -> Result<Loaded<T>, LoadError> {
    let mut buffer = Vec::new();
    let text = file::read(path, &mut buffer)
        .map_err(|errno| LoadError::Read { path: path.into(), source: errno.into() })?;
    parse(text, process).map_err(|source| LoadError::Parse { path: path.into(), source })
}

/// What the types do not take at once is looked at again as plain JSON.
fn parse<T: DeserializeOwned>(
    text: &[u8],
    process: fn(&mut Value) -> Option<&mut Value>,
) -> Result<Loaded<T>, serde_json::Error> {
    let error = match serde_json::from_slice(text) {
        Ok(value) => return Ok(Loaded { value, warnings: Vec::new() }),
        Err(error) => error,
    };
    let Ok(mut config) = serde_json::from_slice::<Value>(text) else { return Err(error) };
    let Some(process) = process(&mut config) else { return Err(error) };
    let mut warnings = Vec::new();
    let unknown = drop_unknown_capabilities(process);
    if !unknown.is_empty() {
        // runc's words, which people look for.
        let names = unknown.into_iter().collect::<Vec<_>>().join(" ");
        warnings.push(format!("ignoring unknown or unavailable capabilities: [{names}]"));
    }
    rename_scheduler_flags(process);
    // The first error knows its line and column.
    let value = serde_json::from_value(config).map_err(|_| error)?;
    Ok(Loaded { value, warnings })
}

/// runtime-spec, config, "Linux Process": what no kernel interface is known for is warned of, and no error. What comes back are
/// the names that were left out.
fn drop_unknown_capabilities(process: &mut Value) -> BTreeSet<String> {
    let mut unknown = BTreeSet::new();
    // Indexing would make what is missing.
    let sets = process.get_mut("capabilities").and_then(Value::as_object_mut);
    for (_, names) in sets.into_iter().flatten() {
        let Some(names) = names.as_array_mut() else { continue };
        names.retain(|name| match name {
            Value::String(text) if serde_json::from_value::<Capability>(name.clone()).is_err() => {
                unknown.insert(text.clone());
                false
            }
            _ => true,
        });
    }
    unknown
}

/// Two flags have other names in the types than in the specification.
fn rename_scheduler_flags(process: &mut Value) {
    let flags = process.pointer_mut("/scheduler/flags").and_then(Value::as_array_mut);
    for flag in flags.into_iter().flatten() {
        match flag.as_str() {
            Some("SCHED_FLAG_RESET_ON_FORK") => *flag = "SCHED_RESET_ON_FORK".into(),
            Some("SCHED_FLAG_DL_OVERRUN") => *flag = "SCHED_FLAG_D_L_OVERRUN".into(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(fields: &str) -> Result<Loaded<Process>, serde_json::Error> {
        let text = format!(r#"{{"user": {{"uid": 0, "gid": 0}}, "cwd": "/", "args": ["sh"], {fields}}}"#);
        parse(text.as_bytes(), |process| Some(process))
    }

    #[test]
    fn unknown_capabilities_are_left_out() {
        let sets = r#"{"bounding": ["CAP_KILL", "X"], "permitted": ["CAP_NONESUCH", "X"], "ambient": ["X"]}"#;
        let read = process(&format!("\"capabilities\": {sets}")).expect("no error");
        let sets = read.value.capabilities().clone().expect("sets");
        assert_eq!(sets.bounding(), &Some([Capability::Kill].into()));
        assert_eq!(sets.ambient(), &Some([].into()));
        assert_eq!(read.warnings, ["ignoring unknown or unavailable capabilities: [CAP_NONESUCH X]"]);
        // Nothing else is mended by that.
        let error = process(r#""capabilities": {"bounding": ["CAP_NONESUCH", 7]}"#).expect_err("no name");
        assert!(error.line() == 1, "{error}");
    }

    #[test]
    fn every_scheduler_flag_of_the_specification() {
        for flag in [
            "SCHED_FLAG_RESET_ON_FORK",
            "SCHED_FLAG_RECLAIM",
            "SCHED_FLAG_DL_OVERRUN",
            "SCHED_FLAG_KEEP_POLICY",
            "SCHED_FLAG_KEEP_PARAMS",
            "SCHED_FLAG_UTIL_CLAMP_MIN",
            "SCHED_FLAG_UTIL_CLAMP_MAX",
        ] {
            let read = process(&format!(r#""scheduler": {{"policy": "SCHED_OTHER", "flags": ["{flag}"]}}"#));
            let read = read.unwrap_or_else(|error| panic!("{flag}: {error}"));
            assert!(read.warnings.is_empty());
        }
    }
}
