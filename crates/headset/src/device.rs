//! The headset that is plugged in: found, opened, heard and lit, on a thread of its own.

use std::ffi::CString;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use hidapi::{DeviceInfo, HidApi, HidDevice, HidError, MAX_REPORT_DESCRIPTOR_SIZE};

use crate::{Event, Lamps, Layout};

/// Between two looks for a headset.
const LOOK: Duration = Duration::from_secs(3);
/// So long a lamp may have to wait while the device is being listened to.
const LISTEN_MS: i32 = 100;
const TELEPHONY: u16 = 0x0b;

/// The side that lights the lamps. The thread ends, and the lamps with it, when this is dropped.
#[derive(Debug)]
pub struct Headset {
    lamps: mpsc::Sender<Lamps>,
}

impl Headset {
    pub fn show(&self, lamps: Lamps) {
        // The thread ends only without a USB subsystem: nothing to light there.
        let _ended = self.lamps.send(lamps);
    }
}

/// Listens to the first headset that is plugged in, now or later.
///
/// # Errors
/// If there is no thread to be had.
pub fn listen(tell: impl Fn(Event) + Send + 'static) -> io::Result<Headset> {
    let (lamps, inbox) = mpsc::channel();
    let run = move || {
        let Ok(mut api) = HidApi::new() else { return };
        Watch { tell, inbox, shown: Lamps::default(), refused: None }.run(&mut api);
    };
    std::thread::Builder::new().name("headset".to_owned()).spawn(run)?;
    Ok(Headset { lamps })
}

/// Nobody wants to know any more.
struct Over;

struct Watch<T> {
    tell: T,
    inbox: mpsc::Receiver<Lamps>,
    shown: Lamps,
    /// The device that could not be opened, so that it is said once.
    refused: Option<CString>,
}

impl<T: Fn(Event)> Watch<T> {
    fn run(mut self, api: &mut HidApi) {
        loop {
            if let Some((name, device, layout)) = self.find(api) {
                (self.tell)(Event::Found { name });
                if self.serve(&device, layout).is_err() {
                    return;
                }
                (self.tell)(Event::Gone);
            }
            match self.inbox.recv_timeout(LOOK) {
                Ok(lamps) => self.shown = lamps,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn find(&mut self, api: &mut HidApi) -> Option<(String, HidDevice, Layout)> {
        api.refresh_devices().ok()?;
        let telephones: Vec<&DeviceInfo> = api.device_list().filter(|info| info.usage_page() == TELEPHONY).collect();
        if telephones.is_empty() && self.refused.take().is_some() {
            (self.tell)(Event::Gone);
        }
        for info in telephones {
            let name = info.product_string().filter(|name| !name.trim().is_empty()).unwrap_or("Headset").to_owned();
            match info.open_device(api) {
                Ok(device) => {
                    let mut descriptor = [0; MAX_REPORT_DESCRIPTOR_SIZE];
                    let length = device.get_report_descriptor(&mut descriptor).unwrap_or(0);
                    if let Some(layout) = Layout::read(&descriptor[..length]) {
                        self.refused = None;
                        return Some((name, device, layout));
                    }
                }
                Err(error) if self.refused.as_deref() != Some(info.path()) => {
                    self.refused = Some(info.path().to_owned());
                    (self.tell)(Event::Refused { sentence: refusal(&name, info, &error), name });
                }
                Err(_) => {} // said before
            }
        }
        None
    }

    /// Until the device is gone.
    fn serve(&mut self, device: &HidDevice, mut layout: Layout) -> Result<(), Over> {
        let mut bytes = [0; 1024];
        if !show(device, &layout, self.shown) {
            return Ok(());
        }
        loop {
            let Ok(length) = device.read_timeout(&mut bytes, LISTEN_MS) else { return Ok(()) };
            for button in layout.buttons(&bytes[..length]) {
                (self.tell)(Event::Button(button));
            }
            loop {
                match self.inbox.try_recv() {
                    Ok(lamps) => self.shown = lamps,
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => {
                        show(device, &layout, Lamps::default());
                        return Err(Over);
                    }
                }
                if !show(device, &layout, self.shown) {
                    return Ok(());
                }
            }
        }
    }
}

/// False if the device is gone.
fn show(device: &HidDevice, layout: &Layout, lamps: Lamps) -> bool {
    layout.reports(lamps).iter().all(|report| device.write(report).is_ok())
}

fn refusal(name: &str, info: &DeviceInfo, error: &HidError) -> String {
    let path = info.path().to_string_lossy();
    match error {
        HidError::IoError { error } if error.kind() == io::ErrorKind::PermissionDenied => format!(
            "The buttons of {name} can't be used: this program may not open {path}. Install Patchcord's package, which allows it, \
             or copy its file 70-patchcord-headset.rules to /etc/udev/rules.d; then plug the headset in again."
        ),
        other => format!(
            "The buttons of {name} can't be used ({other}). Close other telephone programs and plug it in again."
        ),
    }
}
