//! What two phones say of how a call sounds, with a network between them that loses packets on one way only.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::Arc;

use media::Codec;
use protocol::{SoundCause, SoundTrouble, SoundWay};
use sip::sdp::Session;
use sip::{Invite, LegEvent, NameAddr};
use softphone::{CallEvent, CallKey, QualityReport};
use tokio::net::UdpSocket;

mod common;

use common::Desk;
use common::far::Far;

/// Two pairs of ports: what comes to one goes out of the other.
struct Network {
    near: [Arc<UdpSocket>; 2],
    far: [Arc<UdpSocket>; 2],
}

impl Network {
    async fn open() -> Self {
        Self { near: pair().await, far: pair().await }
    }

    /// Passes on between the phones at `caller`, which is behind `near`, and `callee`. Of 25 packets of sound of the caller
    /// two are lost.
    fn connect(&self, caller: SocketAddr, callee: SocketAddr) {
        for (at, (near, far)) in self.near.iter().zip(&self.far).enumerate() {
            let sound = at == 0;
            let beside = |to: SocketAddr| SocketAddr::new(to.ip(), to.port() + at as u16);
            tokio::spawn(pass(near.clone(), far.clone(), beside(callee), sound));
            tokio::spawn(pass(far.clone(), near.clone(), beside(caller), false));
        }
    }
}

async fn pass(from: Arc<UdpSocket>, through: Arc<UdpSocket>, to: SocketAddr, loses: bool) {
    let mut buffer = [0; 2048];
    for n in 0_u32.. {
        let Ok(length) = from.recv(&mut buffer).await else { continue };
        if !loses || n % 25 != 7 && n % 25 != 16 {
            let _ = through.send_to(&buffer[..length], to).await;
        }
    }
}

/// RTCP is expected on the port above.
async fn pair() -> [Arc<UdpSocket>; 2] {
    loop {
        let rtp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let above = rtp.local_addr().unwrap().port().saturating_add(1);
        if let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", above)).await {
            return [Arc::new(rtp), Arc::new(rtcp)];
        }
    }
}

/// The description, but with the sound at this socket.
fn through(sdp: &str, at: &UdpSocket) -> String {
    let port = Session::parse(sdp).unwrap().remote_rtp().port();
    sdp.replace(&format!("m=audio {port} "), &format!("m=audio {} ", at.local_addr().unwrap().port()))
}

/// What is said once the far end has reported, and of the whole call.
async fn said(desk: &mut Desk, call: CallKey) -> QualityReport {
    let troubled = |event: &CallEvent| matches!(event, CallEvent::Quality(report) if report.trouble.is_some());
    match desk.call(call, "trouble with the sound", troubled).await {
        CallEvent::Quality(report) => report,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_packets_on_the_way_to_whom_is_said_at_both_ends() {
    let (mut ravi, mut mina) = (Desk::speaking().await, Desk::speaking().await);
    let (mut middle, network) = (Far::open().await, Network::open().await);
    let out = ravi.phone.call(&middle.uri().to_string());
    let incoming = middle.incoming().await;
    let offer = incoming.sdp.unwrap();
    let onward = middle.endpoint.invite(Invite {
        to: mina.uri().parse().unwrap(),
        from: NameAddr::new(Some("Ravi Kumar"), middle.uri()),
        to_display: None,
        sdp: through(&offer, &network.far[0]),
        via_flow: None,
        routes: Vec::new(),
        through: None,
        credentials: None,
        headers: sip::CallHeaders::default(),
    });
    let call = mina.rung().await.key;
    mina.phone.answer(call);
    let answer =
        middle.until(onward, |event| if let LegEvent::Answered { sdp } = event { Some(sdp) } else { None }).await;
    network.connect(Session::parse(&offer).unwrap().remote_rtp(), Session::parse(&answer).unwrap().remote_rtp());
    middle.endpoint.answer(incoming.leg, through(&answer, &network.near[0]));
    assert_eq!(ravi.answered(out).await, Codec::Pcmu);

    let (from_ravi, at_mina) = tokio::join!(said(&mut ravi, out), said(&mut mina, call));
    let loss = |report: &QualityReport| match report.trouble {
        Some(SoundTrouble { cause: SoundCause::Loss { percent }, way }) => (percent, way),
        other => panic!("{other:?} in {report:?}"),
    };
    let ((there, to), (here, from)) = (loss(&from_ravi), loss(&at_mina));
    assert_eq!((to, from), (SoundWay::To, SoundWay::From));
    assert!((6..=10).contains(&there) && (6..=10).contains(&here), "{from_ravi:?} {at_mina:?}");
    assert_eq!(from_ravi.words("Mina"), format!("poor: {there} % loss from you to Mina"));
    assert_eq!(at_mina.words("Ravi"), format!("poor: {here} % loss from Ravi to you"));
    // The same of the whole call. The one between them passes on no BYE.
    ravi.phone.hang_up(out);
    mina.phone.hang_up(call);
    for (desk, call, way) in [(&mut ravi, out, SoundWay::To), (&mut mina, call, SoundWay::From)] {
        assert_eq!(loss(&said(desk, call).await).1, way);
    }
}
