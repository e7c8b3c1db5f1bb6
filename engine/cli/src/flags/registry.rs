//! How an image is got from a registry.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use ketch_engine::image::Platform;
use ketch_engine::image::policy::Policy;
use ketch_engine::image::registry::Access;

use super::access::{Connection, Retry, policy};

/// How a registry is spoken to, and which of an image's platforms is taken.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Registry {
    /// Processor to choose where an image has several
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Key of an encrypted image: not available
    #[arg(long, value_name = "KEY")]
    decryption_key: Vec<String>,
    /// docker's; it has no effect
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, action = clap::ArgAction::Set)]
    disable_content_trust: bool,
    /// Operating system to choose where an image has several
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// OS/ARCH[/VARIANT] to choose where an image has several
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// File that says which images may come in (containers-policy.json(5))
    #[arg(long, value_name = "FILE", hide = true)]
    signature_policy: Option<PathBuf>,
    /// Variant of the processor to choose where an image has several
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    retry: Retry,
}

impl Registry {
    /// What was asked for; None: this machine's.
    pub(crate) fn platform(&self) -> anyhow::Result<Option<Platform>> {
        let parts =
            [&self.arch, &self.os, &self.variant].map(|part| part.clone().filter(|text| !text.is_empty()));
        if let Some(text) = self.platform.as_deref().filter(|text| !text.is_empty()) {
            let [arch, os, _] = &parts;
            ensure!(
                arch.is_none() && os.is_none(),
                "--platform option can not be specified with --arch or --os"
            );
            return Platform::parse(text)
                .with_context(|| format!("invalid platform {text:?}: it is OS/ARCH or OS/ARCH/VARIANT"))
                .map(Some);
        }
        if parts.iter().all(Option::is_none) {
            return Ok(None);
        }
        let [arch, os, variant] = parts;
        let host = Platform::host();
        let variant = variant.or_else(|| host.variant.filter(|_| arch.is_none()));
        Ok(Some(Platform {
            os: os.unwrap_or(host.os),
            architecture: arch.unwrap_or(host.architecture),
            variant,
        }))
    }

    /// Refuses what there is not, also where no registry is asked.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.decryption_key.is_empty(),
            "--decryption-key is not available: encrypted layers are not supported"
        );
        self.retry.delay()?;
        self.connection.check()
    }

    pub(crate) fn access(&self) -> anyhow::Result<Access> {
        self.check()?;
        let access = self.connection.access(&self.retry)?;
        Ok(match &self.signature_policy {
            Some(_) => Access { policy: self.policy()?, ..access },
            None => access,
        })
    }

    /// Which images may come in.
    pub(crate) fn policy(&self) -> anyhow::Result<Policy> {
        policy(self.signature_policy.as_deref())
    }
}
