//! The ports that a container publishes, one by one or in ranges.

use std::net::IpAddr;

use super::options::{Options, Port, Protocol};

/// What of the host leads to what inside, for `count` ports from these on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// None: every address.
    pub host_ip: Option<IpAddr>,
    pub host_port: u16,
    pub container_port: u16,
    pub count: u16,
    pub protocol: Protocol,
}

/// In the order in which they were asked for. One whose host port is not chosen yet leads nowhere.
pub fn published(options: &Options) -> Vec<Published> {
    let published = |port: &Port| {
        Some(Published {
            host_ip: port.host_ip,
            host_port: port.host_port?,
            container_port: port.container_port,
            count: port.count.max(1),
            protocol: port.protocol,
        })
    };
    options.ports.iter().filter_map(published).collect()
}

impl Published {
    /// Each of a range by itself.
    pub fn each(self) -> impl Iterator<Item = Published> {
        // The last one of a range may be the last one that there is.
        (0..self.count).map(move |offset| Published {
            host_port: self.host_port.saturating_add(offset),
            container_port: self.container_port.saturating_add(offset),
            count: 1,
            ..self
        })
    }

    /// The address as it is shown.
    pub fn host(&self) -> String {
        self.host_ip.map_or_else(|| "0.0.0.0".to_owned(), |ip| ip.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let port = |host_port, count| Port {
            host_ip: None,
            host_port,
            container_port: 80,
            count,
            protocol: Protocol::Tcp,
        };
        let options = Options {
            ports: vec![port(Some(8080), 2), port(None, 1), port(Some(9), 0)],
            ..Options::default()
        };
        let all: Vec<_> = published(&options).into_iter().flat_map(Published::each).collect();
        let pairs: Vec<_> = all.iter().map(|one| (one.host_port, one.container_port)).collect();
        assert_eq!(pairs, [(8080, 80), (8081, 81), (9, 80)]);
        assert_eq!(all[0].host(), "0.0.0.0");
    }
}
