//! From a config section to a compiled component whose world we know.

use super::bindings::exports::pys3local::storage as exports;
use super::context::{Ctx, linker};
use super::error::OpenError;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Instance, InstancePre};
use wasmtime::{AsContextMut, Result};

/// A component that comes with the program.
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    wasm: &'static [u8],
}

/// All built-in components.
pub(super) static BUILT_IN: [BuiltIn; 2] = [
    BuiltIn {
        name: "local",
        wasm: include_bytes!(env!("PYS3LOCAL_PLUGIN_LOCAL")),
    },
    BuiltIn {
        name: "drime",
        wasm: include_bytes!(env!("PYS3LOCAL_PLUGIN_DRIME")),
    },
];

/// The interfaces of this version, as a component names them.
const SETUP: &str = "pys3local:storage/setup@0.1.0";
const STORE: &str = "pys3local:storage/store@0.1.0";

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    BuiltIn(&'static str),
    File(PathBuf),
}

impl Origin {
    /// `type` names a built-in, else `TYPE.wasm` in the plugin directory; `component` names a
    /// file. A built-in cannot be shadowed.
    pub(super) fn find(
        kind: &str,
        component: Option<&Path>,
        plugin_dir: Option<&Path>,
    ) -> std::result::Result<Self, OpenError> {
        if let Some(found) = BUILT_IN.iter().find(|built_in| built_in.name == kind) {
            return match component {
                None => Ok(Self::BuiltIn(found.name)),
                Some(_) => Err(OpenError::Shadowed(kind.into())),
            };
        }
        if let Some(path) = component {
            return Ok(Self::File(path.into()));
        }
        let plain = !kind.is_empty()
            && kind
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        let file = plugin_dir
            .filter(|_| plain)
            .map(|dir| dir.join(format!("{kind}.wasm")));
        if let Some(path) = file {
            match std::fs::metadata(&path) {
                Ok(found) if found.is_file() => return Ok(Self::File(path)),
                Err(source) if !is_absence(&source) => {
                    return Err(OpenError::Unreadable { path, source });
                }
                _ => {}
            }
        }
        let built_in: Vec<_> = BUILT_IN.iter().map(|built_in| built_in.name).collect();
        Err(OpenError::UnknownType {
            kind: kind.into(),
            built_in: built_in.join(", "),
            plugin_dir: plugin_dir.map(Path::to_path_buf),
        })
    }

    pub(super) fn is_built_in(&self) -> bool {
        matches!(self, Self::BuiltIn(_))
    }
}

/// Whether a file is known not to be there. One in a directory that is closed to us may be.
fn is_absence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BuiltIn(name) => write!(f, "built-in {name}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A component that is compiled, linked and known to export what we need.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) pre: InstancePre<Ctx>,
    /// The SHA-256 of its bytes.
    pub(super) digest: [u8; 32],
    /// The interfaces that it imports, by name.
    pub(super) imports: Vec<String>,
    setup: exports::setup::GuestIndices,
    store: exports::store::GuestIndices,
    multipart: Option<exports::multipart::GuestIndices>,
    copy: Option<exports::copy::GuestIndices>,
    batch: Option<exports::batch::GuestIndices>,
    sweep: Option<exports::sweep::GuestIndices>,
    portable: Option<exports::portable::GuestIndices>,
    scan: Option<exports::scan::GuestIndices>,
}

/// The exports of one instance.
pub(super) struct Guest {
    pub(super) setup: exports::setup::Guest,
    pub(super) store: exports::store::Guest,
    pub(super) multipart: Option<exports::multipart::Guest>,
    pub(super) copy: Option<exports::copy::Guest>,
    pub(super) batch: Option<exports::batch::Guest>,
    pub(super) sweep: Option<exports::sweep::Guest>,
    pub(super) portable: Option<exports::portable::Guest>,
    pub(super) scan: Option<exports::scan::Guest>,
}

impl Loaded {
    /// Reads, compiles (or takes from the compile cache) and links a component. With a `pin`, the
    /// very bytes that are compiled have that SHA-256.
    pub(super) fn load(
        engine: &Engine,
        origin: &Origin,
        pin: Option<[u8; 32]>,
    ) -> std::result::Result<Self, OpenError> {
        let wasm = match origin {
            Origin::BuiltIn(name) => {
                let found = BUILT_IN.iter().find(|built_in| built_in.name == *name);
                std::borrow::Cow::Borrowed(found.map(|b| b.wasm).unwrap_or_default())
            }
            Origin::File(path) => std::fs::read(path)
                .map_err(|source| OpenError::Unreadable {
                    path: path.clone(),
                    source,
                })?
                .into(),
        };
        let refused = |why: String| OpenError::Refused {
            component: origin.to_string(),
            why,
        };
        let digest: [u8; 32] = Sha256::digest(&wasm).into();
        if pin.is_some_and(|pin| pin != digest) {
            return Err(refused(format!(
                "its SHA-256 is {}, and the config pins another with `sha256`",
                hex::encode(digest)
            )));
        }
        if !wasm.starts_with(b"\0asm") {
            return Err(refused("this is no WebAssembly file".into()));
        }
        // A component has another layer number than a core module, in bytes 6 and 7.
        if wasm.get(6..8) != Some(&[1, 0]) {
            return Err(refused(
                "this is a core WebAssembly module and no component".into(),
            ));
        }
        let component =
            Component::new(engine, &wasm).map_err(|error| refused(first_line(&error)))?;
        check_exports(engine, &component).map_err(refused)?;
        let ty = component.component_type();
        let imports = ty
            .imports(engine)
            .map(|(name, _)| name.to_owned())
            .collect();
        let linker = linker(engine).map_err(|error| refused(first_line(&error)))?;
        let pre = linker.instantiate_pre(&component).map_err(|error| {
            let known = linker.substituted_component_type(&component).is_ok();
            let why = if known {
                format!("{error:#}")
            } else {
                first_line(&error)
            };
            refused(format!(
                "it imports something that no plugin is given: {}",
                one_line(&why)
            ))
        })?;
        let version = |error: wasmtime::Error| {
            refused(format!(
                "it was built for another version of the plugin interface: {}",
                one_line(&format!("{error:#}"))
            ))
        };
        Ok(Self {
            setup: exports::setup::GuestIndices::new(&pre).map_err(version)?,
            store: exports::store::GuestIndices::new(&pre).map_err(version)?,
            multipart: exports::multipart::GuestIndices::new(&pre).ok(),
            copy: exports::copy::GuestIndices::new(&pre).ok(),
            batch: exports::batch::GuestIndices::new(&pre).ok(),
            sweep: exports::sweep::GuestIndices::new(&pre).ok(),
            portable: exports::portable::GuestIndices::new(&pre).ok(),
            scan: exports::scan::GuestIndices::new(&pre).ok(),
            digest,
            imports,
            pre,
        })
    }

    /// The optional interfaces that it has.
    pub(super) fn optional(&self) -> Vec<&'static str> {
        let found = [
            (self.multipart.is_some(), "multipart"),
            (self.copy.is_some(), "copy"),
            (self.batch.is_some(), "batch"),
            (self.sweep.is_some(), "sweep"),
            (self.portable.is_some(), "portable"),
            (self.scan.is_some(), "scan"),
        ];
        let found = found.into_iter().filter(|(has, _)| *has);
        found.map(|(_, name)| name).collect()
    }

    pub(super) fn guest(&self, mut store: impl AsContextMut, instance: &Instance) -> Result<Guest> {
        let store = &mut store;
        Ok(Guest {
            setup: self.setup.load(&mut *store, instance)?,
            store: self.store.load(&mut *store, instance)?,
            multipart: self
                .multipart
                .as_ref()
                .map(|i| i.load(&mut *store, instance))
                .transpose()?,
            copy: self
                .copy
                .as_ref()
                .map(|i| i.load(&mut *store, instance))
                .transpose()?,
            batch: self
                .batch
                .as_ref()
                .map(|i| i.load(&mut *store, instance))
                .transpose()?,
            sweep: self
                .sweep
                .as_ref()
                .map(|i| i.load(&mut *store, instance))
                .transpose()?,
            scan: self
                .scan
                .as_ref()
                .map(|i| i.load(&mut *store, instance))
                .transpose()?,
            portable: self
                .portable
                .as_ref()
                .map(|i| i.load(&mut *store, instance))
                .transpose()?,
        })
    }

    pub(super) fn has_sweep(&self) -> bool {
        self.sweep.is_some()
    }

    pub(super) fn has_scan(&self) -> bool {
        self.scan.is_some()
    }

    pub(super) fn has_portable(&self) -> bool {
        self.portable.is_some()
    }

    pub(super) fn has_multipart(&self) -> bool {
        self.multipart.is_some()
    }
}

/// Says in words what is wrong with a component of another world or version.
fn check_exports(engine: &Engine, component: &Component) -> std::result::Result<(), String> {
    let ty = component.component_type();
    let instances: Vec<String> = ty
        .exports(engine)
        .filter(|(_, export)| matches!(export.ty, ComponentItem::ComponentInstance(_)))
        .map(|(name, _)| name.to_owned())
        .collect();
    for wanted in [SETUP, STORE] {
        // As the engine looks names up: 0.1.1 serves whoever wants 0.1.0.
        if component.get_export_index(None, wanted).is_some() {
            continue;
        }
        let unversioned = wanted.split('@').next().unwrap_or(wanted);
        let other = instances
            .iter()
            .find(|name| name.split('@').next() == Some(unversioned));
        return Err(match other {
            Some(other) => format!("it exports {other}, and this program knows {wanted}"),
            None => format!("it is no storage plugin: it does not export {wanted}"),
        });
    }
    Ok(())
}

fn first_line(error: &wasmtime::Error) -> String {
    one_line(&format!("{error:#}"))
}

/// Why an instance came to its end, in one line: the cause, without the way to it.
pub(super) fn why(error: &wasmtime::Error) -> String {
    one_line(&error.root_cause().to_string())
}

/// An error text of the engine as one line of bounded length.
pub(super) fn one_line(text: &str) -> String {
    // What would move a terminal's cursor is no part of a line either.
    let odd = |c: char| c.is_whitespace() || c.is_control();
    let words = text.split(odd).filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join(" ");
    let cut = joined.floor_char_boundary(400);
    joined.get(..cut).unwrap_or_default().to_owned()
}
