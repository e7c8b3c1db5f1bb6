//! The network of containers that name none: made when the first of them needs it.

use ketch_monitor::clock;
use ketch_sys::random;
use sha2::{Digest, Sha256};
use std::time::SystemTime;

use super::create::CreateNetworkError;
use super::netlink::Socket;
use super::{Network, Subnet, create, subnet};
use crate::Engine;
use crate::state::networks::{FindNetworkError, InsertNetworkError};

/// Its name. `bridge` as a mode means it.
pub const DEFAULT: &str = "ketch";

const BRIDGE: &str = "ketch0";

/// Finds it, or makes its row.
pub(super) fn find_or_make(engine: &Engine, socket: &Socket) -> Result<Network, CreateNetworkError> {
    loop {
        match engine.db.find_network(DEFAULT) {
            Err(FindNetworkError::NotFound(_)) => {}
            found => return Ok(found?),
        }
        let mut network = Network {
            id: id(engine),
            name: DEFAULT.to_owned(),
            bridge: BRIDGE.to_owned(),
            created: clock::rfc3339(SystemTime::now()),
            ipv6: true,
            ..Network::default()
        };
        number(engine, socket, &mut network)?;
        match engine.db.insert_network(&network) {
            // Another command was faster, or the user has a network on the bridge of that name.
            Err(InsertNetworkError::NameInUse(_)) => {}
            Err(InsertNetworkError::BridgeInUse(_)) => {
                network.bridge = super::bridge::second_name(&network);
                match engine.db.insert_network(&network) {
                    Err(InsertNetworkError::NameInUse(_)) => {}
                    inserted => return Ok(inserted.map(|()| network)?),
                }
            }
            inserted => return Ok(inserted.map(|()| network)?),
        }
    }
}

/// Gives it subnets that are free now.
pub(super) fn number(
    engine: &Engine,
    socket: &Socket,
    network: &mut Network,
) -> Result<(), CreateNetworkError> {
    let taken = create::taken(engine, socket, Some(&network.id))?;
    let v4 = subnet::free(&taken).ok_or(CreateNetworkError::NoSubnet)?;
    let mut bytes = [0; 8];
    random::fill(&mut bytes).map_err(CreateNetworkError::Random)?;
    let own = |subnet| Subnet { subnet, gateway: Some(subnet::gateway(subnet)), range: None };
    network.subnets = vec![own(v4), own(subnet::unique_local(bytes))];
    Ok(())
}

/// The same each time below one root: what an engine whose state was deleted has left is known again.
fn id(engine: &Engine) -> String {
    let mut hash = Sha256::new();
    hash.update(engine.paths.root.as_os_str().as_encoded_bytes());
    hash.update([0]);
    hash.update(DEFAULT);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
