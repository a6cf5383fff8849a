//! `pys3local cache`: what is in the metadata database, and its upkeep.

mod cleanup;
mod copies;
mod format;
mod migrate;
mod missing;
mod refresh;
mod rename;
mod scope;
mod stats;
mod walk;

pub(super) use format::objects;

use super::Failure;
use super::output::print;
use crate::cache::{CacheOptions, CacheReader, SqliteCache};
use crate::config::{Given, Origin, Places, RawServe, Serve, resolve};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Subcommand};
use std::path::{Path, PathBuf};

/// The exit code when some objects failed and others did not.
pub(super) const SOME_FAILED: u8 = 3;

#[derive(Debug, Args)]
pub(super) struct CacheArguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: CacheCommand,
}

/// Where things are.
#[derive(Debug, Args)]
struct Place {
    /// Database of metadata [default: metadata.db in the config directory]
    #[arg(
        long,
        env = "PYS3LOCAL_METADATA_DB",
        value_name = "PATH",
        help_heading = "Places",
        global = true
    )]
    metadata_db: Option<PathBuf>,

    /// Config directory [default: pys3local in $XDG_CONFIG_HOME or ~/.config]
    #[arg(
        long,
        env = "PYS3LOCAL_CONFIG_DIR",
        value_name = "DIR",
        help_heading = "Places",
        global = true
    )]
    config_dir: Option<PathBuf>,

    /// Directory of plugins [default: plugins in the config directory]
    #[arg(
        long,
        env = "PYS3LOCAL_PLUGIN_DIR",
        value_name = "DIR",
        help_heading = "Places",
        global = true
    )]
    plugin_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Show how many MD5s are known, of which stores.
    #[command(after_help = super::EXIT_CODES)]
    Stats(stats::StatsOptions),
    /// Forget MD5s. Objects stay, and so does what clients have said about them.
    ///
    /// An object whose MD5 is not known has an ETag that is no MD5, until it is uploaded again or
    /// `cache migrate` has read it. Where the storage itself keeps what the gateway knows (Drime
    /// does), that is learned again from there.
    #[command(after_help = super::EXIT_CODES)]
    Cleanup(cleanup::CleanupOptions),
    /// Give room in the database file back that is no longer used.
    #[command(after_help = super::EXIT_CODES)]
    Vacuum {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Find out the MD5s that are missing, by reading the objects.
    ///
    /// An object whose MD5 is kept with it by the storage (Drime does that) is not read.
    ///
    /// May run while a server serves the same objects, may be interrupted, and goes on where it
    /// was when it is run again.
    #[command(after_help = super::EXIT_CODES)]
    Migrate(migrate::MigrateOptions),
    /// Read objects and compare them with the MD5s that are known.
    ///
    /// Finds what a failing disk has changed, and objects that are known and not there any more.
    /// Nothing is changed, neither objects nor MD5s.
    #[command(after_help = super::EXIT_CODES)]
    Verify(migrate::VerifyOptions),
    /// Look through a backend that is listed from an index, and correct the index.
    ///
    /// Needed only when others have changed objects behind the gateway's back, and it must not wait
    /// to notice. May run while a server serves the same objects.
    #[command(after_help = super::EXIT_CODES)]
    Refresh(refresh::RefreshOptions),
    /// Copy the database into a file, while servers use it.
    #[command(after_help = super::EXIT_CODES)]
    Backup {
        /// The file to write
        file: PathBuf,
        /// Replace the file if it is there
        #[arg(long)]
        force: bool,
    },
    /// Put a copy of a backup in the place of the database. No server may be running.
    ///
    /// The database that was there is kept under another name. A backup of the Python program's
    /// database will do as well: it is imported at the next start.
    #[command(after_help = super::EXIT_CODES)]
    Restore {
        /// The backup
        file: PathBuf,
    },
    /// Tell the database that the directory of a local store has moved. No server may be running.
    ///
    /// What is known of the objects in a directory goes by its path. The files are not touched:
    /// move them first, in a way that keeps their times (`mv`, `cp -a`, `rsync -a`).
    #[command(after_help = super::EXIT_CODES)]
    Rename {
        /// Where the store was
        old: PathBuf,
        /// Where it is now
        new: PathBuf,
    },
}

/// Does it: `matches` knows a flag from a variable.
pub(super) fn run(arguments: CacheArguments, matches: Option<&ArgMatches>) -> Result<(), Failure> {
    let CacheArguments { place, command } = arguments;
    let places = Places::of_this_process(place.config_dir.as_deref())?;
    let matches = matches.and_then(ArgMatches::subcommand);
    let context = Context {
        place,
        places,
        matches: matches.map(|(_, matches)| matches.clone()),
    };
    match command {
        CacheCommand::Stats(options) => stats::run(&context, &options),
        CacheCommand::Cleanup(options) => cleanup::run(&context, &options),
        CacheCommand::Vacuum { json } => copies::vacuum(&context, json),
        CacheCommand::Migrate(options) => migrate::migrate(&context, options),
        CacheCommand::Refresh(options) => refresh::run(&context, options),
        CacheCommand::Verify(options) => migrate::verify(&context, options),
        CacheCommand::Backup { file, force } => copies::backup(&context, &file, force),
        CacheCommand::Restore { file } => copies::restore(&context, &file),
        CacheCommand::Rename { old, new } => rename::run(&context, &old, &new),
    }
}

/// What all of these commands need.
struct Context {
    place: Place,
    places: Places,
    /// Where the options of the command come from.
    matches: Option<ArgMatches>,
}

impl Context {
    /// The settings with which `serve` would use the backend that `raw` describes.
    fn settings(&self, raw: RawServe) -> Result<Serve, Failure> {
        let flag = |flag: &str, path: &Option<PathBuf>| {
            path.clone().map(|value| Given {
                value,
                origin: Origin::Flag(flag.to_owned()),
            })
        };
        let raw = RawServe {
            metadata_db: flag("--metadata-db", &self.place.metadata_db),
            plugin_dir: flag("--plugin-dir", &self.place.plugin_dir),
            // Nobody is let in, so what is wrong with a file of keys is none of our business.
            no_auth: true,
            ..raw
        };
        Ok(resolve::serve(raw, &self.places)?)
    }

    /// Whether the command line says which database it is about. A variable does not: it may stand
    /// for one that the first start of a server makes.
    fn names_database(&self) -> bool {
        let matches = self.matches.as_ref();
        let source = matches.and_then(|matches| matches.value_source("metadata_db"));
        source == Some(ValueSource::CommandLine)
    }

    /// Where the database is, for a backend from the config directory; for none, that of the one
    /// which `serve` takes from its variable, since that server's database is meant.
    fn database(&self, backend_config: Option<&str>) -> Result<PathBuf, Failure> {
        let variable = std::env::var("PYS3LOCAL_BACKEND_CONFIG").ok();
        let variable = variable.filter(|name| !name.is_empty());
        let raw = match (backend_config, variable) {
            // Which backend it is makes no difference to a database that is named itself.
            (None, Some(name)) if self.place.metadata_db.is_none() => RawServe {
                backend_config: Some(Given {
                    value: name,
                    origin: Origin::Env("PYS3LOCAL_BACKEND_CONFIG".to_owned()),
                }),
                ..RawServe::default()
            },
            (name, _) => raw_backend(name),
        };
        Ok(self.settings(raw)?.metadata_db)
    }
}

/// Opens a database to look at; `None` if there is none.
fn reader(path: &Path) -> Result<Option<CacheReader>, Failure> {
    if !path.exists() {
        return Ok(None);
    }
    match CacheReader::open(path).map_err(Failure::from)? {
        Some(reader) => Ok(Some(reader)),
        // Of an older program: brought up to date first.
        None => Ok(Some(open(path)?.reader().map_err(Failure::from)?)),
    }
}

fn raw_backend(backend_config: Option<&str>) -> RawServe {
    RawServe {
        backend_config: backend_config.map(|name| Given {
            value: name.to_owned(),
            origin: Origin::Flag("--backend-config".to_owned()),
        }),
        ..RawServe::default()
    }
}

fn open(path: &Path) -> Result<SqliteCache, Failure> {
    SqliteCache::open(path, CacheOptions { durable: true }).map_err(Failure::from)
}

/// Threads for work that waits for a plugin.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start threads: {error}")))
}

/// A line of JSON.
fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print(&format!("{value}\n"))
}
