//! The calls of the filter as a file, a few hundred at a time, so that the list answers between.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use call_log::{Export, Format};

use super::{ExportView, LogError, LogHappening};
use crate::Tone;
use crate::owner::Owner;

/// A file, beside its name until it is whole.
pub(crate) struct Exporting {
    export: Export,
    /// `None` once it is whole.
    out: Option<BufWriter<File>>,
    part: PathBuf,
    path: PathBuf,
}

impl Owner {
    pub(crate) fn export_logs(&mut self, format: Format, path: PathBuf) {
        let filter = self.settled_filter();
        let Some(logs) = self.logs() else { return };
        if std::mem::replace(&mut logs.exporting, true) {
            return self.note(Tone::Plain, "An export is going on already. Wait for it, or cancel it.");
        }
        logs.cancel_export = false;
        self.view.logs.head.export = Some(ExportView::Going { done: 0, total: 0 });
        self.on_log(
            move |log| {
                let export = log.begin_export(&filter, format)?;
                let part = beside(&path)?;
                let out = File::create(&part).map_err(call_log::Error::Export)?;
                Ok(Exporting { export, out: Some(BufWriter::new(out)), part, path })
            },
            stepped,
        );
    }

    pub(crate) fn cancel_export(&mut self) {
        if let Some(logs) = self.logs() {
            logs.cancel_export = logs.exporting;
        }
        // What is said of one that is over goes away.
        if !matches!(self.view.logs.head.export, Some(ExportView::Going { .. })) {
            self.view.logs.head.export = None;
        }
    }

    pub(super) fn exported(&mut self, step: Result<Exporting, String>) {
        let Some(logs) = self.logs() else { return };
        let cancelled = std::mem::take(&mut logs.cancel_export);
        match step {
            Ok(step) if step.out.is_some() && !cancelled => {
                let (done, total) = (step.export.done, step.export.total);
                self.view.logs.head.export = Some(ExportView::Going { done, total });
                self.on_log(move |log| step.go_on(log), stepped);
            }
            Ok(step) if step.out.is_some() => {
                logs.exporting = false;
                drop(step);
                self.view.logs.head.export = None;
            }
            Ok(step) => {
                logs.exporting = false;
                let path = step.path.display().to_string();
                self.view.logs.head.export = Some(ExportView::Done { path, calls: step.export.done });
            }
            Err(sentence) => {
                logs.exporting = false;
                self.view.logs.head.export = Some(ExportView::Failed { sentence });
            }
        }
    }
}

fn stepped(step: Result<Exporting, LogError>) -> LogHappening {
    LogHappening::Exported(step.map_err(|error| error.to_string()))
}

impl Exporting {
    fn go_on(mut self, log: &mut call_log::CallLog) -> Result<Self, call_log::Error> {
        let Some(out) = &mut self.out else { return Ok(self) };
        if !log.export_step(&mut self.export, out)? {
            out.flush().map_err(call_log::Error::Export)?;
            std::fs::rename(&self.part, &self.path).map_err(call_log::Error::Export)?;
            self.out = None;
        }
        Ok(self)
    }
}

/// Half a file is of no use to anybody.
impl Drop for Exporting {
    fn drop(&mut self) {
        if self.out.take().is_some() {
            let _gone = std::fs::remove_file(&self.part);
        }
    }
}

/// The same folder, so that it can take the file's place.
fn beside(path: &Path) -> Result<PathBuf, call_log::Error> {
    let no_file = || call_log::Error::Export(std::io::ErrorKind::IsADirectory.into());
    let mut name = path.file_name().ok_or_else(no_file)?.to_owned();
    name.push(".part");
    Ok(path.with_file_name(name))
}
