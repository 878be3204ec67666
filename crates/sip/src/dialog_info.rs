//! `application/dialog-info+xml` (RFC 4235): what a watched line does.

use std::collections::BTreeMap;

use quick_xml::{
    Reader, XmlVersion,
    escape::escape,
    events::{BytesStart, Event},
};

use crate::{NameAddr, Uri};

/// Dialogs of one line; an assistant's telephone has a few, not hundreds.
const MAX_DIALOGS: usize = 64;
/// Elements within each other; the schema has five.
const MAX_DEPTH: usize = 16;
const MAX_TEXT: usize = 1024;

/// One dialog of a watched line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedDialog {
    pub state: DialogState,
    /// Whether the watched line called; `None` if it is not said.
    pub called: Option<bool>,
    /// Who is at the other end, if that is said.
    pub remote: Option<NameAddr>,
}

/// RFC 4235 section 3.7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DialogState {
    Trying,
    Proceeding,
    /// It rings.
    Early,
    Confirmed,
}

/// Why a document was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("not dialog-info, or not well-formed XML")]
    Malformed,
    #[error("more dialogs or deeper than a telephone has")]
    TooLarge,
    #[error("older than the last one")]
    Old,
    /// Only a full document helps: refresh the subscription.
    #[error("documents in between were lost")]
    Gap,
}

/// The dialogs of one line, kept from document to document.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    version: Option<u64>,
    dialogs: BTreeMap<String, WatchedDialog>,
}

impl Watched {
    /// Takes the next document over; after [`Unusable`] everything is as it was (RFC 4235 section 4.3).
    pub fn take(&mut self, xml: &str) -> Result<(), Unusable> {
        let document = parse(xml)?;
        match self.version {
            Some(last) if document.version < last => return Err(Unusable::Old),
            // Some always write the same number into full documents, whose order the CSeq tells already.
            Some(last) if !document.full && document.version == last => return Err(Unusable::Old),
            Some(last) if !document.full && document.version - last > 1 => return Err(Unusable::Gap),
            None if !document.full => return Err(Unusable::Gap),
            Some(_) | None => {}
        }
        let mut dialogs = if document.full { BTreeMap::new() } else { self.dialogs.clone() };
        for (id, dialog) in document.dialogs {
            match dialog {
                Some(dialog) => _ = dialogs.insert(id, dialog),
                None => _ = dialogs.remove(&id),
            }
        }
        if dialogs.len() > MAX_DIALOGS {
            return Err(Unusable::TooLarge);
        }
        *self = Self { version: Some(document.version), dialogs };
        Ok(())
    }

    pub fn dialogs(&self) -> Vec<WatchedDialog> {
        self.dialogs.values().cloned().collect()
    }
}

/// A full document. A line that does nothing has one dialog that has ended: some lamps stay lit without.
pub(crate) fn write(version: u64, entity: &str, dialogs: &[WatchedDialog]) -> String {
    let mut xml = format!(
        "<?xml version=\"1.0\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
         state=\"full\" entity=\"{}\">\r\n",
        escape(entity)
    );
    if dialogs.is_empty() {
        xml += "<dialog id=\"0\"><state>terminated</state></dialog>\r\n";
    }
    for (id, dialog) in dialogs.iter().enumerate() {
        let direction = match dialog.called {
            Some(true) => " direction=\"initiator\"",
            Some(false) => " direction=\"recipient\"",
            None => "",
        };
        let state = match dialog.state {
            DialogState::Trying => "trying",
            DialogState::Proceeding => "proceeding",
            DialogState::Early => "early",
            DialogState::Confirmed => "confirmed",
        };
        xml += &format!("<dialog id=\"{}\"{direction}><state>{state}</state>", id + 1);
        if let Some(remote) = &dialog.remote {
            let display = remote.display.as_deref().unwrap_or_default();
            let uri = remote.uri.to_string();
            xml += &format!(
                "<remote><identity display=\"{}\">{}</identity></remote>",
                escape(display),
                escape(uri.as_str())
            );
        }
        xml += "</dialog>\r\n";
    }
    xml + "</dialog-info>\r\n"
}

struct Document {
    version: u64,
    full: bool,
    /// `None` for one that has ended.
    dialogs: Vec<(String, Option<WatchedDialog>)>,
}

/// The dialog that is being read.
#[derive(Default)]
struct Open {
    id: String,
    state: String,
    called: Option<bool>,
    display: Option<String>,
    remote: Option<Uri>,
}

fn parse(xml: &str) -> Result<Document, Unusable> {
    let mut reader = Reader::from_str(xml);
    let mut path: Vec<String> = Vec::new();
    let mut document: Option<Document> = None;
    let mut open = Open::default();
    let mut text = String::new();
    loop {
        match reader.read_event().map_err(|_| Unusable::Malformed)? {
            Event::Start(element) => {
                enter(&element, &path, &mut document, &mut open)?;
                text.clear();
                path.push(element.local_name().as_ref().to_owned());
                if path.len() > MAX_DEPTH {
                    return Err(Unusable::TooLarge);
                }
            }
            Event::Empty(element) => {
                enter(&element, &path, &mut document, &mut open)?;
                if element.local_name().as_ref() == "dialog" && path.len() == 1 {
                    leave_dialog(&mut document, std::mem::take(&mut open))?;
                }
            }
            Event::Text(part) => append(&mut text, &part.xml10_content()),
            Event::CData(part) => append(&mut text, &part.xml10_content()),
            // Entities of the document's own are never expanded.
            Event::GeneralRef(name) => append(&mut text, &resolved(&name)),
            Event::End(_) => {
                leave(&path, text.trim(), &mut open);
                if path.pop().is_some_and(|name| name == "dialog") && path.len() == 1 {
                    leave_dialog(&mut document, std::mem::take(&mut open))?;
                }
                text.clear();
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    if path.is_empty() { document.ok_or(Unusable::Malformed) } else { Err(Unusable::Malformed) }
}

fn enter(
    element: &BytesStart<'_>,
    path: &[String],
    document: &mut Option<Document>,
    open: &mut Open,
) -> Result<(), Unusable> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (path.as_slice(), element.local_name().as_ref()) {
        ([], "dialog-info") if document.is_none() => {
            let version =
                attribute(element, "version").and_then(|v| v.trim().parse().ok()).ok_or(Unusable::Malformed)?;
            let full = attribute(element, "state").is_none_or(|s| s.trim() == "full");
            *document = Some(Document { version, full, dialogs: Vec::new() });
        }
        ([], _) => return Err(Unusable::Malformed),
        (["dialog-info"], "dialog") => {
            let called = match attribute(element, "direction").as_deref() {
                Some("initiator") => Some(true),
                Some("recipient") => Some(false),
                Some(_) | None => None,
            };
            *open = Open { id: attribute(element, "id").unwrap_or_default(), called, ..Open::default() };
        }
        (["dialog-info", "dialog", "remote"], "identity") => open.display = attribute(element, "display"),
        _ => {}
    }
    Ok(())
}

fn leave(path: &[String], text: &str, open: &mut Open) {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["dialog-info", "dialog", "state"] => text.clone_into(&mut open.state),
        ["dialog-info", "dialog", "remote", "identity"] => open.remote = text.parse().ok(),
        _ => {}
    }
}

fn leave_dialog(document: &mut Option<Document>, open: Open) -> Result<(), Unusable> {
    let document = document.as_mut().ok_or(Unusable::Malformed)?;
    let state = match open.state.as_str() {
        "trying" => Some(DialogState::Trying),
        "proceeding" => Some(DialogState::Proceeding),
        "early" => Some(DialogState::Early),
        "confirmed" => Some(DialogState::Confirmed),
        "terminated" => None,
        _ => return Err(Unusable::Malformed),
    };
    if document.dialogs.len() >= MAX_DIALOGS {
        return Err(Unusable::TooLarge);
    }
    let remote = open.remote.map(|uri| NameAddr::new(open.display.as_deref(), uri));
    document.dialogs.push((open.id, state.map(|state| WatchedDialog { state, called: open.called, remote })));
    Ok(())
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
    Some(value.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect())
}

fn append(text: &mut String, part: &str) {
    let room = MAX_TEXT.saturating_sub(text.len());
    text.extend(part.chars().filter(|c| !c.is_control()).take(room));
}

fn resolved(name: &quick_xml::events::BytesRef<'_>) -> String {
    let character = name.resolve_char_ref().ok().flatten().map(String::from);
    let predefined = || quick_xml::escape::resolve_predefined_entity(&name.xml10_content()).map(str::to_owned);
    character.or_else(predefined).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn info(version: u64, state: &str, dialogs: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
             state=\"{state}\" entity=\"sip:ravi@example.com\">{dialogs}</dialog-info>"
        )
    }

    fn dialog(id: &str, state: &str) -> String {
        format!("<dialog id=\"{id}\"><state>{state}</state></dialog>")
    }

    fn states(watched: &Watched) -> Vec<DialogState> {
        watched.dialogs().iter().map(|d| d.state).collect()
    }

    #[test]
    fn a_ringing_line_says_who_calls() {
        let mut watched = Watched::default();
        let rings = "<dialog id=\"7\" direction=\"recipient\"><state event=\"x\">early</state><remote>\
             <identity display=\"Priya &amp; Co\">sip:+4930&#49;@example.com</identity><target uri=\"sip:no\"/></remote></dialog>";
        watched.take(&info(0, "full", rings)).unwrap();
        let dialogs = watched.dialogs();
        assert_eq!((dialogs.len(), dialogs[0].state, dialogs[0].called), (1, DialogState::Early, Some(false)));
        let remote = dialogs[0].remote.clone().unwrap();
        assert_eq!((remote.display.as_deref(), remote.uri.user()), (Some("Priya & Co"), "+49301"));
    }

    /// As Asterisk writes it, with a prefix and without an identity.
    #[test]
    fn prefixes_and_empty_elements_are_understood() {
        let mut watched = Watched::default();
        let text = "<d:dialog-info xmlns:d=\"urn:ietf:params:xml:ns:dialog-info\" version=\"3\" state=\"full\" \
             entity=\"sip:1\"><d:dialog id=\"1\"><d:state>confirmed</d:state></d:dialog></d:dialog-info>";
        watched.take(text).unwrap();
        assert_eq!(states(&watched), [DialogState::Confirmed]);
        watched.take(&info(4, "full", "")).unwrap();
        assert!(watched.dialogs().is_empty());
    }

    #[test]
    fn a_partial_document_changes_what_it_names() {
        let mut watched = Watched::default();
        assert_eq!(watched.take(&info(0, "partial", "")), Err(Unusable::Gap), "nothing to change yet");
        watched.take(&info(0, "full", &(dialog("a", "early") + &dialog("b", "confirmed")))).unwrap();
        watched.take(&info(1, "partial", &dialog("a", "terminated"))).unwrap();
        assert_eq!(states(&watched), [DialogState::Confirmed]);
        assert_eq!(watched.take(&info(1, "partial", "")), Err(Unusable::Old));
        assert_eq!(watched.take(&info(0, "full", "")), Err(Unusable::Old));
        watched.take(&info(1, "full", &dialog("b", "confirmed"))).unwrap();
        assert_eq!(watched.take(&info(3, "partial", &dialog("b", "terminated"))), Err(Unusable::Gap));
        assert_eq!(states(&watched), [DialogState::Confirmed], "as it was");
        watched.take(&info(9, "full", &dialog("c", "trying"))).unwrap();
        assert_eq!(states(&watched), [DialogState::Trying]);
    }

    #[test]
    fn hostile_documents_are_refused_and_change_nothing() {
        let mut watched = Watched::default();
        watched.take(&info(5, "full", &dialog("a", "early"))).unwrap();
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>".to_owned()
            + &info(6, "full", "<dialog id=\"1\"><state>&b;</state></dialog>");
        let deep = info(6, "full", &("<x>".repeat(40) + &"</x>".repeat(40)));
        let many: String = (0..70).map(|n| dialog(&n.to_string(), "early")).collect();
        for bad in [
            "".to_owned(),
            "<".to_owned(),
            "<html/>".to_owned(),
            info(6, "full", "<dialog id=\"1\"><state>dancing</state></dialog>"),
            info(6, "full", "<dialog id=\"1\">"),
            info(6, "full", "</dialog>"),
            info(6, "full", &dialog("a", "early")).replace("version=\"6\"", "version=\"-6\""),
            bomb,
            deep,
            info(6, "full", &many),
        ] {
            assert!(watched.take(&bad).is_err(), "{bad}");
            assert_eq!(states(&watched), [DialogState::Early]);
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(at in 0usize..300, with in "\\PC{0,8}", cut in 0usize..400) {
            let mut text = info(1, "full", &dialog("a", "early"));
            let at = at.min(text.len());
            text.insert_str(at, &with);
            let cut = text.char_indices().map(|(i, _)| i).nth(cut).unwrap_or(text.len());
            let _ = Watched::default().take(&text[..cut]);
        }
    }
}
