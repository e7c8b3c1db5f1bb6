//! A network namespace of a test's own: bridges, ports and firewall rules are nobody else's.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;

use ketch_engine::network::{firewall, netlink};
use nix::sched::{CloneFlags, setns, unshare};

use crate::program;
use crate::wait::what_stays;

/// Lives as long as this value, or a process in it. Loopback is up.
#[derive(Debug)]
pub struct Netns(File);

impl Netns {
    pub fn new() -> Netns {
        // A namespace is entered by one thread: this one ends, and the descriptor keeps what it made.
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace can be made: run as root");
            ketch_sys::ns::loopback_up().expect("loopback can be brought up");
            File::open("/proc/thread-self/ns/net").expect("/proc is mounted")
        });
        Netns(made.join().expect("the namespace is made"))
    }

    /// That of a process.
    pub fn of_process(pid: &str) -> Netns {
        Netns(File::open(format!("/proc/{pid}/ns/net")).expect("the process lives"))
    }

    /// Where other processes find it, while this one lives.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }

    /// A program in it, for more arguments. nsenter(1) becomes the program: there is one process.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        let mut net = std::ffi::OsString::from("--net=");
        net.push(self.path());
        command.arg(net).arg("--").arg(program);
        command
    }

    /// Does something in it, in a thread that is made for that: sockets that are opened there stay there.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).expect("the namespace can be entered");
                work()
            });
            inside.join().expect("the work in the namespace is done")
        })
    }

    /// Lays a wire to another one: an interface `eth0` in each, with `addresses` (CIDR) here and `theirs` there.
    pub fn wire(&self, other: &Netns, addresses: &[&str], theirs: &[&str]) {
        self.ip(&format!("link add eth0 type veth peer name eth0 netns {}", other.path().display()));
        self.address("eth0", addresses);
        other.address("eth0", theirs);
    }

    /// Connects `others`, each by its interface `eth0` with an address (CIDR), to a bridge here that has `own`.
    pub fn switch(&self, others: &[(&Netns, &str)], own: &str) {
        self.ip("link add switch type bridge");
        self.address("switch", &[own]);
        for (number, (other, address)) in others.iter().enumerate() {
            let end = other.path();
            self.ip(&format!("link add port{number} type veth peer name eth0 netns {}", end.display()));
            self.ip(&format!("link set port{number} master switch up"));
            other.address("eth0", &[*address]);
        }
    }

    /// Gives an interface addresses, usable at once, and brings it up.
    fn address(&self, interface: &str, addresses: &[&str]) {
        for address in addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            self.ip(&format!("address add {address} dev {interface}{nodad}"));
        }
        self.ip(&format!("link set {interface} up"));
    }

    /// Runs ip(8) inside.
    pub fn ip(&self, line: &str) {
        let mut command = self.command("ip");
        program::finish(command.args(line.split(' '))).ok();
    }

    /// Names of the interfaces of containers' networks that are there, bridges not counted.
    pub fn ends_of_containers(&self) -> Vec<String> {
        let links = self.within(|| netlink::Socket::open().and_then(|socket| netlink::links(&socket)));
        let links = links.expect("interfaces can be listed");
        links.into_iter().filter(|link| link.kind == "veth").map(|link| link.name).collect()
    }

    /// Published ports that the firewall leads to containers, with whose they are.
    pub fn published(&self) -> Vec<String> {
        let contents =
            self.within(|| firewall::list(&firewall::Firewall::open()?)).expect("the firewall can be listed");
        contents.ports.iter().map(|(port, owner)| format!("{port:?} of {owner}")).collect()
    }

    /// Interfaces that do not go away: the kernel takes a moment to delete those of a namespace that is gone.
    pub fn left(&self) -> Vec<String> {
        what_stays(|| self.ends_of_containers())
    }
}

impl Default for Netns {
    fn default() -> Netns {
        Netns::new()
    }
}
