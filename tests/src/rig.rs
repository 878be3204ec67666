//! A private desktop: X server, window manager, D-Bus session, and a sound server with a null speaker `spk` and a
//! virtual microphone `mic` that is fed through the sink `micfeed`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;

use crate::program::{PATIENCE, bound_to_us, look_at_each};
use crate::sound::{Library, Recognised};
use crate::story::now_ms;

pub struct Rig {
    dir: TempDir,
    environment: Vec<(String, String)>,
    /// Kept for their lives only; the last started is stopped first.
    children: Vec<Child>,
}

impl Rig {
    pub async fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("patchcord-rig-").tempdir()?;
        let mut rig = Self { dir, environment: Vec::new(), children: Vec::new() };
        rig.set_up_folders()?;
        rig.start_display().await.context("starting the private display")?;
        rig.start_bus().await.context("starting the private D-Bus session")?;
        rig.start_sound().await.context("starting the private sound server")?;
        let openbox = rig.command("openbox").stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        rig.children.push(openbox);
        rig.wait_for_window_manager().await?;
        Ok(rig)
    }

    /// A command that sees this desktop.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = bound_to_us(program);
        command.envs(self.environment.iter().cloned()).env_remove("WAYLAND_DISPLAY");
        command
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A picture of the whole screen.
    pub async fn screenshot(&self, file: &Path) -> Result<()> {
        self.run("import", &["-window", "root", &file.to_string_lossy()]).await
    }

    /// A picture of the window with this title, as it is on the screen.
    pub async fn picture_of(&self, title: &str, file: &Path) -> Result<()> {
        self.run("import", &["-window", title, &file.to_string_lossy()]).await
    }

    /// Listens to what the speaker plays, until dropped.
    pub fn tap_speaker(&self) -> Result<Tap> {
        self.tap("spk")
    }

    /// Listens to what this sink plays, until dropped.
    pub fn tap(&self, sink: &str) -> Result<Tap> {
        let mut command = self.command("parec");
        command.arg(format!("--device={sink}.monitor"));
        command.args(["--latency-msec=10", "--rate=48000", "--channels=1", "--format=s16le"]);
        Tap::start(command)
    }

    /// Plugs in something: a module of the sound server. Gives its number.
    pub async fn plug_in(&self, module: &[&str]) -> Result<String> {
        let output = self.command("pactl").arg("load-module").args(module).output().await?;
        if !output.status.success() {
            bail!("pactl: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    pub async fn pull_out(&self, module: &str) -> Result<()> {
        self.run("pactl", &["unload-module", module]).await
    }

    /// Another speaker becomes the system's default, as if chosen in its settings.
    pub async fn make_default(&self, sink: &str) -> Result<()> {
        self.run("pactl", &["set-default-sink", sink]).await
    }

    /// Plays a WAV into the virtual microphone, three times or until dropped: a machine that hiccups spoils one of them.
    pub fn speak_into_microphone(&self, wav: &str) -> Result<Child> {
        let sentence = media::wav::parse(&std::fs::read(wav)?)?;
        let wav = self.path().join("spoken.wav");
        std::fs::write(&wav, media::wav::write(&sentence.repeat(3), media::RATE))?;
        self.command("paplay").arg("--device=micfeed").arg(wav).spawn().context("speaking into the microphone")
    }

    /// Presses the close button of the window with this title.
    pub async fn close_window(&self, title: &str) -> Result<()> {
        self.run("wmctrl", &["-F", "-c", title]).await?;
        self.window_gone(title).await
    }

    /// Presses a key in the window that has the keyboard, by its X name.
    pub async fn press(&self, key: &str) -> Result<()> {
        self.run("xdotool", &["key", key]).await
    }

    /// The title of the window that has the keyboard.
    pub async fn active_window(&self) -> Result<String> {
        let output = self.command("xdotool").args(["getactivewindow", "getwindowname"]).output().await?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Waits until a window with this title is on the screen.
    pub async fn window_shown(&self, title: &str) -> Result<()> {
        self.until(&format!("{title:?} is shown"), "xdotool", &Self::visible(title)).await
    }

    /// Waits until the window with this title has the keyboard.
    pub async fn until_active(&self, title: &str) -> Result<()> {
        let ask = format!("test \"$(xdotool getactivewindow getwindowname)\" = '{title}'");
        self.until(&format!("{title:?} has the keyboard"), "sh", &["-c", &ask]).await
    }

    /// Waits until no window with this title is on the screen.
    pub async fn window_gone(&self, title: &str) -> Result<()> {
        let search = format!("! xdotool search --onlyvisible --name '^{title}$'");
        self.until(&format!("{title:?} is gone"), "sh", &["-c", &search]).await
    }

    pub async fn is_shown(&self, title: &str) -> Result<bool> {
        let args = Self::visible(title);
        Ok(self.command("xdotool").args(args).stdout(Stdio::null()).status().await?.success())
    }

    fn visible(title: &str) -> [&str; 4] {
        ["search", "--onlyvisible", "--name", title]
    }

    async fn run(&self, program: &str, args: &[&str]) -> Result<()> {
        let output = self.command(program).args(args).output().await.with_context(|| format!("starting {program}"))?;
        if !output.status.success() {
            bail!("{program}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn set_up_folders(&mut self) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let base = self.dir.path().to_path_buf();
        std::fs::set_permissions(&base, std::fs::Permissions::from_mode(0o700))?;
        for (variable, folder) in
            [("HOME", "home"), ("XDG_CONFIG_HOME", "config"), ("XDG_DATA_HOME", "data"), ("XDG_CACHE_HOME", "cache")]
        {
            std::fs::create_dir(base.join(folder))?;
            self.set(variable, base.join(folder));
        }
        self.set("XDG_RUNTIME_DIR", &base);
        for (variable, value) in [
            ("GDK_BACKEND", "x11"),
            ("LIBGL_ALWAYS_SOFTWARE", "1"),
            ("WEBKIT_DISABLE_DMABUF_RENDERER", "1"),
            ("LC_ALL", "C.UTF-8"),
        ] {
            self.set(variable, value);
        }
        Ok(())
    }

    async fn start_display(&mut self) -> Result<()> {
        let mut command = self.command("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", "1440x900x24", "-nolisten", "tcp", "-noreset"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let number = first_line(&mut child).await?;
        self.set("DISPLAY", format!(":{number}"));
        self.children.push(child);
        Ok(())
    }

    async fn start_bus(&mut self) -> Result<()> {
        let address = format!("unix:path={}", self.dir.path().join("bus").display());
        let mut command = self.command("dbus-daemon");
        command.args(["--session", "--nofork", "--print-address=1", "--address", &address]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let address = first_line(&mut child).await?;
        self.set("DBUS_SESSION_BUS_ADDRESS", address);
        self.children.push(child);
        Ok(())
    }

    async fn start_sound(&mut self) -> Result<()> {
        let base = self.dir.path().to_path_buf();
        let socket = base.join("native");
        // A cookie made beforehand: two clients racing to create it make one of them fail.
        std::fs::write(base.join("cookie"), std::array::from_fn::<u8, 256, _>(|i| i as u8))?;
        self.set("PULSE_COOKIE", base.join("cookie"));
        self.set("PULSE_RUNTIME_PATH", &base);
        self.set("PULSE_STATE_PATH", &base);
        self.set("PULSE_SERVER", format!("unix:{}", socket.display()));
        let alsa = "</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n";
        std::fs::write(base.join("asound.conf"), alsa)?;
        self.set("ALSA_CONFIG_PATH", base.join("asound.conf"));
        let script = format!(
            "load-module module-native-protocol-unix socket={}\n\
             load-module module-null-sink sink_name=spk sink_properties=device.description=Speaker\n\
             load-module module-null-sink sink_name=micfeed sink_properties=device.description=MicFeed\n\
             load-module module-remap-source source_name=mic master=micfeed.monitor \
             source_properties=device.description=Microphone\n\
             set-default-sink spk\nset-default-source mic\n",
            socket.display()
        );
        std::fs::write(base.join("sound.pa"), script)?;
        let mut command = self.command("pulseaudio");
        command.args(["-n", "-F"]).arg(base.join("sound.pa"));
        command.args(["--daemonize=no", "--exit-idle-time=-1", "--realtime=no"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        self.children.push(child);
        self.until("the sound server answers", "pactl", &["get-default-source"]).await?;
        // An idle null sink renders blocks of 2 s: a low-latency reader keeps each awake.
        for monitor in ["spk.monitor", "micfeed.monitor"] {
            let mut reader = self.command("parec");
            reader.args(["--latency-msec=10", "-d", monitor]).stdout(Stdio::null()).stderr(Stdio::null());
            let child = reader.spawn()?;
            self.children.push(child);
        }
        Ok(())
    }

    async fn wait_for_window_manager(&self) -> Result<()> {
        self.until("the window manager runs", "sh", &["-c", "xprop -root _NET_SUPPORTING_WM_CHECK | grep -q '#'"]).await
    }

    /// Asks again until the program succeeds; these servers have no other way to say that they are ready.
    async fn until(&self, what: &str, program: &str, args: &[&str]) -> Result<()> {
        let asking = async {
            while self.run(program, args).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.with_context(|| format!("waited in vain until {what}"))
    }

    fn set(&mut self, variable: &str, value: impl Into<PathBuf>) {
        self.environment.push((variable.to_owned(), value.into().to_string_lossy().into_owned()));
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        while let Some(mut child) = self.children.pop() {
            let _ = child.start_kill();
        }
    }
}

/// Ears at the speaker, since the tap was opened.
pub struct Tap {
    _child: Child,
    blocks: Arc<Mutex<Vec<Block>>>,
    more: Arc<Notify>,
}

/// 20 ms of sound, and when it had arrived here, Unix milliseconds: never before it was played.
struct Block {
    arrived_ms: u64,
    samples: Vec<i16>,
}

impl Tap {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("tapping the speaker")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let blocks = Arc::new(Mutex::new(Vec::new()));
        let more = Arc::new(Notify::new());
        tokio::spawn(listen(stdout, blocks.clone(), more.clone()));
        Ok(Self { _child: child, blocks, more })
    }

    /// The last `ms` milliseconds, or less if that much was not heard yet.
    pub fn last(&self, ms: usize) -> Result<Vec<i16>> {
        let blocks = self.blocks.lock().map_err(|_| anyhow::anyhow!("the ears are gone"))?;
        let from = blocks.len().saturating_sub(ms / 20);
        Ok(blocks[from..].iter().flat_map(|block| block.samples.iter().copied()).collect())
    }

    /// Listens to all since `since_ms` (Unix) until `source` is what is heard, at most five times, some seconds apart.
    pub async fn hears(&self, library: &Library, source: &str, since_ms: u64) -> Result<Recognised> {
        let mut tries = 1;
        loop {
            let recognised = library.recognise(&self.last(now_ms().saturating_sub(since_ms) as usize)?);
            if recognised.what.as_deref() == Some(source) || tries == 5 {
                return Ok(recognised);
            }
            tries += 1;
            self.first_sound(now_ms() + 2_000, f32::NEG_INFINITY).await?;
        }
    }

    /// Waits for a block louder than `dbfs` that arrives after `since_ms` (Unix); answers when it had arrived.
    pub async fn first_sound(&self, since_ms: u64, dbfs: f32) -> Result<u64> {
        let loud = |block: &&Block| block.arrived_ms >= since_ms && media::level_dbfs(&block.samples) >= dbfs;
        let look = || self.blocks.lock().ok()?.iter().find(loud).map(|block| block.arrived_ms);
        let listening = look_at_each(&self.more, look);
        tokio::time::timeout(PATIENCE, listening).await.context("the speaker stayed silent")
    }
}

async fn listen(mut stdout: tokio::process::ChildStdout, blocks: Arc<Mutex<Vec<Block>>>, more: Arc<Notify>) {
    let mut buffer = [0; 1920];
    while stdout.read_exact(&mut buffer).await.is_ok() {
        let samples = buffer.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let Ok(mut blocks) = blocks.lock() else { return };
        blocks.push(Block { arrived_ms: now_ms(), samples });
        drop(blocks);
        more.notify_waiters();
    }
}

async fn first_line(child: &mut Child) -> Result<String> {
    let stdout = child.stdout.take().context("no standard output")?;
    let mut line = String::new();
    tokio::time::timeout(PATIENCE, BufReader::new(stdout).read_line(&mut line)).await.context("nothing was said")??;
    match line.trim() {
        "" => bail!("it ended at once"),
        said => Ok(said.to_owned()),
    }
}
