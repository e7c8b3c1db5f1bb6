//! `--network` and what goes with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, bail, ensure};
use ketch_engine::container::options::{Dns, Endpoint, Hosts, HostsBase, Network, Protocol};
use ketch_engine::network::create::is_interface;
use ketch_engine::network::{DEFAULT, subnet};

use super::{ports, values};
use crate::rootless;

/// What containers and pods can be asked for.
#[derive(Debug, Default, PartialEq, clap::Args)]
pub(crate) struct NetworkFlags {
    /// Add a line to /etc/hosts (HOST:ADDRESS, or HOST:host-gateway)
    #[arg(long, value_name = "HOST:ADDRESS")]
    add_host: Vec<String>,
    /// Ask this name server
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    dns: Vec<String>,
    /// Option of resolv.conf
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION", value_delimiter = ',')]
    dns_option: Vec<String>,
    /// Domain to look names up in; . for none
    #[arg(long, value_name = "DOMAIN", value_delimiter = ',')]
    dns_search: Vec<String>,
    /// Whose lines /etc/hosts takes over: image, none, or a file, in place of the host's
    #[arg(long, value_name = "FILE")]
    hosts_file: Option<String>,
    /// IPv4 address on its network
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// IPv6 address on its network
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<String>,
    /// Hardware address on its network
    #[arg(long, value_name = "ADDRESS")]
    mac_address: Option<String>,
    /// Network: bridge, none, host, pasta[:OPTIONS] (the default without root), container:NAME, ns:PATH, or networks by name (NAME[:ip=…,ip6=…,mac=…,alias=…,interface_name=…])
    #[arg(long, visible_alias = "net", value_name = "MODE")]
    network: Vec<String>,
    /// One more name on its networks
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    network_alias: Vec<String>,
    /// Leave the image's /etc/hosts as it is
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    no_hosts: bool,
    /// Publish a port ([[IP:][HOST]:]CONTAINER[/PROTOCOL], ranges too)
    #[arg(long, short = 'p', value_name = "PORT", value_delimiter = ',')]
    publish: Vec<String>,
}

impl NetworkFlags {
    /// Whether `--network` was given.
    pub(super) fn is_chosen(&self) -> bool {
        !self.network.is_empty()
    }

    /// As if `--network MODE` was given.
    pub(super) fn choose(&mut self, mode: &str) {
        self.network = vec![mode.to_owned()];
    }

    pub(super) fn publishes(&self) -> bool {
        !self.publish.is_empty()
    }

    pub(super) fn takes_ports(&self) -> anyhow::Result<bool> {
        Ok(takes_ports(&mode(&self.network)?))
    }
}

/// All that the flags say of a container's network.
#[derive(Debug)]
pub(super) struct Networking {
    pub(super) network: Network,
    pub(super) ports: Vec<ketch_engine::container::options::Port>,
    pub(super) publish_all: bool,
    pub(super) dns: Dns,
    pub(super) hosts: Hosts,
}

pub(super) fn parse(flags: &NetworkFlags, mut publish_all: bool) -> anyhow::Result<Networking> {
    let mut network = mode(&flags.network)?;
    single(flags, &mut network)?;
    let mut ports = ports::published(&flags.publish)?;
    if !takes_ports(&network) && (!ports.is_empty() || publish_all) {
        discarded(&network);
        (ports, publish_all) = (Vec::new(), false);
    }
    Ok(Networking { ports, publish_all, dns: dns(flags, &network)?, hosts: hosts(flags, &network)?, network })
}

/// Whether it is the container's own, and has a way in from the host.
fn takes_ports(network: &Network) -> bool {
    matches!(network, Network::Bridge(_) | Network::Pasta(_))
}

/// podman goes on without them, and says so.
fn discarded(network: &Network) {
    use std::io::Write;
    let mode = network.name();
    let mode = mode.split(':').next().unwrap_or_default();
    // Nobody is left to tell when stderr itself is gone.
    let _ = writeln!(
        std::io::stderr(),
        "Port mappings have been discarded because {mode:?} network namespace mode does not support them"
    );
}

/// One mode, or networks by name: several times or parted by commas.
pub(crate) fn mode(given: &[String]) -> anyhow::Result<Network> {
    let mut endpoints = Vec::new();
    let mut only = None;
    for text in given {
        let (name, rest) = text.split_once(':').map_or((&**text, None), |(name, rest)| (name, Some(rest)));
        let mode = match (name, rest) {
            ("none", None) => Network::None,
            ("host", None) => Network::Host,
            ("container", Some(other)) if !other.is_empty() => Network::Container(other.to_owned()),
            ("ns", Some(path)) if path.starts_with('/') => Network::Path(path.into()),
            ("ns", Some(path)) => bail!("network namespace {path:?}: an absolute path is expected"),
            ("pasta", options) => {
                let options = options.into_iter().flat_map(|options| options.split(','));
                Network::Pasta(options.filter(|option| !option.is_empty()).map(str::to_owned).collect())
            }
            ("default" | "private", None) if rootless::user().is_some() => Network::Pasta(Vec::new()),
            ("slirp4netns", _) => bail!("network mode slirp4netns is not available: use bridge or pasta"),
            ("", _) => bail!("network mode {text:?}: a name is expected"),
            (name, Some(options)) => {
                endpoints.push(with_options(name, options)?);
                continue;
            }
            (names, None) => {
                for name in names.split(',').filter(|name| !name.is_empty()) {
                    endpoints.push(endpoint(name));
                }
                continue;
            }
        };
        ensure!(only.replace(mode).is_none(), "cannot set multiple networks without bridge network mode");
    }
    match only {
        Some(mode) if endpoints.is_empty() => Ok(mode),
        Some(mode) => bail!(
            "cannot set multiple networks without bridge network mode, selected mode {}: invalid argument",
            mode.name()
        ),
        None if rootless::user().is_some() => {
            ensure!(
                endpoints.is_empty(),
                "a bridge needs root in this version: without root there are the networks pasta, none, host, container:NAME and ns:PATH"
            );
            Ok(Network::Pasta(Vec::new()))
        }
        None => {
            if endpoints.is_empty() {
                endpoints.push(endpoint(DEFAULT));
            }
            for (number, one) in endpoints.iter().enumerate() {
                let again = endpoints[..number].iter().any(|other| other.network == one.network);
                ensure!(!again, "duplicate network name {}: invalid argument", one.network);
            }
            Ok(Network::Bridge(endpoints))
        }
    }
}

/// podman's other names for the default network.
fn endpoint(name: &str) -> Endpoint {
    let network = if matches!(name, "bridge" | "default" | "private") { DEFAULT } else { name };
    Endpoint { network: network.to_owned(), ..Endpoint::default() }
}

fn with_options(name: &str, options: &str) -> anyhow::Result<Endpoint> {
    let mut endpoint = endpoint(name);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key {
            "ip" => match ip(value)? {
                IpAddr::V4(ip) => endpoint.ip = Some(ip),
                IpAddr::V6(ip) => endpoint.ip6 = Some(ip),
            },
            "ip6" => endpoint.ip6 = Some(ip6(value)?),
            "mac" => endpoint.mac = Some(mac(value)?),
            "alias" => {
                ensure!(!value.is_empty(), "network alias cannot be empty: invalid argument");
                endpoint.aliases.push(value.to_owned());
            }
            "interface_name" => {
                ensure!(
                    is_interface(value),
                    "interface_name {value:?} is not valid: up to 15 characters, none of them white space, / or :"
                );
                endpoint.interface = Some(value.to_owned());
            }
            _ => bail!(
                "unknown network option {option:?} of network {name}: known are alias, interface_name, ip, ip6 and mac"
            ),
        }
    }
    Ok(endpoint)
}

/// The flags that are about the one network that there is.
fn single(flags: &NetworkFlags, network: &mut Network) -> anyhow::Result<()> {
    let given = [
        ("ip", flags.ip.is_some()),
        ("ip6", flags.ip6.is_some()),
        ("mac-address", flags.mac_address.is_some()),
    ];
    if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
        match network {
            Network::Bridge(endpoints) => {
                ensure!(
                    endpoints.len() == 1,
                    "--{name} can only be set for a single network: invalid argument"
                );
            }
            _ => bail!("--{name} can only be set when the network mode is bridge: invalid argument"),
        }
    }
    let Network::Bridge(endpoints) = network else {
        ensure!(
            flags.network_alias.is_empty(),
            "--network-alias can only be set when the network mode is bridge: invalid argument"
        );
        return Ok(());
    };
    if let [only] = &mut endpoints[..] {
        only.ip = flags.ip.as_deref().map(ip4).transpose()?.or(only.ip);
        only.ip6 = flags.ip6.as_deref().map(ip6).transpose()?.or(only.ip6);
        only.mac = flags.mac_address.as_deref().map(mac).transpose()?.or(only.mac.take());
    }
    for endpoint in endpoints {
        endpoint.aliases.extend(flags.network_alias.iter().filter(|alias| !alias.is_empty()).cloned());
    }
    Ok(())
}

fn dns(flags: &NetworkFlags, network: &Network) -> anyhow::Result<Dns> {
    let dns = Dns {
        servers: flags
            .dns
            .iter()
            .map(|text| {
                ensure!(
                    text != "none",
                    "--dns none is not available: mount a file on /etc/resolv.conf instead"
                );
                ip(text)
            })
            .collect::<Result<_, _>>()?,
        search: flags.dns_search.clone(),
        options: flags.dns_option.clone(),
    };
    if matches!(network, Network::Container(_)) && dns != Dns::default() {
        bail!(
            "cannot set --dns, --dns-search or --dns-option with the network of another container: it has that one's"
        );
    }
    Ok(dns)
}

fn hosts(flags: &NetworkFlags, network: &Network) -> anyhow::Result<Hosts> {
    let mut add = Vec::new();
    for text in &flags.add_host {
        let (names, address) = text
            .split_once(':')
            .filter(|(names, address)| !names.is_empty() && !address.is_empty())
            .with_context(|| format!("invalid host entry {text:?}: HOST[;HOST]:ADDRESS is expected"))?;
        ensure!(
            address == "host-gateway" || address.trim_matches(['[', ']']).parse::<IpAddr>().is_ok(),
            "invalid IP address in add-host: {address:?}"
        );
        add.push((names.replace(';', " "), address.trim_matches(['[', ']']).to_owned()));
    }
    ensure!(!flags.no_hosts || add.is_empty(), "--no-hosts and --add-host cannot be set together");
    if matches!(network, Network::Container(_)) {
        ensure!(
            add.is_empty() && flags.hosts_file.is_none(),
            "cannot set --add-host or --hosts-file with the network of another container: it has that one's /etc/hosts"
        );
    }
    let base = match flags.hosts_file.as_deref().unwrap_or_default() {
        "" => HostsBase::Host,
        "image" => HostsBase::Image,
        "none" => HostsBase::None,
        file => HostsBase::File(
            std::path::absolute(file).with_context(|| format!("cannot use {file:?} as a hosts file"))?,
        ),
    };
    ensure!(!flags.no_hosts || base == HostsBase::Host, "--no-hosts and --hosts-file cannot be set together");
    Ok(Hosts { add, none: flags.no_hosts, base })
}

pub(crate) fn ip(text: &str) -> anyhow::Result<IpAddr> {
    text.parse().with_context(|| format!("{text:?} is not an ip address"))
}

pub(crate) fn ip4(text: &str) -> anyhow::Result<Ipv4Addr> {
    text.parse().with_context(|| format!("{text:?} is not an ipv4 address"))
}

pub(crate) fn ip6(text: &str) -> anyhow::Result<Ipv6Addr> {
    text.parse().with_context(|| format!("{text:?} is not an ipv6 address"))
}

/// As the kernel shows it. podman's words.
pub(crate) fn mac(text: &str) -> anyhow::Result<String> {
    let bytes = subnet::parse_mac(text).with_context(|| format!("address {text}: invalid MAC address"))?;
    Ok(bytes.map(|byte| format!("{byte:02x}")).join(":"))
}

/// Protocols of a port: `tcp`, or several.
pub(super) fn protocols(text: &str) -> anyhow::Result<Vec<Protocol>> {
    text.split(',')
        .map(|name| match Protocol::parse(name) {
            Some(protocol) => Ok(protocol),
            None if name.eq_ignore_ascii_case("sctp") => {
                bail!("protocol sctp is not available: this version has tcp and udp")
            }
            None => bail!("unrecognized port protocol {name:?}"),
        })
        .collect()
}
