//! `ketch network create`

use std::io::Write;
use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use ipnet::IpNet;
use ketch_engine::network::create::{CreateNetworkError, Wanted, WantedSubnet, create};
use ketch_engine::state::networks::InsertNetworkError;

use crate::flags::{env, network as flags};
use crate::globals::Globals;

/// Make a network
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Its containers do not know each other by name
    #[arg(long)]
    disable_dns: bool,
    /// Kind of network: bridge
    #[arg(long, short, value_name = "DRIVER", default_value = "bridge")]
    driver: String,
    /// Address of the bridge in the --subnet of the same place
    #[arg(long, value_name = "ADDRESS")]
    gateway: Vec<String>,
    /// A network of that name is no error
    #[arg(long)]
    ignore: bool,
    /// Name of the bridge's interface
    #[arg(long, value_name = "NAME")]
    interface_name: Option<String>,
    /// No way to the world, or from it
    #[arg(long)]
    internal: bool,
    /// Addresses that are given, of the --subnet of the same place (CIDR, or FIRST-LAST)
    #[arg(long, value_name = "RANGE")]
    ip_range: Vec<String>,
    /// Give it IPv6 addresses too
    #[arg(long)]
    ipv6: bool,
    /// Add a label (KEY=VALUE)
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Option of the driver: isolate, metric, mtu, no_default_route (KEY=VALUE)
    #[arg(long, short, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Addresses of the network (CIDR)
    #[arg(long, value_name = "SUBNET")]
    subnet: Vec<String>,
    name: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    ensure!(
        args.driver == "bridge",
        "network driver {:?} is not available: this version has bridge",
        args.driver
    );
    let subnets = subnets(&args)?;
    let engine = globals.engine()?;
    let (ignore, given) = (args.ignore, args.name.filter(|name| !name.is_empty()));
    let mut wanted = Wanted {
        name: given.clone().unwrap_or_default(),
        subnets,
        ipv6: args.ipv6,
        internal: args.internal,
        disable_dns: args.disable_dns,
        labels: env::labels(&[], &args.label)?,
        options: env::labels(&[], &args.opt)?,
        interface_name: args.interface_name,
    };
    // Without a name, as podman: the first that is free.
    for number in 1.. {
        if given.is_none() {
            wanted.name = format!("ketch{number}");
        }
        match create(&engine, wanted.clone()) {
            Ok(network) => {
                writeln!(std::io::stdout(), "{}", network.name)?;
                break;
            }
            Err(CreateNetworkError::Insert(InsertNetworkError::NameInUse(_))) if given.is_none() => {}
            Err(CreateNetworkError::Insert(InsertNetworkError::NameInUse(name))) if ignore => {
                writeln!(std::io::stdout(), "{name}")?;
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Gateways and ranges belong to the subnets in the same place.
fn subnets(args: &Args) -> anyhow::Result<Vec<WantedSubnet>> {
    ensure!(args.gateway.len() <= args.subnet.len(), "cannot set gateway without subnet");
    ensure!(args.ip_range.len() <= args.subnet.len(), "cannot set range without subnet");
    let mut subnets = Vec::new();
    for (place, text) in args.subnet.iter().enumerate() {
        let subnet: IpNet = text.parse().with_context(|| format!("invalid CIDR address: {text}"))?;
        subnets.push(WantedSubnet {
            subnet,
            gateway: args.gateway.get(place).map(|text| flags::ip(text)).transpose()?,
            range: args.ip_range.get(place).map(|text| range(text)).transpose()?,
        });
    }
    Ok(subnets)
}

fn range(text: &str) -> anyhow::Result<(IpAddr, IpAddr)> {
    if let Some((first, last)) = text.split_once('-') {
        return Ok((flags::ip(first)?, flags::ip(last)?));
    }
    let net: IpNet = text
        .parse()
        .with_context(|| format!("invalid ip range {text:?}: a CIDR or FIRST-LAST is expected"))?;
    let mut hosts = net.hosts();
    let first = hosts.next().with_context(|| format!("ip range {text:?} is empty"))?;
    let last = match net {
        IpNet::V4(v4) if v4.prefix_len() < 31 => IpAddr::V4((u32::from(v4.broadcast()) - 1).into()),
        _ => net.broadcast(),
    };
    Ok((first, last))
}
