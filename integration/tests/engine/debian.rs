//! A real distribution: apt, Python and a web server in a Debian image.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use ketch_integration::{Engine, ImageBuilder, program};
use serde_json::json;

/// An uncompressed tar of a minimal Debian of the host's own release and mirror.
fn base_layer(dir: &Path) -> Vec<u8> {
    let sources = std::fs::read_to_string("/etc/apt/sources.list.d/debian.sources").unwrap_or_default();
    let field = |name: &str| {
        sources.lines().find_map(|line| line.strip_prefix(name)).map(|text| text.trim().to_owned())
    };
    let suite = field("Suites:")
        .and_then(|suites| suites.split(' ').next().map(str::to_owned))
        .unwrap_or("bookworm".into());
    let mirror = field("URIs:").unwrap_or("http://deb.debian.org/debian".into());
    let root = dir.join("debian");
    program::run("debootstrap", ["--variant=minbase", &suite, root.to_str().unwrap(), &mirror]).ok();
    // The host's way to its mirror, a proxy for instance.
    for entry in std::fs::read_dir("/etc/apt/apt.conf.d").unwrap().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        if text.contains("Proxy") {
            std::fs::write(root.join("etc/apt/apt.conf.d").join(entry.file_name()), text).unwrap();
        }
    }
    let tar = dir.join("debian.tar");
    program::run(
        "tar",
        ["-C", root.to_str().unwrap(), "--exclude=./dev/*", "-cf", tar.to_str().unwrap(), "."],
    )
    .ok();
    std::fs::read(tar).unwrap()
}

/// A port that nothing listens on at this moment.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn get(port: u16, path: &str) -> String {
    // The server takes a moment to listen.
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(e) => assert!(Instant::now() < deadline, "nothing listens on {port}: {e}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn apt_python_and_a_web_server() {
    let engine = Engine::on_the_hosts_network();
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let archive = engine.path("debian.tar");
    ImageBuilder::scratch()
        .layer(base_layer(dir.path()))
        .name("localhost/debian:test")
        .config("Env", json!(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]))
        .config("Cmd", json!(["bash"]))
        .docker_archive(&archive);
    engine.run(["load", "-q", "-i", archive.to_str().unwrap()]).ok();

    let resolver = "/etc/resolv.conf:/etc/resolv.conf:ro";
    let install = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 nginx-light >/dev/null && \
        mkdir -p /srv/www && echo sailing > /srv/www/index.html && exec sleep 1000";
    engine
        .run([
            "run",
            "-d",
            "--name",
            "box",
            "--network",
            "host",
            "-v",
            resolver,
            "debian:test",
            "sh",
            "-c",
            install,
        ])
        .ok();
    let deadline = Instant::now() + Duration::from_secs(300);
    while engine.line("exec box test -s /srv/www/index.html").code != 0 {
        assert!(Instant::now() < deadline, "apt did not finish: {:#?}", engine.line("logs box"));
        let state = engine.run(["inspect", "--format", "{{.State.Status}}", "box"]);
        assert_eq!(state.text(), "running", "{:#?}", engine.line("logs box"));
        std::thread::sleep(Duration::from_millis(500));
    }
    engine
        .run(["exec", "box", "python3", "-c", "import sys; print(sum(range(10)), sys.platform)"])
        .ok()
        .assert_stdout("45 linux");

    let port = free_port();
    engine
        .run([
            "exec",
            "-d",
            "-w",
            "/srv/www",
            "box",
            "python3",
            "-m",
            "http.server",
            "--bind",
            "127.0.0.1",
            &port.to_string(),
        ])
        .ok();
    assert!(get(port, "/index.html").contains("sailing"));

    let port = free_port();
    let config =
        format!("daemon off; events {{}} http {{ server {{ listen 127.0.0.1:{port}; root /srv/www; }} }}");
    engine.run(["exec", "box", "sh", "-c", &format!("echo '{config}' > /etc/nginx/nginx.conf")]).ok();
    engine.line("exec -d box nginx").ok();
    assert!(get(port, "/").contains("sailing"));
    engine.line("stop -t 1 box").ok();
}
