//! How many connections each address has open.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::guard::network;

/// So many places for each address (of IPv6: for each /64). Cheap to clone.
#[derive(Debug, Clone)]
pub struct Places {
    most: usize,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Places {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// A place until it is dropped; `None` if this address has all of its places taken.
    #[must_use]
    pub fn take(&self, ip: IpAddr) -> Option<Place> {
        let source = network(ip);
        let mut taken = self.taken();
        let of_source = taken.get(&source).copied().unwrap_or(0);
        if of_source >= self.most {
            return None;
        }
        taken.insert(source, of_source + 1);
        Some(Place { places: self.clone(), source })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place.
#[derive(Debug)]
pub struct Place {
    places: Places,
    source: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        match taken.get_mut(&self.source) {
            Some(of_source) if *of_source > 1 => *of_source -= 1,
            Some(_) | None => _ = taken.remove(&self.source),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn places_are_counted_by_address_and_given_back() {
        let places = Places::new(2);
        let (a, b) = ("192.0.2.7".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let first = places.take(a);
        let second = places.take(a);
        assert!(first.is_some() && second.is_some() && places.take(a).is_none());
        let other = places.take(b);
        assert!(other.is_some());
        drop(first);
        let again = places.take(a);
        assert!(again.is_some());
        drop((second, other, again));
        assert!(places.taken().is_empty());
    }
}
