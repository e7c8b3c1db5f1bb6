//! `ketch image tree`

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use ketch_engine::image::tree::tree;

use crate::globals::Globals;
use crate::output::decimal_size;

/// Show the layers of an image, and which images end with each
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// With the layers that images on top of it add
    #[arg(long)]
    whatrequires: bool,
    image: String,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let (image, nodes) = tree(&globals.engine()?, &args.image, args.whatrequires)?;
    let mut text = format!(
        "Image ID: {}\nTags:     [{}]\nSize:     {}\nImage Layers\n",
        &image.id[..12],
        image.names.join(" "),
        decimal_size(image.size)
    );
    for (index, node) in nodes.iter().enumerate() {
        let branch = if index + 1 == nodes.len() { "└──" } else { "├──" };
        write!(text, "{branch} ID: {} Size: {:>7}", &node.id[..12], decimal_size(node.size))?;
        if !node.top_of.is_empty() {
            write!(text, " Top Layer of: [{}]", node.top_of.join(" "))?;
        }
        text.push('\n');
    }
    writeln!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}
