//! Reading a report descriptor (HID 1.11 section 6.2.2) as far as single buttons and lamps need it. It is our own, since the crate
//! `hidreport` 0.6 panics on a descriptor that pops what was never pushed.

use std::collections::BTreeMap;

/// More than this is no headset's report, in bits.
const MOST_BITS: usize = 8 * 1024;
/// Deeper than this nobody pushes.
const MOST_PUSHED: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// From the device.
    In,
    /// To the device.
    Out,
    Feature,
}

/// One bit or number in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) way: Way,
    /// 0: reports have no numbers.
    pub(crate) report: u8,
    pub(crate) page: u16,
    pub(crate) usage: u16,
    /// Behind the report's number.
    pub(crate) bit: usize,
    pub(crate) relative: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Descriptor {
    pub(crate) fields: Vec<Field>,
    /// Bits of each report, without its number.
    pub(crate) sizes: BTreeMap<(Way, u8), usize>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Globals {
    page: u16,
    size: usize,
    count: usize,
    report: u8,
}

/// What is said for the next main item only.
#[derive(Debug, Default)]
struct Locals {
    /// Page (0: the global one) and usage.
    usages: Vec<(u16, u16)>,
    from: Option<u16>,
    to: Option<u16>,
}

impl Descriptor {
    /// `None` if it is cut off, or beyond all measure.
    pub(crate) fn read(mut bytes: &[u8]) -> Option<Self> {
        let (mut found, mut globals, mut pushed) = (Self::default(), Globals::default(), Vec::new());
        let mut locals = Locals::default();
        while let Some((&prefix, rest)) = bytes.split_first() {
            if prefix == 0xfe {
                // A long item: its length, its tag, its data. None is defined.
                bytes = rest.get(2 + usize::from(*rest.first()?)..)?;
                continue;
            }
            let length = [0, 1, 2, 4][usize::from(prefix & 3)];
            let (data, rest) = rest.split_at_checked(length)?;
            bytes = rest;
            let value = data.iter().rev().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
            match prefix & 0xfc {
                0x80 => found.field(Way::In, globals, &std::mem::take(&mut locals), value)?,
                0x90 => found.field(Way::Out, globals, &std::mem::take(&mut locals), value)?,
                0xb0 => found.field(Way::Feature, globals, &std::mem::take(&mut locals), value)?,
                0xa0 | 0xc0 => locals = Locals::default(),
                0x04 => globals.page = value as u16,
                0x74 => globals.size = value as usize,
                0x84 => globals.report = value as u8,
                0x94 => globals.count = value as usize,
                0xa4 if pushed.len() < MOST_PUSHED => pushed.push(globals),
                0xb4 => globals = pushed.pop()?,
                0x08 if locals.usages.len() < MOST_BITS => {
                    locals.usages.push((if length == 4 { (value >> 16) as u16 } else { 0 }, value as u16));
                }
                0x18 => locals.from = Some(value as u16),
                0x28 => locals.to = Some(value as u16),
                _ => {} // limits, units and names: of no use here
            }
        }
        Some(found)
    }

    fn field(&mut self, way: Way, globals: Globals, locals: &Locals, flags: u32) -> Option<()> {
        let Globals { page, size, count, report } = globals;
        let at = self.sizes.entry((way, report)).or_default();
        let begin = *at;
        let bits = size.checked_mul(count).filter(|bits| bits + begin <= MOST_BITS)?;
        *at += bits;
        let (constant, variable, relative) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
        if !constant && variable && size > 0 {
            let fields = (0..count).filter_map(|i| {
                let (own_page, usage) = locals.usage(i)?;
                let page = if own_page == 0 { page } else { own_page };
                Some(Field { way, report, page, usage, bit: begin + i * size, relative })
            });
            self.fields.extend(fields);
        }
        Some(())
    }
}

impl Locals {
    /// Of the field's part number `i`: the last usage counts for all that follow.
    fn usage(&self, i: usize) -> Option<(u16, u16)> {
        if let (Some(from), Some(to)) = (self.from, self.to) {
            let usage = usize::from(from).checked_add(i).and_then(|usage| u16::try_from(usage).ok())?;
            return Some((0, usage.min(to)));
        }
        self.usages.get(i).or(self.usages.last()).copied()
    }
}
