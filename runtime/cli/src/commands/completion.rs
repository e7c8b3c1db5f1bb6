use std::process::ExitCode;

use clap_complete::Shell;

use crate::globals::{self, Globals};
use crate::report;

/// Print a script that has a shell complete this program's words
///
/// bash: `source <(ketchrun completion bash)`; zsh: into a file `_ketchrun` in a directory of $fpath; fish: into
/// ~/.config/fish/completions/ketchrun.fish
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    shell: Shell,
}

pub(crate) fn run(_globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut globals::whole(), "ketchrun", &mut script);
    report::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_of_every_command() {
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut globals::whole(), "ketchrun", &mut script);
        let script = String::from_utf8(script).expect("UTF-8");
        for word in ["--systemd-cgroup", "--console-socket", "--cpu-idle", "--ignore-paused", "features"] {
            assert!(script.contains(word), "{word}");
        }
    }
}
