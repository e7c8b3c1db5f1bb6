//! `--userns`, `--uidmap`, `--gidmap`, `--subuidname`, `--subgidname`.

use anyhow::{Context, anyhow, bail, ensure};
use ketch_engine::container::options::{Auto, KeepId, Userns, UsernsMode, Wanted, WantedRange};

#[derive(Debug, clap::Args)]
pub(crate) struct UsernsFlags {
    /// Map a range of group ids ([FLAGS]CONTAINER:HOST[:SIZE])
    #[arg(long, value_name = "MAP", value_delimiter = ',')]
    gidmap: Vec<String>,
    /// Map the ids that /etc/subgid gives to a user
    #[arg(long, value_name = "USER")]
    subgidname: Option<String>,
    /// Map the ids that /etc/subuid gives to a user
    #[arg(long, value_name = "USER")]
    subuidname: Option<String>,
    /// Map a range of user ids ([FLAGS]CONTAINER:HOST[:SIZE])
    #[arg(long, value_name = "MAP", value_delimiter = ',')]
    uidmap: Vec<String>,
    /// User namespace: host, auto, keep-id, nomap, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE")]
    userns: Option<String>,
}

impl UsernsFlags {
    /// Whether any of them was given: then a pod's member has its own.
    pub(crate) fn is_chosen(&self) -> bool {
        self.userns.is_some() || self.has_maps()
    }

    fn has_maps(&self) -> bool {
        !self.uidmap.is_empty()
            || !self.gidmap.is_empty()
            || self.subuidname.is_some()
            || self.subgidname.is_some()
    }

    /// The names of containers are still names.
    pub(crate) fn parse(&self) -> anyhow::Result<Userns> {
        // As with podman, `private` means these maps.
        let given = self.userns.as_deref().filter(|mode| !mode.is_empty());
        let mode = match given {
            Some("private") | None if self.has_maps() => UsernsMode::Mapped(self.wanted()?),
            Some("private") => {
                bail!("must provide at least one UID or GID mapping to configure a user namespace")
            }
            None => UsernsMode::Host,
            Some(_) if self.has_maps() => {
                bail!("--userns and --uidmap/--gidmap/--subuidname/--subgidname are mutually exclusive")
            }
            Some(mode) => parse_mode(mode)?,
        };
        Ok(Userns { mode, ..Userns::default() })
    }

    fn wanted(&self) -> anyhow::Result<Wanted> {
        let (mut uids, mut gids) = (Vec::new(), Vec::new());
        for (list, is_gid) in [(&self.uidmap, false), (&self.gidmap, true)] {
            for text in list {
                let Given { range, of_users, of_groups } = range(text)?;
                // Without either letter the flag itself says whose ids they are.
                let both = of_users == of_groups;
                if if both { !is_gid || of_users } else { of_users } {
                    uids.push(range);
                }
                if if both { is_gid || of_groups } else { of_groups } {
                    gids.push(range);
                }
            }
        }
        Ok(Wanted { uids, gids, subuid: self.subuidname.clone(), subgid: self.subgidname.clone() })
    }
}

fn parse_mode(mode: &str) -> anyhow::Result<UsernsMode> {
    let unknown = || anyhow!("unrecognized namespace mode {mode} passed");
    match (mode, mode.split_once(':')) {
        ("host", _) => Ok(UsernsMode::Host),
        ("nomap", _) => Ok(UsernsMode::NoMap),
        ("auto", _) => Ok(UsernsMode::Auto(Auto::default())),
        ("keep-id", _) => Ok(UsernsMode::KeepId(KeepId::default())),
        (_, Some(("auto", options))) => auto(options).map(UsernsMode::Auto),
        (_, Some(("keep-id", options))) => keep_id(options).map(UsernsMode::KeepId),
        (_, Some(("container", name))) if !name.is_empty() => Ok(UsernsMode::Container(name.to_owned())),
        (_, Some(("ns", path))) if path.starts_with('/') => Ok(UsernsMode::Path(path.into())),
        _ => Err(unknown()),
    }
}

fn auto(options: &str) -> anyhow::Result<Auto> {
    let mut auto = Auto::default();
    for option in options.split(',') {
        match option.split_once('=') {
            Some(("size", size)) => auto.size = Some(number("auto size", size)?),
            Some(("uidmapping", text)) => auto.uids.push(range(text)?.range),
            Some(("gidmapping", text)) => auto.gids.push(range(text)?.range),
            _ => bail!("unknown option specified: {option:?}"),
        }
    }
    Ok(auto)
}

fn keep_id(options: &str) -> anyhow::Result<KeepId> {
    let mut keep = KeepId::default();
    for option in options.split(',') {
        match option.split_once('=') {
            Some(("uid", uid)) => keep.uid = Some(number("keep-id uid", uid)?),
            Some(("gid", gid)) => keep.gid = Some(number("keep-id gid", gid)?),
            Some(("size", size)) => keep.size = Some(number("keep-id size", size)?),
            _ => bail!("unknown option specified: {option:?}"),
        }
    }
    Ok(keep)
}

/// A map, and whether its letters say that it is of users, groups or both.
struct Given {
    range: WantedRange,
    of_users: bool,
    of_groups: bool,
}

/// `[+][u][g]CONTAINER:[@]HOST[:SIZE]`
fn range(text: &str) -> anyhow::Result<Given> {
    let parts: Vec<&str> = text.split(':').collect();
    let (container, from, size) = match parts[..] {
        [container, from] => (container, from, "1"),
        [container, from, size] => (container, from, size),
        _ => bail!("invalid mapping {text:?}: CONTAINER:HOST[:SIZE] is expected"),
    };
    let digits = container.find(|c: char| c.is_ascii_digit()).unwrap_or(container.len());
    let (flags, container) = container.split_at(digits);
    if let Some(flag) = flags.chars().find(|flag| !"+ug".contains(*flag)) {
        bail!("invalid mapping {text:?}: unknown flag {flag:?}");
    }
    let (from, of_host) = from.strip_prefix('@').map_or((from, false), |from| (from, true));
    let size = number(text, size)?;
    ensure!(size > 0, "invalid mapping {text:?}: the size must be above 0");
    Ok(Given {
        range: WantedRange {
            container: number(text, container)?,
            from: number(text, from)?,
            size,
            of_host,
            extends: flags.contains('+'),
        },
        of_users: flags.contains('u'),
        of_groups: flags.contains('g'),
    })
}

fn number(of: &str, text: &str) -> anyhow::Result<u32> {
    text.parse().with_context(|| format!("invalid mapping {of:?}: {text:?} is no id or size"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(uidmap: &[&str], gidmap: &[&str], userns: Option<&str>) -> UsernsFlags {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        UsernsFlags {
            uidmap: owned(uidmap),
            gidmap: owned(gidmap),
            subuidname: None,
            subgidname: None,
            userns: userns.map(str::to_owned),
        }
    }

    #[test]
    fn maps() {
        let of =
            |container, from, size| WantedRange { container, from, size, of_host: false, extends: false };
        for (uidmap, gidmap, uids, gids) in [
            (&["0:100:10"][..], &[][..], vec![of(0, 100, 10)], vec![]),
            (&["0:100"], &["1:2:3"], vec![of(0, 100, 1)], vec![of(1, 2, 3)]),
            (&["ug0:100:10"], &[], vec![of(0, 100, 10)], vec![of(0, 100, 10)]),
            (&["g0:100:10"], &[], vec![], vec![of(0, 100, 10)]),
            (
                &["+0:@100:10"],
                &[],
                vec![WantedRange { of_host: true, extends: true, ..of(0, 100, 10) }],
                vec![],
            ),
        ] {
            let wanted = flags(uidmap, gidmap, None).wanted().unwrap();
            assert_eq!((wanted.uids, wanted.gids), (uids, gids), "{uidmap:?} {gidmap:?}");
        }
        for bad in ["0", "x0:1:2", "0:1:0", "0:y", "0:1:2:3", ":1:2"] {
            assert!(flags(&[bad], &[], None).parse().is_err(), "{bad}");
        }
    }

    #[test]
    fn modes() {
        let keep = KeepId { uid: Some(200), gid: None, size: Some(9) };
        let auto = Auto { size: Some(5000), ..Auto::default() };
        for (text, expected) in [
            ("", Some(UsernsMode::Host)),
            ("host", Some(UsernsMode::Host)),
            ("nomap", Some(UsernsMode::NoMap)),
            ("keep-id", Some(UsernsMode::KeepId(KeepId::default()))),
            ("keep-id:uid=200,size=9", Some(UsernsMode::KeepId(keep))),
            ("auto:size=5000", Some(UsernsMode::Auto(auto))),
            ("container:web", Some(UsernsMode::Container("web".into()))),
            ("ns:/proc/1/ns/user", Some(UsernsMode::Path("/proc/1/ns/user".into()))),
            ("private", None),
            ("auto:bogus=1", None),
            ("keep-id:uid=x", None),
            ("ns:relative", None),
            ("bogus", None),
        ] {
            assert_eq!(
                flags(&[], &[], Some(text)).parse().ok().map(|userns| userns.mode),
                expected,
                "{text}"
            );
        }
        let both = flags(&["0:1:2"], &[], Some("host")).parse().unwrap_err().to_string();
        assert!(both.contains("mutually exclusive"), "{both}");
    }
}
