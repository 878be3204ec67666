pub(crate) struct Concealer {}
impl Concealer {
    pub(crate) fn new() -> Self { Self {} }
    pub(crate) fn heard(&mut self, _pcm: &mut [i16]) {}
    pub(crate) fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) { out.resize(out.len() + samples, 0); }
}
