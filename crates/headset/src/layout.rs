//! Where a device's reports hold its buttons and lamps (HID Usage Tables, sections 11 and 14).

use crate::descriptor::{Descriptor, Field, Way};
use crate::{Button, Lamps};

const LED: u16 = 0x08;
const TELEPHONY: u16 = 0x0b;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    Hook,
    Mute,
    Flash,
    Drop,
}

#[derive(Debug, Clone, Copy)]
enum Lamp {
    Ring,
    OffHook,
    Mute,
    Hold,
}

/// What a report descriptor says, and the state of the buttons.
#[derive(Debug)]
pub struct Layout {
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    /// Whether reports have numbers in front.
    numbered: bool,
}

#[derive(Debug)]
struct Input {
    report: u8,
    bit: usize,
    control: Control,
    /// It says that it was pressed, not how it is.
    relative: bool,
    was: bool,
}

/// A report that sets lamps.
#[derive(Debug)]
struct Output {
    /// 0: reports have no numbers.
    report: u8,
    /// Behind the number.
    bytes: usize,
    lamps: Vec<(Lamp, usize)>,
}

impl Layout {
    /// `None` if this is no telephone, or can't be understood.
    #[must_use]
    pub fn read(descriptor: &[u8]) -> Option<Self> {
        let Descriptor { fields, sizes } = Descriptor::read(descriptor)?;
        let inputs: Vec<Input> = fields.iter().filter_map(input).collect();
        let reports = sizes.iter().filter(|((way, _), _)| *way == Way::Out);
        let outputs = reports.filter_map(|(&(_, report), &bits)| output(&fields, report, bits)).collect();
        let numbered = sizes.keys().any(|(_, report)| *report != 0);
        (!inputs.is_empty()).then_some(Self { inputs, outputs, numbered })
    }

    /// What was pressed, from a report as the device sent it.
    pub fn buttons(&mut self, bytes: &[u8]) -> Vec<Button> {
        let (report, data) = match (self.numbered, bytes.split_first()) {
            (true, Some((number, data))) => (*number, data),
            (true, None) => return Vec::new(),
            (false, _) => (0, bytes),
        };
        let inputs = self.inputs.iter_mut().filter(|input| input.report == report);
        inputs.filter_map(|input| input.change(data)).collect()
    }

    /// The reports that make the headset show this, each with its number in front (0 if it has none).
    #[must_use]
    pub fn reports(&self, lamps: Lamps) -> Vec<Vec<u8>> {
        self.outputs.iter().map(|output| output.written(lamps)).collect()
    }
}

fn input(field: &Field) -> Option<Input> {
    let control = match (field.way, field.page, field.usage) {
        (Way::In, TELEPHONY, 0x20) => Control::Hook,
        (Way::In, TELEPHONY, 0x21) => Control::Flash,
        (Way::In, TELEPHONY, 0x26) => Control::Drop,
        (Way::In, TELEPHONY, 0x2f) => Control::Mute,
        _ => return None, // usages are open-ended
    };
    Some(Input { report: field.report, bit: field.bit, control, relative: field.relative, was: false })
}

fn output(fields: &[Field], report: u8, bits: usize) -> Option<Output> {
    let lamp = |field: &Field| {
        let lamp = match (field.page, field.usage) {
            (LED, 0x09) => Lamp::Mute,
            (LED, 0x17) => Lamp::OffHook,
            // "Ring" of the lights, and "Ringer" of the telephone.
            (LED, 0x18) | (TELEPHONY, 0x9e) => Lamp::Ring,
            (LED, 0x20) => Lamp::Hold,
            _ => return None, // usages are open-ended
        };
        Some((lamp, field.bit))
    };
    let own = fields.iter().filter(|field| field.way == Way::Out && field.report == report);
    let lamps: Vec<_> = own.filter_map(lamp).collect();
    (!lamps.is_empty()).then(|| Output { report, bytes: bits.div_ceil(8), lamps })
}

impl Input {
    fn change(&mut self, bytes: &[u8]) -> Option<Button> {
        let is = bytes.get(self.bit / 8)? >> (self.bit % 8) & 1 == 1;
        let was = std::mem::replace(&mut self.was, is);
        match (self.control, is) {
            (_, now) if now == was => None,
            (Control::Hook, true) => Some(if self.relative { Button::Hook } else { Button::OffHook }),
            (Control::Hook, false) => (!self.relative).then_some(Button::OnHook),
            // Of these it counts that they are pressed, whatever the device calls them.
            (Control::Mute, true) => Some(Button::Mute),
            (Control::Flash, true) => Some(Button::Flash),
            (Control::Drop, true) => Some(Button::Drop),
            (Control::Mute | Control::Flash | Control::Drop, false) => None,
        }
    }
}

impl Output {
    fn written(&self, lamps: Lamps) -> Vec<u8> {
        let mut bytes = vec![0; 1 + self.bytes];
        bytes[0] = self.report;
        for &(lamp, bit) in &self.lamps {
            let on = match lamp {
                Lamp::Ring => lamps.ring,
                Lamp::OffHook => lamps.off_hook,
                Lamp::Mute => lamps.mute,
                Lamp::Hold => lamps.hold,
            };
            if let Some(byte) = bytes.get_mut(1 + bit / 8) {
                *byte |= u8::from(on) << (bit % 8);
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests;
