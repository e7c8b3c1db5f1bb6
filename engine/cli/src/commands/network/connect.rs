//! `ketch network connect`

use std::process::ExitCode;

use anyhow::bail;
use ketch_engine::container::options::{Endpoint, Network};
use ketch_engine::network::connect::connect;

use crate::flags::network as flags;
use crate::globals::Globals;

/// Put a container on one more network
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// One more name of the container there
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    alias: Vec<String>,
    /// IPv4 address
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// IPv6 address
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<String>,
    /// Hardware address
    #[arg(long, value_name = "ADDRESS")]
    mac_address: Option<String>,
    network: String,
    container: String,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let name = match flags::mode(std::slice::from_ref(&args.network))? {
        Network::Bridge(endpoints) if endpoints.len() == 1 => endpoints[0].network.clone(),
        _ => bail!("{:?} is not a network's name", args.network),
    };
    let endpoint = Endpoint {
        network: name,
        aliases: args.alias,
        ip: args.ip.as_deref().map(flags::ip4).transpose()?,
        ip6: args.ip6.as_deref().map(flags::ip6).transpose()?,
        mac: args.mac_address.as_deref().map(flags::mac).transpose()?,
        interface: None,
    };
    connect(&globals.engine()?, &args.container, endpoint)?;
    Ok(ExitCode::SUCCESS)
}
