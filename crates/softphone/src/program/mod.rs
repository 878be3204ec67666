mod book;
mod cli;
mod command;
mod json;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use softphone::{CallKey, Phone, PhoneEvent};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

use book::Book;
use cli::{Arguments, OnRing};
use command::Command;

/// The command line is wrong, or what it names cannot be used.
const USAGE: u8 = 2;

pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(cli::Stop::Help(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(cli::Stop::Wrong(sentence)) => return fail(&sentence),
    };
    let filter = std::env::var("PATCHCORD_LOG").unwrap_or_else(|_| "warn".to_owned());
    let filter = EnvFilter::new(format!("{filter},{}", sip::LOG_FILTER));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("Cannot start: {error}.")),
    };
    let code = runtime.block_on(run(arguments));
    // A thread may still wait for standard input.
    runtime.shutdown_background();
    code
}

fn fail(sentence: &str) -> ExitCode {
    eprintln!("patchcord-phone: {sentence}");
    ExitCode::from(USAGE)
}

async fn run(arguments: Arguments) -> ExitCode {
    let on_ring = arguments.on_ring;
    let (phone, events) = match Phone::start(arguments.phone).await {
        Ok(started) => started,
        Err(error) => return fail(&format!("{error}.")),
    };
    let mut terminated = match signal(SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(error) => return fail(&format!("Cannot listen for signals: {error}.")),
    };
    say(&json::ready(phone.listen()));
    let mut program = Program { phone, events, book: Book::default(), on_ring };
    tokio::select! {
        () = program.serve() => {}
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    program.stop().await;
    ExitCode::SUCCESS
}

struct Program {
    phone: Phone,
    events: mpsc::UnboundedReceiver<PhoneEvent>,
    book: Book,
    on_ring: OnRing,
}

impl Program {
    /// Until `quit`.
    async fn serve(&mut self) {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut listening = true;
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.happened(&event),
                    None => return,
                },
                line = lines.next_line(), if listening => match line {
                    Ok(Some(line)) => match line.parse() {
                        Ok(Command::Quit) => return,
                        Ok(command) => self.obey(command),
                        Err(command::Wrong(sentence)) => self.complain(&sentence),
                    },
                    // Nobody has anything more to say; calls go on.
                    Ok(None) | Err(_) => listening = false,
                },
            }
        }
    }

    fn happened(&mut self, event: &PhoneEvent) {
        self.book.note(event);
        if let Some(line) = json::event(event) {
            say(&line);
        }
        if let PhoneEvent::Incoming(incoming) = event {
            self.react(incoming.key);
        }
    }

    fn react(&self, call: CallKey) {
        let phone = self.phone.clone();
        let (after, act): (Duration, fn(&Phone, CallKey)) = match self.on_ring {
            OnRing::Wait => return,
            OnRing::Answer(after) => (after, Phone::answer),
            OnRing::Decline(after) => (after, Phone::decline),
            OnRing::Busy => (Duration::ZERO, Phone::busy),
        };
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            act(&phone, call);
        });
    }

    fn obey(&mut self, command: Command) {
        let phone = &self.phone;
        match command {
            Command::Call { to } => {
                phone.call(&to);
            }
            Command::Answer { call } => self.on(call, Book::ringing, Phone::answer),
            Command::Decline { call } => self.on(call, Book::ringing, Phone::decline),
            Command::HangUp { call } => self.on(call, Book::current, Phone::hang_up),
            Command::Hold { call } => self.on(call, Book::current, |phone, call| phone.hold(call, true)),
            Command::Resume { call } => self.on(call, Book::held, |phone, call| phone.hold(call, false)),
            Command::Mute { call } => self.on(call, Book::current, |phone, call| phone.mute(call, true)),
            Command::Rekey { call } => self.on(call, Book::current, Phone::renew_keys),
            Command::Unmute { call } => self.on(call, Book::current, |phone, call| phone.mute(call, false)),
            Command::Dtmf { digits, call } => self.on(call, Book::current, |phone, call| phone.dtmf(call, &digits)),
            Command::DtmfInfo { digits, call } => {
                self.on(call, Book::current, |phone, call| phone.info_dtmf(call, &digits));
            }
            Command::Transfer { to, call } => self.on(call, Book::current, |phone, call| phone.transfer(call, &to)),
            Command::Divert { call, to } => self.on(Some(call), Book::ringing, |phone, call| phone.divert(call, &to)),
            Command::ReferReplaces { other, .. } if !self.book.knows(other) => {
                self.complain(&format!("There is no {other}."));
            }
            Command::ReferReplaces { call, other, early_only } => {
                self.on(Some(call), Book::current, |phone, call| phone.connect(call, other, early_only));
            }
            Command::Watch { number } => phone.watch(&number),
            Command::Unwatch { number } => phone.unwatch(&number),
            Command::WatchMessages => phone.watch_messages(),
            // Handled where the program ends.
            Command::Quit => {}
        }
    }

    fn on(&self, call: Option<CallKey>, default: fn(&Book) -> Option<CallKey>, act: impl FnOnce(&Phone, CallKey)) {
        match call {
            Some(call) if !self.book.knows(call) => self.complain(&format!("There is no {call}.")),
            Some(call) => act(&self.phone, call),
            None => match default(&self.book) {
                Some(call) => act(&self.phone, call),
                None => self.complain("There is no call for this."),
            },
        }
    }

    fn complain(&self, sentence: &str) {
        say(&json::error(sentence));
    }

    /// Hangs up, unregisters, and says what that led to.
    async fn stop(self) {
        let Self { phone, mut events, .. } = self;
        phone.stop().await;
        while let Ok(event) = events.try_recv() {
            json::event(&event).iter().for_each(say);
        }
    }
}

fn say(line: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    // A reader that went away does not want to know.
    let _broken_pipe = writeln!(out, "{line}").and_then(|()| out.flush());
}
