//! The default network without root. Network namespaces of the tests' own play the host and what is around it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use ketch_integration::Engine;
use ketch_integration::kills::monitors;
use ketch_integration::netns::Netns;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A host with one interface, on which it has this address and reaches all others.
const HOST: &str = "192.0.2.10";
/// One of those, at the other end of the wire.
const FAR: &str = "192.0.2.1";

const SERVE: &str = "httpd -p 80 -h /www && echo up && sleep 1000";

/// Does `work` on a host with a network; the other argument is what it is wired to.
fn on_a_host<T: Send>(work: impl FnOnce(&Netns) -> T + Send) -> T {
    let (host, far) = (Netns::new(), Netns::new());
    host.wire(&far, &["192.0.2.10/24", "2001:db8::10/64"], &["192.0.2.1/24", "2001:db8::1/64"]);
    host.ip("route add default via 192.0.2.1 dev eth0");
    host.ip("-6 route add default via 2001:db8::1 dev eth0");
    host.within(|| work(&far))
}

fn get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn with_page() -> Engine {
    let engine = Engine::of_user();
    let page = ketch_integration::ImageBuilder::busybox().name("page").files(&[(
        "www/index.html",
        0o644,
        b"the page",
    )]);
    engine.load(&page);
    engine
}

/// Pids of pasta for this engine.
fn pastas(engine: &Engine) -> Vec<i32> {
    let directory = engine.path("run/ketch/containers");
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::read_to_string(entry.path().join("pasta/pid")).ok()?.trim().parse().ok())
        .filter(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"pasta")))
        .collect()
}

#[test]
fn addresses_and_a_published_port() {
    on_a_host(|_| {
        let engine = with_page();
        let run = "run -d --name web -p 8080:80 page sh -c";
        engine.run(run.split(' ').chain([SERVE])).ok();
        engine.wait_for_log("web", "up");
        for address in ["127.0.0.1:8080", "192.0.2.10:8080"] {
            let page = get(address).unwrap();
            assert!(page.ends_with("the page"), "{address}: {page}");
        }
        engine.line("exec web ip addr show eth0").ok().assert_stdout_has(HOST);
        engine.line("port web").ok().assert_stdout("80/tcp -> 0.0.0.0:8080");
        engine.line("exec web ip route").ok().assert_stdout_has("default via 192.0.2.1");
        engine.line("exec web cat /etc/resolv.conf").ok().assert_stdout_has("nameserver 169.254.1.1");

        // The same port again, as soon as the stop has returned.
        engine.line("stop -t 0 web").ok();
        assert!(pastas(&engine).is_empty());
        assert!(TcpStream::connect("127.0.0.1:8080").is_err());
        engine.line("start web").ok();
        assert_eq!(pastas(&engine).len(), 1);
        engine.line("rm -f -t 0 web").ok();
        assert!(TcpStream::connect("127.0.0.1:8080").is_err());
    });
}

#[test]
fn is_the_default_and_leads_out() {
    on_a_host(|far| {
        let engine = with_page();
        let listener = far.within(|| TcpListener::bind((FAR, 7000)).unwrap());
        let answer = std::thread::spawn(move || {
            let (mut stream, from) = listener.accept().unwrap();
            let mut request = [0; 512];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nfrom afar").unwrap();
            from.ip()
        });
        let page = engine.line("run --rm page timeout 60 wget -q -O - http://192.0.2.1:7000/");
        page.ok().assert_stdout("from afar");
        // As the host itself.
        assert_eq!(answer.join().unwrap().to_string(), HOST);
        engine.line("run --rm page ip -6 addr show eth0").ok().assert_stdout_has("2001:db8::10");
        assert!(pastas(&engine).is_empty());
    });
}

/// What pasta has to say of a port that another one has is the error.
#[test]
fn a_port_that_is_taken() {
    on_a_host(|_| {
        let engine = with_page();
        engine.line("run -d --name first -p 8080:80 page sleep 1000").ok();
        let second = engine.line("run -d --name second -p 8080:80 page true").assert_exit(126);
        second.assert_stderr_has("pasta failed").assert_stderr_has("8080").assert_one_error_line();
        assert_eq!(pastas(&engine).len(), 1);
        engine.line("start second").assert_exit(125);
        engine.line("rm -f -t 0 first").ok();
        engine.line("start second").ok();
    });
}

#[test]
fn ports_that_are_roots() {
    on_a_host(|_| {
        let engine = with_page();
        let run = engine.line("run --rm -p 80:80 page true").assert_exit(126);
        run.assert_stderr_has("ip_unprivileged_port_start").assert_one_error_line();
    });
}

/// What podman does not settle goes to pasta as it is.
#[test]
fn options_of_pasta() {
    on_a_host(|_| {
        let engine = with_page();
        let run = engine.line("run --rm --network pasta:--mtu,1400 page cat /sys/class/net/eth0/mtu");
        run.ok().assert_stdout("1400");
        let run = engine.line("run --rm --network pasta:--no-such-option page true").assert_exit(126);
        run.assert_stderr_has("pasta failed");
    });
}

/// A container outlives its monitor with its network, and the next command that ends it ends that too.
#[test]
fn a_killed_monitor() {
    on_a_host(|_| {
        let engine = with_page();
        let run = "run -d --name web -p 8080:80 page sh -c";
        engine.run(run.split(' ').chain([SERVE])).ok();
        engine.wait_for_log("web", "up");
        for pid in monitors(engine.dir()) {
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        }
        assert!(get("127.0.0.1:8080").unwrap().ends_with("the page"));
        engine.line("exec web true").ok();
        engine.line("rm -f -t 0 web").ok();
        assert!(TcpStream::connect("127.0.0.1:8080").is_err());
    });
}

#[test]
fn no_way_out_of_the_host() {
    Netns::new().within(|| {
        let engine = with_page();
        let run = engine.line("run --rm page true").assert_exit(126);
        run.assert_stderr_has("pasta failed").assert_one_error_line();
    });
}

/// Root can have it as well.
#[test]
fn of_root() {
    on_a_host(|_| {
        let engine = Engine::on_the_hosts_network().load_busybox();
        let line = "run --rm --network pasta busybox ip addr show eth0";
        engine.line(line).ok().assert_stdout_has(HOST);
    });
}
