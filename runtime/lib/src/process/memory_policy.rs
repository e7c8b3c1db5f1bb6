//! `linux.memoryPolicy`: set_mempolicy(2).

use ketch_sys::memory_policy::{self as sys, flag, mode};

use super::scheduler::numbers;
use crate::plan::Invalid;
use crate::spec::{LinuxMemoryPolicy, MemoryPolicyFlagType, MemoryPolicyModeType};
use crate::step::{At, StepError};

/// Mode with flags, and a mask of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPolicy {
    pub mode: u32,
    pub nodes: Vec<u64>,
}

/// The kernel is never built for more (`CONFIG_NODES_SHIFT` is 10 at most).
const MAX_NODES: usize = 1024;

/// Decides what is set; set_mempolicy(2) says which modes take nodes, and which flags.
pub(crate) fn plan(policy: &LinuxMemoryPolicy) -> Result<MemoryPolicy, Invalid> {
    let refuse = |reason: String| Invalid::new("linux.memoryPolicy", reason);
    let (word, mode) = (policy.mode(), mode(policy.mode()));
    let list = policy.nodes().as_deref().unwrap_or_default();
    let nodes = match list.is_empty() {
        true => Vec::new(),
        false => numbers(list, MAX_NODES).ok_or_else(|| refuse(format!("{list:?} is no list of nodes")))?,
    };
    match mode {
        mode::DEFAULT | mode::LOCAL if !nodes.is_empty() => {
            return Err(refuse(format!("{word} takes no nodes")));
        }
        mode::BIND | mode::INTERLEAVE | mode::WEIGHTED_INTERLEAVE | mode::PREFERRED_MANY
            if nodes.is_empty() =>
        {
            return Err(refuse(format!("{word} needs nodes")));
        }
        _ => {}
    }
    let flags = policy.flags().iter().flatten().fold(0, |flags, flag| flags | bit(*flag));
    let about_nodes = flags & (flag::STATIC_NODES | flag::RELATIVE_NODES);
    if about_nodes.count_ones() > 1 {
        return Err(refuse("MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other".to_owned()));
    }
    if about_nodes != 0 && nodes.is_empty() {
        return Err(refuse(format!("{word} has no nodes that the flags could be about")));
    }
    if flags & flag::NUMA_BALANCING != 0 && !matches!(mode, mode::BIND | mode::PREFERRED_MANY) {
        return Err(refuse(format!("MPOL_F_NUMA_BALANCING is not for {word}")));
    }
    Ok(MemoryPolicy { mode: mode | flags, nodes })
}

fn mode(mode: MemoryPolicyModeType) -> u32 {
    match mode {
        MemoryPolicyModeType::MpolDefault => mode::DEFAULT,
        MemoryPolicyModeType::MpolBind => mode::BIND,
        MemoryPolicyModeType::MpolInterleave => mode::INTERLEAVE,
        MemoryPolicyModeType::MpolWeightedInterleave => mode::WEIGHTED_INTERLEAVE,
        MemoryPolicyModeType::MpolPreferred => mode::PREFERRED,
        MemoryPolicyModeType::MpolPreferredMany => mode::PREFERRED_MANY,
        MemoryPolicyModeType::MpolLocal => mode::LOCAL,
    }
}

fn bit(flag: MemoryPolicyFlagType) -> u32 {
    match flag {
        MemoryPolicyFlagType::MpolFNumaBalancing => flag::NUMA_BALANCING,
        MemoryPolicyFlagType::MpolFRelativeNodes => flag::RELATIVE_NODES,
        MemoryPolicyFlagType::MpolFStaticNodes => flag::STATIC_NODES,
    }
}

/// Sets the caller's own. Runs in the container's cgroup, whose cpuset the kernel takes the nodes from.
pub(crate) fn set(policy: &MemoryPolicy) -> Result<(), StepError> {
    sys::set(policy.mode, &policy.nodes).at("set the memory policy", "(does the machine have these nodes?)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(policy: &str) -> Result<MemoryPolicy, Invalid> {
        plan(&serde_json::from_str(policy).expect("valid JSON"))
    }

    #[test]
    fn policies() {
        for (policy, mode, nodes) in [
            (r#"{"mode": "MPOL_DEFAULT"}"#, 0, &[][..]),
            (r#"{"mode": "MPOL_PREFERRED", "nodes": ""}"#, 1, &[]),
            (r#"{"mode": "MPOL_INTERLEAVE", "nodes": "0-1,64"}"#, 3, &[3, 1]),
            (
                r#"{"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_NUMA_BALANCING"]}"#,
                2 | 1 << 15 | 1 << 13,
                &[1],
            ),
            (r#"{"mode": "MPOL_WEIGHTED_INTERLEAVE", "nodes": "1"}"#, 6, &[2]),
        ] {
            let expected = MemoryPolicy { mode, nodes: nodes.to_vec() };
            assert_eq!(read(policy).expect(policy), expected, "{policy}");
        }
    }

    #[test]
    fn refused() {
        for (policy, part) in [
            (r#"{"mode": "MPOL_DEFAULT", "nodes": "0"}"#, "MPOL_DEFAULT takes no nodes"),
            (r#"{"mode": "MPOL_LOCAL", "nodes": "0"}"#, "MPOL_LOCAL takes no nodes"),
            (r#"{"mode": "MPOL_BIND"}"#, "MPOL_BIND needs nodes"),
            (r#"{"mode": "MPOL_BIND", "nodes": "a"}"#, "no list of nodes"),
            (r#"{"mode": "MPOL_BIND", "nodes": "1024"}"#, "no list of nodes"),
            (
                r#"{"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]}"#,
                "exclude each other",
            ),
            (r#"{"mode": "MPOL_PREFERRED", "flags": ["MPOL_F_STATIC_NODES"]}"#, "no nodes"),
            (
                r#"{"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]}"#,
                "is not for MPOL_INTERLEAVE",
            ),
        ] {
            let error = read(policy).expect_err(policy).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
