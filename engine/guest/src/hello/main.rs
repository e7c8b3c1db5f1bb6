//! The image `hello`: prints what it sees of its sandbox, read from /proc as any program in it could.
//!
//! What cannot be read is said to be unknown; nothing is an error but a stdout that is gone.

#![forbid(unsafe_code)]

mod facts;
mod page;

use std::io::Write;
use std::process::ExitCode;

use page::Page;

fn main() -> ExitCode {
    let text = report();
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn report() -> String {
    let status = facts::status();
    let mut page = Page::new("Hello from ketch. This container sees:");
    page.line("pid", &facts::pid());
    page.line("user", &facts::user(&status));
    page.line("hostname", &facts::line("/proc/sys/kernel/hostname"));
    page.line("kernel", &facts::line("/proc/sys/kernel/osrelease"));
    page.words("namespaces", facts::namespaces());
    page.words("capabilities", facts::capabilities(&status, "CapEff"));
    if facts::field(&status, "CapBnd") != facts::field(&status, "CapEff") {
        page.words("bounding", facts::capabilities(&status, "CapBnd"));
    }
    page.line("new privs", &facts::no_new_privileges(&status));
    page.line("seccomp", &facts::seccomp(&status));
    page.list("cgroup", facts::cgroups());
    page.list("mounts", facts::mounts());
    page.finish()
}
