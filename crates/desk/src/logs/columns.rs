//! The list's columns, as this person likes them.

use call_log::Column;

use super::{LogError, LogHappening};
use crate::owner::Owner;

/// More than any list has.
const MOST: usize = 100;

impl Owner {
    pub(crate) fn set_columns(&mut self, mut columns: Vec<Column>) {
        columns.truncate(MOST);
        self.view.logs.head.columns.clone_from(&columns);
        self.on_log(move |log| log.set_columns(&columns), LogHappening::ColumnsKept);
    }

    pub(super) fn columns_read(&mut self, result: Result<Vec<Column>, LogError>) {
        match result {
            Ok(columns) => self.view.logs.head.columns = columns,
            Err(error) => self.log_failed(&error),
        }
    }

    pub(super) fn columns_kept(&mut self, result: Result<(), LogError>) {
        if let Err(error) = result {
            self.log_failed(&error);
        }
    }
}
