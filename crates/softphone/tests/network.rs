//! Cable to Wi-Fi in mid-call, in network namespaces: everything real but the wire. Where namespaces are not permitted,
//! it says so loudly.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;

use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Desk, PATIENCE};
use serde_json::Value;
use sip::{Endpoint, EndpointConfig, Event};
use softphone::{CallEvent, CallKey, Play, Sound, Trace, Way};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc::UnboundedReceiver;

/// The office's address, reached by either way.
const OFFICE: &str = "10.77.9.1";
/// Where the laptop's Wi-Fi address is seen from behind a NAT.
const BEYOND_NAT: &str = "10.77.3.3";
/// Less than it takes to notice by asking the registrar (15 s and 6 s): whoever is this fast has heard of the change.
const HEARD_OF_IT: Duration = Duration::from_secs(10);

#[test]
fn a_call_goes_on_from_cable_to_wifi() {
    in_a_namespace("within::the_network_changes");
}

#[test]
fn a_call_goes_on_from_cable_to_wifi_behind_a_nat() {
    in_a_namespace("within::the_network_behind_a_nat_changes");
}

#[test]
fn a_better_route_is_taken_at_once_by_who_is_bound_to_every_address() {
    in_a_namespace("within::a_better_route_comes");
}

#[test]
fn a_better_route_moves_nobody_who_is_bound_to_an_address_that_stays() {
    in_a_namespace("within::a_better_route_comes_to_one_who_is_bound");
}

fn in_a_namespace(test: &str) {
    let permitted = |mut command: Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let mut probe = Command::new("unshare");
    probe.args(["-n", "ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"]);
    if !permitted(probe) {
        eprintln!("SKIPPED 1 test: network namespaces are not permitted here (needs root, `unshare`, `ip` with veth)");
        return;
    }
    let inner = Command::new("unshare")
        .arg("-n")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .status();
    assert!(inner.unwrap().success());
}

mod within {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a network namespace of its own: run by a_call_goes_on_from_cable_to_wifi"]
    async fn the_network_changes() {
        from_cable_to_wifi(Laptop::new(), None).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a network namespace of its own: run by a_call_goes_on_from_cable_to_wifi_behind_a_nat"]
    async fn the_network_behind_a_nat_changes() {
        let laptop = Laptop::new();
        laptop.run(&format!("ip addr add {BEYOND_NAT}/32 dev lo"));
        let server = stun_server().await;
        from_cable_to_wifi(laptop, Some(server)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a network namespace of its own: run by a_better_route_is_taken_at_once_by_who_is_bound_to_every_address"]
    async fn a_better_route_comes() {
        let (seen, asked) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (registrar, mut heard) = registrar_seeing(&asked).await;
        let laptop = Laptop::new();
        let (mut office, call, mut phone) = talking(&laptop, "0.0.0.0:0", (&registrar, &mut heard), &seen).await;
        asked.lock().unwrap().clear();
        burst(&laptop);
        better_route(&laptop);
        registered(&registrar, &mut heard, "10.77.2.2").await;
        assert_eq!(office_told(&seen, "c=IN IP4 10.77.2.2").await, 1, "offers of the new address: one, and no storm");
        sound_goes_on(&mut office, call, &mut phone).await;
        // The cable is pulled that nobody used any more.
        laptop.run("ip link set cable1 down");
        sound_goes_on(&mut office, call, &mut phone).await;
        assert_eq!(office_told(&seen, "c=IN IP4 10.77.2.2").await, 1);
        let asked = asked.lock().unwrap().len();
        assert!(
            asked <= 20,
            "the registrar was asked {asked} times, most of them for 400 changes that changed nothing"
        );
        phone.say("quit").await;
        office.ended(call).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a network namespace of its own: run by a_better_route_moves_nobody_who_is_bound_to_an_address_that_stays"]
    async fn a_better_route_comes_to_one_who_is_bound() {
        // What comes from the one address by the other link is let in.
        for of in ["all", "default"] {
            std::fs::write(format!("/proc/sys/net/ipv4/conf/{of}/rp_filter"), "0").unwrap();
        }
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (registrar, mut heard) = registrar().await;
        let laptop = Laptop::new();
        let (mut office, call, mut phone) = talking(&laptop, "10.77.1.2:0", (&registrar, &mut heard), &seen).await;
        better_route(&laptop);
        sound_goes_on(&mut office, call, &mut phone).await;
        phone.say("quit").await;
        office.ended(call).await;
        let moved = seen.lock().unwrap().iter().any(|message| message.contains("10.77.2.2"));
        assert!(!moved, "{seen:#?}");
        while let Ok(event) = heard.try_recv() {
            let Event::Register(asked) = event else { continue };
            assert_eq!(asked.flow.remote.ip().to_string(), "10.77.1.2");
        }
    }

    /// The phone listens on `listen` and talks with the office by the cable.
    async fn talking(
        laptop: &Laptop,
        listen: &str,
        (registrar, heard): (&Endpoint, &mut UnboundedReceiver<Event>),
        seen: &Arc<Mutex<Vec<String>>>,
    ) -> (Desk, CallKey, Phone) {
        let mut office = callee(seen).await;
        let mut phone = laptop.phone(listen, registrar.local_addr(sip::Transport::Udp).unwrap(), None).await;
        registered(registrar, heard, "10.77.1.2").await;
        phone.say(&format!("call sip:office@{OFFICE}:{}", office.phone.listen().port())).await;
        let call = office.rung().await.key;
        office.phone.answer(call);
        phone.event("first_audio").await;
        office.hears(call).await;
        (office, call, phone)
    }

    /// Addresses of nobody's that come and go.
    fn burst(laptop: &Laptop) {
        let changes = "addr add 10.77.8.8/32 dev lo\naddr del 10.77.8.8/32 dev lo\n".repeat(200);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, changes.as_bytes()).unwrap();
        laptop.run(&format!("ip -batch {}", file.path().display()));
    }

    /// The other link comes, and the way to everywhere leads over it; the cable stays.
    fn better_route(laptop: &Laptop) {
        laptop.run("ip link set wifi1 up");
        laptop.run("ip addr add 10.77.2.2/24 dev wifi1");
        laptop.run("ip route replace default via 10.77.2.1");
    }

    /// With a STUN server, the office is told the address that it says.
    async fn from_cable_to_wifi(laptop: Laptop, stun: Option<SocketAddr>) {
        let (registrar, mut heard) = registrar().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut office = callee(&seen).await;
        let mut phone = laptop.phone("10.77.1.2:0", registrar.local_addr(sip::Transport::Udp).unwrap(), stun).await;
        registered(&registrar, &mut heard, "10.77.1.2").await;
        phone.say(&format!("call sip:office@{OFFICE}:{}", office.phone.listen().port())).await;
        let call = office.rung().await.key;
        office.phone.answer(call);
        phone.event("first_audio").await;
        office.hears(call).await;

        // Bound to the address that goes; from then on to all.
        laptop.run("ip addr del 10.77.1.2/24 dev cable1");
        laptop.run("ip link set cable1 down");
        laptop.run("ip link set wifi1 up");
        laptop.run("ip addr add 10.77.2.2/24 dev wifi1");
        let up = Instant::now();
        laptop.run("ip route add default via 10.77.2.1");
        registered(&registrar, &mut heard, "10.77.2.2").await;
        let again = up.elapsed();
        eprintln!("registered again {} ms after the network was back", again.as_millis());
        assert!(again < HEARD_OF_IT, "{again:?}");
        let told = if stun.is_some() { BEYOND_NAT } else { "10.77.2.2" };
        let offers = office_told(&seen, &format!("c=IN IP4 {told}")).await;
        assert_eq!(offers, 1, "offers of the new address: one, and no storm");
        if stun.is_some() {
            // What we send does not come from beyond the NAT that is none, so the office does not hear it.
            phone.goes_on_hearing().await;
            return;
        }
        sound_goes_on(&mut office, call, &mut phone).await;

        // Asleep without any network, and awake.
        laptop.run("ip link set wifi1 down");
        phone.event("registration_failed").await;
        laptop.run("ip link set wifi1 up");
        let up = Instant::now();
        laptop.run("ip route add default via 10.77.2.1");
        registered(&registrar, &mut heard, "10.77.2.2").await;
        assert!(up.elapsed() < HEARD_OF_IT, "{:?}", up.elapsed());
        sound_goes_on(&mut office, call, &mut phone).await;
        phone.say("quit").await;
        office.ended(call).await;
    }
}

/// Both ways.
async fn sound_goes_on(office: &mut Desk, call: CallKey, phone: &mut Phone) {
    let received = |event: CallEvent| match event {
        CallEvent::Quality(report) => report.received,
        other => panic!("{other:?}"),
    };
    let report = |event: &CallEvent| matches!(event, CallEvent::Quality(_));
    let before = received(office.call(call, "quality", report).await);
    phone.goes_on_hearing().await;
    for _ in 0..10 {
        if received(office.call(call, "quality", report).await) > before + 50 {
            return;
        }
    }
    panic!("the office hears nothing any more");
}

/// Waits until the office is told something in an INVITE, and a little longer; how many different INVITEs say it.
async fn office_told(seen: &Mutex<Vec<String>>, what: &str) -> usize {
    let told = || {
        let seen = seen.lock().unwrap();
        let invites = seen.iter().filter(|m| m.starts_with("INVITE") && m.contains(what));
        let mut numbers: Vec<_> = invites.filter_map(|m| m.lines().find(|l| l.starts_with("CSeq"))).collect();
        numbers.dedup();
        numbers.len()
    };
    let wait = async {
        while told() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(1500)).await;
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the new address");
    told()
}

/// Sees the cable's address as it is, and the Wi-Fi's from behind a NAT that keeps ports.
async fn stun_server() -> SocketAddr {
    let socket = tokio::net::UdpSocket::bind((OFFICE, 0)).await.unwrap();
    run(&format!("ip route add {BEYOND_NAT} via 10.77.2.2"));
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut request = [0; 100];
        while let Ok((length, from)) = socket.recv_from(&mut request).await {
            assert!(length >= 20);
            let seen: IpAddr =
                if from.ip().to_string() == "10.77.2.2" { BEYOND_NAT.parse().unwrap() } else { from.ip() };
            let IpAddr::V4(seen) = seen else { panic!("{seen}") };
            let port = (from.port() ^ 0x2112).to_be_bytes();
            let ip = (u32::from(seen) ^ 0x2112_a442).to_be_bytes();
            let response = [&[1, 1, 0, 12], &request[4..20], &[0, 0x20, 0, 8, 0, 1], &port, &ip].concat();
            socket.send_to(&response, from).await.unwrap();
        }
    });
    address
}

async fn registrar() -> (Endpoint, UnboundedReceiver<Event>) {
    registrar_seeing(&Arc::default()).await
}

async fn registrar_seeing(asked: &Arc<Mutex<Vec<String>>>) -> (Endpoint, UnboundedReceiver<Event>) {
    let udp = vec![SocketAddr::new(OFFICE.parse().unwrap(), 0)];
    let asked = Arc::clone(asked);
    let trace = Trace::new(move |way, message| {
        if way == Way::In {
            asked.lock().unwrap().push(message.to_owned());
        }
    });
    Endpoint::bind(EndpointConfig { udp, trace: Some(trace), ..EndpointConfig::default() }).await.unwrap()
}

/// Accepts until the phone has registered from this address.
async fn registered(registrar: &Endpoint, heard: &mut UnboundedReceiver<Event>, from: &str) {
    let from: IpAddr = from.parse().unwrap();
    let search = async {
        loop {
            let Event::Register(asked) = heard.recv().await.unwrap() else { continue };
            let here =
                asked.contacts.iter().any(|c| c.uri.host == sip::Host::Ip(from)) && asked.flow.remote.ip() == from;
            registrar.accept_register(asked.request, asked.contacts);
            if here {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("no REGISTER from {from}"));
}

async fn callee(seen: &Arc<Mutex<Vec<String>>>) -> Desk {
    let seen = Arc::clone(seen);
    Desk::with(move |config| {
        config.listen = SocketAddr::new(OFFICE.parse().unwrap(), 0);
        config.sound = Sound::Files { play: Play::Tone, record: None, loopback: false };
        config.trace = Some(Trace::new(move |_, message| seen.lock().unwrap().push(message.to_owned())));
    })
    .await
}

/// A namespace with two links to ours, gone when its holder is killed.
struct Laptop {
    holder: Child,
}

impl Laptop {
    fn new() -> Self {
        let holder = Command::new("unshare").args(["-n", "sleep", "600"]).spawn().unwrap();
        let laptop = Self { holder };
        let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let begun = Instant::now();
        while of(&laptop.pid()).is_none_or(|ns| Some(ns) == of("self")) {
            assert!(begun.elapsed() < PATIENCE, "no namespace");
            std::thread::yield_now();
        }
        run("ip link set lo up");
        run(&format!("ip addr add {OFFICE}/32 dev lo"));
        laptop.run("ip link set lo up");
        for (number, link) in [(1, "cable"), (2, "wifi")] {
            run(&format!("ip link add {link}0 type veth peer name {link}1 netns {}", laptop.pid()));
            run(&format!("ip addr add 10.77.{number}.1/24 dev {link}0"));
            run(&format!("ip link set {link}0 up"));
        }
        laptop.run("ip addr add 10.77.1.2/24 dev cable1");
        laptop.run("ip link set cable1 up");
        laptop.run("ip route add default via 10.77.1.1");
        laptop
    }

    fn pid(&self) -> String {
        self.holder.id().to_string()
    }

    /// A command on the laptop.
    fn run(&self, command: &str) {
        run(&format!("nsenter -n -t {} {command}", self.pid()));
    }

    async fn phone(&self, listen: &str, registrar: SocketAddr, stun: Option<SocketAddr>) -> Phone {
        let password = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(password.path(), "s3cret").unwrap();
        let mut command = tokio::process::Command::new("nsenter");
        command.args([
            "-n",
            "-t",
            &self.pid(),
            env!("CARGO_BIN_EXE_patchcord-phone"),
            "--play",
            "tone",
            "--listen",
            listen,
        ]);
        command.args(["--codec", "pcmu", "--registrar", &format!("sip:{registrar}"), "--user", "ravi"]);
        command.arg("--password-file").arg(password.path());
        command.args(stun.into_iter().flat_map(|server| ["--stun".to_owned(), server.to_string()]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut phone = Phone { _child: child, stdin, lines: BufReader::new(stdout).lines() };
        phone.event("ready").await;
        phone
    }
}

impl Drop for Laptop {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn run(command: &str) {
    let mut words = command.split(' ');
    let done = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
}

struct Phone {
    _child: tokio::process::Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Phone {
    async fn say(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// What it has received grows by more than a second of it.
    async fn goes_on_hearing(&mut self) {
        let before = self.event("quality").await["received"].as_u64().unwrap();
        for _ in 0..10 {
            if self.event("quality").await["received"].as_u64().unwrap() > before + 50 {
                return;
            }
        }
        panic!("the phone hears nothing any more");
    }

    async fn event(&mut self, name: &str) -> Value {
        let search = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the phone ended");
                let event: Value = serde_json::from_str(&line).unwrap();
                if event["event"] == name {
                    return event;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("no {name}"))
    }
}
