//! Which call a method and path are.

use crate::call::{Call, id};
use http::Method;

/// A call of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    LoggedUser,
    Workspaces,
    NewWorkspace,
    SpaceUsage,
    List,
    NewFolder,
    FolderCount(i64),
    FolderPath(i64),
    Upload,
    Presign,
    CreateMultipart,
    SignParts,
    Complete,
    Abort,
    UploadedParts,
    Register,
    Validate,
    AvailableName,
    Download(i64),
    Delete,
    Restore,
    Change(i64),
    Move,
    Duplicate,
}

impl Route {
    pub(crate) fn of(call: &Call) -> Option<Self> {
        let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        let get = call.method == Method::GET || call.method == Method::HEAD;
        let post = call.method == Method::POST;
        let put = call.method == Method::PUT;
        let delete = call.method == Method::DELETE;
        Some(match segments.as_slice() {
            ["cli", "loggedUser"] if get => Self::LoggedUser,
            ["me", "workspaces"] if get => Self::Workspaces,
            ["workspace"] if post => Self::NewWorkspace,
            ["user", "space-usage"] if get => Self::SpaceUsage,
            ["drive", "file-entries"] if get => Self::List,
            ["folders"] if post => Self::NewFolder,
            ["folders", folder, "count"] if get => Self::FolderCount(id(folder)),
            ["folders", folder, "path"] if get => Self::FolderPath(id(folder)),
            ["uploads"] if post => Self::Upload,
            ["uploads", "validate"] if post => Self::Validate,
            ["entry", "getAvailableName"] if post => Self::AvailableName,
            ["s3", "simple", "presign"] if post => Self::Presign,
            ["s3", "multipart", "create"] if post => Self::CreateMultipart,
            ["s3", "multipart", "batch-sign-part-urls"] if post => Self::SignParts,
            ["s3", "multipart", "complete"] if post => Self::Complete,
            ["s3", "multipart", "abort"] if post => Self::Abort,
            ["s3", "multipart", "get-uploaded-parts"] if post => Self::UploadedParts,
            ["s3", "entries"] if post => Self::Register,
            ["file-entries"] if delete => Self::Delete,
            ["file-entries", "delete"] if post => Self::Delete,
            ["file-entries", "restore"] if post => Self::Restore,
            ["file-entries", "move"] if post => Self::Move,
            ["file-entries", "duplicate"] if post => Self::Duplicate,
            ["file-entries", "download", hash] if get => Self::Download(id(hash)),
            ["file-entries", entry] if get => Self::Download(id(entry)),
            ["file-entries", entry] if put => Self::Change(id(entry)),
            _ => return None,
        })
    }

    /// The name under which it is counted.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::LoggedUser => "loggedUser",
            Self::Workspaces => "workspaces",
            Self::NewWorkspace => "new workspace",
            Self::SpaceUsage => "space-usage",
            Self::List => "list",
            Self::NewFolder => "new folder",
            Self::FolderCount(_) => "folder count",
            Self::FolderPath(_) => "folder path",
            Self::Upload => "upload",
            Self::Presign => "presign",
            Self::CreateMultipart => "multipart create",
            Self::SignParts => "multipart sign",
            Self::Complete => "multipart complete",
            Self::Abort => "multipart abort",
            Self::UploadedParts => "uploaded parts",
            Self::Register => "s3 entries",
            Self::Validate => "validate",
            Self::AvailableName => "available name",
            Self::Download(_) => "download",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Change(_) => "change",
            Self::Move => "move",
            Self::Duplicate => "duplicate",
        }
    }
}
