//! What a service manager has given to this command.

use std::env;

use anyhow::Context;
use ketch_engine::container::service::Service;
use ketch_sys::inherit;

/// The first descriptor that is passed: sd_listen_fds(3).
const FIRST: i32 = 3;

/// Takes it all out of the environment, once.
pub(super) fn given() -> anyhow::Result<Service> {
    let notify = env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()).map(Into::into);
    let number = |name: &str| env::var(name).ok()?.parse::<u32>().ok();
    // Meant for another process, when the pid is not ours.
    let count =
        number("LISTEN_FDS").filter(|_| number("LISTEN_PID") == Some(std::process::id())).unwrap_or(0);
    let listening = (FIRST..).take(count as usize).map(|number| {
        inherit::take(number)
            .with_context(|| format!("cannot take descriptor {number}, one of $LISTEN_FDS ({count})"))
    });
    Ok(Service {
        listening: listening.collect::<Result<_, _>>()?,
        names: env::var("LISTEN_FDNAMES").ok().filter(|_| count > 0),
        notify,
    })
}
