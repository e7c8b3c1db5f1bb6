//! The process's environment.

use crate::container::options::Defaults;

/// Search path of a container whose image sets none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the environment is made of, weakest first.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    pub(super) terminal: bool,
    /// Of the caller's: proxies.
    pub(super) defaults: &'a Defaults,
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
    let Defaults { env: callers, merge, unset, unset_all } = sources.defaults;
    for variable in callers.iter().chain(sources.image) {
        set(&mut env, variable);
    }
    for variable in merge {
        let merged = expand(variable, &env);
        set(&mut env, &merged);
    }
    env.retain(|variable| !unset_all && !unset.iter().any(|unset| name(variable) == unset));
    for variable in sources.options {
        set(&mut env, variable);
    }
    for (name, value) in [("HOME", sources.home), ("HOSTNAME", sources.hostname)] {
        if !env.iter().any(|have| self::name(have) == name) {
            env.push(format!("{name}={value}"));
        }
    }
    env
}

/// In place of one of the same name, or last.
pub(super) fn set(env: &mut Vec<String>, variable: &str) {
    match env.iter_mut().find(|have| name(have) == name(variable)) {
        Some(have) => variable.clone_into(have),
        None => env.push(variable.to_owned()),
    }
}

/// `$NAME` and `${NAME}` become what `env` has for them, nothing if it has nothing.
fn expand(text: &str, env: &[String]) -> String {
    let value = |wanted: &str| {
        let found = env.iter().find(|have| name(have) == wanted);
        found.and_then(|have| have.split_once('=')).map_or("", |(_, value)| value)
    };
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let (wanted, after) = braced.unwrap_or_else(|| {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            after.split_at(end)
        });
        expanded.push_str(value(wanted));
        rest = after;
    }
    expanded + rest
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
                defaults: &Defaults::default(),
                image: &image,
                options: &options,
                home: "/root",
                hostname: "h",
            };
            assert_eq!(merge(&sources), *expected);
        }
    }

    /// podman's order: proxies, image, merged, unset, given.
    #[test]
    fn what_it_starts_from() {
        let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let image = owned(&["IMG=one", "PATH=/bin"]);
        let proxies = owned(&["http_proxy=p", "IMG=weak"]);
        let cases: &[(Defaults, &[&str], &str)] = &[
            (
                Defaults { env: proxies.clone(), ..Defaults::default() },
                &[],
                "PATH=/bin container=ketch http_proxy=p IMG=one",
            ),
            (
                Defaults { merge: owned(&["IMG=${IMG}-two", "N=x$PATH:$NONE."]), ..Defaults::default() },
                &[],
                "PATH=/bin container=ketch IMG=one-two N=x/bin:.",
            ),
            (
                Defaults { unset: owned(&["IMG", "container"]), ..Defaults::default() },
                &["IMG=x"],
                "PATH=/bin IMG=x",
            ),
            (Defaults { env: proxies, unset_all: true, ..Defaults::default() }, &["A=1"], "A=1"),
        ];
        for (defaults, options, expected) in cases {
            let options = owned(options);
            let sources = Sources {
                terminal: false,
                defaults,
                image: &image,
                options: &options,
                home: "/",
                hostname: "h",
            };
            assert_eq!(merge(&sources).join(" "), format!("{expected} HOME=/ HOSTNAME=h"));
        }
    }
}
