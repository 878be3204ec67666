//! What this machine remembers that is no secret: `settings.json` in the data folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use protocol::DeviceId;
use serde::{Deserialize, Serialize};

use crate::secrets::{read_bounded, write_private};
use crate::{AccountKey, SipAccountSettings, SoundSettings};

const MAX_FILE: u64 = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Of the last sign-in.
    pub address: String,
    pub user: String,
    /// Whether a sign-in is kept: without one, no keyring is asked.
    pub signed_in: bool,
    /// The device's id, per `user@host:port`.
    pub devices: BTreeMap<String, DeviceId>,
    /// Accepted certificates: SHA-256 fingerprint per `host:port`.
    pub certificates: BTreeMap<String, String>,
    #[serde(flatten)]
    pub sound: SoundSettings,
    /// Names of chosen devices, by id, for when they are not plugged in.
    pub sound_names: BTreeMap<String, String>,
    /// Plain SIP accounts, without their passwords.
    pub accounts: Vec<SipAccountSettings>,
    /// From which of them numbers are called; `None`: from the exchange's.
    pub dial_from: Option<AccountKey>,
    /// How much of the call log is kept; `None`: as long as there is room.
    pub log_days: Option<u32>,
    pub log_megabytes: u32,
    /// Of voicemail, percent.
    pub message_speed: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: String::new(),
            user: String::new(),
            signed_in: false,
            devices: BTreeMap::new(),
            certificates: BTreeMap::new(),
            sound: SoundSettings::default(),
            sound_names: BTreeMap::new(),
            accounts: Vec::new(),
            dial_from: None,
            log_days: None,
            log_megabytes: 1_000,
            message_speed: 100,
        }
    }
}

pub(crate) fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("settings.json")
}

impl Settings {
    /// What is kept; with a sentence if the file was unreadable and put aside, or asks for more than there can be.
    pub(crate) fn load(data_dir: &Path) -> (Self, Option<String>) {
        let file = file(data_dir);
        let fault = match read_bounded(&file, MAX_FILE) {
            Ok(None) => return (Self::default(), None),
            Ok(Some(text)) => match serde_json::from_str::<Self>(&text) {
                Ok(settings) => {
                    let excess = settings.accounts.iter().find_map(SipAccountSettings::watches_too_many);
                    return (settings, excess);
                }
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let aside = file.with_extension("json.damaged");
        if let Err(error) = std::fs::rename(&file, &aside) {
            tracing::warn!(%error, "damaged settings can't be put aside");
        }
        let sentence = format!("The settings could not be read ({fault}). They are put aside as {}.", aside.display());
        (Self::default(), Some(sentence))
    }

    /// # Errors
    /// Whatever the disk says.
    pub(crate) fn save(&self, data_dir: &Path) -> std::io::Result<()> {
        write_private(&file(data_dir), &serde_json::to_vec_pretty(self)?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn more_lines_than_can_be_watched_are_kept_and_said() {
        let dir = tempfile::tempdir().unwrap();
        for (lines, told) in [(200, false), (201, true)] {
            let line = |n: usize| crate::WatchedLine { number: n.to_string(), name: String::new() };
            let watched = (0..lines).map(line).collect();
            let account = SipAccountSettings { address: "ana@example.com".into(), watched, ..Default::default() };
            Settings { accounts: vec![account], ..Settings::default() }.save(dir.path()).unwrap();
            let (settings, sentence) = Settings::load(dir.path());
            assert_eq!(settings.accounts[0].watched.len(), lines);
            assert_eq!(sentence.is_some(), told, "{sentence:?}");
            assert!(sentence.is_none_or(|s| s.contains("ana@example.com") && s.contains("201") && s.contains("200")));
        }
    }

    #[test]
    fn settings_come_back_and_damaged_ones_are_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Settings::load(dir.path()), (Settings::default(), None));
        let sound = SoundSettings { speaker: Some("s".into()), cancel_echo: false, ..SoundSettings::default() };
        let settings = Settings { address: "x:1".into(), sound, ..Settings::default() };
        settings.save(dir.path()).unwrap();
        assert_eq!(Settings::load(dir.path()), (settings, None));

        // As earlier versions wrote it.
        std::fs::write(file(dir.path()), r#"{"address":"x:1","ringer":"r"}"#).unwrap();
        let (old, _) = Settings::load(dir.path());
        assert_eq!(old.sound, SoundSettings { ringer: Some("r".into()), ..SoundSettings::default() });

        std::fs::write(file(dir.path()), "{ not json").unwrap();
        let (settings, sentence) = Settings::load(dir.path());
        assert_eq!(settings, Settings::default());
        assert!(sentence.unwrap().contains("settings.json.damaged"));
        assert!(dir.path().join("settings.json.damaged").exists());
    }
}
