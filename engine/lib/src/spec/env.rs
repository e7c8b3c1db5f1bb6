//! The process's environment.

/// Search path of a container whose image sets none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the environment is made of, weakest first.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    pub(super) terminal: bool,
    pub(super) image: &'a [String],
    /// `NAME=VALUE`.
    pub(super) options: &'a [String],
    /// Used where neither image nor options say otherwise.
    pub(super) home: &'a str,
    pub(super) hostname: &'a str,
}

/// Merges; a later value takes the place of an earlier one, so the order stays that of first appearance.
pub(super) fn merge(sources: &Sources<'_>) -> Vec<String> {
    let mut env = vec![format!("PATH={PATH}"), "container=ketch".to_owned()];
    if sources.terminal {
        env.push("TERM=xterm".to_owned());
    }
    for variable in sources.image.iter().chain(sources.options) {
        let name = name(variable);
        match env.iter_mut().find(|have| self::name(have) == name) {
            Some(have) => have.clone_from(variable),
            None => env.push(variable.clone()),
        }
    }
    for (name, value) in [("HOME", sources.home), ("HOSTNAME", sources.hostname)] {
        if !env.iter().any(|have| self::name(have) == name) {
            env.push(format!("{name}={value}"));
        }
    }
    env
}

fn name(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_precedence() {
        let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let cases: &[(bool, &[&str], &[&str], &[&str])] = &[
            (false, &[], &[], &[&format!("PATH={PATH}"), "container=ketch", "HOME=/root", "HOSTNAME=h"]),
            (
                true,
                &["A=1", "TERM=dumb"],
                &["A=2=3", "HOME=/x"],
                &[&format!("PATH={PATH}"), "container=ketch", "TERM=dumb", "A=2=3", "HOME=/x", "HOSTNAME=h"],
            ),
            (
                false,
                &["PATH=/bin"],
                &["container="],
                &["PATH=/bin", "container=", "HOME=/root", "HOSTNAME=h"],
            ),
        ];
        for (terminal, image, options, expected) in cases {
            let (image, options) = (owned(image), owned(options));
            let sources = Sources {
                terminal: *terminal,
                image: &image,
                options: &options,
                home: "/root",
                hostname: "h",
            };
            assert_eq!(merge(&sources), *expected);
        }
    }
}
