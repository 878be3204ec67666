//! Digest authentication, both sides (RFC 7616, RFC 8760). Our own: rsipstack's fails on SHA-256, on `qop="auth,auth-int"`
//! and on a quote in the realm.

use std::{collections::HashMap, fmt, fmt::Write, net::SocketAddr, sync::Arc, time::Duration};

use md5::Md5;
use rand::Rng;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::{
    address::{quote, unquote},
    message::{Message, split_list},
};

/// User name and password for digest challenges.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Whom to challenge, and with what. Asked from the endpoint's task: answer at once, from memory.
pub trait Secrets: Send + Sync {
    fn realm(&self) -> String;
    /// The password of a digest user name; `None` if unknown (the answer to the peer is the same as for a wrong one).
    fn secret(&self, auth_user: &str) -> Option<String>;
    /// Trunk peers: requests from these sources are not challenged.
    fn trusted(&self, source: SocketAddr) -> bool;
}

/// How long a nonce may be used.
const NONCE_LIFE: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn hex(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text.as_bytes())),
            Self::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        }
    }

    /// With whether it is the session variant; none given means MD5.
    fn parse(name: &str) -> Option<(Self, bool)> {
        let upper = name.to_ascii_uppercase();
        let (base, session) = upper.strip_suffix("-SESS").map_or((upper.as_str(), false), |b| (b, true));
        match base {
            "" | "MD5" => Some((Self::Md5, session)),
            "SHA-256" => Some((Self::Sha256, session)),
            _ => None,
        }
    }
}

/// One `Digest` challenge or answer: its parameters, names in lower case.
#[derive(Default)]
struct Params(Vec<(String, String)>);

impl Params {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// All of a header's values, several to a line too.
    fn parse_all<'a>(values: impl Iterator<Item = &'a str>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for item in values.flat_map(split_list).take(64) {
            let scheme = item.split_once(char::is_whitespace).filter(|(s, _)| !s.contains('='));
            let param = match scheme {
                Some((scheme, rest)) => {
                    if !scheme.eq_ignore_ascii_case("digest") {
                        continue;
                    }
                    all.push(Self::default());
                    rest.trim_start()
                }
                None => item,
            };
            let (Some(current), Some((name, value))) = (all.last_mut(), param.split_once('=')) else { continue };
            let value = value.trim();
            let value = match value.strip_prefix('"') {
                Some(quoted) => unquote(quoted).map_or(String::new(), |(text, _)| text),
                None => value.to_owned(),
            };
            current.0.push((name.trim().to_ascii_lowercase(), value));
        }
        all
    }
}

/// What goes into a digest.
struct Work<'a> {
    algorithm: Algorithm,
    session: bool,
    user: &'a str,
    realm: &'a str,
    password: &'a str,
    method: &'a str,
    uri: &'a str,
    nonce: &'a str,
    nc: &'a str,
    cnonce: &'a str,
    qop: &'a str,
    body: &'a str,
}

impl Work<'_> {
    /// RFC 7616 section 3.4.1.
    fn response(&self) -> String {
        let h = |text: &str| self.algorithm.hex(text);
        let mut a1 = h(&format!("{}:{}:{}", self.user, self.realm, self.password));
        if self.session {
            a1 = h(&format!("{a1}:{}:{}", self.nonce, self.cnonce));
        }
        let a2 = if self.qop == "auth-int" {
            h(&format!("{}:{}:{}", self.method, self.uri, h(self.body)))
        } else {
            h(&format!("{}:{}", self.method, self.uri))
        };
        if self.qop.is_empty() {
            h(&format!("{a1}:{}:{a2}", self.nonce))
        } else {
            h(&format!("{a1}:{}:{}:{}:{}:{a2}", self.nonce, self.nc, self.cnonce, self.qop))
        }
    }
}

/// Adds the answer to a 401 or 407 to `request`; `false` if no challenge can be answered. The strongest algorithm wins.
///
/// `realms`: the only ones that the password is for; empty if that is not known. A server behind ours may challenge too, and what it
/// got would let it guess the password at leisure.
pub(crate) fn answer_challenge(
    request: &mut Message,
    refusal: &Message,
    credentials: &Credentials,
    realms: &[String],
) -> bool {
    let (asked, answer) = match refusal.status() {
        407 => ("Proxy-Authenticate", "Proxy-Authorization"),
        _ => ("WWW-Authenticate", "Authorization"),
    };
    let best = Params::parse_all(refusal.all(asked))
        .into_iter()
        .filter(|c| realms.is_empty() || realms.iter().any(|realm| realm == c.get("realm")))
        .filter_map(|c| Some((Algorithm::parse(c.get("algorithm"))?, c)))
        .filter_map(|(algorithm, c)| Some((algorithm, choose_qop(c.get("qop"))?, c)))
        .max_by_key(|((algorithm, _), _, _)| *algorithm);
    let Some(((algorithm, session), qop, challenge)) = best else { return false };
    let (method, uri) = (request.method().map(|m| m.to_string()).unwrap_or_default(), request.uri().to_owned());
    let cnonce = hex(&rand::rng().random::<[u8; 8]>());
    let work = Work {
        algorithm,
        session,
        user: &credentials.user,
        realm: challenge.get("realm"),
        password: &credentials.password,
        method: &method,
        uri: &uri,
        nonce: challenge.get("nonce"),
        nc: "00000001",
        cnonce: &cnonce,
        qop,
        body: &request.body,
    };
    let mut value = format!(
        "Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\"",
        quote(work.user),
        quote(work.realm),
        quote(work.nonce),
        quote(work.uri),
        work.response()
    );
    if !challenge.get("algorithm").is_empty() {
        let _ = write!(value, ", algorithm={}{}", algorithm.name(), if session { "-sess" } else { "" });
    }
    if !qop.is_empty() {
        let _ = write!(value, ", qop={qop}, nc={}, cnonce=\"{cnonce}\"", work.nc);
    }
    if !challenge.get("opaque").is_empty() {
        let _ = write!(value, ", opaque={}", quote(challenge.get("opaque")));
    }
    request.set(answer, value);
    true
}

/// The realm of a challenge that is for none of `realms`, as it may be shown; `None` if one is, or none are known.
pub(crate) fn foreign_realm(refusal: &Message, realms: &[String]) -> Option<String> {
    let asked = Params::parse_all(refusal.all("Proxy-Authenticate").chain(refusal.all("WWW-Authenticate")));
    let known = realms.is_empty() || asked.iter().any(|c| realms.iter().any(|realm| realm == c.get("realm")));
    let shown = |c: &Params| c.get("realm").chars().filter(|c| !c.is_control()).take(60).collect();
    asked.first().filter(|_| !known).map(shown)
}

/// The realm that a request of ours answers.
pub(crate) fn realm_answered(request: &Message) -> Option<String> {
    let answers = Params::parse_all(request.all("Authorization").chain(request.all("Proxy-Authorization")));
    answers.last().map(|answer| answer.get("realm").to_owned())
}

/// `auth` before `auth-int`; empty if none is asked for, `None` if only unknown ones are.
fn choose_qop(offered: &str) -> Option<&'static str> {
    if offered.trim().is_empty() {
        return Some("");
    }
    ["auth", "auth-int"].into_iter().find(|q| offered.split(',').any(|o| o.trim().eq_ignore_ascii_case(q)))
}

/// The exchange's side: makes nonces and judges answers. A nonce carries its time and a seal, so nothing is kept for a
/// challenge; only nonces that somebody answered rightly are remembered, with their highest count.
pub(crate) struct Challenger {
    pub secrets: Arc<dyn Secrets>,
    key: [u8; 32],
    started: Instant,
    issued: u64,
    used: HashMap<String, (u32, Instant)>,
}

pub(crate) enum Verdict {
    /// The digest user name; empty if the source is trusted.
    Passed(String),
    Challenge {
        stale: bool,
    },
    /// The answer of this user is wrong.
    Wrong(String),
    /// It has been wrong too often.
    Barred,
}

impl Challenger {
    pub fn new(secrets: Arc<dyn Secrets>, now: Instant) -> Self {
        Self { secrets, key: rand::rng().random(), started: now, issued: 0, used: HashMap::new() }
    }

    /// `may_try`: whether an answer of that user is looked at.
    pub fn judge(
        &mut self,
        now: Instant,
        request: &Message,
        source: SocketAddr,
        may_try: impl FnOnce(&str) -> bool,
    ) -> Verdict {
        if self.secrets.trusted(source) {
            return Verdict::Passed(String::new());
        }
        let realm = self.secrets.realm();
        let answers = Params::parse_all(request.all("Authorization"));
        let Some(answer) = answers.iter().find(|a| a.get("realm") == realm) else {
            return Verdict::Challenge { stale: false };
        };
        let user = answer.get("username");
        if !may_try(user) {
            return Verdict::Barred;
        }
        if !self.matches(request, answer, &realm) {
            return Verdict::Wrong(user.to_owned());
        }
        let nonce = answer.get("nonce");
        let fresh = self.age_of(now, nonce).is_some_and(|age| age < NONCE_LIFE);
        // Without qop there is no count: such a nonce is good once.
        let count = u32::from_str_radix(answer.get("nc"), 16).unwrap_or(u32::MAX);
        let replayed = self.used.get(nonce).is_some_and(|(highest, _)| count <= *highest);
        if !fresh || replayed {
            return Verdict::Challenge { stale: true };
        }
        self.used.insert(nonce.to_owned(), (count, now));
        Verdict::Passed(user.to_owned())
    }

    fn matches(&self, request: &Message, answer: &Params, realm: &str) -> bool {
        let Some((algorithm, session)) = Algorithm::parse(answer.get("algorithm")) else { return false };
        let known = self.secrets.secret(answer.get("username"));
        // An unknown user costs the same time as a wrong password.
        let password = known.clone().unwrap_or_else(|| hex(&self.key));
        let method = request.method().map(|m| m.to_string()).unwrap_or_default();
        let work = Work {
            algorithm,
            session,
            user: answer.get("username"),
            realm,
            password: &password,
            method: &method,
            uri: answer.get("uri"),
            nonce: answer.get("nonce"),
            nc: answer.get("nc"),
            cnonce: answer.get("cnonce"),
            qop: answer.get("qop"),
            body: &request.body,
        };
        let equal = same(work.response().as_bytes(), answer.get("response").to_ascii_lowercase().as_bytes());
        equal && known.is_some()
    }

    /// WWW-Authenticate values: SHA-256 first (RFC 8760 section 2.6).
    pub fn challenges(&mut self, now: Instant, stale: bool, user_agent: &str) -> Vec<String> {
        let realm = quote(&self.secrets.realm());
        let nonce = self.nonce(now);
        let stale = if stale { ", stale=true" } else { "" };
        let algorithms: &[Algorithm] =
            if only_md5(user_agent) { &[Algorithm::Md5] } else { &[Algorithm::Sha256, Algorithm::Md5] };
        let one = |a: &Algorithm| {
            format!("Digest realm={realm}, nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}", a.name())
        };
        algorithms.iter().map(one).collect()
    }

    pub fn forget_old(&mut self, now: Instant) {
        self.used.retain(|_, (_, at)| now.duration_since(*at) < NONCE_LIFE);
    }

    pub fn forget_every() -> Duration {
        NONCE_LIFE
    }

    fn nonce(&mut self, now: Instant) -> String {
        self.issued += 1;
        let open = format!("{:x}.{:x}", now.duration_since(self.started).as_millis(), self.issued);
        format!("{open}.{}", &self.seal(&open)[..32])
    }

    /// Age of a nonce of ours; `None` if it is not ours.
    fn age_of(&self, now: Instant, nonce: &str) -> Option<Duration> {
        let (open, seal) = nonce.rsplit_once('.')?;
        if !same(&self.seal(open).as_bytes()[..32], seal.as_bytes()) {
            return None;
        }
        let at = u64::from_str_radix(open.split('.').next()?, 16).ok()?;
        now.duration_since(self.started).checked_sub(Duration::from_millis(at))
    }

    /// HMAC-SHA-256 (RFC 2104), hex.
    fn seal(&self, text: &str) -> String {
        let pad = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(self.key).for_each(|(b, k)| *b ^= k);
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text.as_bytes()).finalize();
        hex(&Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize())
    }
}

/// User agents that give up when they see an algorithm they do not know, instead of taking the next one: libre before
/// 3.0 (`baresip v0`, `v1`, `v2`) and SIPp.
fn only_md5(user_agent: &str) -> bool {
    let ua = user_agent.to_ascii_lowercase();
    ["baresip v0", "baresip v1", "baresip v2", "sipp"].iter().any(|old| ua.starts_with(old))
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rsipstack::sip::Method;

    struct One;
    impl Secrets for One {
        fn realm(&self) -> String {
            "a \"quoted\" realm, with comma".into()
        }
        fn secret(&self, user: &str) -> Option<String> {
            (user == "ravi").then(|| "s3cret".into())
        }
        fn trusted(&self, _: SocketAddr) -> bool {
            false
        }
    }

    fn work(algorithm: Algorithm) -> String {
        Work {
            algorithm,
            session: false,
            user: "Mufasa",
            realm: "http-auth@example.org",
            password: "Circle of Life",
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            nc: "00000001",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            qop: "auth",
            body: "",
        }
        .response()
    }

    /// The example of RFC 7616 section 3.9.1.
    #[test]
    fn computes_the_rfc_example() {
        assert_eq!(work(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(work(Algorithm::Sha256), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    }

    fn challenged(user: &str, password: &str, keep: &str, now: Instant) -> (Challenger, Message) {
        let mut challenger = Challenger::new(Arc::new(One), now);
        let mut request = Message::request(Method::Register, "sip:x".into());
        let mut refusal = Message::response(&request, 401, "t");
        for value in challenger.challenges(now, false, "").iter().filter(|v| v.contains(keep)) {
            refusal.add("WWW-Authenticate", value.clone());
        }
        let credentials = Credentials { user: user.into(), password: password.into() };
        assert!(answer_challenge(&mut request, &refusal, &credentials, &[]));
        (challenger, request)
    }

    fn verdict(challenger: &mut Challenger, request: &Message, now: Instant) -> Result<String, bool> {
        match challenger.judge(now, request, "127.0.0.1:1".parse().unwrap(), |_| true) {
            Verdict::Passed(user) => Ok(user),
            Verdict::Challenge { stale } => Err(stale),
            Verdict::Wrong(_) => Err(false),
            Verdict::Barred => panic!("nobody was barred"),
        }
    }

    #[tokio::test]
    async fn right_answers_pass_once() {
        let now = Instant::now();
        for keep in ["", "algorithm=MD5", "algorithm=SHA-256"] {
            let (mut challenger, request) = challenged("ravi", "s3cret", keep, now);
            let strong = request.get("Authorization").unwrap().contains("algorithm=SHA-256");
            assert_eq!(strong, keep != "algorithm=MD5");
            assert_eq!(verdict(&mut challenger, &request, now), Ok("ravi".into()));
            assert_eq!(verdict(&mut challenger, &request, now), Err(true), "a replay");
        }
    }

    #[tokio::test]
    async fn wrong_old_and_forged_answers_do_not_pass() {
        let now = Instant::now();
        let (mut challenger, request) = challenged("ravi", "wrong", "", now);
        assert_eq!(verdict(&mut challenger, &request, now), Err(false));
        let (mut challenger, request) = challenged("nobody", "s3cret", "", now);
        assert_eq!(verdict(&mut challenger, &request, now), Err(false));
        let (mut challenger, request) = challenged("ravi", "s3cret", "", now);
        assert_eq!(verdict(&mut challenger, &request, now + NONCE_LIFE), Err(true));
        let mut another = Challenger::new(Arc::new(One), now);
        assert_eq!(verdict(&mut another, &request, now), Err(true), "a nonce of somebody else");
        challenger.forget_old(now + NONCE_LIFE);
        assert!(challenger.used.is_empty());
    }

    #[test]
    fn reads_odd_challenges() {
        let header =
            r#"Digest realm="a \"b\", c" , qop="auth-int,auth", nonce=abc, Basic realm="x", digest NONCE="n2""#;
        let all = Params::parse_all(std::iter::once(header));
        assert_eq!((all.len(), all[0].get("realm"), all[1].get("nonce")), (2, "a \"b\", c", "n2"));
        assert_eq!(choose_qop(all[0].get("qop")), Some("auth"));
        assert_eq!(choose_qop("auth-int"), Some("auth-int"));
        assert_eq!(choose_qop("other"), None);
    }

    #[test]
    fn a_password_is_for_one_realm_only() {
        let credentials = Credentials { user: "ravi".into(), password: "s3cret".into() };
        let realms = ["office".to_owned()];
        let mut request = Message::request(Method::Invite, "sip:x".into());
        let mut refusal = Message::response(&request, 407, "t");
        refusal.add("Proxy-Authenticate", "Digest realm=\"elsewhere\", nonce=\"n1\", algorithm=SHA-256");
        assert!(!answer_challenge(&mut request, &refusal, &credentials, &realms));
        assert_eq!(realm_answered(&request), None);
        refusal.add("Proxy-Authenticate", "Digest realm=\"office\", nonce=\"n2\"");
        assert!(answer_challenge(&mut request, &refusal, &credentials, &realms), "however weak, it is ours");
        assert_eq!(realm_answered(&request).as_deref(), Some("office"));
    }

    #[test]
    fn credentials_never_show_the_password() {
        let c = Credentials { user: "ravi".into(), password: "s3cret".into() };
        assert!(!format!("{c:?}").contains("s3cret"));
    }
}
