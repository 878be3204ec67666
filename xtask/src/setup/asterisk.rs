//! Asterisk 22 for the tests: Debian's packages of a newer suite, from the mirror that apt uses already, unpacked into a
//! folder of ours. Nothing is installed, and no rights are needed; it runs on the libraries that came with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::step::root;

/// Suites that carry Asterisk 22, the calmest first.
const SUITES: &[&str] = &["forky", "sid"];
const ASTERISK: &[&str] = &["asterisk", "asterisk-modules", "asterisk-core-sounds-en-gsm"];
/// What the modules of `tests/asterisk/modules.conf` need. Should it not suffice one day, apt finds out what does, at five
/// times the size.
const LIBRARIES: &[&str] = &[
    "libbsd0",
    "libc6",
    "libcap2",
    "libcrypt1",
    "libedit2",
    "libgcc-s1",
    "libgsm1",
    "libjansson4",
    "libmd0",
    "libnspr4",
    "libnss3",
    "libopus0",
    "libsqlite3-0",
    "libsrtp2-1",
    "libssl3t64",
    "libstdc++6",
    "libsystemd0",
    "libtinfo6",
    "liburiparser1",
    "libuuid1",
    "libxml2-16",
    "libxslt1.1",
    "libzstd1",
    "zlib1g",
];

/// Where the tests look for it.
fn folder() -> PathBuf {
    root().join("target/peers/asterisk")
}

/// Tests that could not run write their names here, one a line.
pub fn skipped() -> PathBuf {
    root().join("target/peers/asterisk.skipped")
}

/// Makes sure that `target/peers/asterisk/bin/asterisk` runs and can load every module that the tests load.
pub fn unpack() -> Result<()> {
    let folder = folder();
    if works(&folder).is_ok() {
        eprintln!("Asterisk for the tests is there.");
        return Ok(());
    }
    eprintln!("Fetching Asterisk for the tests into {}", folder.display());
    let fresh = folder.with_extension("new");
    let mut failures = Vec::new();
    for suite in SUITES {
        match fetch(&fresh, suite) {
            Ok(()) => {
                clear(&folder)?;
                return std::fs::rename(&fresh, &folder).with_context(|| folder.display().to_string());
            }
            Err(error) => failures.push(format!("{suite}: {error:#}")),
        }
    }
    clear(&fresh)?;
    bail!("Debian's packages of Asterisk could not be had: {}", failures.join("; "))
}

fn clear(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context(folder.display().to_string()),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn fetch(folder: &Path, suite: &str) -> Result<()> {
    clear(folder)?;
    let apt = Apt::of(folder, suite)?;
    apt.run("apt-get", &["update", "-qq"])?;
    let short = apt.download(&[ASTERISK, LIBRARIES].concat()).and_then(|()| works(folder));
    if short.is_err() {
        apt.download_all(ASTERISK)?;
        works(folder)?;
    }
    clear(&apt.folder)
}

/// Whether it starts, and finds each library of each module among its own.
fn works(folder: &Path) -> Result<()> {
    let program = folder.join("bin/asterisk");
    ensure!(program.is_file(), "there is no {}", program.display());
    output(Command::new(&program).arg("-V"))?;
    let library = library(folder)?;
    let modules = root().join("tests/asterisk/modules.conf");
    let list = std::fs::read_to_string(&modules).with_context(|| modules.display().to_string())?;
    for module in list.lines().filter_map(|line| line.strip_prefix("load = ")) {
        let file = library.join("asterisk/modules").join(module);
        ensure!(file.is_file(), "there is no module {module}");
        let mut loader = Command::new(loader(&library)?);
        let needs = output(loader.arg("--library-path").arg(&library).arg("--list").arg(&file))?;
        let own = format!("=> {}", library.display());
        let missing = needs.lines().find(|line| {
            line.contains("not found") || (line.contains("=> /") && !line.contains(&own) && !line.contains("ld-linux"))
        });
        ensure!(missing.is_none(), "{module} lacks {}", missing.unwrap_or_default().trim());
    }
    Ok(())
}

/// The only folder of libraries: `usr/lib/x86_64-linux-gnu` or its like.
fn library(folder: &Path) -> Result<PathBuf> {
    let parent = folder.join("root/usr/lib");
    let entries = std::fs::read_dir(&parent).with_context(|| parent.display().to_string())?;
    let found = entries.flatten().map(|e| e.path()).find(|p| p.join("asterisk/modules").is_dir());
    found.with_context(|| format!("no modules of Asterisk below {}", parent.display()))
}

fn loader(library: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_dir(library)?;
    let is_loader = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("ld-linux"));
    entries.flatten().map(|e| e.path()).find(is_loader).context("its C library has no loader")
}

/// An apt with a memory of its own, that knows one suite and thinks that nothing is installed.
struct Apt {
    folder: PathBuf,
    root: PathBuf,
}

impl Apt {
    fn of(folder: &Path, suite: &str) -> Result<Self> {
        let apt = Self { folder: folder.join("apt"), root: folder.join("root") };
        for part in ["state/lists/partial", "cache/archives/partial"] {
            std::fs::create_dir_all(apt.folder.join(part))?;
        }
        std::fs::write(apt.folder.join("status"), "")?;
        std::fs::write(apt.folder.join("sources.list"), source(suite)?)?;
        let own = apt.folder.display();
        let config = format!(
            "Dir::State \"{own}/state\";\nDir::State::status \"{own}/status\";\nDir::Cache \"{own}/cache\";\n\
             Dir::Etc::sourcelist \"{own}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::preferencesparts \"/dev/null\";\nAcquire::Languages \"none\";\nAcquire::Retries \"2\";\n\
             APT::Install-Recommends \"false\";\nAPT::Sandbox::User \"\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
        );
        std::fs::write(apt.folder.join("apt.conf"), config)?;
        Ok(apt)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let archives = self.folder.join("cache/archives");
        output(
            Command::new(program).args(arguments).env("APT_CONFIG", self.folder.join("apt.conf")).current_dir(archives),
        )
    }

    fn download(&self, packages: &[&str]) -> Result<()> {
        self.run("apt-get", &[&["download", "-qq"], packages].concat())?;
        self.unpack()
    }

    /// With all that these packages depend on.
    fn download_all(&self, packages: &[&str]) -> Result<()> {
        self.run("apt-get", &[&["install", "-qq", "-y", "--download-only"], packages].concat())?;
        self.unpack()
    }

    fn unpack(&self) -> Result<()> {
        for entry in std::fs::read_dir(self.folder.join("cache/archives"))?.flatten() {
            let file = entry.path();
            if file.extension().is_some_and(|e| e == "deb") {
                output(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&self.root))?;
            }
        }
        self.write_starter()
    }

    /// A script, so that whoever starts it need not know about loaders. The folder may be moved as a whole.
    fn write_starter(&self) -> Result<()> {
        let folder = self.root.parent().context("no folder")?;
        let library = library(folder)?;
        let loader = loader(&library)?;
        let (library, loader) = (library.strip_prefix(folder)?, loader.strip_prefix(folder)?);
        let text = format!(
            "#!/bin/sh\nhome=$(dirname \"$(dirname \"$(realpath \"$0\")\")\")\n\
             exec \"$home/{}\" --library-path \"$home/{}\" \"$home/root/usr/sbin/asterisk\" \"$@\"\n",
            loader.display(),
            library.display()
        );
        std::fs::create_dir_all(folder.join("bin"))?;
        let file = folder.join("bin/asterisk");
        std::fs::write(&file, text)?;
        output(Command::new("chmod").arg("755").arg(&file)).map(drop)
    }
}

/// One line for apt: the machine's own Debian mirror, but another suite.
fn source(suite: &str) -> Result<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|e| e.path()));
    let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
    let found = texts.into_iter().find_map(|text| stanza(&text).or_else(|| line(&text)));
    let (uri, key) = found.context("apt knows no mirror of Debian here")?;
    let key = key.map(|key| format!("[signed-by={key}] ")).unwrap_or_default();
    Ok(format!("deb {key}{uri} {suite} main\n"))
}

/// The address and the key of the first Debian archive in the newer form of a source list.
fn stanza(text: &str) -> Option<(String, Option<String>)> {
    text.split("\n\n").find_map(|stanza| {
        let field = |name: &str| {
            let value = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.map(|value| value.trim().to_owned())
        };
        let uri = field("URIs")?.split_whitespace().next().filter(|uri| is_archive(uri))?.to_owned();
        Some((uri, field("Signed-By").filter(|key| key.starts_with('/'))))
    })
}

/// The same in the older form: `deb [signed-by=KEY] URI SUITE …`.
fn line(text: &str) -> Option<(String, Option<String>)> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let uri = rest.split_whitespace().next().filter(|uri| is_archive(uri))?.to_owned();
        let key = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        Some((uri, key.map(str::to_owned)))
    })
}

fn is_archive(uri: &str) -> bool {
    uri.trim_end_matches('/').ends_with("/debian")
}

/// Runs to the end, and gives standard output; what went wrong as an error.
fn output(command: &mut Command) -> Result<String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {shown}"))?;
    let errors = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{shown}: {}", errors.trim().lines().last().unwrap_or("it failed"));
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_mirror_is_found_in_both_forms() {
        let newer = "Types: deb\n# a remark\nURIs: http://deb.debian.org/debian-security\nSuites: x\n\nTypes: deb\n\
                     URIs: http://mirror.example/debian\nSuites: bookworm\nSigned-By: /usr/share/keyrings/d.gpg\n";
        let key = Some("/usr/share/keyrings/d.gpg".to_owned());
        assert_eq!(stanza(newer), Some(("http://mirror.example/debian".into(), key)));
        let older = "# deb http://old/debian x main\ndeb http://archive.ubuntu.com/ubuntu noble main\n\
                     deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian/ bookworm main\n";
        assert_eq!(line(older), Some(("https://mirror.example/debian/".into(), Some("/k.gpg".into()))));
        assert_eq!(line("deb http://archive.ubuntu.com/ubuntu noble main"), None);
    }
}
