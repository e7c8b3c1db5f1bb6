//! `ketch push`

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use ketch_engine::image::compose::Format;
use ketch_engine::image::push::{PushOptions, push};
use ketch_engine::image::save::{self, Compression, Output, save};
use ketch_engine::image::transport::{LocalKind, LocalPlace, Place};

use super::{show, show_warning};
use crate::commands::archive::Archive;
use crate::flags::{Connection, Retry};
use crate::globals::Globals;

/// Push an image to a registry, or to an archive or a directory
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Compress layers (dir:)
    #[arg(long)]
    compress: bool,
    #[command(flatten)]
    sent: Sent,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    retry: Retry,
    #[command(flatten)]
    signing: Signing,
    image: String,
    /// NAME or docker://NAME, oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME] or dir:DIR [default: the image's name]
    destination: Option<String>,
}

/// In which form it goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Sent {
    /// gzip or zstd [default: gzip]
    #[arg(long, value_name = "FORMAT")]
    compression_format: Option<String>,
    /// 1 to 9 for gzip, 1 to 22 for zstd
    #[arg(long, value_name = "LEVEL")]
    compression_level: Option<u32>,
    /// Write the digest of the pushed manifest to this file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// Compress anew what the destination has in another compression; --compression-format means it, too
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    force_compression: Option<bool>,
    /// oci or v2s2 [default: that of the image]
    #[arg(long, short, value_name = "FORMAT")]
    format: Option<String>,
    /// Print nothing
    #[arg(long, short)]
    quiet: bool,
}

/// What ketch does not do, and one that asks for what it does not have.
#[derive(Debug, clap::Args)]
pub(crate) struct Signing {
    /// docker's; it has no effect
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    disable_content_trust: Option<bool>,
    /// Layers to encrypt: not available
    #[arg(long, value_name = "LAYER", allow_hyphen_values = true)]
    encrypt_layer: Vec<String>,
    /// Key to encrypt with: not available
    #[arg(long, value_name = "KEY")]
    encryption_key: Vec<String>,
    /// Leave signatures out: the store keeps none
    #[arg(long)]
    remove_signatures: bool,
    /// Sign: not available
    #[arg(long, value_name = "KEY")]
    sign_by: Option<String>,
    /// Sign: not available
    #[arg(long, value_name = "FILE")]
    sign_by_sigstore: Option<String>,
    /// Sign: not available
    #[arg(long, value_name = "FILE")]
    sign_by_sigstore_private_key: Option<String>,
    /// Sign: not available
    #[arg(long, value_name = "FINGERPRINT")]
    sign_by_sq_fingerprint: Option<String>,
    /// Sign: not available
    #[arg(long, value_name = "FILE")]
    sign_passphrase_file: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    args.signing.refuse()?;
    let place = Place::parse(args.destination.as_deref().unwrap_or(&args.image)).with_context(|| {
        // An id, mostly.
        let is_image = args.destination.is_none();
        if is_image { "a destination is needed, as the image's name is none" } else { "invalid destination" }
    })?;
    let engine = globals.engine()?;
    let mut progress = if args.sent.quiet { show_warning } else { show };
    let digest = match place {
        Place::Registry(reference) => {
            ensure!(!args.compress, "--compress can only be set when the destination is a dir:");
            let options = args.sent.options(&args.connection, &args.retry)?;
            push(&engine, &args.image, &reference, &options, &mut progress)?
        }
        Place::Local(place) => {
            let options = args.local(&place)?;
            match place.kind {
                LocalKind::OciDir | LocalKind::DockerDir => {
                    save(&engine, &args.image, &options, Output::Directory(&place.path), &mut progress)?
                }
                LocalKind::OciArchive | LocalKind::DockerArchive => {
                    let is_there =
                        fs::metadata(&place.path).is_ok_and(|there| there.is_file() && there.len() > 0);
                    // podman's words.
                    ensure!(
                        !is_there || place.kind == LocalKind::OciArchive,
                        "docker-archive doesn't support modifying existing images"
                    );
                    let mut archive = Archive::create(Some(&place.path), "push")?;
                    let digest =
                        save(&engine, &args.image, &options, Output::Stream(&mut archive), &mut progress)?;
                    archive.finish()?;
                    digest
                }
            }
        }
    };
    args.sent.note(&digest)?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn local(&self, place: &LocalPlace) -> anyhow::Result<save::Options> {
        let format = self.sent.format()?;
        let compression = self.sent.compression()?;
        let (kind, own) = match place.kind {
            LocalKind::OciDir => (save::Format::OciDir, Format::Oci),
            LocalKind::OciArchive => (save::Format::OciArchive, Format::Oci),
            LocalKind::DockerArchive => (save::Format::DockerArchive, Format::Docker),
            LocalKind::DockerDir => (save::Format::DockerDir, Format::Docker),
        };
        ensure!(
            format.is_none_or(|format| format == own),
            "--format {}: the destination has only its own format",
            self.sent.format.as_deref().unwrap_or_default()
        );
        ensure!(
            !self.compress || place.kind == LocalKind::DockerDir,
            "--compress can only be set when the destination is a dir:"
        );
        let compress = match place.kind {
            LocalKind::OciDir | LocalKind::OciArchive => Some(compression.unwrap_or(Compression::Gzip)),
            LocalKind::DockerArchive => {
                ensure!(compression.is_none(), "--compression-format: a docker-archive has plain layers");
                None
            }
            LocalKind::DockerDir => {
                ensure!(
                    compression != Some(Compression::Zstd),
                    "docker's format has no layers in zstd: use an oci: destination"
                );
                compression.or(self.compress.then_some(Compression::Gzip))
            }
        };
        Ok(save::Options {
            format: kind,
            names: Some(place.name.clone().into_iter().collect()),
            compress,
            level: self.sent.level(compress)?,
            into_existing: true,
            shown: self.destination.clone().unwrap_or_else(|| self.image.clone()),
            ..save::Options::default()
        })
    }
}

impl Sent {
    pub(crate) fn options(&self, connection: &Connection, retry: &Retry) -> anyhow::Result<PushOptions> {
        let compression = self.compression()?;
        Ok(PushOptions {
            access: connection.access(retry)?,
            format: self.format()?,
            compression,
            level: self.level(Some(compression.unwrap_or(Compression::Gzip)))?,
            force_compression: self.force_compression.unwrap_or(compression.is_some()),
        })
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// `--digestfile`
    pub(crate) fn note(&self, digest: &str) -> anyhow::Result<()> {
        let Some(path) = &self.digestfile else { return Ok(()) };
        fs::write(path, digest).with_context(|| format!("cannot write the digest to {}", path.display()))
    }

    fn compression(&self) -> anyhow::Result<Option<Compression>> {
        Ok(match self.compression_format.as_deref() {
            None | Some("") => None,
            Some("gzip") => Some(Compression::Gzip),
            Some("zstd") => Some(Compression::Zstd),
            Some("zstd:chunked") => {
                bail!("zstd:chunked is not available: use zstd, which all readers of it read")
            }
            // podman's words.
            Some(other) => bail!("cannot find compressor for {other:?}: there are gzip and zstd"),
        })
    }

    fn level(&self, compression: Option<Compression>) -> anyhow::Result<Option<u32>> {
        let Some(level) = self.compression_level else { return Ok(None) };
        let most = match compression {
            Some(Compression::Gzip) => 9,
            Some(Compression::Zstd) => 22,
            None => bail!("--compression-level: the destination's layers are not compressed"),
        };
        ensure!((1..=most).contains(&level), "--compression-level {level}: it is 1 to {most}");
        Ok(Some(level))
    }

    fn format(&self) -> anyhow::Result<Option<Format>> {
        Ok(match self.format.as_deref() {
            None | Some("") => None,
            Some("oci") => Some(Format::Oci),
            Some("v2s2" | "docker") => Some(Format::Docker),
            Some("v2s1") => bail!("format v2s1 is not available: registries have given it up; use v2s2"),
            Some(other) => {
                bail!("unknown format {other:?}: choose one of the supported formats: oci or v2s2")
            }
        })
    }
}

impl Signing {
    pub(crate) fn refuse(&self) -> anyhow::Result<()> {
        let signs = [
            ("--sign-by", self.sign_by.is_some()),
            ("--sign-by-sigstore", self.sign_by_sigstore.is_some()),
            ("--sign-by-sigstore-private-key", self.sign_by_sigstore_private_key.is_some()),
            ("--sign-by-sq-fingerprint", self.sign_by_sq_fingerprint.is_some()),
            ("--sign-passphrase-file", self.sign_passphrase_file.is_some()),
        ];
        if let Some((flag, _)) = signs.iter().find(|(_, is_given)| *is_given) {
            bail!(
                "{flag} is not available: ketch makes no signatures; sign what is pushed with cosign or skopeo"
            );
        }
        let encrypts = !self.encrypt_layer.is_empty() || !self.encryption_key.is_empty();
        ensure!(!encrypts, "--encryption-key is not available: encrypted layers are not supported");
        Ok(())
    }
}
