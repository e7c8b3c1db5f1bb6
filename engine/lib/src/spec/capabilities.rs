//! Which capabilities the container's process gets.

use std::str::FromStr;

use ketch_runtime::spec::{Capabilities, Capability, LinuxCapabilities};

use super::SpecError;
use crate::container::options::Options;

/// podman's default eleven.
pub const DEFAULT: [Capability; 11] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::NetBindService,
    Capability::Setfcap,
    Capability::Setgid,
    Capability::Setpcap,
    Capability::Setuid,
    Capability::SysChroot,
];

/// By the kernel's number (linux/capability.h).
pub const BY_NUMBER: [Capability; 41] = {
    use Capability::*;
    [
        Chown,
        DacOverride,
        DacReadSearch,
        Fowner,
        Fsetid,
        Kill,
        Setgid,
        Setuid,
        Setpcap,
        LinuxImmutable,
        NetBindService,
        NetBroadcast,
        NetAdmin,
        NetRaw,
        IpcLock,
        IpcOwner,
        SysModule,
        SysRawio,
        SysChroot,
        SysPtrace,
        SysPacct,
        SysAdmin,
        SysBoot,
        SysNice,
        SysResource,
        SysTime,
        SysTtyConfig,
        Mknod,
        Lease,
        AuditWrite,
        AuditControl,
        Setfcap,
        MacOverride,
        MacAdmin,
        Syslog,
        WakeAlarm,
        BlockSuspend,
        AuditRead,
        Perfmon,
        Bpf,
        CheckpointRestore,
    ]
};

/// The sets of a process whose user has the number `uid`.
///
/// `held` is ketch's own permitted set, a bit a number: nobody can give what they do not have. Root gets the bounding
/// set; another user gets what `--cap-add` names, as ambient capabilities, so that it survives `execve`.
pub fn resolve(options: &Options, uid: u32, held: u64) -> Result<LinuxCapabilities, SpecError> {
    let added = Wanted::parse(&options.cap_add)?;
    let bounding = bounding(options, &added, held)?;
    let ambient = match &added {
        _ if uid == 0 || options.privileged => Vec::new(),
        Wanted::All => bounding.clone(),
        Wanted::These(list) => list.clone(),
    };

    let mut sets = LinuxCapabilities::default();
    let effective = if uid == 0 { &bounding } else { &ambient };
    sets.set_effective(set(effective)).set_permitted(set(effective));
    sets.set_inheritable(set(&ambient)).set_ambient(set(&ambient));
    sets.set_bounding(set(&bounding));
    Ok(sets)
}

fn bounding(options: &Options, added: &Wanted, held: u64) -> Result<Vec<Capability>, SpecError> {
    let dropped = Wanted::parse(&options.cap_drop)?;
    let all = || BY_NUMBER.into_iter().filter(|cap| holds(held, *cap));
    if let (Wanted::These(added), Wanted::These(dropped)) = (added, &dropped)
        && let Some(both) = added.iter().find(|cap| dropped.contains(cap))
    {
        return Err(SpecError::AddedAndDropped(format!("CAP_{both}")));
    }
    if let Wanted::These(added) = added
        && let Some(missing) = added.iter().find(|cap| !holds(held, **cap))
    {
        return Err(SpecError::CapabilityNotHeld(format!("CAP_{missing}")));
    }
    let start: Vec<Capability> = match (&dropped, options.privileged || matches!(added, Wanted::All)) {
        (Wanted::All, true) if matches!(added, Wanted::All) => return Err(SpecError::AllAddedAndDropped),
        (Wanted::All, _) => Vec::new(),
        (_, true) => all().collect(),
        (_, false) => DEFAULT.into_iter().filter(|cap| holds(held, *cap)).collect(),
    };

    let mut bounding: Vec<Capability> = start.into_iter().filter(|cap| !dropped.names(*cap)).collect();
    if let Wanted::These(added) = added {
        let new = added.iter().filter(|cap| !bounding.contains(cap)).copied().collect::<Vec<_>>();
        bounding.extend(new);
    }
    Ok(bounding)
}

#[derive(Debug, PartialEq)]
enum Wanted {
    All,
    These(Vec<Capability>),
}

impl Wanted {
    /// `net_admin`, `CAP_NET_ADMIN` and `all`, in either case.
    fn parse(names: &[String]) -> Result<Wanted, SpecError> {
        let mut list = Vec::with_capacity(names.len());
        for name in names {
            let name = name.to_ascii_uppercase();
            if name == "ALL" {
                return Ok(Wanted::All);
            }
            let plain = name.strip_prefix("CAP_").unwrap_or(&name);
            let cap = Capability::from_str(plain)
                .map_err(|_| SpecError::UnknownCapability(format!("CAP_{plain}")))?;
            if !list.contains(&cap) {
                list.push(cap);
            }
        }
        Ok(Wanted::These(list))
    }

    fn names(&self, cap: Capability) -> bool {
        match self {
            Wanted::All => true,
            Wanted::These(list) => list.contains(&cap),
        }
    }
}

pub(super) fn holds(held: u64, cap: Capability) -> bool {
    BY_NUMBER.iter().position(|known| *known == cap).is_some_and(|number| held & (1 << number) != 0)
}

fn set(list: &[Capability]) -> Option<Capabilities> {
    Some(list.iter().copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = (1 << 41) - 1;
    const NO_RESOURCE: u64 = ALL & !(1 << 24);

    struct Case {
        add: &'static [&'static str],
        drop: &'static [&'static str],
        privileged: bool,
        uid: u32,
        /// Counts of bounding, effective, ambient.
        expected: Result<(usize, usize, usize), &'static str>,
    }

    #[test]
    fn sets() {
        let cases = [
            case(&[], &[], 0, Ok((11, 11, 0))),
            case(&[], &[], 1000, Ok((11, 0, 0))),
            case(&["NET_ADMIN"], &["all"], 0, Ok((1, 1, 0))),
            case(&["cap_net_admin"], &["ALL"], 1000, Ok((1, 1, 1))),
            case(&["sys_ptrace", "SYS_PTRACE"], &[], 1000, Ok((12, 1, 1))),
            case(&["chown"], &[], 0, Ok((11, 11, 0))),
            case(&["all"], &[], 0, Ok((40, 40, 0))),
            case(&["all"], &["net_admin"], 0, Ok((39, 39, 0))),
            case(&["all"], &["all"], 0, Err("adding all caps")),
            case(&["net_raw"], &["NET_RAW"], 0, Err("\"CAP_NET_RAW\" cannot be dropped and added")),
            case(&["bogus"], &[], 0, Err("\"CAP_BOGUS\": unknown")),
            case(&["sys_resource"], &[], 0, Err("give the container CAP_SYS_RESOURCE")),
            case(&[], &["sys_resource"], 0, Ok((11, 11, 0))),
            Case { privileged: true, ..case(&[], &[], 0, Ok((40, 40, 0))) },
            Case { privileged: true, ..case(&[], &["net_admin"], 0, Ok((39, 39, 0))) },
            Case { privileged: true, ..case(&[], &["all"], 0, Ok((0, 0, 0))) },
            Case { privileged: true, ..case(&[], &[], 1000, Ok((40, 0, 0))) },
        ];
        for case in cases {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let options = Options {
                cap_add: owned(case.add),
                cap_drop: owned(case.drop),
                privileged: case.privileged,
                ..Options::default()
            };
            let got = resolve(&options, case.uid, NO_RESOURCE);
            let label = format!("add {:?} drop {:?} uid {}", case.add, case.drop, case.uid);
            match (got, case.expected) {
                (Ok(sets), Ok(expected)) => {
                    let count = |set: &Option<Capabilities>| set.as_ref().map_or(0, |set| set.len());
                    let got = (count(sets.bounding()), count(sets.effective()), count(sets.ambient()));
                    assert_eq!(got, expected, "{label}");
                    assert_eq!(sets.inheritable(), sets.ambient(), "{label}");
                    assert_eq!(sets.permitted(), sets.effective(), "{label}");
                }
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{label}: {error}");
                }
                (got, expected) => panic!("{label}: {got:?}, not {expected:?}"),
            }
        }
    }

    fn case(
        add: &'static [&'static str],
        drop: &'static [&'static str],
        uid: u32,
        expected: Result<(usize, usize, usize), &'static str>,
    ) -> Case {
        Case { add, drop, privileged: false, uid, expected }
    }

    #[test]
    fn numbers_are_the_kernels() {
        assert_eq!(BY_NUMBER[12], Capability::NetAdmin);
        assert_eq!(BY_NUMBER[21], Capability::SysAdmin);
        assert_eq!(BY_NUMBER[24], Capability::SysResource);
        assert_eq!(BY_NUMBER[40], Capability::CheckpointRestore);
        assert!(holds(ALL, Capability::SysResource) && !holds(NO_RESOURCE, Capability::SysResource));
    }
}
