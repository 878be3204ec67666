use std::path::PathBuf;

/// Why the call log could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("The call log {path} was written by a newer Patchcord. Update this app, or remove that file.")]
    Newer { path: PathBuf },
    #[error("The call log {path} can't be opened ({source}). Check that the folder can be written and has room.")]
    Open { path: PathBuf, source: std::io::Error },
    #[error("The call log is damaged: {what}. It is put aside and filled again when it is next opened.")]
    Damaged { what: String },
    #[error(
        "The disk is full, so the call log can't be written. Nothing that was kept is lost; make room on the disk."
    )]
    DiskFull,
    #[error("The exchange sent a call with {field} out of range: {value}.")]
    OutOfRange { field: &'static str, value: u64 },
    #[error("The calls can't be exported ({0}). Check that the place can be written and has room.")]
    Export(std::io::Error),
    #[error("The call log can't be used: {0}. Start the app again.")]
    Database(rusqlite::Error),
}

impl Error {
    pub(crate) fn damaged(what: String) -> Self {
        Self::Damaged { what }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
        match (error.sqlite_error_code(), &error) {
            (Some(DatabaseCorrupt | NotADatabase), _) => Self::damaged(error.to_string()),
            (Some(DiskFull), _) => Self::DiskFull,
            // A value of another kind than was written.
            (
                None,
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..),
            ) => Self::damaged(error.to_string()),
            _ => Self::Database(error),
        }
    }
}
