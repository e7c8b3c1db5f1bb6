//! What differs where an ordinary user makes the container.

use ketch_runtime::spec::{
    LinuxIdMappingBuilder, LinuxNamespaceBuilder, LinuxNamespaceType, MountBuilder, Spec,
};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

/// The configuration `root` for a user who maps nobody but themselves.
pub fn config(root: &str, uid: u32, gid: u32) -> anyhow::Result<String> {
    let mut spec: Spec = serde_json::from_str(root)?;

    for mount in spec.mounts_mut().iter_mut().flatten() {
        match mount.destination().to_str() {
            // Group 5 is not mapped.
            Some("/dev/pts") => {
                let options = mount.options().iter().flatten().filter(|o| *o != "gid=5").cloned().collect();
                mount.set_options(Some(options));
            }
            // sysfs belongs to the network namespace, which stays the host's; so it is bound, not mounted.
            Some("/sys") => {
                let options = ["rbind", "nosuid", "noexec", "nodev", "ro"].map(str::to_owned).to_vec();
                *mount = MountBuilder::default()
                    .destination("/sys")
                    .typ("none")
                    .source("/sys")
                    .options(options)
                    .build()?;
            }
            _ => {}
        }
    }

    if let Some(linux) = spec.linux_mut() {
        let mut namespaces = linux.namespaces().clone().unwrap_or_default();
        namespaces.retain(|n| n.typ() != LinuxNamespaceType::Network);
        namespaces.push(LinuxNamespaceBuilder::default().typ(LinuxNamespaceType::User).build()?);
        let only =
            |host: u32| LinuxIdMappingBuilder::default().container_id(0u32).host_id(host).size(1u32).build();
        linux
            .set_namespaces(Some(namespaces))
            .set_uid_mappings(Some(vec![only(uid)?]))
            .set_gid_mappings(Some(vec![only(gid)?]))
            // Device rules need a cgroup of root's.
            .set_resources(None);
    }

    let mut text = Vec::new();
    spec.serialize(&mut Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"\t")))?;
    text.push(b'\n');
    Ok(String::from_utf8(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn rootless_differs_as_runcs_does() {
        let root = super::super::ROOT;
        let config: Value = serde_json::from_str(&config(root, 1000, 100).expect("a config")).expect("JSON");
        let root: Value = serde_json::from_str(root).expect("JSON");

        let types: Vec<_> =
            config["linux"]["namespaces"].as_array().expect("an array").iter().map(|n| &n["type"]).collect();
        assert_eq!(types, ["pid", "ipc", "uts", "mount", "user"]);
        assert_eq!(config["linux"]["uidMappings"][0]["hostID"], 1000);
        assert_eq!(config["linux"]["gidMappings"][0]["hostID"], 100);
        assert_eq!(config["linux"].get("resources"), None);
        assert_eq!(config["mounts"][2]["options"].as_array().map(Vec::len), Some(5));
        assert_eq!(config["mounts"][5]["options"][0], "rbind");
        for same in ["process", "root", "hostname"] {
            assert_eq!(config[same], root[same], "{same}");
        }
        for same in ["maskedPaths", "readonlyPaths"] {
            assert_eq!(config["linux"][same], root["linux"][same], "{same}");
        }
    }
}
