//! What the system says of a disk, as plugins hear it.

use rustix::io::Errno;
use std::io;
use wasmtime_wasi::p2::bindings::filesystem::types as old;
use wasmtime_wasi::p3::bindings::filesystem::types as new;

macro_rules! code {
    ($name:ident, $version:ident) => {
        /// `wasmtime-wasi` calls all these `io`, as if the disk were broken.
        #[allow(clippy::needless_pass_by_value, reason = "for map_err")]
        pub(super) fn $name(error: io::Error) -> $version::ErrorCode {
            match Errno::from_io_error(&error) {
                Some(Errno::ROFS) => $version::ErrorCode::ReadOnly,
                Some(Errno::DQUOT) => $version::ErrorCode::Quota,
                // Nothing there says that too many files are open. It is as passing as this is.
                Some(Errno::MFILE | Errno::NFILE) => $version::ErrorCode::InsufficientMemory,
                _ => error.into(),
            }
        }
    };
}

code!(code, new);
code!(old_code, old);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_only_disk_a_quota_and_too_many_open_files_are_no_broken_disk() {
        for (errno, new, old) in [
            (Errno::ROFS, "ReadOnly", "read-only"),
            (Errno::DQUOT, "Quota", "quota"),
            (Errno::MFILE, "InsufficientMemory", "insufficient-memory"),
            (Errno::NFILE, "InsufficientMemory", "insufficient-memory"),
            (Errno::NOENT, "NoEntry", "no-entry"),
            (Errno::IO, "Io", "io"),
        ] {
            assert_eq!(
                format!("{:?}", code(errno.into())),
                format!("ErrorCode::{new}")
            );
            assert_eq!(old_code(errno.into()).name(), old);
        }
    }
}
