//! What a container's start does about its network.
//!
//! [`begin`] reserves and makes what the configuration depends on; [`Setup::attach`] makes the interfaces, while the
//! monitor is making the container. What fails is given back by [`release`](super::release()), as after any end.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use ketch_monitor::config::Forward;
use ketch_monitor::spawn::NETWORK_PATH;
use ketch_sys::{Errno, random};

use super::bridge::{self, BridgeError};
use super::create::CreateNetworkError;
use super::firewall::Firewall;
use super::netlink::{self, Attachment, Namespace, Route, Socket, attach};
use super::pasta::{self, PastaError};
use super::ports::{self, ListenError};
use super::{DEFAULT, Network, Subnet, default, firewall, hosts, reserve, rules, subnet};
use crate::Engine;
use crate::container::FileError;
use crate::container::options::{self, Endpoint};
use crate::container::status;
use crate::spec::{NetworkFacts, SharedFiles};
use crate::state;
use crate::state::containers::{FindError, Record};
use crate::state::holds::{Hold, Lease};
use crate::state::networks::FindNetworkError;
use crate::state::reserve::Want;

#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Find(#[from] FindNetworkError),
    #[error(transparent)]
    Other(#[from] FindError),
    /// podman's words.
    #[error("some dependencies of container {id} are not started: {other}: container state improper")]
    NotRunning { id: String, other: String },
    #[error("cannot open the network namespace {path}")]
    Namespace { path: PathBuf, source: std::io::Error },
    #[error("{0} is not a network namespace")]
    NotANamespace(PathBuf),
    /// podman's words.
    #[error("requested static ip {ip} not in any subnet on network {network}")]
    NotInSubnet { ip: IpAddr, network: String },
    #[error("IPAM error: {0}")]
    Address(String),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Pasta(#[from] PastaError),
    #[error("cannot get random bytes")]
    Random(#[source] Errno),
    #[error(transparent)]
    Default(#[from] CreateNetworkError),
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    #[error(transparent)]
    Kernel(#[from] netlink::Error),
    #[error(transparent)]
    Firewall(#[from] firewall::Error),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] state::Error),
}

impl SetupError {
    /// podman's: what is refused before the container exists is 125, what its start meets 126.
    pub fn exit_code(&self) -> i32 {
        match self {
            SetupError::NotInSubnet { .. } | SetupError::Address(_) | SetupError::Listen(_) => 126,
            SetupError::Pasta(_) => 126,
            SetupError::Firewall(firewall::Error::PortTaken(_)) => 126,
            _ => 125,
        }
    }
}

/// A container's network between the reservation and the moment when it runs.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// What its configuration says.
    pub(crate) facts: NetworkFacts,
    /// Where its network namespace will be found, and that namespace: for the monitor.
    pub(crate) joined: Option<PathBuf>,
    pub(crate) namespace: Option<OwnedFd>,
    /// For the monitor too: sockets, and what to do with them.
    pub(crate) sockets: Vec<OwnedFd>,
    pub(crate) forwards: Vec<Forward>,
    bridges: Option<Bridges>,
    pasta: Option<pasta::Starting>,
}

/// What there is to attach.
#[derive(Debug)]
struct Bridges {
    socket: Socket,
    namespace: OwnedFd,
    networks: Vec<(Network, u32)>,
    hold: Hold,
    /// The container's id.
    owner: String,
}

/// Reserves addresses and ports, and makes the namespace, unless there is one that is to be the container's `own`. The caller
/// has the container's turn and lock.
pub(crate) fn begin(engine: &Engine, record: &Record, own: Option<OwnedFd>) -> Result<Setup, SetupError> {
    match &record.options.network {
        options::Network::None | options::Network::Host => Ok(Setup::default()),
        options::Network::Path(path) => {
            let file =
                File::open(path).map_err(|source| SetupError::Namespace { path: path.clone(), source })?;
            Ok(Setup::joining(file.into()))
        }
        options::Network::Container(id) => join(engine, record, id),
        options::Network::Pasta(options) => {
            let run_dir = engine.paths.container_run(&record.id);
            let (namespace, pasta) = pasta::begin(&run_dir, own, options, &record.options.ports)?;
            Ok(Setup { pasta: Some(pasta), ..Setup::joining(namespace) })
        }
        options::Network::Bridge(endpoints) => bridged(engine, record, endpoints, own),
    }
}

impl Setup {
    fn joining(namespace: OwnedFd) -> Setup {
        Setup { joined: Some(NETWORK_PATH.into()), namespace: Some(namespace), ..Setup::default() }
    }

    /// Whether there will be something to give back.
    pub(crate) fn gives_back(&self) -> bool {
        self.bridges.is_some() || self.pasta.is_some()
    }

    /// Tells the container's neighbours of it, and it of them. Its own files are written by then.
    pub(crate) fn introduce(&self, engine: &Engine) -> Result<(), SetupError> {
        let Some(bridges) = &self.bridges else { return Ok(()) };
        hosts::refresh(engine, bridges.networks.iter().map(|(network, _)| network))
    }

    /// Makes the interfaces and leads the ports to them.
    pub(crate) fn attach(&mut self) -> Result<(), SetupError> {
        self.attach_as(false).map(drop)
    }

    /// The same, and nothing passes until [`Quiet::speak`].
    pub(crate) fn attach_quietly(&mut self) -> Result<Quiet, SetupError> {
        self.attach_as(true).map(Quiet)
    }

    fn attach_as(&mut self, quiet: bool) -> Result<Option<(Socket, Vec<String>)>, SetupError> {
        if let Some(pasta) = self.pasta.take() {
            pasta.finish()?;
            return Ok(None);
        }
        // Dropped here, the namespace is the container's alone.
        let Some(Bridges { socket, namespace, networks, hold, owner }) = self.bridges.take() else {
            return Ok(None);
        };
        if networks.is_empty() {
            netlink::loopback_up(namespace.as_fd())?;
        }
        for ((network, bridge), lease) in networks.iter().zip(&hold.leases) {
            connect(&socket, namespace.as_fd(), network, *bridge, lease, quiet)?;
        }
        if !hold.bindings.is_empty() {
            let networks: Vec<_> = networks.iter().map(|(network, _)| rules::network(network)).collect();
            firewall::add(&Firewall::open()?, &networks, &rules::ports(&hold), &owner)?;
        }
        let names = hold.leases.into_iter().map(|lease| lease.host_interface).collect();
        Ok(Some((socket, names)))
    }
}

/// Interfaces that nothing passes yet: none for a container without any.
#[must_use = "nothing passes until it speaks"]
#[derive(Debug)]
pub(crate) struct Quiet(Option<(Socket, Vec<String>)>);

impl Quiet {
    pub(crate) fn speak(self) -> Result<(), SetupError> {
        let Some((socket, names)) = self.0 else { return Ok(()) };
        Ok(names.iter().try_for_each(|name| netlink::speak(&socket, name))?)
    }
}

/// One interface of a container.
pub(super) fn connect(
    socket: &Socket,
    namespace: std::os::fd::BorrowedFd<'_>,
    network: &Network,
    bridge: u32,
    lease: &Lease,
    quiet: bool,
) -> Result<(), SetupError> {
    let of_family = |v4: bool| network.subnets.iter().find(|s| s.subnet.addr().is_ipv4() == v4);
    let held = [lease.v4.map(IpAddr::V4), lease.v6.map(IpAddr::V6)];
    let held: Vec<(IpAddr, &Subnet)> =
        held.into_iter().flatten().filter_map(|ip| Some((ip, of_family(ip.is_ipv4())?))).collect();
    let addresses: Vec<(IpAddr, u8)> =
        held.iter().map(|(ip, subnet)| (*ip, subnet.subnet.prefix_len())).collect();
    let gateways = held.iter().filter_map(|(_, subnet)| subnet.gateway);
    let routes: Vec<Route> = gateways
        .filter(|_| network.has_default_route())
        .map(|gateway| Route { destination: None, gateway, metric: network.metric() })
        .collect();
    attach(
        socket,
        &Attachment {
            bridge,
            host_name: &lease.host_interface,
            namespace,
            name: &lease.interface,
            mac: subnet::parse_mac(&lease.mac).unwrap_or_default(),
            addresses: &addresses,
            routes: &routes,
            mtu: network.mtu(),
            quiet,
        },
    )?;
    Ok(())
}

fn join(engine: &Engine, record: &Record, id: &str) -> Result<Setup, SetupError> {
    let other = engine.db.find_container(id)?;
    let not_running = || SetupError::NotRunning { id: record.id.clone(), other: other.id.clone() };
    let pid = status(&engine.paths, &other.id).pid();
    let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
    let namespace = File::open(&path).map_err(|_| not_running())?;
    // Asked after the open: it was that container's init whose namespace this is.
    if pid == 0 || status(&engine.paths, &other.id).pid() != pid {
        return Err(not_running());
    }
    let mut setup = Setup::joining(namespace.into());
    let dir = engine.paths.container(&other.id);
    let there = |name: &str| Some(dir.join(name)).filter(|path| path.exists());
    setup.facts.shared = Some(SharedFiles { hosts: there("hosts"), resolv_conf: there("resolv.conf") });
    Ok(setup)
}

fn bridged(
    engine: &Engine,
    record: &Record,
    endpoints: &[Endpoint],
    own: Option<OwnedFd>,
) -> Result<Setup, SetupError> {
    let socket = Socket::open()?;
    let mut networks = Vec::new();
    for endpoint in endpoints {
        let mut network = find(engine, &socket, &endpoint.network)?;
        let index = bridge::ensure(engine, &socket, &mut network)?;
        networks.push((network, index));
    }
    let names = interfaces(endpoints);
    let mut wants = Vec::new();
    for (((network, _), endpoint), name) in networks.iter().zip(endpoints).zip(names) {
        wants.push(want(network, endpoint, name)?);
    }
    let bindings = ports::bindings(&record.options.ports);
    // The rows, then the sockets: a port of another container is found out by either.
    let hold = reserve::reserve(engine, &record.id, &wants, &bindings)?;
    let held = ports::hold(&bindings, hold.leases.first())?;
    let namespace = match own {
        Some(own) => own,
        None => Namespace::new()?.into(),
    };
    let copy = namespace
        .try_clone()
        .map_err(|source| SetupError::Namespace { path: NETWORK_PATH.into(), source })?;
    let facts = NetworkFacts {
        addresses: hold.leases.iter().flat_map(addresses).collect(),
        gateway: networks.iter().find_map(|(network, _)| gateway(network)),
        shared: None,
    };
    Ok(Setup {
        facts,
        sockets: held.sockets,
        forwards: held.forwards,
        bridges: Some(Bridges { socket, namespace: copy, networks, hold, owner: record.id.clone() }),
        ..Setup::joining(namespace)
    })
}

/// A network by name; the default one is made when it is missing.
pub(super) fn find(engine: &Engine, socket: &Socket, name: &str) -> Result<Network, SetupError> {
    if name == DEFAULT {
        return Ok(default::find_or_make(engine, socket)?);
    }
    Ok(engine.db.find_network(name)?)
}

pub(super) fn addresses(lease: &Lease) -> impl Iterator<Item = IpAddr> + use<> {
    lease.v4.map(IpAddr::V4).into_iter().chain(lease.v6.map(IpAddr::V6))
}

/// Where a container of the network finds the host.
pub(super) fn gateway(network: &Network) -> Option<IpAddr> {
    network.subnets.iter().filter(|_| !network.internal).find_map(|subnet| subnet.gateway)
}

/// What an endpoint asks for, checked against its network.
pub(super) fn want<'a>(
    network: &'a Network,
    endpoint: &Endpoint,
    interface: String,
) -> Result<Want<'a>, SetupError> {
    for ip in [endpoint.ip.map(IpAddr::V4), endpoint.ip6.map(IpAddr::V6)].into_iter().flatten() {
        if !network.subnets.iter().any(|subnet| subnet::admits(subnet, ip)) {
            return Err(SetupError::NotInSubnet { ip, network: network.name.clone() });
        }
    }
    let mut bytes = [0; 5];
    random::fill(&mut bytes).map_err(SetupError::Random)?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Want {
        network,
        v4: endpoint.ip,
        v6: endpoint.ip6,
        mac: endpoint.mac.clone(),
        interface,
        host_interface: format!("veth{digits}"),
    })
}

/// A name inside for each: its own, or the first `ethN` that is nobody's.
pub(super) fn interfaces(endpoints: &[Endpoint]) -> Vec<String> {
    let given: Vec<&str> = endpoints.iter().filter_map(|endpoint| endpoint.interface.as_deref()).collect();
    let mut free = (0..).map(|number| format!("eth{number}")).filter(|name| !given.contains(&&**name));
    endpoints
        .iter()
        .map(|endpoint| endpoint.interface.clone().or_else(|| free.next()).unwrap_or_default())
        .collect()
}
