//! `ketch login`

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use ketch_engine::image::registry::{Credentials, auth_file, check_login, find_login};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use crate::flags::{Connection, Retry, own_auth_file};
use crate::globals::Globals;

/// Log in to a registry, and keep the login for pull, push and search
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Keep the login in this file [default: $REGISTRY_AUTH_FILE, or containers/auth.json in the runtime directory]
    #[arg(long, value_name = "PATH")]
    authfile: Option<PathBuf>,
    /// Directory with the registry's authorities (*.crt) and the client's own certificate and key (*.cert, *.key)
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// Keep the login in this file instead, a config.json of docker's
    #[arg(long, value_name = "PATH")]
    compat_auth_file: Option<PathBuf>,
    /// Print who is logged in
    #[arg(long)]
    get_login: bool,
    /// Password
    #[arg(long, short)]
    password: Option<String>,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Take the password from a secret: not available
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// Require HTTPS and check certificates [default: true, except for registries on loopback]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    tls_verify: Option<bool>,
    /// User name
    #[arg(long, short)]
    username: Option<String>,
    /// Say which file the login is kept in
    #[arg(long, short)]
    verbose: bool,
    registry: Option<String>,
}

/// The key of a file of logins, and the file.
pub(super) struct Place {
    pub(super) key: String,
    pub(super) file: PathBuf,
}

impl Place {
    /// Where a login is kept: in the file that was asked for, under a name that its readers look for.
    pub(super) fn of(registry: &str, authfile: Option<PathBuf>, compat: Option<PathBuf>) -> Place {
        let key = name(registry);
        match compat {
            Some(file) if key == "docker.io" => Place { key: "https://index.docker.io/v1/".to_owned(), file },
            Some(file) => Place { key, file },
            None => Place { key, file: authfile.unwrap_or_else(own_auth_file) },
        }
    }
}

/// An address is its host's, as podman has it.
fn name(registry: &str) -> String {
    let rest = registry.strip_prefix("https://").or_else(|| registry.strip_prefix("http://"));
    let name = match rest {
        Some(rest) => rest.split('/').next().unwrap_or(rest),
        None => registry.trim_end_matches('/'),
    };
    if matches!(name, "index.docker.io" | "registry-1.docker.io") { "docker.io" } else { name }.to_owned()
}

pub(crate) fn run(_globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    ensure!(args.secret.is_none(), "--secret is not available: ketch has no secrets; use --password-stdin");
    check_files(args.authfile.as_ref(), args.compat_auth_file.as_ref())?;
    // podman's words.
    ensure!(
        !(args.password_stdin && args.password.is_some()),
        "can't specify both --password-stdin and --password"
    );
    ensure!(
        !args.password_stdin || args.username.is_some() || args.get_login,
        "must provide --username with --password-stdin"
    );
    let Some(registry) = args.registry.as_deref() else { bail!("a registry must be provided") };
    let place = Place::of(registry, args.authfile.clone(), args.compat_auth_file.clone());
    let registry = name(registry);
    let connection =
        Connection { cert_dir: args.cert_dir.clone(), tls_verify: args.tls_verify, ..Connection::default() };
    let mut access = connection.access(&Retry::default())?;
    if args.authfile.is_some() || args.compat_auth_file.is_some() {
        access.auth_files = vec![place.file.clone()];
    }
    let known = find_login(&access, &registry)?;
    let mut out = io::stdout();
    if args.get_login {
        let Some(known) = known else { bail!("not logged into {registry}") };
        writeln!(out, "{}", known.user)?;
        return Ok(ExitCode::SUCCESS);
    }
    let wants_new = args.username.is_some() || args.password.is_some();
    if let Some(known) = known.as_ref().filter(|_| !wants_new) {
        writeln!(out, "Authenticating with existing credentials for {registry}")?;
        if check_login(&access, &registry, known)? {
            writeln!(out, "Existing credentials are valid. Already logged in to {registry}")?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(out, "Existing credentials are invalid, please enter valid username and password")?;
    }
    let credentials = ask(&args, known.as_ref())?;
    if !check_login(&access, &registry, &credentials)? {
        // podman's words.
        bail!("logging into {registry:?}: invalid username/password");
    }
    auth_file::store(&place.file, &place.key, &credentials)?;
    if args.verbose {
        writeln!(out, "Used:  {}", place.file.display())?;
    }
    writeln!(out, "Login Succeeded!")?;
    Ok(ExitCode::SUCCESS)
}

/// That only one file was asked for.
pub(super) fn check_files(authfile: Option<&PathBuf>, compat: Option<&PathBuf>) -> anyhow::Result<()> {
    ensure!(
        authfile.is_none() || compat.is_none(),
        "options for paths to the credential file and to the Docker-compatible credential file can not be set simultaneously"
    );
    Ok(())
}

/// What was not given is asked for: the name from whatever stdin is, the password from a terminal.
fn ask(args: &Args, known: Option<&Credentials>) -> anyhow::Result<Credentials> {
    let user = match &args.username {
        Some(user) => user.clone(),
        None => {
            let shown = known.map(|known| format!(" ({})", known.user)).unwrap_or_default();
            write!(io::stdout(), "Username{shown}: ")?;
            let typed = line().context("cannot read the user name from stdin")?;
            match (typed.is_empty(), known) {
                (true, Some(known)) => known.user.clone(),
                _ => typed,
            }
        }
    };
    ensure!(!user.is_empty(), "a user name is needed: --username");
    let password = match &args.password {
        Some(password) => password.clone(),
        None if args.password_stdin => {
            let mut text = String::new();
            for line in io::stdin().lock().lines() {
                // podman's: all lines are one.
                text.push_str(line.context("cannot read the password from stdin")?.trim_end_matches('\r'));
            }
            text
        }
        None => hidden("Password: ")?,
    };
    Ok(Credentials::new(user, password))
}

fn line() -> anyhow::Result<String> {
    io::stdout().flush()?;
    let mut text = String::new();
    let count = io::stdin().lock().read_line(&mut text)?;
    ensure!(count > 0, "it has ended");
    Ok(text.trim().to_owned())
}

/// A line that the terminal does not show.
fn hidden(prompt: &str) -> anyhow::Result<String> {
    let stdin = io::stdin();
    ensure!(
        stdin.is_terminal(),
        "a password is needed: --password-stdin, --password, or a terminal to ask for it"
    );
    write!(io::stdout(), "{prompt}")?;
    let shown = tcgetattr(&stdin).context("cannot read the terminal's settings")?;
    let mut quiet = shown.clone();
    quiet.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &quiet)
        .context("cannot keep the terminal from showing a password")?;
    let typed = line();
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &shown).context("cannot restore the terminal's settings")?;
    writeln!(io::stdout())?;
    typed.context("cannot read the password")
}
