//! A container's `/etc/resolv.conf`: resolv.conf(5).

use std::net::IpAddr;

use crate::container::options::{Network, Options};

/// What podman gives a container whose host has name servers on loopback alone, which it cannot reach.
const PUBLIC: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// None: the image's own stays, as nothing can be asked without a network.
///
/// With the host's network it is the host's file; otherwise without name servers on loopback. `--dns`, `--dns-search` and
/// `--dns-option` take the place of what the host says; a search of `.` clears it.
pub(super) fn text(options: &Options, host: &str) -> Option<String> {
    let dns = &options.dns;
    let asked = !dns.servers.is_empty() || !dns.search.is_empty() || !dns.options.is_empty();
    match options.network {
        Network::None if !asked => return None,
        Network::Host if !asked => return Some(host.to_owned()),
        _ => {}
    }
    let of_host = |keyword: &str| {
        let lines = host.lines().filter_map(|line| line.trim().strip_prefix(keyword));
        lines.filter(|rest| rest.starts_with([' ', '\t'])).map(str::trim).collect::<Vec<_>>()
    };
    let mut servers: Vec<String> = dns.servers.iter().map(ToString::to_string).collect();
    if servers.is_empty() {
        let own = options.network != Network::Host;
        servers.extend(
            of_host("nameserver").iter().filter(|text| !own || !is_loopback(text)).map(|t| t.to_string()),
        );
        if servers.is_empty() {
            servers.extend(PUBLIC.map(str::to_owned));
        }
    }
    let mut search = dns.search.join(" ");
    if search.is_empty() {
        // The last one counts; domain is another word for it.
        search = of_host("search").last().or(of_host("domain").last()).unwrap_or(&"").to_string();
    } else if search == "." {
        search.clear();
    }
    let mut opts = dns.options.join(" ");
    if opts.is_empty() {
        opts = of_host("options").join(" ");
    }
    let mut text = String::new();
    if !search.is_empty() {
        text.push_str(&format!("search {search}\n"));
    }
    for server in servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    if !opts.is_empty() {
        text.push_str(&format!("options {opts}\n"));
    }
    Some(text)
}

/// Whether the only name server is systemd's on loopback, which says elsewhere whom it asks itself.
pub(super) fn is_stub(text: &str) -> bool {
    let mut servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")).map(str::trim);
    servers.next() == Some("127.0.0.53") && servers.next().is_none()
}

fn is_loopback(text: &str) -> bool {
    // A zone may follow.
    let address = text.split(['%', ' ', '\t']).next().unwrap_or_default();
    address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::options::Dns;

    #[test]
    fn files() {
        let bridge = || Network::Bridge(Vec::new());
        let host = "# c\nsearch a.b c.d\nnameserver 127.0.0.1\nnameserver 192.0.2.1\noptions ndots:2\n";
        let asked = Dns {
            servers: vec!["1.1.1.1".parse().unwrap()],
            search: vec!["x.y".into()],
            options: vec!["edns0".into()],
        };
        let cleared = Dns { search: vec![".".into()], ..Dns::default() };
        for (network, dns, host, expected) in [
            (Network::None, Dns::default(), host, None),
            (Network::Host, Dns::default(), host, Some(host)),
            (bridge(), Dns::default(), host, Some("search a.b c.d\nnameserver 192.0.2.1\noptions ndots:2\n")),
            (bridge(), asked, host, Some("search x.y\nnameserver 1.1.1.1\noptions edns0\n")),
            (bridge(), cleared, host, Some("nameserver 192.0.2.1\noptions ndots:2\n")),
            (bridge(), Dns::default(), "nameserver ::1\n", Some("nameserver 8.8.8.8\nnameserver 8.8.4.4\n")),
        ] {
            let options = Options { network, dns, ..Options::default() };
            assert_eq!(text(&options, host).as_deref(), expected, "{options:?}");
        }
        assert!(
            is_stub("nameserver 127.0.0.53\n") && !is_stub("nameserver 192.0.2.1\nnameserver 127.0.0.53\n")
        );
    }
}
