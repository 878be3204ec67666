//! One thread per open device, which owns its stream from beginning to end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
    mpsc,
};
use std::time::Duration;

use cpal::traits::StreamTrait;

use crate::{Kind, SoundError};

const START: Duration = Duration::from_secs(5);

/// What became of the stream, told without locks.
#[derive(Default)]
pub(crate) struct Health {
    gone: AtomicBool,
    glitches: AtomicU32,
}

impl Health {
    /// For the stream's error callback. ALSA may report a thousand small errors at start: they are only counted.
    pub(crate) fn note(&self, error: &cpal::Error) {
        use cpal::ErrorKind as E;
        if matches!(
            error.kind(),
            E::DeviceNotAvailable | E::StreamInvalidated | E::HostUnavailable | E::PermissionDenied
        ) {
            self.gone.store(true, Ordering::Relaxed);
        } else {
            self.glitch();
        }
    }

    #[cfg(test)]
    pub(crate) fn glitches(&self) -> u32 {
        self.glitches.load(Ordering::Relaxed)
    }

    /// Something small went wrong.
    pub(crate) fn glitch(&self) {
        self.glitches.fetch_add(1, Ordering::Relaxed);
    }
}

/// Keeps a device open; closes it when dropped, without waiting for that.
pub(crate) struct Open {
    kind: Kind,
    health: Arc<Health>,
    /// Dropping it ends the thread.
    _close: mpsc::Sender<()>,
}

impl Open {
    /// Runs `build` on a thread of its own and keeps the stream there: dropping a stream may block when its device has
    /// vanished.
    pub(crate) fn start<B>(kind: Kind, build: B) -> Result<Self, SoundError>
    where
        B: FnOnce(Arc<Health>) -> Result<cpal::Stream, SoundError> + Send + 'static,
    {
        let health = Arc::new(Health::default());
        let (close, closed) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let theirs = health.clone();
        let run = move || {
            let stream = build(theirs).and_then(|stream| {
                stream.play().map_err(|error| crate::device::refused(kind, "device", &error))?;
                Ok(stream)
            });
            let (stream, result) = match stream {
                Ok(stream) => (Some(stream), Ok(())),
                Err(error) => (None, Err(error)),
            };
            let _ = tell.send(result);
            if let Some(stream) = stream {
                let _ = closed.recv(); // until the other end is dropped
                drop(stream);
            }
        };
        std::thread::Builder::new().name(format!("sound-{kind}")).spawn(run).map_err(|error| SoundError::Refused {
            kind,
            name: "device".into(),
            why: error.to_string(),
        })?;
        told.recv_timeout(START).map_err(|_| SoundError::TimedOut(kind))??;
        Ok(Self { kind, health, _close: close })
    }

    pub(crate) fn trouble(&self) -> Option<SoundError> {
        self.health.gone.load(Ordering::Relaxed).then_some(SoundError::Gone(self.kind))
    }

    pub(crate) fn glitches(&self) -> u32 {
        self.health.glitches.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpal::ErrorKind as E;

    #[test]
    fn a_thousand_small_errors_are_counted_and_a_lost_device_is_noticed() {
        let health = Health::default();
        let small = [cpal::Error::new(E::Xrun), cpal::Error::new(E::BackendError)];
        let counted = allocation_counter::measure(|| (0..1000).for_each(|i| health.note(&small[i % 2])));
        assert_eq!(counted.count_total, 0);
        assert!(allocation_counter::measure(|| drop(std::hint::black_box(vec![1]))).count_total > 0, "it counts");
        assert_eq!(health.glitches(), 1000);
        assert!(!health.gone.load(Ordering::Relaxed));
        for lost in [E::DeviceNotAvailable, E::StreamInvalidated, E::HostUnavailable, E::PermissionDenied] {
            let health = Health::default();
            health.note(&cpal::Error::new(lost));
            assert!(health.gone.load(Ordering::Relaxed), "{lost:?}");
        }
    }
}
