//! init's membership in the container's cgroups.

use std::os::fd::OwnedFd;

use ketch_cgroups::{Layout, Location};
use ketch_sys::{Errno, file};

use super::channel::{Channel, Message};
use super::namespace;
use crate::step::{At, StepError};

/// The container's cgroups, as seen by init.
#[derive(Debug)]
pub(crate) struct Cgroups<'a> {
    pub(crate) layout: &'a Layout,
    /// Whether the container gets a cgroup namespace.
    pub(crate) namespace: bool,
    location: Option<Location>,
    channel: &'a Channel,
}

impl<'a> Cgroups<'a> {
    /// `location` is known if init was started in it (v2); otherwise the runtime still makes the directories, and sends word.
    pub(crate) fn new(
        layout: &'a Layout,
        location: Option<Location>,
        namespace: bool,
        channel: &'a Channel,
    ) -> Result<Cgroups<'a>, StepError> {
        if location.is_some() && namespace {
            namespace::unshare_cgroup()?;
        }
        Ok(Cgroups { layout, namespace, location, channel })
    }

    /// Where they are, once init is in them: waits for that the first time.
    pub(crate) fn join(&mut self) -> Result<&Location, StepError> {
        if self.location.is_none() {
            let (location, entrances) = self.wait()?;
            ketch_cgroups::enter(&entrances).at("enter", "the container's cgroups")?;
            file::close_all(entrances);
            // Not before: the namespace's root is the cgroup that its maker is in.
            if self.namespace {
                namespace::unshare_cgroup()?;
            }
            self.location = Some(location);
        }
        Ok(self.location.as_ref().expect("set above"))
    }

    fn wait(&self) -> Result<(Location, Vec<OwnedFd>), StepError> {
        match self.channel.receive()? {
            Some(Message::Cgroups(location, entrances)) => Ok((location, entrances)),
            Some(_) => Err(Errno::EBADMSG).at("understand", "the runtime"),
            None => Err(Errno::EPIPE).at("hear from", "the runtime"),
        }
    }
}
