//! Addresses, ports and the trunk.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use toml::Spanned;

use super::{
    Api, Rtp, Secret, Section, Sip, Trunk, files,
    mistakes::Found,
    section::{Peer, short},
};

pub(super) fn api(mut section: Section<'_, '_>, dir: &Path, found: &mut Found) -> Option<Spanned<Api>> {
    let bind = section.need::<SocketAddr>(found, "bind", "add a line: bind = \"127.0.0.1:8642\"");
    let certificate = section.get::<String>(found, "certificate");
    let key = section.get::<String>(found, "key");
    section.finish(found);
    let bind = bind?;
    let tls = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(files::tls(&certificate, &key, dir, found)?),
        (None, None) if bind.get_ref().ip().is_loopback() => None,
        (None, None) => {
            let what = format!("`bind` is {}, which others can reach, but there is no certificate", bind.get_ref());
            let remedy = "make one with `patchcord-exchange init --dir NEW` and name it here with `certificate` and \
                          `key`, or bind to 127.0.0.1";
            found.say(&bind.span(), what, remedy);
            return None;
        }
        (Some(given), None) => {
            found.say(&given.span(), "`certificate` has no `key` beside it", "add a line: key = \"key.pem\"");
            return None;
        }
        (None, Some(given)) => {
            let remedy = "add a line: certificate = \"cert.pem\"";
            found.say(&given.span(), "`key` has no `certificate` beside it", remedy);
            return None;
        }
    };
    Some(Spanned::new(bind.span(), Api { bind: bind.into_inner(), tls }))
}

pub(super) fn sip(mut section: Section<'_, '_>, found: &mut Found) -> Option<Spanned<Sip>> {
    let udp = section.get_or::<Vec<Spanned<SocketAddr>>>(found, "udp", Vec::new());
    let tcp = section.get_or::<Vec<Spanned<SocketAddr>>>(found, "tcp", Vec::new());
    let tls = section.get_or::<Vec<Spanned<SocketAddr>>>(found, "tls", Vec::new());
    let advertised = section.get::<IpAddr>(found, "advertised");
    let realm = section.get_or::<String>(found, "realm", "patchcord".into());
    let at = section.span.clone();
    section.finish(found);
    let all = [udp.get_ref(), tcp.get_ref(), tls.get_ref()];
    if all.iter().all(|list| list.is_empty()) {
        let what = "[sip] listens nowhere";
        found.say(&at, what, "add a line: udp = [\"127.0.0.1:5060\"]");
    }
    for list in all {
        twice(list, found);
    }
    let unspecified = all.into_iter().flatten().find(|a| a.get_ref().ip().is_unspecified());
    if let (Some(address), None) = (unspecified, &advertised) {
        let what =
            format!("[sip] listens on {}, but `advertised` does not say how devices reach it", address.get_ref());
        found.say(&address.span(), what, "add a line with this machine's address: advertised = \"192.0.2.7\"");
    }
    if let Some(given) = advertised.as_ref().filter(|a| a.get_ref().is_unspecified()) {
        let remedy = "give the address at which devices reach this machine";
        found.say(&given.span(), "`advertised` is an address that nobody can reach", remedy);
    }
    if !plain_token(realm.get_ref()) {
        let what = format!("`realm` is \"{}\"", short(realm.get_ref()));
        found.say(&realm.span(), what, "use 1 to 64 letters, digits, dots and dashes");
    }
    let bare =
        |list: Spanned<Vec<Spanned<SocketAddr>>>| list.into_inner().into_iter().map(Spanned::into_inner).collect();
    let sip = Sip {
        udp: bare(udp),
        tcp: bare(tcp),
        tls: bare(tls),
        advertised: advertised.map(Spanned::into_inner),
        realm: realm.into_inner(),
    };
    Some(Spanned::new(at, sip))
}

fn plain_token(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
}

fn twice(list: &[Spanned<SocketAddr>], found: &mut Found) {
    for (n, address) in list.iter().enumerate() {
        let same = |earlier: &Spanned<SocketAddr>| earlier.get_ref() == address.get_ref();
        if address.get_ref().port() != 0 && list[..n].iter().any(same) {
            found.say(&address.span(), format!("{} is listed twice", address.get_ref()), "take one of them out");
        }
    }
}

/// An RTP and an RTCP port for each of two legs, for fifty calls; ringing devices need theirs too.
const MIN_RTP_PORTS: u16 = 200;

pub(super) fn rtp(mut section: Section<'_, '_>, found: &mut Found) -> Option<Spanned<Rtp>> {
    let bind = section.get_or::<IpAddr>(found, "bind", IpAddr::V4(Ipv4Addr::LOCALHOST));
    let ports = section.need::<Vec<Spanned<u16>>>(found, "ports", "add a line: ports = [20000, 29999]");
    section.finish(found);
    let ports = ports?;
    let example = "write the first and the last port: ports = [20000, 29999]";
    let &[first, last] = &ports.get_ref().iter().map(|p| *p.get_ref()).collect::<Vec<_>>()[..] else {
        let what = format!("`ports` has {} numbers, not 2", ports.get_ref().len());
        found.say(&ports.span(), what, example);
        return None;
    };
    if (first, last) == (0, 0) {
        // The system chooses.
    } else if first > last {
        let what = format!("`ports` goes from {first} down to {last}");
        found.say(&ports.span(), what, "put the smaller number first");
    } else if first < 1024 {
        let what = format!("`ports` starts at {first}, among the ports reserved for the system");
        found.say(&ports.span(), what, example);
    } else if last - first < MIN_RTP_PORTS - 1 {
        let what = format!("`ports` is a range of only {}", last - first + 1);
        let remedy = format!("allow at least {MIN_RTP_PORTS}: a call takes four, and so do two ringing phones");
        found.say(&ports.span(), what, remedy);
    }
    Some(Spanned::new(ports.span(), Rtp { bind: bind.into_inner(), ports: first..=last }))
}

/// Sound is offered at one address: phones of the other family would hear nothing.
pub(super) fn families(sip: &Spanned<Sip>, rtp: &Spanned<Rtp>, found: &mut Found) {
    let (Sip { udp, tcp, tls, .. }, sound) = (sip.get_ref(), rtp.get_ref().bind);
    let mut addresses = [udp, tcp, tls].into_iter().flatten();
    if let Some(address) = addresses.clone().next()
        && addresses.all(|a| a.is_ipv4() != sound.is_ipv4() && !a.ip().is_unspecified())
    {
        let what = format!("[rtp] `bind` is {sound}, but [sip] listens on {address}: no call would have sound");
        let remedy = format!("add to [rtp] an address of the same kind: bind = \"{}\"", address.ip());
        found.say(&rtp.span(), what, remedy);
    }
}

/// A fixed port inside the RTP range would sooner or later be taken by a call. TCP ports do not clash with UDP ones.
pub(super) fn port_clashes(api: &Spanned<Api>, sip: &Spanned<Sip>, rtp: &Spanned<Rtp>, found: &mut Found) {
    let ports = &rtp.get_ref().ports;
    for address in sip.get_ref().udp.iter().filter(|a| a.port() != 0 && ports.contains(&a.port())) {
        let what = format!("`ports` {}–{} holds the SIP address {address}", ports.start(), ports.end());
        found.say(&rtp.span(), what, "move the range or the SIP port");
    }
    let bind = api.get_ref().bind;
    let Sip { tcp, tls, .. } = sip.get_ref();
    if bind.port() != 0 && tcp.iter().chain(tls).any(|address| *address == bind) {
        found.say(&api.span(), format!("`bind` {bind} is also a SIP address"), "give the API another port");
    }
    for address in tls.iter().filter(|a| a.port() != 0 && tcp.contains(a)) {
        let what = format!("[sip] listens on {address} with `tcp` and with `tls`");
        found.say(&sip.span(), what, "give `tls` a port of its own, usually 5061");
    }
    if !tls.is_empty() && api.get_ref().tls.is_none() {
        let remedy = "name a `certificate` and its `key` in [api]; phones are shown the same one";
        found.say(&sip.span(), "[sip] has `tls`, but there is no certificate", remedy);
    }
}

pub(super) fn trunk(mut section: Section<'_, '_>, found: &mut Found) -> Option<Trunk> {
    let remedy = "add a line: kind = \"static\" (the provider is known by its address) or kind = \"register\"";
    let kind = section.need::<String>(found, "kind", remedy)?;
    let trunk = match kind.get_ref().as_str() {
        "static" => static_trunk(&mut section, found),
        "register" => register_trunk(&mut section, found),
        other => {
            let what = format!("`kind` of [trunk] is \"{}\"", short(other));
            found.say(&kind.span(), what, "use \"static\" or \"register\"");
            return None;
        }
    };
    section.finish(found);
    trunk
}

fn static_trunk(section: &mut Section<'_, '_>, found: &mut Found) -> Option<Trunk> {
    let remedy = "list the provider's addresses: peers = [\"192.0.2.10\"]";
    let peers = section.need::<Vec<Spanned<Peer>>>(found, "peers", remedy);
    let dial =
        section.need::<SocketAddr>(found, "dial", "say where calls to the outside go: dial = \"192.0.2.10:5060\"");
    let number = number(section, found);
    let peers = peers?;
    if peers.get_ref().is_empty() {
        found.say(&peers.span(), "`peers` is empty: nobody outside could call", remedy);
    }
    for peer in peers.get_ref().iter().filter(|p| p.get_ref().0.ip().is_unspecified()) {
        let what = format!("the peer {} is every address there is", peer.get_ref().0.ip());
        found.say(&peer.span(), what, remedy);
    }
    let dial = dial?;
    if dial.get_ref().port() == 0 {
        found.say(&dial.span(), "`dial` has port 0", "give the provider's SIP port, usually 5060");
    }
    let peers = peers.into_inner().into_iter().map(|p| p.into_inner().0).collect();
    Some(Trunk::Static { peers, dial: dial.into_inner(), number: number? })
}

fn register_trunk(section: &mut Section<'_, '_>, found: &mut Found) -> Option<Trunk> {
    let example = "registrar = \"provider.example\" or \"provider.example:5060\"";
    let registrar = section.need::<String>(found, "registrar", &format!("add a line: {example}"));
    let user = section.need::<String>(found, "user", "add the user name that the provider gave: user = \"…\"");
    let auth_user = section.get::<String>(found, "auth_user");
    let password =
        section.need::<String>(found, "password", "add the password that the provider gave: password = \"…\"");
    let number = number(section, found);
    let (registrar, user) = (registrar?, user?);
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b".:-[]".contains(&b);
    if registrar.get_ref().is_empty() || !registrar.get_ref().bytes().all(is_host) {
        let what = format!("`registrar` is \"{}\"", short(registrar.get_ref()));
        found.say(&registrar.span(), what, format!("write it without sip: in front, as {example}"));
    }
    if user.get_ref().is_empty() {
        found.say(&user.span(), "`user` is empty", "add the user name that the provider gave");
    }
    let user = user.into_inner();
    let registrar = registrar.into_inner();
    Some(Trunk::Register {
        registrar: registrar.strip_prefix("sip:").unwrap_or(&registrar).to_owned(),
        auth_user: auth_user.map_or_else(|| user.clone(), Spanned::into_inner),
        user,
        password: Secret(password?.into_inner()),
        number: number?,
    })
}

/// What outgoing calls show as their caller.
fn number(section: &mut Section<'_, '_>, found: &mut Found) -> Option<String> {
    let remedy = "add the number that outgoing calls show: number = \"+442079460000\"";
    let number = section.need::<String>(found, "number", remedy)?;
    if !is_number(number.get_ref()) {
        found.say(&number.span(), format!("`number` is \"{}\"", short(number.get_ref())), NUMBER_REMEDY);
    }
    Some(number.into_inner())
}

pub(super) const NUMBER_REMEDY: &str = "write it as the trunk presents it: digits, with + in front if international";

pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (2..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}
