//! What is shown of a container's networks.

use crate::Engine;
use crate::container::options::{Network as Mode, Port};
use crate::state;
use crate::state::containers::{FindError, Record};
use crate::state::holds::Lease;

use super::Network;

/// A container's networks, or those of the container whose network it shares.
#[derive(Debug, Clone, Default)]
pub struct View {
    pub endpoints: Vec<Place>,
    pub ports: Vec<Port>,
}

/// A network, and what the container has of it.
#[derive(Debug, Clone)]
pub struct Place {
    pub name: String,
    /// With the short id of the container itself.
    pub aliases: Vec<String>,
    /// None while it does not run.
    pub held: Option<(Network, Lease)>,
}

pub fn of(engine: &Engine, record: &Record) -> Result<View, state::Error> {
    match &record.options.network {
        Mode::Container(id) => match engine.db.find_container(id) {
            // One that shares in turn holds nothing.
            Ok(other) if !matches!(other.options.network, Mode::Container(_)) => of(engine, &other),
            Ok(_) | Err(FindError::NotFound(_) | FindError::Ambiguous(_) | FindError::NoneYet) => {
                Ok(View::default())
            }
            Err(FindError::State(error)) => Err(error),
        },
        Mode::Bridge(endpoints) => {
            let mut held = Vec::new();
            for lease in engine.db.hold_of(&record.id)?.map(|hold| hold.leases).unwrap_or_default() {
                held.extend(engine.db.network(&lease.network)?.map(|network| (network, lease)));
            }
            let place = |endpoint: &crate::container::options::Endpoint| Place {
                name: endpoint.network.clone(),
                aliases: endpoint
                    .aliases
                    .iter()
                    .cloned()
                    .chain([record.id.chars().take(12).collect()])
                    .collect(),
                held: held.iter().find(|(network, _)| network.name == endpoint.network).cloned(),
            };
            Ok(View { endpoints: endpoints.iter().map(place).collect(), ports: record.options.ports.clone() })
        }
        Mode::Pasta(_) => Ok(View { endpoints: Vec::new(), ports: record.options.ports.clone() }),
        Mode::None | Mode::Host | Mode::Path(_) => Ok(View::default()),
    }
}
