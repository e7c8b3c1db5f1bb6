//! Containers on bridges: addresses, ways out, published ports, names. Real sockets prove them.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use ketch_integration::wait::{PATIENCE, wait_for};
use ketch_integration::{Engine, Netns};
use serde_json::Value;

/// Answers each connection to port 80 with its name.
const SERVER: &str = "echo \"$0\" > /tmp/name; echo ready; exec nc -ll -p 80 -e cat /tmp/name";

/// A container that answers on port 80, with more options.
fn serve(engine: &Engine, name: &str, options: &[&str]) {
    let args = [&["run", "-d", "--name", name], options, &["busybox", "sh", "-c", SERVER, name]].concat();
    engine.run(args).ok();
    engine.wait_for_log(name, "ready");
}

/// What a server at `address` says, asked for from the host; it may take a moment to listen.
#[track_caller]
fn ask(engine: &Engine, address: &str) -> String {
    let address: SocketAddr = address.parse().unwrap();
    engine.netns().within(|| {
        wait_for(&format!("answer at {address}"), || {
            let mut answer = String::new();
            let asked = TcpStream::connect_timeout(&address, PATIENCE)
                .and_then(|mut stream| stream.read_to_string(&mut answer));
            match asked {
                Ok(1..) => Ok(answer.trim().to_owned()),
                other => Err(other),
            }
        })
    })
}

/// Whether a connection is refused at once.
fn refuses(engine: &Engine, address: &str) -> bool {
    let address: SocketAddr = address.parse().unwrap();
    engine.netns().within(|| {
        TcpStream::connect_timeout(&address, PATIENCE)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    })
}

fn settings(engine: &Engine, name: &str) -> Value {
    engine.run(["inspect", name]).ok().json()[0]["NetworkSettings"].clone()
}

fn address(engine: &Engine, name: &str) -> String {
    settings(engine, name)["Networks"]["ketch"]["IPAddress"].as_str().unwrap().to_owned()
}

#[test]
fn a_container_has_addresses_and_a_way_out() {
    let engine = Engine::with_busybox();
    let out = engine
        .run([
            "run",
            "--rm",
            "busybox",
            "sh",
            "-c",
            "ip addr show eth0; ip route; ip -6 route; cat /etc/hosts",
        ])
        .ok();
    for part in [
        "inet 10.89.0.2/24",
        "inet6 fd",
        "default via 10.89.0.1",
        "default via fd",
        "10.89.0.1\thost.containers.internal",
    ] {
        assert!(out.stdout.contains(part), "no {part:?} in {}", out.stdout);
    }
    // The host hears it by its own address.
    let listener = engine.netns().within(|| TcpListener::bind("10.89.0.1:7777").unwrap());
    let asks = std::thread::scope(|scope| {
        let asks = scope.spawn(|| engine.line("run --rm busybox nc 10.89.0.1 7777"));
        let (mut stream, peer) = listener.accept().unwrap();
        assert!(matches!(peer.ip(), IpAddr::V4(ip) if ip.octets()[..3] == [10, 89, 0]), "{peer}");
        stream.write_all(b"hello\n").unwrap();
        drop(stream);
        asks.join().unwrap()
    });
    asks.ok().assert_stdout("hello");
}

#[test]
fn published_ports_lead_in() {
    let engine = Engine::with_busybox();
    serve(&engine, "web", &["-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "9000-9001:80-81"]);
    let inside = address(&engine, "web");
    for at in [
        &*format!("{inside}:80"),
        "127.0.0.1:8080",
        "10.89.0.1:8080",
        "[::1]:8080",
        "127.0.0.1:8081",
        "127.0.0.1:9000",
    ] {
        assert_eq!(ask(&engine, at), "web", "{at}");
    }
    assert!(refuses(&engine, "10.89.0.1:8081"), "published on 127.0.0.1 alone");
    assert!(refuses(&engine, "127.0.0.1:9001"), "nothing listens on 81");
    // Another container comes by the host's address, and so does the container itself.
    engine.line("run --rm busybox nc 10.89.0.1 8080").ok().assert_stdout("web");
    engine.line("exec web nc 10.89.0.1 8080").ok().assert_stdout("web");
    engine.line("rm -f -t 0 web").ok();
    assert!(refuses(&engine, "127.0.0.1:8080"), "given back with the container");
    serve(&engine, "next", &["-p", "8080:80"]);
    assert_eq!(ask(&engine, "127.0.0.1:8080"), "next");
}

/// More than the forwarder's buffers hold, both ways, by the one way that it serves.
#[test]
fn forwarded_streams_are_whole() {
    let engine = Engine::with_busybox();
    let script = "echo ready; exec nc -ll -p 80 -e cat";
    engine.run(["run", "-d", "--name", "echo", "-p", "8080:80", "busybox", "sh", "-c", script]).ok();
    engine.wait_for_log("echo", "ready");
    engine.run(["exec", "echo", "sh", "-c", "until netstat -ltn | grep -q ':80 '; do sleep 0.05; done"]).ok();
    let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let got = engine.netns().within(|| {
        let mut stream = TcpStream::connect("[::1]:8080").unwrap();
        let mut writer = stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                writer.write_all(&sent).unwrap();
                writer.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let mut got = Vec::new();
            stream.read_to_end(&mut got).unwrap();
            got
        })
    });
    assert!(got == sent, "{} bytes came back of {}", got.len(), sent.len());
}

#[test]
fn udp_is_published_too() {
    let engine = Engine::with_busybox();
    engine.line("run -d --name dns -p 5353:53/udp busybox sleep 1000").ok();
    // busybox has no server for UDP: the test is one itself, in the container's namespace.
    let pid = engine.run(["inspect", "--format", "{{.State.Pid}}", "dns"]).ok().text().to_owned();
    let server = Netns::of_process(&pid).within(|| UdpSocket::bind("0.0.0.0:53").unwrap());
    let client = engine.netns().within(|| UdpSocket::bind("127.0.0.1:0").unwrap());
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    let mut buffer = [0; 64];
    client.connect("127.0.0.1:5353").unwrap();
    client.send(b"question").unwrap();
    let (length, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"question");
    server.send_to(b"answer", from).unwrap();
    let length = client.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"answer");
}

/// Other programs meet a published port as any other, and ketch meets theirs, in podman's words.
#[test]
fn a_port_is_held_once() {
    let engine = Engine::with_busybox();
    serve(&engine, "one", &["-p", "8080:80"]);
    engine.netns().within(|| {
        let error = TcpListener::bind("0.0.0.0:8080").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    });
    let in_use = "Error: cannot listen on the TCP port: listen tcp4 :8080: bind: address already in use";
    engine
        .line("run --rm -p 8080:80 busybox true")
        .assert_exit(126)
        .assert_one_error_line()
        .assert_stderr_has(in_use);
    let other = engine.netns().within(|| TcpListener::bind("127.0.0.1:9090").unwrap());
    engine
        .line("run --rm -p 127.0.0.1:9090:80 busybox true")
        .assert_exit(126)
        .assert_stderr_has("listen tcp4 127.0.0.1:9090: bind: address already in use");
    drop(other);
    engine.line("run --rm -p 127.0.0.1:9090:80 busybox true").ok();
    // A random port is nobody's, and stays the container's own.
    engine.line("create --name random -p 80 busybox sleep 1000").ok();
    let port = || {
        engine.line("inspect random").ok().json()[0]["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"]
            .clone()
    };
    let chosen = port();
    assert!(chosen.as_str().unwrap().parse::<u16>().unwrap() > 0);
    engine.line("start random").ok();
    engine.line("stop -t 0 random").ok();
    engine.line("start random").ok();
    assert_eq!(port(), chosen);
}

#[test]
fn addresses_of_choice() {
    let engine = Engine::with_busybox();
    engine
        .line("run -d --name fixed --ip 10.89.0.77 --mac-address 02:03:04:05:06:07 busybox sleep 1000")
        .ok();
    assert_eq!(address(&engine, "fixed"), "10.89.0.77");
    assert_eq!(settings(&engine, "fixed")["Networks"]["ketch"]["MacAddress"], "02:03:04:05:06:07");
    engine.line("exec fixed ip link show eth0").ok().assert_stdout_has("02:03:04:05:06:07");
    engine
        .line("run --rm --ip 10.89.0.77 busybox true")
        .assert_exit(126)
        .assert_stderr_has("requested ip address 10.89.0.77 is already allocated to container ID");
    engine
        .line("run --rm --ip 10.99.0.2 busybox true")
        .assert_exit(126)
        .assert_stderr_has("requested static ip 10.99.0.2 not in any subnet on network ketch");
    engine.line("rm -f -t 0 fixed").ok();
    engine.line("run --rm --ip 10.89.0.77 busybox true").ok();
}

#[test]
fn files_of_names() {
    let engine = Engine::with_busybox();
    let out = engine
        .run([
            "run",
            "--rm",
            "--name",
            "nn",
            "--hostname",
            "hh",
            "--add-host",
            "foo:1.2.3.4",
            "--add-host",
            "up:host-gateway",
            "--dns",
            "1.1.1.1",
            "--dns-search",
            "x.y",
            "--dns-option",
            "ndots:2",
            "busybox",
            "cat",
            "/etc/hosts",
            "/etc/resolv.conf",
        ])
        .ok();
    for line in [
        "1.2.3.4\tfoo",
        "10.89.0.1\tup",
        "10.89.0.2\thh nn",
        "search x.y",
        "nameserver 1.1.1.1",
        "options ndots:2",
    ] {
        assert!(out.stdout.lines().any(|have| have == line), "no {line:?} in {}", out.stdout);
    }
    engine
        .run(["run", "--rm", "--network", "none", "--add-host", "up:host-gateway", "busybox", "true"])
        .assert_exit(126)
        .assert_stderr_has("host containers internal IP address is empty");
    engine.line("run --rm --no-hosts busybox cat /etc/hosts").assert_exit(1);
}

#[test]
fn the_network_of_another() {
    let engine = Engine::with_busybox();
    serve(&engine, "owner", &["-p", "8080:80", "--add-host", "foo:1.2.3.4"]);
    engine.line("run --rm --network container:owner busybox nc 127.0.0.1 80").ok().assert_stdout("owner");
    engine
        .line("run --rm --network container:owner busybox cat /etc/hosts")
        .ok()
        .assert_stdout_has("1.2.3.4\tfoo");
    let path = engine.netns().path();
    let path = format!("ns:{}", path.display());
    engine.run(["run", "--rm", "--network", &path, "busybox", "ip", "addr"]).ok().assert_stdout_has("ketch0");
    engine.line("run -d --name guest --network container:owner busybox sleep 1000").ok();
    // Its addresses are free again, though the namespace lives on.
    engine.line("stop -t 0 owner").ok();
    engine.line("exec guest ip addr").ok();
    assert!(!engine.line("exec guest ip addr").ok().stdout.contains("eth0"));
    // It is started again for whoever needs it, as by podman.
    engine.line("run --rm --network container:owner busybox ip addr").ok().assert_stdout_has("eth0");
}

/// 8 clients at the very first moment: one bridge, and every one of them is on it.
#[test]
fn eight_at_once_make_one_bridge() {
    for _ in 0..5 {
        let engine = Engine::with_busybox();
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let mut command = engine.command();
                command.args(["run", "-d", "busybox", "sleep", "1000"]).stdout(std::process::Stdio::piped());
                command.stderr(std::process::Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for client in clients {
            let output = client.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        let mut addresses: Vec<String> = engine.ids().iter().map(|id| address(&engine, id)).collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 8, "{addresses:?}");
    }
}

/// Two engines with states of their own share a host: bridges, subnets and ports are told apart.
#[test]
fn two_engines_on_one_host() {
    let one = Engine::with_busybox();
    let two = one.beside().load_busybox();
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&one, "first", &["-p", "8001:80"]));
        scope.spawn(|| serve(&two, "second", &["-p", "8002:80"]));
    });
    let subnet = |engine: &Engine, name| address(engine, name).rsplit_once('.').unwrap().0.to_owned();
    assert_ne!(subnet(&one, "first"), subnet(&two, "second"));
    assert_eq!((ask(&one, "127.0.0.1:8001"), ask(&one, "127.0.0.1:8002")), ("first".into(), "second".into()));
    two.line("run --rm -p 8001:80 busybox true").assert_exit(126).assert_stderr_has("address already in use");
    two.line("rm -f -t 0 second").ok();
    assert_eq!(ask(&one, "127.0.0.1:8001"), "first", "what one takes away is its own");
}

/// The network fails when the monitor waits already for its word: both ends of
/// that are undone, with `--rm` too.
#[test]
fn a_network_that_fails_late() {
    let engine = Engine::with_busybox();
    for _ in 0..3 {
        engine
            .line("run --rm --network pasta:--no-such-option busybox true")
            .assert_exit(126)
            .assert_stderr_has("pasta failed");
        assert_eq!(engine.ids(), Vec::<String>::new());
    }
}
