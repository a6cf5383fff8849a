//! What the real server is known or suspected to do differently from account to account, or
//! from month to month. The defaults are the likelier behaviour.

use clap::{Args, ValueEnum};

/// All switches. They may be changed while the simulator runs.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, and any combination is possible"
)]
pub struct Switches {
    /// What an upload does to a file that has its name in its folder.
    #[arg(long, value_enum, default_value = "keep-both")]
    pub same_name: SameName,
    /// The most rows of a listing page.
    #[arg(long, default_value_t = 200, value_name = "ROWS")]
    pub page_cap: usize,
    /// What a page says of the pages behind it.
    #[arg(long, value_enum, default_value = "growing")]
    pub paging: Paging,
    /// Pages behind this one answer this one again.
    #[arg(long, value_name = "PAGE")]
    pub page_ceiling: Option<usize>,
    /// How long listings miss a new entry, and a new folder cannot be listed.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub create_lag: u64,
    /// How long listings still show a deleted entry.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub delete_lag: u64,
    /// How long listings show an old name or description, and a renamed folder as empty.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub rename_lag: u64,
    /// Listings contain trashed rows.
    #[arg(long)]
    pub list_trashed: bool,
    /// A listing without a folder is of the whole workspace, not of its root.
    #[arg(long)]
    pub unscoped_lists_all: bool,
    /// The answer to the listing of an unknown folder.
    #[arg(long, value_enum, default_value = "not-found")]
    pub unknown_folder: UnknownFolder,
    /// PUT without method override.
    #[arg(long, value_enum, default_value = "breaks")]
    pub literal_put: LiteralPut,
    /// Renaming onto a name that is taken in the folder.
    #[arg(long, value_enum, default_value = "refused")]
    pub rename_onto_taken: RenameOntoTaken,
    /// `deleteForever` on an entry that is not in the trash.
    #[arg(long, value_enum, default_value = "deletes")]
    pub delete_forever: DeleteForever,
    /// How bytes are sent.
    #[arg(long, value_enum, default_value = "direct")]
    pub download: Download,
    /// How the names of folders are compared for conflicts.
    #[arg(long, value_enum, default_value = "exact")]
    pub folder_names: FolderNames,
    /// `/file-entries/duplicate`.
    #[arg(long, value_enum, default_value = "works")]
    pub duplicate: Duplicate,
    /// Directories in `relativePath`.
    #[arg(long, value_enum, default_value = "under-parent")]
    pub relative_path: RelativePath,
    /// A segment `0` of `relativePath` is dropped.
    #[arg(long)]
    pub drop_zero_segments: bool,
    /// API requests in one minute.
    #[arg(long, default_value_t = 2000, value_name = "PER-MINUTE")]
    pub rate_limit: u32,
    /// A 429 does not say when to come back.
    #[arg(long)]
    pub no_retry_after: bool,
    /// What upload answers lack.
    #[arg(long, value_enum, default_value = "complete")]
    pub upload_answer: UploadAnswer,
    /// Seconds until a presigned URL expires.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    pub url_expiry: u64,
    /// The answer of `/cli/loggedUser` to a bad token.
    #[arg(long, value_enum, default_value = "null-user")]
    pub bad_token: BadToken,
    /// Time that each API request takes.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub latency: u64,
    /// Time that each storage request takes.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub storage_latency: u64,
    /// The smallest part that is not the last, in bytes.
    #[arg(long, default_value_t = 5 * 1024 * 1024, value_name = "BYTES")]
    pub min_part: u64,
    /// The largest body of a form upload, in bytes.
    #[arg(long, default_value_t = 100 * 1024 * 1024, value_name = "BYTES")]
    pub max_form: u64,
    /// The longest description, in bytes; a longer one is refused.
    #[arg(long, default_value_t = 65_535, value_name = "BYTES")]
    pub max_description: usize,
    /// Space of the account, in bytes.
    #[arg(long, default_value_t = 6_597_069_766_656, value_name = "BYTES")]
    pub quota: u64,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            same_name: SameName::KeepBoth,
            page_cap: 200,
            paging: Paging::Growing,
            page_ceiling: None,
            create_lag: 0,
            delete_lag: 0,
            rename_lag: 0,
            list_trashed: false,
            unscoped_lists_all: false,
            unknown_folder: UnknownFolder::NotFound,
            literal_put: LiteralPut::Breaks,
            rename_onto_taken: RenameOntoTaken::Refused,
            delete_forever: DeleteForever::Deletes,
            download: Download::Direct,
            folder_names: FolderNames::Exact,
            duplicate: Duplicate::Works,
            relative_path: RelativePath::UnderParent,
            drop_zero_segments: false,
            rate_limit: 2000,
            no_retry_after: false,
            upload_answer: UploadAnswer::Complete,
            url_expiry: 3600,
            bad_token: BadToken::NullUser,
            latency: 0,
            storage_latency: 0,
            min_part: 5 * 1024 * 1024,
            max_form: 100 * 1024 * 1024,
            max_description: 65_535,
            quota: 6_597_069_766_656,
        }
    }
}

/// See [`Switches::same_name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SameName {
    /// Both are listed.
    KeepBoth,
    /// The old one becomes a backup version; its id is invalid.
    Replace,
    /// The old one goes to the trash.
    Trash,
}

/// See [`Switches::paging`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Paging {
    /// One more page, as long as there are more.
    Growing,
    /// The truth.
    TrueTotals,
}

/// See [`Switches::unknown_folder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UnknownFolder {
    /// 404.
    NotFound,
    /// The rows of the root.
    Root,
}

/// See [`Switches::literal_put`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LiteralPut {
    /// Status 520.
    Breaks,
    /// As with the override.
    Works,
}

/// See [`Switches::rename_onto_taken`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RenameOntoTaken {
    /// Status 400.
    Refused,
    /// Both have the name.
    Allowed,
}

/// See [`Switches::delete_forever`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeleteForever {
    /// Gone at once.
    Deletes,
    /// Moved to the trash; gone with the second call.
    Trashes,
}

/// See [`Switches::download`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Download {
    /// 200 or 206.
    Direct,
    /// 302 to the storage origin.
    Redirect,
    /// 200 with everything, whatever range was asked for.
    IgnoresRange,
}

/// See [`Switches::folder_names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FolderNames {
    /// `A` beside `a`.
    Exact,
    /// `A` conflicts with `a`.
    CaseInsensitive,
}

/// See [`Switches::duplicate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Duplicate {
    /// Copies.
    Works,
    /// Status 500.
    Fails,
}

/// See [`Switches::relative_path`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RelativePath {
    /// Folders are made below `parentId`.
    UnderParent,
    /// `parentId` is ignored, folders are made below the root.
    AtRoot,
}

/// See [`Switches::upload_answer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UploadAnswer {
    /// Nothing.
    Complete,
    /// `users` is empty.
    EmptyUsers,
    /// `file_size` is one too large.
    WrongSize,
    /// There is no `url`.
    MissingUrl,
    /// `id` is a text.
    StringId,
}

/// See [`Switches::bad_token`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BadToken {
    /// 200 with `"user": null`.
    NullUser,
    /// 401.
    Unauthenticated,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        switches: Switches,
    }

    #[test]
    fn the_defaults_of_the_library_are_those_of_the_flags() {
        let parsed = Command::parse_from(["drime-sim"]).switches;
        assert_eq!(parsed, Switches::default());
    }
}
