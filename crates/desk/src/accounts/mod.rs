//! Plain SIP accounts, without an exchange of ours: their settings, their phones, their calls.

mod abilities;
mod calls;
mod consult;
mod following;
mod journal;
mod line;
mod record;
mod rows;
mod settings;
mod transfer;
mod view;
mod watch;

use std::collections::BTreeMap;

use crate::device::Device;
use crate::owner::Owner;
use crate::phones::LineNo;
use crate::secrets::Vault;
use crate::{LinkState, Tone};
pub(crate) use calls::OwnCall;
pub(crate) use journal::{Journal, close_journal};
pub(crate) use line::LineHappening;
pub(crate) use rows::{is_own, is_own_id};
use settings::BadAccount;
pub use settings::{AccountColour, AccountKey, SipAccountSettings, SipCodec, SipEncryption, SipTransport, WatchedLine};
pub use view::*;

/// More accounts than anybody has; each has sockets and threads of its own.
const MAX_ACCOUNTS: usize = 20;

/// An account and what goes on with it.
pub(crate) struct PlainAccount {
    pub settings: SipAccountSettings,
    pub line: LineNo,
    pub device: Option<Box<dyn Device>>,
    state: LinkState,
    fingerprint: Option<String>,
    /// The server refuses the password, so it is asked no more.
    refused: bool,
    keyring_warning: Option<String>,
    messages: Option<MessagesView>,
    /// What has been heard of watched lines.
    watched: BTreeMap<String, (WatchedState, Option<String>)>,
}

/// All plain accounts, in the order in which they were added.
#[derive(Default)]
pub(crate) struct Accounts {
    list: Vec<PlainAccount>,
    last_line: Option<LineNo>,
}

impl Accounts {
    pub(crate) fn all(&self) -> impl Iterator<Item = &PlainAccount> {
        self.list.iter()
    }

    pub(crate) fn of_line(&self, line: LineNo) -> Option<&PlainAccount> {
        self.list.iter().find(|account| account.line == line)
    }

    fn of_line_mut(&mut self, line: LineNo) -> Option<&mut PlainAccount> {
        self.list.iter_mut().find(|account| account.line == line)
    }

    pub(crate) fn of_key(&self, key: &AccountKey) -> Option<&PlainAccount> {
        self.list.iter().find(|account| account.settings.key == *key)
    }

    fn next_line(&mut self) -> LineNo {
        let next = self.last_line.unwrap_or(LineNo::EXCHANGE).next();
        self.last_line = Some(next);
        next
    }

    fn put(&mut self, settings: SipAccountSettings) -> LineNo {
        let line = self.next_line();
        let fresh = PlainAccount {
            settings,
            line,
            device: None,
            state: LinkState::Connecting,
            fingerprint: None,
            refused: false,
            keyring_warning: None,
            messages: None,
            watched: BTreeMap::new(),
        };
        match self.list.iter_mut().find(|account| account.settings.key == fresh.settings.key) {
            Some(account) => *account = fresh,
            None => self.list.push(fresh),
        }
        line
    }
}

impl Owner {
    /// Starts the phones of all accounts that are kept.
    pub(crate) fn begin_accounts(&mut self) {
        for settings in self.settings.accounts.clone() {
            let line = self.accounts.put(settings);
            self.start_line(line, None);
        }
    }

    /// Takes an account as entered: a new one, or other settings of one that is there. Without a password, the one that is
    /// kept stays.
    pub(crate) fn save_account(&mut self, settings: SipAccountSettings, password: String) {
        match self.check_account(settings, &password) {
            Ok(settings) => self.take_account(settings, password),
            Err(fault) => self.view.accounts.fault = Some(fault.to_string()),
        }
    }

    fn check_account(&self, settings: SipAccountSettings, password: &str) -> Result<SipAccountSettings, BadAccount> {
        let mut settings = settings.tidied()?;
        let same = |other: &&PlainAccount| other.settings.address.eq_ignore_ascii_case(&settings.address);
        match self.accounts.all().find(same) {
            Some(other) if other.settings.key != settings.key => return Err(BadAccount::Twice(settings.address)),
            Some(_) | None => {}
        }
        match self.accounts.of_key(&settings.key) {
            // What is watched has wishes of its own.
            Some(before) => settings.watched.clone_from(&before.settings.watched),
            None if password.is_empty() => return Err(BadAccount::NoPassword),
            None if self.accounts.list.len() >= MAX_ACCOUNTS => return Err(BadAccount::TooMany(MAX_ACCOUNTS)),
            None => settings.key = AccountKey(format!("{:016x}", rand::random::<u64>())),
        }
        Ok(settings)
    }

    fn take_account(&mut self, settings: SipAccountSettings, password: String) {
        let key = settings.key.clone();
        let only_looks = password.is_empty()
            && self.accounts.of_key(&key).is_some_and(|before| {
                before.device.is_some() && !before.refused && before.settings.same_phone(&settings)
            });
        match self.settings.accounts.iter_mut().find(|kept| kept.key == key) {
            Some(kept) => *kept = settings.clone(),
            None => self.settings.accounts.push(settings.clone()),
        }
        self.save_settings();
        self.view.accounts.fault = None;
        self.view.accounts.saved = self.view.accounts.saved.wrapping_add(1);
        if only_looks {
            self.change_looks(settings);
        } else {
            self.end_line(&key);
            let line = self.accounts.put(settings);
            if !password.is_empty() {
                self.keep_password(line, key, password.clone());
            }
            self.start_line(line, (!password.is_empty()).then_some(password));
        }
        if self.own_log.is_none() {
            self.open_own_log();
            self.show_own_log();
        }
    }

    /// Name, colour and tone need no new phone.
    fn change_looks(&mut self, settings: SipAccountSettings) {
        let Some(account) = self.accounts.list.iter_mut().find(|a| a.settings.key == settings.key) else { return };
        if let Some(device) = &account.device {
            device.ring_tone(settings.tone);
        }
        account.settings = settings;
    }

    pub(crate) fn remove_account(&mut self, key: &AccountKey) {
        self.end_line(key);
        self.accounts.list.retain(|account| account.settings.key != *key);
        self.settings.accounts.retain(|kept| kept.key != *key);
        self.save_settings();
        let (vault, name) = (self.vault_of(key), vault_name(key));
        self.farewells.spawn(async move { vault.forget(&name).await });
    }

    /// The phone of this account ends, and all its calls.
    fn end_line(&mut self, key: &AccountKey) {
        let Some(account) = self.accounts.list.iter_mut().find(|account| account.settings.key == *key) else { return };
        let (line, device) = (account.line, account.device.take());
        self.end_own_calls(line);
        self.view.phone.calls.retain(|call| call.id.line() != line);
        self.view.rings.retain(|ring| ring.id.line() != line);
        if let Some(device) = device {
            self.farewells.spawn(async move { device.stop().await });
        }
    }

    pub(crate) fn accept_account_certificate(&mut self, key: &AccountKey) {
        let Some(account) = self.accounts.of_key(key) else { return };
        let Some(fingerprint) = account.fingerprint.clone() else { return };
        let settings = SipAccountSettings { fingerprint, ..account.settings.clone() };
        self.take_account(settings, String::new());
    }

    /// From which account a number is called that is just typed; `None`: the exchange's.
    pub(crate) fn choose_from(&mut self, from: Option<AccountKey>) {
        self.settings.dial_from = from;
        self.save_settings();
    }

    /// The account to call from: as chosen, or what there is.
    pub(crate) fn dials_from(&self) -> Option<AccountKey> {
        let chosen = self.settings.dial_from.as_ref().filter(|key| self.accounts.of_key(key).is_some());
        let first = || self.accounts.all().next().map(|account| account.settings.key.clone());
        match chosen {
            Some(key) => Some(key.clone()),
            None if self.is_signed_in() => None,
            None => first(),
        }
    }

    pub(crate) fn call_mailbox(&mut self, key: &AccountKey) {
        let Some(account) = self.accounts.of_key(key) else { return };
        let (line, mailbox) = (account.line, account.settings.mailbox.clone());
        if mailbox.is_empty() {
            let sentence = "Write which number the mailbox has under Settings, Accounts: often it is *97 or *98.";
            return self.note(Tone::Bad, sentence);
        }
        self.dial_on(line, &mailbox);
    }

    fn vault_of(&self, key: &AccountKey) -> Vault {
        self.vault.in_file(&format!("sip-{}.json", key.0))
    }

    /// Brings the section of the view up to date.
    pub(crate) fn show_accounts(&mut self) {
        let list = self.accounts.all().map(PlainAccount::view).collect();
        self.view.accounts.list = list;
        self.view.accounts.from = self.dials_from();
    }
}

/// Under what the keyring has an account's password.
fn vault_name(key: &AccountKey) -> String {
    format!("sip-account-{}", key.0)
}

impl PlainAccount {
    fn view(&self) -> AccountView {
        AccountView {
            settings: self.settings.clone(),
            name: self.settings.shown_name().to_owned(),
            label: label(self.settings.shown_name()),
            state: self.state.clone(),
            advice: self.advice(),
            fingerprint: self.fingerprint.clone(),
            keyring_warning: self.keyring_warning.clone(),
            messages: self.messages,
            watched: self.watched_view(),
            abilities: self.abilities(),
        }
    }

    fn advice(&self) -> Option<String> {
        if self.fingerprint.is_some() && !self.settings.fingerprint.is_empty() {
            return Some("The server shows another certificate than the one that you accepted. Ask the system's administrator why before you accept it.".into());
        }
        if self.fingerprint.is_some() {
            return Some(
                "Compare the certificate's fingerprint with the one that the system's administrator reads to you."
                    .into(),
            );
        }
        if self.refused {
            return Some(
                "It is not tried again by itself, so that the server does not lock the account. Press Change, type user name and password again, and save."
                    .into(),
            );
        }
        match self.state {
            LinkState::Down { .. } => Some(
                "It is tried again by itself. If it stays so, press Change and check the address, and under More the registrar and the transport."
                    .into(),
            ),
            LinkState::Off | LinkState::Connecting | LinkState::Up => None,
        }
    }
}

/// The first letters of the first two words; of an address, of whom it names.
fn label(name: &str) -> String {
    let whom = name.split_once('@').map_or(name, |(whom, _)| whom);
    let words = whom.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let letters: String = words.take(2).filter_map(|word| word.chars().next()).collect();
    letters.to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_of_the_name_and_not_of_the_host() {
        for (name, short) in
            [("Night shift", "NS"), ("shop", "S"), ("ana.ruiz@example.com", "AR"), ("204@192.0.2.1", "2"), ("", "")]
        {
            assert_eq!(label(name), short, "{name}");
        }
    }
}
