//! The process that is to be: a child of the caller, and a member of the container's pid namespace.

use std::os::fd::AsFd;

use ketch_sys::clone::{self, Child};
use ketch_sys::{Errno, pidfd};
use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl;

use super::child::{self, Join, Program};
use crate::init::channel::{Channel, Message};
use crate::init::namespace::fail;
use crate::step::{At, StepError};

/// Makes the process, which goes on to be `program` and reports over `theirs`.
pub(super) fn spawn(
    join: &Join<'_>,
    program: &Program<'_>,
    ours: &Channel,
    theirs: &Channel,
) -> Result<Child, StepError> {
    // From its first moment the child can be seen in the container's pid namespace, with all that
    // the caller has open: nobody there may trace it or look into its /proc/<pid> (CVE-2016-9962).
    let dumpable = prctl::get_dumpable().at("read", "the dumpable flag")?;
    prctl::set_dumpable(false).at("clear", "the dumpable flag")?;
    let child = make(join, program, ours, theirs);
    prctl::set_dumpable(dumpable).at("restore", "the dumpable flag")?;
    child
}

fn make(
    join: &Join<'_>,
    program: &Program<'_>,
    ours: &Channel,
    theirs: &Channel,
) -> Result<Child, StepError> {
    let not_inherited = [ours.as_fd()];
    let whole = || child::run(join, join.namespaces & !libc::CLONE_NEWPID, program, theirs);
    if join.namespaces & libc::CLONE_NEWPID == 0 {
        return join.cgroup.fork(&not_inherited, whole).at("create", "the process");
    }

    // A pid namespace is joined for children only (pid_namespaces(7)). So the caller joins it for
    // as long as it takes to make one child, and then goes back to its own.
    let own = pidfd::open(nix::unistd::getpid().as_raw()).at("open", "the runtime's own process")?;
    match setns(join.init, CloneFlags::CLONE_NEWPID) {
        Ok(()) => {}
        // The container's user namespace has the rights for it, the caller's has not.
        Err(Errno::EPERM) if join.namespaces & libc::CLONE_NEWUSER != 0 => {
            return make_between(join, program, ours, theirs);
        }
        Err(errno) => return Err(errno).at("join", "the container's pid namespace"),
    }
    let child = join.cgroup.fork(&not_inherited, whole).at("create", "the process");
    setns(&own, CloneFlags::CLONE_NEWPID).at("return to", "the runtime's pid namespace")?;
    child
}

/// By a process in between, which joins all namespaces at once, makes the child as its own sibling, and ends.
fn make_between(
    join: &Join<'_>,
    program: &Program<'_>,
    ours: &Channel,
    theirs: &Channel,
) -> Result<Child, StepError> {
    let not_inherited = [ours.as_fd()];
    let between = join.cgroup.fork(&not_inherited, || {
        let made = child::enter(join, join.namespaces, program).and_then(|()| {
            let sibling = clone::Options { sibling: true, ..clone::Options::default() };
            // The child waits until it is known: a message of its own could come before its pid.
            clone::fork(sibling, || match theirs.wait_for_go() {
                Ok(()) => child::run_inside(join, program, theirs),
                Err(error) => fail(theirs, error),
            })
            .at("create", "the process")
        });
        match made.and_then(|child| theirs.send(&Message::Successor(child.pid, child.pidfd))) {
            Ok(()) => 0,
            Err(error) => fail(theirs, error),
        }
    });
    let between = between.at("create", "the process in between")?;

    let answer = ours.receive();
    pidfd::wait(&between.pidfd).at("wait for", "the process in between")?;
    match answer? {
        Some(Message::Successor(pid, pidfd)) => {
            ours.send(&Message::Go)?;
            Ok(Child { pid, pidfd })
        }
        Some(Message::Failed(error)) => Err(error),
        Some(_) => Err(Errno::EBADMSG).at("understand", "the process in between"),
        None => Err(Errno::EPIPE).at("hear from", "the process in between"),
    }
}
