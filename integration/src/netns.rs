//! A network namespace of its own: what a test does to interfaces, ports and firewalls is nobody else's business.

use std::fs::File;

use nix::sched::{CloneFlags, setns, unshare};

use crate::program;

/// Lives as long as this, and as what was started in it.
#[derive(Debug)]
pub struct Netns {
    namespace: File,
}

impl Netns {
    /// A new one, with loopback up and nothing else.
    pub fn new() -> Netns {
        let namespace = apart(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("the tests run as root");
            program::run("ip", ["link", "set", "lo", "up"]).ok();
            File::open("/proc/thread-self/ns/net").expect("/proc is mounted")
        });
        Netns { namespace }
    }

    /// Does `work` inside: what it starts is inside for good.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        apart(|| {
            setns(&self.namespace, CloneFlags::CLONE_NEWNET).expect("the tests run as root");
            work()
        })
    }

    /// Lays a wire to another one: an interface `eth0` in each, with `addresses` (CIDR) here and `theirs` there.
    pub fn wire(&self, other: &Netns, addresses: &[&str], theirs: &[&str]) {
        let end = format!("/proc/{}/fd/{}", std::process::id(), other.number());
        self.enter(|| {
            ip(&format!("link add eth0 type veth peer name eth0 netns {end}"));
            address(addresses);
        });
        other.enter(|| address(theirs));
    }

    /// Connects `others`, each by its interface `eth0` with an address (CIDR), to a bridge here that has `own`.
    pub fn switch(&self, others: &[(&Netns, &str)], own: &str) {
        self.ip("link add switch type bridge");
        self.ip(&format!("address add {own} dev switch"));
        self.ip("link set switch up");
        for (number, (other, address)) in others.iter().enumerate() {
            let end = format!("/proc/{}/fd/{}", std::process::id(), other.number());
            self.ip(&format!("link add port{number} type veth peer name eth0 netns {end}"));
            self.ip(&format!("link set port{number} master switch up"));
            other.enter(|| self::address(&[*address]));
        }
    }

    /// Runs ip(8) inside.
    pub fn ip(&self, line: &str) {
        self.enter(|| ip(line));
    }

    fn number(&self) -> i32 {
        use std::os::fd::AsRawFd;
        self.namespace.as_raw_fd()
    }
}

impl Default for Netns {
    fn default() -> Netns {
        Netns::new()
    }
}

/// Network namespaces are a thread's own, so one is entered by a thread that ends with the visit.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

fn address(addresses: &[&str]) {
    for address in addresses {
        // An address that is being checked for duplicates cannot be listened on yet.
        let nodad = if address.contains(':') { " nodad" } else { "" };
        ip(&format!("address add {address} dev eth0{nodad}"));
    }
    ip("link set eth0 up");
}

fn ip(line: &str) {
    program::run("ip", line.split(' ')).ok();
}
