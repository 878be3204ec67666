//! The calls of the filter as a file in the downloads folder, a few hundred at a time, so that the list answers between.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

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
    pub(crate) fn export_logs(&mut self, format: Format, name: &str) {
        let (filter, folder) = (self.settled_filter(), self.config.downloads.clone());
        let Some(logs) = self.logs() else { return };
        if std::mem::replace(&mut logs.exporting, true) {
            return self.note(Tone::Plain, "An export is going on already. Wait for it, or cancel it.");
        }
        logs.cancel_export = false;
        self.view.logs.head.export = Some(ExportView::Going { done: 0, total: 0 });
        let extension = match format {
            Format::Csv => "csv",
            Format::JsonLines => "jsonl",
        };
        let name = format!("{}.{extension}", file_name(name));
        self.on_log(
            move |log| {
                let export = log.begin_export(&filter, format)?;
                let path = free(folder.join(name));
                let part = path.with_extension(format!("{extension}.part"));
                std::fs::create_dir_all(&folder).map_err(call_log::Error::Export)?;
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

/// What a screen proposes, without what no file system takes.
fn file_name(wanted: &str) -> String {
    let kept: String =
        wanted.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).take(80).collect();
    if kept.trim().is_empty() { "calls".into() } else { kept.trim().into() }
}

/// The path, or with the first number behind it that makes it new.
fn free(path: PathBuf) -> PathBuf {
    if !path.exists() {
        return path;
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    let numbered = (2..10_000).map(|n| path.with_file_name(format!("{stem} ({n}).{extension}")));
    numbered.into_iter().find(|path| !path.exists()).unwrap_or(path)
}
