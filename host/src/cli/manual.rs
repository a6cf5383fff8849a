//! `pys3local completions` and `pys3local man`, made from the definition of the command line.

use super::Failure;
use super::output;
use clap::Command;
use clap_complete::Shell;
use std::path::Path;

pub(super) fn completions(mut command: Command, shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "pys3local", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

pub(super) fn man(command: Command, directory: Option<&Path>) -> Result<(), Failure> {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(command).render(&mut page);
        rendered.map_err(|error| Failure::io("cannot write the manual", &error))?;
        return output::print(&String::from_utf8_lossy(&page));
    };
    let written = std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(command, directory));
    let what = format!("cannot write the manual to {}", directory.display());
    written.map_err(|error| Failure::io(&what, &error))
}
