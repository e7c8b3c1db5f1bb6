//! Addresses and ports for a container that is about to live.

use ketch_monitor::lock;

use super::SetupError;
use super::ports::ListenError;
use super::release::release_hold;
use crate::Engine;
use crate::container::status;
use crate::container::turn::Turn;
use crate::state::holds::{Binding, Hold, Lease};
use crate::state::reserve::{ReserveError, Want};

/// Takes all of it or nothing. What it needs and a dead container holds is taken from that one. The caller has the
/// container's turn and lock.
pub(super) fn reserve(
    engine: &Engine,
    container: &str,
    wants: &[Want<'_>],
    bindings: &[Binding],
) -> Result<Hold, SetupError> {
    loop {
        match engine.db.reserve(container, wants, bindings) {
            // By a run that was killed with all that could have given it back.
            Err(ReserveError::Held { .. }) => super::release(engine, container)?,
            Err(error) => give_way(engine, error)?,
            Ok(hold) => return Ok(hold),
        }
    }
}

/// One more address for a container that lives.
pub(super) fn extend(engine: &Engine, hold: i64, want: &Want<'_>) -> Result<Lease, SetupError> {
    loop {
        match engine.db.extend_hold(hold, want) {
            Err(error) => give_way(engine, error)?,
            Ok(lease) => return Ok(lease),
        }
    }
}

/// Whether trying again makes sense: what was in the way belonged to the dead.
fn give_way(engine: &Engine, error: ReserveError) -> Result<(), SetupError> {
    let moved = match &error {
        ReserveError::Address { container, .. } | ReserveError::Port { container, .. } => {
            take_from_dead(engine, container)?
        }
        ReserveError::Full { network, .. } => {
            let mut any = false;
            for (container, _) in engine.db.leases_of(network)? {
                any |= take_from_dead(engine, &container)?;
            }
            any
        }
        _ => false,
    };
    if moved { Ok(()) } else { Err(refusal(error)) }
}

fn refusal(error: ReserveError) -> SetupError {
    match error {
        ReserveError::Port { binding, port, .. } => SetupError::Listen(ListenError {
            protocol: binding.protocol,
            address: binding.host_ip,
            port,
            reason: "address already in use".to_owned(),
        }),
        ReserveError::State(error) => error.into(),
        error => SetupError::Address(error.to_string()),
    }
}

/// Gives back what a container holds, if it is dead; whether it holds nothing now.
///
/// Dead is what has no process, no monitor and no command that is changing it: with its turn, that is sure.
pub(super) fn take_from_dead(engine: &Engine, container: &str) -> Result<bool, SetupError> {
    let Some(_turn) = Turn::try_take(&engine.paths, container)? else { return Ok(false) };
    let Some(hold) = engine.db.hold_of(container)? else { return Ok(true) };
    // A lock that cannot be looked at is one that may be held.
    let monitored = lock::is_held(&engine.paths.container_run(container)).unwrap_or(true);
    if monitored || status(&engine.paths, container).is_alive() {
        return Ok(false);
    }
    release_hold(engine, container, &hold)?;
    Ok(true)
}
