//! The wire form: reading and writing bytes without ever panicking on what comes in.

pub(crate) mod action;
pub(crate) mod action_decode;
pub(crate) mod error_names;
pub(crate) mod learn;
pub(crate) mod message;
pub(crate) mod multipart;
pub(crate) mod oxm;

/// The bytes are not the OpenFlow 1.3 they claim to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Something ends before it should.
    #[error("decoding OpenFlow: {0} is cut short")]
    Truncated(&'static str),
    /// A length field contradicts what it measures.
    #[error("decoding OpenFlow: {what} has the impossible length {length}")]
    BadLength {
        /// What is measured.
        what: &'static str,
        /// Its length field.
        length: usize,
    },
    /// A value means nothing.
    #[error("decoding OpenFlow: {what} is {value}")]
    BadValue {
        /// What was read.
        what: &'static str,
        /// What it held.
        value: u64,
    },
    /// Actions within actions within actions.
    #[error("decoding OpenFlow: actions are nested too deeply")]
    TooDeep,
}

/// A message cannot be written: something in it exceeds what a 16-bit length can say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("encoding OpenFlow: {what} of {length} bytes is too long")]
pub struct EncodeError {
    /// What is too long.
    pub what: &'static str,
    /// Its length.
    pub length: usize,
}

/// Takes bytes from the front of a slice.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, what }
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All that is left.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (head, tail) =
            self.bytes.split_at_checked(n).ok_or(DecodeError::Truncated(self.what))?;
        self.bytes = tail;
        Ok(head)
    }

    /// A reader of the next `n` bytes.
    pub(crate) fn sub(&mut self, n: usize, what: &'static str) -> Result<Self, DecodeError> {
        Ok(Self::new(self.take(n)?, what))
    }

    pub(crate) fn skip(&mut self, n: usize) -> Result<(), DecodeError> {
        self.take(n).map(|_| ())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A number of `n` bytes; bits beyond 128 are lost.
    pub(crate) fn uint(&mut self, n: usize) -> Result<u128, DecodeError> {
        Ok(self.take(n)?.iter().fold(0, |acc, byte| acc << 8 | u128::from(*byte)))
    }
}

/// Appends to a buffer.
#[derive(Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// The low `n` bytes of `value`; zeros in front when `n` exceeds 16.
    pub(crate) fn uint(&mut self, value: u128, n: usize) {
        self.zeros(n.saturating_sub(16));
        let bytes = value.to_be_bytes();
        self.bytes.extend_from_slice(&bytes[bytes.len() - n.min(16)..]);
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn zeros(&mut self, n: usize) {
        self.bytes.resize(self.bytes.len() + n, 0);
    }

    /// Zeros until what began at `start` is a multiple of 8 bytes long.
    pub(crate) fn pad8(&mut self, start: usize) {
        let length = self.bytes.len() - start;
        self.zeros(length.next_multiple_of(8) - length);
    }

    /// Writes the length of what began at `start` into its bytes 2 and 3.
    pub(crate) fn set_length(
        &mut self,
        start: usize,
        what: &'static str,
    ) -> Result<(), EncodeError> {
        let length = self.bytes.len() - start;
        let short = u16::try_from(length).map_err(|_| EncodeError { what, length })?;
        self.bytes[start + 2..start + 4].copy_from_slice(&short.to_be_bytes());
        Ok(())
    }
}
