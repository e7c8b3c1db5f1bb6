//! crun's annotations, `run.oci.*`: crun(1), "Extensions to OCI". Those that are not here are no more to this runtime than to
//! runc: `systemd.subgroup` and `delegate-cgroup` (the container's cgroup has none below it), `systemd.force_cgroup_v1`,
//! `seccomp.plugins` and `seccomp_bpf_data`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Invalid;
use crate::spec::Spec;

pub(crate) type Annotations = HashMap<String, String>;

const KEEP_GROUPS: &str = "run.oci.keep_original_groups";
const RECEIVER: &str = "run.oci.seccomp.receiver";
const HANDLER: &str = "run.oci.handler";
const HOOKS_OUT: &str = "run.oci.hooks.stdout";
const HOOKS_ERR: &str = "run.oci.hooks.stderr";
const CONTEXT_TYPE: &str = "run.oci.mount_context_type";
const FAIL_UNKNOWN: &str = "run.oci.seccomp_fail_unknown_syscall";
const PIDFD_RECEIVER: &str = "run.oci.pidfd_receiver";

/// Whether the container's processes keep the supplementary groups of the runtime's caller: what they give access to cannot
/// be had otherwise in a user namespace.
pub(crate) fn keeps_groups(annotations: Option<&Annotations>) -> bool {
    annotations.is_some_and(|annotations| annotations.contains_key(KEEP_GROUPS))
}

/// The socket that wants a pidfd of the container's init.
pub fn pidfd_receiver(annotations: Option<&Annotations>) -> Option<PathBuf> {
    annotations?.get(PIDFD_RECEIVER).map(PathBuf::from)
}

/// The mount option by which `linux.mountLabel` is set: mount(8), "context". It is one of [`CONTEXT_TYPES`] after [`check`].
pub(super) fn mount_context_type(annotations: Option<&Annotations>) -> &str {
    annotations.and_then(|annotations| annotations.get(CONTEXT_TYPE)).map_or("context", String::as_str)
}

const CONTEXT_TYPES: [&str; 4] = ["context", "fscontext", "defcontext", "rootcontext"];

/// Whether a seccomp profile may not name calls that nobody knows, which are passed over otherwise.
pub(super) fn refuses_unknown_calls(annotations: Option<&Annotations>) -> bool {
    annotations.and_then(|annotations| annotations.get(FAIL_UNKNOWN)).is_some_and(|value| value != "0")
}

/// The files that hooks' standard output and error are appended to.
pub(crate) fn hook_streams(annotations: Option<&Annotations>) -> [Option<&Path>; 2] {
    [HOOKS_OUT, HOOKS_ERR].map(|key| annotations?.get(key).map(Path::new))
}

/// The configuration with a seccomp receiver in the place that the specification has for it since 1.1.
pub(crate) fn with_receiver(spec: &Spec) -> Cow<'_, Spec> {
    let receiver = spec.annotations().as_ref().and_then(|annotations| annotations.get(RECEIVER));
    let profile = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    match (receiver, profile) {
        (Some(receiver), Some(profile)) if profile.listener_path().is_none() => {
            let mut spec = spec.clone();
            let linux = spec.linux_mut().as_mut();
            if let Some(profile) = linux.and_then(|linux| linux.seccomp_mut().as_mut()) {
                profile.set_listener_path(Some(receiver.into()));
            }
            Cow::Owned(spec)
        }
        _ => Cow::Borrowed(spec),
    }
}

/// What would not be the same without: a virtual machine in particular is not to be left out in silence.
pub(super) fn check(annotations: Option<&Annotations>) -> Result<(), Invalid> {
    let Some(annotations) = annotations else { return Ok(()) };
    if annotations.contains_key("") {
        return Err(Invalid::new("annotations", "has an empty key"));
    }
    if let Some(handler) = annotations.get(HANDLER).filter(|handler| !handler.is_empty()) {
        let field = format!("annotations.{HANDLER}");
        return Err(Invalid::new(
            &field,
            format!("{handler:?} is no way in which this runtime runs programs"),
        ));
    }
    if let Some(word) = annotations.get(CONTEXT_TYPE).filter(|word| !CONTEXT_TYPES.contains(&word.as_str())) {
        let field = format!("annotations.{CONTEXT_TYPE}");
        return Err(Invalid::new(&field, format!("{word:?} is no mount option for a context")));
    }
    for key in [RECEIVER, HOOKS_OUT, HOOKS_ERR, PIDFD_RECEIVER] {
        if let Some(path) = annotations.get(key).filter(|path| !path.starts_with('/')) {
            let field = format!("annotations.{key}");
            return Err(Invalid::new(&field, format!("{path:?} is not an absolute path")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(key: &str, value: &str) -> Annotations {
        HashMap::from([(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn checked() {
        for (key, value, part) in [
            (HANDLER, "krun", Some("\"krun\" is no way")),
            (HANDLER, "", None),
            (CONTEXT_TYPE, "fscontext", None),
            (CONTEXT_TYPE, "size", Some("no mount option")),
            (HOOKS_OUT, "log", Some("not an absolute path")),
            (RECEIVER, "/run/agent.sock", None),
            ("run.oci.systemd.subgroup", "", None),
            ("org.example.key", "value", None),
            ("", "value", Some("empty key")),
        ] {
            let result = check(Some(&one(key, value)));
            match part {
                None => assert!(result.is_ok(), "{key}"),
                Some(part) => {
                    let error = result.expect_err(key).to_string();
                    assert!(error.contains(part) && error.contains(key), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_receiver_is_a_listener() {
        let spec = |annotations: &str, seccomp: &str| -> Spec {
            let text = format!(
                r#"{{"ociVersion": "1.0.0", "annotations": {annotations}, "linux": {{"seccomp": {seccomp}}}}}"#
            );
            serde_json::from_str(&text).expect("a configuration")
        };
        let annotated = format!(r#"{{"{RECEIVER}": "/a"}}"#);
        let allow = r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#;
        let listener = |spec: &Spec| {
            let spec = with_receiver(spec).into_owned();
            spec.linux().clone()?.seccomp().clone()?.listener_path().clone()
        };
        assert_eq!(listener(&spec(&annotated, allow)), Some("/a".into()));
        assert_eq!(listener(&spec("{}", allow)), None);
        let own = r#"{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/b"}"#;
        assert_eq!(listener(&spec(&annotated, own)), Some("/b".into()));
        assert_eq!(listener(&spec(&annotated, "null")), None);
    }
}
