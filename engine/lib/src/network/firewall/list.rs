//! What is in the table.

use ketch_sys::Errno;

use crate::network::netlink::message::{Batch, DUMP};

use super::element::{self, NEW_ELEMENT};
use super::layout::{BRIDGES, HOST_PORTS4, HOST_PORTS6, PORTS4, PORTS6, TABLE};
use super::transaction::{Firewall, answer, push};
use super::{Error, Port};

/// The networks' bridges, and the published ports with their owners, of all engines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    pub bridges: Vec<String>,
    pub ports: Vec<(Port, String)>,
}

/// Lists the table; where there is none, nothing.
pub fn list(firewall: &Firewall) -> Result<Contents, Error> {
    let mut contents = Contents::default();
    for set in [BRIDGES, PORTS4, PORTS6, HOST_PORTS4, HOST_PORTS6] {
        let mut batch = Batch::default();
        push(&mut batch, ("list the elements of", TABLE), GET_ELEMENT, DUMP, |message| {
            element::write_list(message, set);
        });
        batch.tolerate(Errno::ENOENT);
        batch.acknowledge();
        firewall.query(&batch, |reply| {
            let Some(body) = answer(reply, NEW_ELEMENT) else { return };
            for (found, owner) in element::read(set, body) {
                if set == BRIDGES {
                    contents.bridges.push(element::to_bridge(&found));
                } else {
                    contents.ports.extend(element::to_port(&found).map(|port| (port, owner)));
                }
            }
        })?;
    }
    contents.bridges.sort();
    contents.ports.sort();
    Ok(contents)
}

const GET_ELEMENT: u16 = 13;
