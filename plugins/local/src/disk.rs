//! What the plugin needs of a file system.
//!
//! The logic of this crate is written against [`Dir`] and [`File`]. The component implements
//! them with WASI descriptors, and [`crate::native`] with the operating system's own calls.

use std::ops::ControlFlow;

/// Why a file system call failed, as far as the logic cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The name, or a directory on the way to it, does not exist (or loops).
    Missing,
    /// The name is taken.
    Exists,
    /// Something on the way, or the thing itself, is no directory.
    NotDirectory,
    /// The thing is a directory.
    IsDirectory,
    /// The directory has entries.
    NotEmpty,
    /// The file system cannot hold such a name.
    BadName,
    /// Permissions, or a read-only file system.
    Denied(&'static str),
    /// The disk is full.
    NoSpace,
    /// The user's quota is used up.
    Quota,
    /// Too many files are open, here or in the whole system.
    TooManyFiles,
    /// Anything else, for the log.
    Other(String),
}

impl Fault {
    /// Whether nothing usable stands at the path.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing | Self::NotDirectory)
    }

    /// Whether somebody else changed the tree between two of our steps: look again.
    pub fn is_race(&self) -> bool {
        matches!(
            self,
            Self::Missing | Self::Exists | Self::NotDirectory | Self::IsDirectory | Self::NotEmpty
        )
    }
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; only in [`Dir::read`] and [`Dir::lstat`], since everything else follows
    /// links.
    Link,
    /// A pipe, socket or device.
    Other,
}

/// The attributes of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// Last modification, nanoseconds since 1970.
    pub modified: i64,
    /// Creation or, where that is not kept, last change; nanoseconds since 1970.
    pub created: i64,
}

/// An open directory; paths are relative to it, with `/` between the names.
#[expect(
    async_fn_in_trait,
    reason = "called by concrete type only; the guest's futures are not Send"
)]
pub trait Dir: Sized {
    /// Its open files.
    type File: File<Body = Self::Body>;
    /// Object bytes in motion.
    type Body;

    /// Open a directory below.
    async fn open_dir(&self, path: &str) -> Result<Self, Fault>;
    /// Open a file for reading. May wait on a pipe: ask [`Dir::stat`] first when in doubt.
    /// A directory opens too.
    async fn open(&self, path: &str) -> Result<Self::File, Fault>;
    /// Open an existing file for reading and writing.
    async fn open_to_write(&self, path: &str) -> Result<Self::File, Fault>;
    /// Create a file that does not exist yet, for reading and writing.
    async fn create(&self, path: &str) -> Result<Self::File, Fault>;
    /// Follows links.
    async fn stat(&self, path: &str) -> Result<Stat, Fault>;
    /// Does not follow a link in the last place.
    async fn lstat(&self, path: &str) -> Result<Stat, Fault>;
    /// The attributes of this directory.
    async fn stat_self(&self) -> Result<Stat, Fault>;
    /// Create a directory.
    async fn make_dir(&self, path: &str) -> Result<(), Fault>;
    /// Remove an empty directory.
    async fn remove_dir(&self, path: &str) -> Result<(), Fault>;
    /// Remove anything but a directory.
    async fn remove_file(&self, path: &str) -> Result<(), Fault>;
    /// Move a file in one step, over what may stand there.
    async fn rename(&self, from: &str, to_dir: &Self, to: &str) -> Result<(), Fault>;
    /// Make the directory's entries survive a power failure.
    async fn sync(&self) -> Result<(), Fault>;
    /// Call `each` with the name and kind of every entry, in any order, until it breaks. If the
    /// directory changes meanwhile, an entry may come more than once. Names that are no UTF-8
    /// are left out.
    async fn read(&self, each: impl FnMut(&str, Kind) -> ControlFlow<()>) -> Result<(), Fault>;

    /// Give other calls a turn. Who has much to do has to, now and then: most calls here do not wait.
    async fn pause();
    /// Wall clock, nanoseconds since 1970.
    fn now() -> i64;
    /// A line for the log.
    fn warn(message: &str);
}

/// An open file.
#[expect(
    async_fn_in_trait,
    reason = "called by concrete type only; the guest's futures are not Send"
)]
pub trait File {
    /// Object bytes in motion.
    type Body;

    /// Its attributes.
    async fn stat(&self) -> Result<Stat, Fault>;
    /// Cut or extend it.
    async fn set_size(&self, size: u64) -> Result<(), Fault>;
    /// Set the modification time, nanoseconds since 1970.
    async fn set_modified(&self, modified: i64) -> Result<(), Fault>;
    /// Make data and attributes survive a power failure.
    async fn sync(&self) -> Result<(), Fault>;
    /// Write all of `body` at `offset`. Answers the number of bytes if the file system says.
    async fn write(&self, body: Self::Body, offset: u64) -> Result<Option<u64>, Fault>;
    /// Copy `length` bytes from `offset` to another file at `place`.
    async fn copy_to(&self, offset: u64, length: u64, to: &Self, place: u64) -> Result<(), Fault>;
    /// The bytes from `offset` to the end.
    fn read(&self, offset: u64) -> Self::Body;
}
