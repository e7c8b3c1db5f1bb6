//! What `create` and `restore` begin with, before either makes a process.

use std::path::Path;

use ketch_cgroups::systemd::{Manager, Scope};
use ketch_cgroups::{Layout, Location};

use super::cgroup;
use super::console_socket::ConsoleSocket;
use super::create::{CreateError, Stdio};
use super::directory::Directory;
use super::state::{Birth, State, check_id};
use crate::init::namespace;
use crate::plan::{self, Plan};
use crate::rdt;
use crate::spec::Spec;
use crate::step::StepError;

/// Which container is to be made, where and from what.
pub(super) struct Wanted<'a> {
    pub(super) layout: &'a Layout,
    pub(super) spec: &'a Spec,
    pub(super) root: &'a Path,
    pub(super) id: &'a str,
    /// Absolute.
    pub(super) bundle: &'a Path,
    pub(super) systemd: Option<&'a Manager>,
}

impl Wanted<'_> {
    /// Refuses what the configuration alone shows to be wrong.
    pub(super) fn plan(&self, stdio: &Stdio<'_>) -> Result<Plan, CreateError> {
        check_id(self.id)?;
        let plan = plan::plan(self.spec, self.id, self.bundle)?;
        stdio.check(plan.process.terminal)?;
        Ok(plan)
    }
}

/// What the steps of a verb share. The verbs' own files have these steps.
pub(super) struct Ground<'a> {
    pub(super) layout: &'a Layout,
    pub(super) spec: &'a Spec,
    pub(super) id: &'a str,
    pub(super) bundle: &'a Path,
    pub(super) plan: &'a Plan,
    pub(super) scope: Option<Scope>,
    pub(super) socket: Option<ConsoleSocket>,
    pub(super) joined: Vec<namespace::Open<'a>>,
    /// Where `linux.intelRdt` puts it.
    pub(super) rdt: Option<rdt::Group>,
    pub(super) directory: Directory,
}

impl<'a> Ground<'a> {
    /// Opens what the container is to be given. Its directory comes last: on error there is nothing to undo.
    pub(super) fn prepare(
        wanted: &Wanted<'a>,
        plan: &'a Plan,
        stdio: &Stdio<'_>,
    ) -> Result<Ground<'a>, CreateError> {
        let &Wanted { layout, spec, root, id, bundle, systemd } = wanted;
        let scope = cgroup::plan_scope(layout, spec, id, systemd)?;
        let socket = match stdio {
            Stdio::ConsoleSocket(path) => Some(ConsoleSocket::connect(path)?),
            _ => None,
        };
        let joined = namespace::open_joined(&plan.namespaces)?;
        namespace::refuse_host_network(plan, &joined)?;
        let rdt = match &plan.rdt {
            Some(rdt) => Some(rdt::locate(&rdt::find()?, rdt, id)?),
            None => None,
        };
        let directory = Directory::make(root, id)?;
        Ok(Ground { layout, spec, id, bundle, plan, scope, socket, joined, rdt, directory })
    }

    /// The state of the container whose init is `pid`; None if that has ended already.
    pub(super) fn state(&self, pid: i32, cgroup: Location) -> Result<Option<State>, StepError> {
        State::new(Birth {
            spec: self.spec,
            id: self.id,
            pid,
            bundle: self.bundle,
            plan: self.plan,
            layout: self.layout,
            cgroup,
            rdt: self.rdt.clone(),
        })
    }
}
