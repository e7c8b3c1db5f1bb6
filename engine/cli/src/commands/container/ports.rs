//! Ports as `ps` shows them.

use std::collections::BTreeMap;

use ketch_engine::container::options::{Exposed, Port, Protocol};
use serde_json::{Value, json};

/// `0.0.0.0:9000-9003->90-93/tcp, 127.0.0.1:8081->81/udp, 77/tcp`: the published ones, then those that are exposed only.
pub(super) fn text(published: &[Port], exposed: &[Exposed]) -> String {
    let mut parts: Vec<String> = sorted(published).into_iter().map(published_text).collect();
    let is_published = |exposed: &Exposed| {
        published.iter().any(|port| {
            let inside =
                u32::from(port.container_port)..u32::from(port.container_port) + u32::from(port.count);
            port.protocol == exposed.protocol && inside.contains(&u32::from(exposed.port))
        })
    };
    let only: Vec<Exposed> = exposed.iter().filter(|exposed| !is_published(exposed)).copied().collect();
    parts.extend(ranges(&only));
    parts.join(", ")
}

pub(super) fn exposed_text(exposed: &[Exposed]) -> String {
    ranges(exposed).join(", ")
}

/// The list of `--format json`; null when there is none.
pub(super) fn document(published: &[Port]) -> Value {
    let port = |port: &Port| {
        json!({
            "host_ip": port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
            "container_port": port.container_port,
            "host_port": port.host_port.unwrap_or(0),
            "range": port.count,
            "protocol": port.protocol.name(),
        })
    };
    if published.is_empty() { Value::Null } else { sorted(published).into_iter().map(port).collect() }
}

/// Protocols by port.
pub(super) fn exposed_document(exposed: &[Exposed]) -> Value {
    let mut ports: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for exposed in exposed {
        ports.entry(exposed.port.to_string()).or_default().push(exposed.protocol.name());
    }
    if ports.is_empty() { Value::Null } else { json!(ports) }
}

fn sorted(published: &[Port]) -> Vec<&Port> {
    let mut ports: Vec<&Port> = published.iter().collect();
    ports.sort_by_key(|port| (port.protocol, port.host_ip, port.host_port));
    ports
}

fn published_text(port: &Port) -> String {
    let host = match port.host_ip {
        None => "0.0.0.0".to_owned(),
        Some(ip) if ip.is_ipv6() => format!("[{ip}]"),
        Some(ip) => ip.to_string(),
    };
    let (outside, inside) =
        (span(port.host_port.unwrap_or(0), port.count), span(port.container_port, port.count));
    format!("{host}:{outside}->{inside}/{}", port.protocol.name())
}

/// Neighbours are shown together: `70-72/tcp`.
fn ranges(exposed: &[Exposed]) -> Vec<String> {
    let mut numbers: Vec<(Protocol, u16)> =
        exposed.iter().map(|exposed| (exposed.protocol, exposed.port)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let next = |one: &(Protocol, u16), other: &(Protocol, u16)| {
        one.0 == other.0 && u32::from(one.1) + 1 == u32::from(other.1)
    };
    let range = |range: &[(Protocol, u16)]| {
        let (protocol, first) = range[0];
        format!("{}/{}", span(first, range.len() as u16), protocol.name())
    };
    numbers.chunk_by(next).map(range).collect()
}

fn span(first: u16, count: u16) -> String {
    match count {
        0 | 1 => first.to_string(),
        count => format!("{first}-{}", u32::from(first) + u32::from(count) - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns() {
        let port = |host_ip: Option<&str>, host_port, container_port, count, protocol| Port {
            host_ip: host_ip.map(|ip| ip.parse().unwrap()),
            host_port: Some(host_port),
            container_port,
            count,
            protocol,
        };
        let exposed = |port| Exposed { port, protocol: Protocol::Tcp };
        let published = [
            port(None, 8080, 80, 1, Protocol::Tcp),
            port(Some("127.0.0.1"), 8081, 81, 1, Protocol::Udp),
            port(None, 9000, 90, 4, Protocol::Tcp),
            port(Some("::1"), 7, 7, 1, Protocol::Udp),
        ];
        assert_eq!(
            text(&published, &[exposed(77), exposed(90), exposed(78), exposed(5)]),
            "0.0.0.0:8080->80/tcp, 0.0.0.0:9000-9003->90-93/tcp, 127.0.0.1:8081->81/udp, [::1]:7->7/udp, 5/tcp, 77-78/tcp"
        );
        assert_eq!(text(&[], &[]), "");
        assert_eq!(document(&[]), Value::Null);
        assert_eq!(document(&published)[1]["range"], 4);
        assert_eq!(exposed_document(&[exposed(77)]), json!({ "77": ["tcp"] }));
    }
}
