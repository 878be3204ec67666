//! What the architecture promises, read from the manifests and the sources.

use std::collections::BTreeSet;
use std::path::Path;

use flows::sound::repository;

fn dependencies(manifest: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(repository().join(manifest)).unwrap();
    let table: toml::Table = text.parse().unwrap();
    table["dependencies"].as_table().unwrap().keys().cloned().collect()
}

#[test]
fn arrows_only_point_down() {
    let ours =
        ["protocol", "switchboard", "sip", "media", "audio", "softphone", "headset", "call-log", "desk", "exchange"];
    let allowed: &[(&str, &[&str])] = &[
        ("protocol", &[]),
        ("switchboard", &["protocol"]),
        ("sip", &[]),
        ("media", &[]),
        ("audio", &["media"]),
        ("softphone", &["protocol", "sip", "media", "audio"]),
        ("headset", &[]),
        ("call-log", &["protocol"]),
        ("desk", &["protocol", "softphone", "headset", "call-log"]),
        ("exchange", &["protocol", "switchboard", "sip", "media"]),
    ];
    for (room, below) in allowed {
        for dependency in dependencies(&format!("crates/{room}/Cargo.toml")) {
            let is_ours = ours.contains(&dependency.as_str());
            assert!(!is_ours || below.contains(&dependency.as_str()), "{room} must not depend on {dependency}");
        }
    }
}

#[test]
fn pure_rooms_have_no_clock_socket_file_or_thread() {
    let forbidden = [
        "tokio",
        "UdpSocket",
        "TcpListener",
        "TcpStream",
        "ToSocketAddrs",
        "std::net::*",
        "std::fs",
        "std::thread",
        "std::process",
        "Instant::now",
        "SystemTime",
        "std::env::",
        "Mutex",
        "mpsc",
    ];
    for room in ["protocol", "switchboard", "media"] {
        let names = dependencies(&format!("crates/{room}/Cargo.toml"));
        assert!(!names.iter().any(|name| ["tokio", "socket2", "mio", "futures"].contains(&name.as_str())), "{room}");
        for (file, text) in sources(&repository().join("crates").join(room).join("src")) {
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for word in forbidden {
                    assert!(!line.contains(word), "{file}: {line}");
                }
            }
        }
    }
}

/// The system's sound callbacks wait for nobody: besides that they don't allocate, which their own tests count, there is no lock
/// and no log in their room at all. The made-up devices have no callback.
#[test]
fn no_lock_and_no_log_is_near_a_sound_callback() {
    let names = dependencies("crates/audio/Cargo.toml");
    assert!(!names.iter().any(|name| ["tracing", "log", "parking_lot"].contains(&name.as_str())), "{names:?}");
    let files = sources(&repository().join("crates/audio/src"));
    assert!(files.iter().any(|(file, _)| file.ends_with("speaker.rs")));
    for (file, text) in files.iter().filter(|(file, _)| !file.ends_with("fake.rs")) {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["Mutex", "RwLock", "Condvar", "println!", "eprintln!"] {
            assert!(!code.contains(word), "{file}: {word}");
        }
    }
}

#[test]
fn only_the_seams_name_what_they_hide() {
    let mut rooms = sources(&repository().join("crates"));
    rooms.extend(sources(&repository().join("src-tauri")));
    assert!(rooms.len() > 50, "the sources were not found");
    for (file, text) in rooms {
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        assert!(!code.contains("rsipstack::") || file.contains("crates/sip/"), "{file} names rsipstack");
        assert!(!code.contains("tauri::") || file.contains("src-tauri/"), "{file} names tauri");
        assert!(!code.contains("cpal::") || file.contains("crates/audio/"), "{file} names cpal");
        assert!(!code.contains("hidapi::") || file.contains("crates/headset/"), "{file} names hidapi");
        assert!(!code.contains("rusqlite::") || file.contains("call-log/") || file.contains("/store/"), "{file}");
    }
}

/// Every Rust source below `dir` that is not a test file, as (path, text).
fn sources(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") && !name.contains("test") {
            found.push((path.to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    found
}
