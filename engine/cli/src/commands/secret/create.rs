//! `ketch secret create`

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use ketch_engine::secret::{MAX_BYTES, Options, create};

use crate::flags::env;
use crate::globals::Globals;

/// Keep a secret, for containers to be given
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Who keeps it: file
    #[arg(long, short, value_name = "DRIVER", default_value = "file")]
    driver: String,
    /// Option of the driver: file has none
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    driver_opts: Vec<String>,
    /// FILE is the name of a variable
    #[arg(long)]
    env: bool,
    /// A secret that exists already is no error
    #[arg(long)]
    ignore: bool,
    /// Add a label (KEY=VALUE)
    #[arg(long, short, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// In the place of one of the same name
    #[arg(long)]
    replace: bool,
    /// Name of the secret, and the file that it is in, - for stdin
    #[arg(value_names = ["NAME", "FILE"], num_args = 0..)]
    words: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let [name, source] = &args.words[..] else {
        bail!("accepts 2 arg(s), received {}", args.words.len());
    };
    match args.driver.as_str() {
        "file" | "" => {}
        "pass" | "shell" => {
            bail!("--driver {} is not available: secrets are files below --root", args.driver)
        }
        _ => bail!("invalid driver"),
    }
    if let Some(option) = args.driver_opts.first() {
        bail!("--driver-opts {option} is not available: secrets are files below --root");
    }
    ensure!(!(args.replace && args.ignore), "--ignore and --replace cannot be used together");
    let data = read(source, args.env)?;
    let options = Options {
        name: name.clone(),
        labels: env::labels(&[], &args.label)?,
        replace: args.replace,
        ignore: args.ignore,
    };
    let id = create(&globals.engine()?, options, &data)?;
    writeln!(std::io::stdout(), "{id}")?;
    Ok(ExitCode::SUCCESS)
}

/// One byte more than there may be is enough to refuse it.
fn read(source: &str, is_variable: bool) -> anyhow::Result<Vec<u8>> {
    if is_variable {
        let value = std::env::var_os(source);
        let missing = || format!("cannot create store secret data: environment variable {source} is not set");
        return Ok(value.with_context(missing)?.into_encoded_bytes());
    }
    let mut data = Vec::new();
    let max = MAX_BYTES as u64 + 1;
    if source == "-" {
        let stdin = std::io::stdin();
        ensure!(!stdin.is_terminal(), "if `-` is used, data must be passed into stdin");
        stdin.take(max).read_to_end(&mut data).context("cannot read the secret from stdin")?;
    } else {
        let file = File::open(source).with_context(|| format!("open {source}"))?;
        file.take(max).read_to_end(&mut data).with_context(|| format!("read {source}"))?;
    }
    Ok(data)
}
