//! `-p [[IP:][HOST]:]CONTAINER[/PROTOCOL]` and `--expose PORT[-PORT][/PROTOCOL]`.

use std::net::IpAddr;

use anyhow::{Context, bail, ensure};
use ketch_engine::container::options::{Exposed, Port};

use super::network::protocols;

/// podman's words where something is wrong.
pub(crate) fn published(given: &[String]) -> anyhow::Result<Vec<Port>> {
    let mut ports: Vec<Port> = Vec::new();
    for text in given {
        for port in parse(text)? {
            if ports.contains(&port) {
                continue;
            }
            if let Some(other) = ports.iter().find(|other| collide(&port, other)) {
                bail!(
                    "conflicting port mappings for host port {} (protocol {})",
                    port.host_port.max(other.host_port).unwrap_or_default(),
                    port.protocol.name()
                );
            }
            ports.push(port);
        }
    }
    Ok(ports)
}

/// Whether both want the same port of the host.
fn collide(one: &Port, other: &Port) -> bool {
    let (Some(first), Some(second)) = (one.host_port, other.host_port) else { return false };
    let overlap = u32::from(first) < u32::from(second) + u32::from(other.count)
        && u32::from(second) < u32::from(first) + u32::from(one.count);
    let addresses = one.host_ip.is_none() || other.host_ip.is_none() || one.host_ip == other.host_ip;
    one.protocol == other.protocol && overlap && addresses
}

fn parse(text: &str) -> anyhow::Result<Vec<Port>> {
    let (body, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    ensure!(!protocol.is_empty(), "protocols must be specified in the port mapping {text:?} after a /");
    let (address, host, container) = match body.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once("]:").with_context(|| {
                format!("invalid port format {text:?}: an IPv6 address is written as [ADDRESS]:")
            })?;
            let (host, container) = rest.split_once(':').unwrap_or(("", rest));
            (Some(address), host, container)
        }
        None => match body.split(':').collect::<Vec<_>>()[..] {
            [container] => (None, "", container),
            [host, container] => (None, host, container),
            [address, host, container] => (Some(address), host, container),
            _ => bail!("invalid port format - need [[hostIP:]hostPort:]containerPort"),
        },
    };
    ensure!(!container.is_empty(), "must provide a non-empty container port to publish");
    let host_ip = match address {
        None | Some("") => None,
        Some(address) => Some(
            address
                .parse::<IpAddr>()
                .with_context(|| format!("cannot parse {address:?} as an IP address"))?,
        ),
    };
    let (container_port, count) = range(container).context("parsing container port")?;
    let host_port = match host {
        "" => None,
        host => {
            let (first, length) = range(host).context("parsing host port")?;
            ensure!(
                length == count,
                "host and container port ranges have different lengths: {length} vs {count}"
            );
            Some(first)
        }
    };
    let port = |protocol| Port { host_ip, host_port, container_port, count, protocol };
    Ok(protocols(protocol)?.into_iter().map(port).collect())
}

pub(crate) fn exposed(text: &str) -> anyhow::Result<Vec<Exposed>> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, count) = range(ports).with_context(|| format!("invalid --expose {text:?}"))?;
    let mut list = Vec::new();
    for protocol in protocols(protocol)? {
        list.extend((first..=first + (count - 1)).map(|port| Exposed { port, protocol }));
    }
    Ok(list)
}

/// `80`, `80-89`: the first, and how many.
fn range(text: &str) -> anyhow::Result<(u16, u16)> {
    let port = |text: &str| -> anyhow::Result<u16> {
        let number: i64 = text.parse().with_context(|| format!("cannot parse {text:?} as a port number"))?;
        u16::try_from(number)
            .ok()
            .filter(|port| *port > 0)
            .with_context(|| format!("port numbers must be between 1 and 65535 (inclusive), got {number}"))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    ensure!(first <= last, "the last port of a range must not be below the first, got {first} and {last}");
    Ok((first, last - first + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ketch_engine::container::options::Protocol;

    #[test]
    fn forms() {
        use Protocol::{Tcp, Udp};
        let cases: &[(&str, Option<&str>, Option<u16>, u16, u16, Protocol)] = &[
            ("80", None, None, 80, 1, Tcp),
            ("8080:80", None, Some(8080), 80, 1, Tcp),
            ("8080:80/udp", None, Some(8080), 80, 1, Udp),
            (":80", None, None, 80, 1, Tcp),
            ("127.0.0.1:8080:80", Some("127.0.0.1"), Some(8080), 80, 1, Tcp),
            ("127.0.0.1::80", Some("127.0.0.1"), None, 80, 1, Tcp),
            ("[::1]:8080:80", Some("::1"), Some(8080), 80, 1, Tcp),
            ("[::1]:80", Some("::1"), None, 80, 1, Tcp),
            ("9000-9003:90-93/TCP", None, Some(9000), 90, 4, Tcp),
        ];
        for (text, host_ip, host_port, container_port, count, protocol) in cases {
            let expected = Port {
                host_ip: host_ip.map(|ip| ip.parse().unwrap()),
                host_port: *host_port,
                container_port: *container_port,
                count: *count,
                protocol: *protocol,
            };
            assert_eq!(parse(text).unwrap(), [expected], "{text}");
        }
        assert_eq!(parse("53:53/tcp,udp").unwrap().len(), 2);
        assert_eq!(exposed("70-72/udp").unwrap().len(), 3);
    }

    #[test]
    fn refusals() {
        for (text, expected) in [
            (
                "80:99999",
                "parsing container port: port numbers must be between 1 and 65535 (inclusive), got 99999",
            ),
            ("1-2:3-5", "host and container port ranges have different lengths: 2 vs 3"),
            ("x:80", "parsing host port: cannot parse \"x\" as a port number"),
            ("1:2:3:4", "invalid port format"),
            ("80:", "non-empty container port"),
            ("0:80", "port numbers must be between 1 and 65535 (inclusive), got 0"),
            ("1.2.3:80:80", "cannot parse \"1.2.3\" as an IP address"),
            ("80/sctp", "protocol sctp is not available"),
            ("80/x", "unrecognized port protocol"),
            ("[::1:80", "IPv6"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
        let conflict = published(&["80:1".to_owned(), "79-81:2-4".to_owned()]).unwrap_err().to_string();
        assert_eq!(conflict, "conflicting port mappings for host port 80 (protocol tcp)");
        assert!(published(&["127.0.0.1:80:1".to_owned(), "127.0.0.2:80:1".to_owned()]).is_ok());
    }
}
