//! Debian's docker-registry on a loopback port of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running registry; ended on drop.
#[derive(Debug)]
pub struct Registry {
    pub address: String,
    process: Child,
    dir: TempDir,
}

impl Registry {
    pub fn start() -> Registry {
        Registry::with("")
    }

    /// One that knows nobody but kim, whose password is `secret`.
    pub fn with_login() -> Registry {
        Registry::with("auth: {htpasswd: {realm: test, path: HTPASSWD}}\n")
    }

    /// One that speaks TLS, with a certificate of its own authority, and only with clients that have one of it.
    pub fn with_certificates() -> Registry {
        Registry::with("CERTIFICATES")
    }

    /// What a client of such a registry needs, as containers-certs.d(5) has it.
    pub fn certificates(&self) -> PathBuf {
        self.dir.path().join("certificates")
    }

    /// `more` is added to its configuration.
    fn with(more: &str) -> Registry {
        let dir = tempfile::tempdir().expect("/tmp is writable");
        let tls = match more {
            "CERTIFICATES" => make_certificates(dir.path()),
            _ => String::new(),
        };
        let more = if tls.is_empty() { more } else { "" };
        // Port 0 would be chosen by the kernel, but the registry does not say which it got.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .expect("loopback works")
            .port();
        let address = format!("127.0.0.1:{port}");
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: \"{address}\"{tls}}}\n{}",
            dir.path().join("data").display(),
            more.replace("HTPASSWD", &dir.path().join("htpasswd").display().to_string())
        );
        // bcrypt of "secret".
        let login = "kim:$2b$04$HPgzRuZWWccv0G8oMhQUhu1VZSVQUHdVxNubB6yrDymKoMGlV.YGW\n";
        std::fs::write(dir.path().join("htpasswd"), login).expect("/tmp is writable");
        let file = dir.path().join("config.yml");
        std::fs::write(&file, config).expect("/tmp is writable");
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("no docker-registry: apt-get install docker-registry");
        // It says "listening on" once it accepts connections; the rest of its log is read and dropped.
        let mut log = BufReader::new(process.stderr.take().expect("stderr is a pipe"));
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            assert_ne!(
                log.read_line(&mut line).expect("the log is text"),
                0,
                "docker-registry ended at its start"
            );
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Registry { address, process, dir }
    }
}

/// An authority, and of it a server's and a client's certificate. Returns the configuration of the server.
fn make_certificates(dir: &Path) -> String {
    std::fs::create_dir(dir.join("certificates")).expect("/tmp is writable");
    let openssl = |line: &str| {
        let mut command = Command::new("openssl");
        let output = command.current_dir(dir).args(line.split_whitespace()).output();
        let output = output.expect("no openssl: apt-get install openssl");
        assert!(output.status.success(), "openssl {line}: {output:?}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out certificates/ca.crt -subj /CN=authority -days 2"));
    let signed = "-CA certificates/ca.crt -CAkey ca.key -days 2";
    openssl(&format!(
        "req -x509 {key} -keyout server.key -out server.crt -subj /CN=registry -addext subjectAltName=IP:127.0.0.1 \
         -addext basicConstraints=critical,CA:FALSE {signed}"
    ));
    openssl(&format!(
        "req -x509 {key} -keyout certificates/client.key -out certificates/client.cert -subj /CN=client \
         -addext basicConstraints=critical,CA:FALSE {signed}"
    ));
    let path = |name: &str| dir.join(name).display().to_string();
    format!(
        ", tls: {{certificate: {}, key: {}, clientcas: [{}]}}",
        path("server.crt"),
        path("server.key"),
        path("certificates/ca.crt")
    )
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
