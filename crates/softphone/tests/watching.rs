//! Colleagues' lines and the mailbox, at a system that the test plays.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::Desk;
use softphone::{Account, CallEvent, PhoneEvent, RegistrationState, Secret, WatchedState};
use tokio::net::UdpSocket;

struct System {
    socket: UdpSocket,
    phone: SocketAddr,
    sent: u32,
}

impl System {
    async fn bind() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let phone = socket.local_addr().unwrap();
        Self { socket, phone, sent: 0 }
    }

    /// The next request of that method; registrations and questions are answered on the way.
    async fn asked(&mut self, method: &str) -> String {
        let search = async {
            loop {
                let mut buffer = vec![0; 65_536];
                let (n, from) = self.socket.recv_from(&mut buffer).await.unwrap();
                self.phone = from;
                let text = String::from_utf8(buffer[..n].to_vec()).unwrap();
                if text.starts_with(method) {
                    return text;
                }
                if !text.starts_with("SIP/2.0") && !text.trim().is_empty() {
                    self.answer(&text, "200 OK", "Expires: 300\r\n").await;
                }
            }
        };
        tokio::time::timeout(common::PATIENCE, search).await.expect("a request in time")
    }

    async fn answer(&self, request: &str, status: &str, more: &str) {
        let copy = |name| format!("{name}: {}\r\n", header(request, name));
        let to = header(request, "To");
        let to = if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag=system") };
        let text = format!(
            "SIP/2.0 {status}\r\n{}{}{}{}To: {to}\r\n{more}{}",
            copy("Via"),
            copy("From"),
            copy("Call-ID"),
            copy("CSeq"),
            if more.contains("\r\n\r\n") { "" } else { "\r\n" },
        );
        self.socket.send_to(text.as_bytes(), self.phone).await.unwrap();
    }

    async fn notify(&mut self, subscribe: &str, body: &str) {
        self.sent += 1;
        let us = self.socket.local_addr().unwrap();
        let text = format!(
            "NOTIFY sip:ravi@{} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKn{}\r\nFrom: <sip:200@{us}>;tag=system\r\n\
             To: {}\r\nCall-ID: {}\r\nCSeq: {} NOTIFY\r\nEvent: {}\r\nSubscription-State: active\r\n\r\n{body}",
            self.phone,
            self.sent,
            header(subscribe, "From"),
            header(subscribe, "Call-ID"),
            self.sent,
            header(subscribe, "Event"),
        );
        self.socket.send_to(text.as_bytes(), self.phone).await.unwrap();
    }

    async fn show(&mut self, subscribe: &str, dialogs: &str) {
        let version = self.sent;
        let body = format!(
            "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"full\" \
             entity=\"sip:200@x\">{dialogs}</dialog-info>"
        );
        self.notify(subscribe, &body).await;
    }
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    text.lines().find_map(|l| l.strip_prefix(&prefix)).unwrap_or_default()
}

async fn at(system: &System) -> Desk {
    let registrar = system.socket.local_addr().unwrap().to_string();
    Desk::with(|config| {
        config.account = Some(Account {
            registrar,
            outbound_proxy: None,
            device: None,
            insists: false,
            user: "ravi".into(),
            auth_user: None,
            password: Secret::new("s3cret"),
            display: None,
        });
    })
    .await
}

async fn watched(desk: &mut Desk) -> (String, WatchedState) {
    desk.until("state of a line", |event| match event {
        PhoneEvent::Watched { number, state } => Some((number, state)),
        _ => None,
    })
    .await
}

/// A caller must not be able to have this phone call a number that costs money.
#[tokio::test]
async fn a_number_of_the_world_is_not_called_because_the_other_side_asks() {
    let mut system = System::bind().await;
    let mut desk = at(&system).await;
    let register = system.asked("REGISTER").await;
    system.answer(&register, "200 OK", "Expires: 300\r\n").await;
    let us = system.socket.local_addr().unwrap();
    let call = desk.phone.call("sip:200@pbx?Subject=injected".replace("pbx", &us.to_string()).as_str());
    let invite = system.asked("INVITE").await;
    assert!(
        invite.starts_with(&format!("INVITE sip:200@{us} SIP/2.0\r\n")) && !invite.contains("injected"),
        "{invite}"
    );
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    let more = format!("Contact: <sip:200@{us}>\r\nContent-Type: application/sdp\r\n\r\n{sdp}");
    system.answer(&invite, "200 OK", &more).await;
    desk.answered(call).await;
    // By its address, and by what may be another name of it.
    for (number, host) in [(1, us.to_string()), (2, format!("localhost:{}", us.port()))] {
        let refer = format!(
            "REFER sip:ravi@{} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKr{number}\r\nFrom: {};tag=system\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {number} REFER\r\nContact: <sip:200@{us}>\r\nr: <sip:09001234567@{host}>\r\n\r\n",
            system.phone,
            header(&invite, "To"),
            header(&invite, "From"),
            header(&invite, "Call-ID")
        );
        system.socket.send_to(refer.as_bytes(), system.phone).await.unwrap();
        let trouble = desk.call(call, "a warning", |e| matches!(e, CallEvent::Trouble { .. })).await;
        assert!(matches!(&trouble, CallEvent::Trouble { sentence } if sentence.contains("09001234567")), "{trouble:?}");
        system.asked("SIP/2.0 603").await;
    }
}

#[tokio::test]
async fn a_colleagues_line_is_followed_until_it_is_let_go() {
    let mut system = System::bind().await;
    let mut desk = at(&system).await;
    system.asked("REGISTER").await;
    desk.phone.watch("200");
    desk.phone.watch("200");
    let subscribe = system.asked("SUBSCRIBE").await;
    assert!(subscribe.starts_with(&format!("SUBSCRIBE sip:200@{}", system.socket.local_addr().unwrap())));
    system.answer(&subscribe, "200 OK", "Expires: 600\r\n").await;
    for (dialogs, state) in [
        ("", WatchedState::Idle),
        ("<dialog id=\"1\" direction=\"recipient\"><state>early</state></dialog>", WatchedState::Ringing),
        ("<dialog id=\"1\"><state>confirmed</state></dialog>", WatchedState::Talking),
        ("<dialog id=\"1\"><state>terminated</state></dialog>", WatchedState::Idle),
    ] {
        system.show(&subscribe, dialogs).await;
        assert_eq!(watched(&mut desk).await, ("200".to_owned(), state));
    }
    desk.phone.unwatch("200");
    let last = system.asked("SUBSCRIBE").await;
    assert_eq!((header(&last, "Expires"), header(&last, "Call-ID")), ("0", header(&subscribe, "Call-ID")));
}

#[tokio::test]
async fn a_system_that_shows_nothing_says_so_and_is_asked_again_once_it_was_away() {
    let mut system = System::bind().await;
    let mut desk = at(&system).await;
    let register = system.asked("REGISTER").await;
    system.answer(&register, "503 Service Unavailable", "").await;
    desk.phone.watch("200");
    let subscribe = system.asked("SUBSCRIBE").await;
    system.answer(&subscribe, "489 Bad Event", "").await;
    let (_, state) = watched(&mut desk).await;
    assert_eq!(state, WatchedState::Unknown { why: "The system does not show who is talking.".into() });
    let register = system.asked("REGISTER").await;
    system.answer(&register, "200 OK", "Expires: 300\r\n").await;
    desk.until("registration", |e| (e == PhoneEvent::Registration(RegistrationState::Registered)).then_some(())).await;
    system.asked("SUBSCRIBE").await;
}

#[tokio::test]
async fn waiting_messages_are_told_unasked_and_asked() {
    let mut system = System::bind().await;
    let mut desk = at(&system).await;
    let register = system.asked("REGISTER").await;
    system.answer(&register, "200 OK", "Expires: 300\r\n").await;
    desk.until("registration", |e| (e == PhoneEvent::Registration(RegistrationState::Registered)).then_some(())).await;
    let nobodys = "From: <sip:ravi@x>\r\nCall-ID: unasked\r\nEvent: message-summary\r\n";
    system.notify(nobodys, "Messages-Waiting: yes\r\nVoice-Message: 2/8 (0/2)\r\n").await;
    let messages = |event| match event {
        PhoneEvent::Messages { waiting, new, old } => Some((waiting, new, old)),
        _ => None,
    };
    assert_eq!(desk.until("messages", messages).await, (true, Some(2), Some(8)));
    desk.phone.watch_messages();
    let subscribe = system.asked("SUBSCRIBE").await;
    assert!(subscribe.starts_with("SUBSCRIBE sip:ravi@") && header(&subscribe, "Event") == "message-summary");
    system.answer(&subscribe, "200 OK", "Expires: 600\r\n").await;
    system.notify(&subscribe, "Messages-Waiting: no\r\n").await;
    assert_eq!(desk.until("messages", messages).await, (false, None, None));
    // A forged one from elsewhere is not heard.
    let socket = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let mut stranger = System { socket, phone: system.phone, sent: 50 };
    stranger.notify(nobodys, "Messages-Waiting: yes\r\n").await;
    let mut buffer = [0; 2000];
    let n = tokio::time::timeout(Duration::from_secs(20), stranger.socket.recv(&mut buffer)).await.unwrap().unwrap();
    assert!(buffer[..n].starts_with(b"SIP/2.0 481 "));
}
